"""A launched inferlet: what its parent holds of it, and what it is to itself.

Both sides' hosts use it on the loop; who runs it (`pie_server/instances.py`) calls `finish`. It
ends with its parent unless it was detached, and always with its session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from pie_server.errors import (
    ChildFailed,
    GuestProtocolError,
    InvalidRequest,
    MessagesExceeded,
    OperationCancelled,
    OutputExceeded,
    PieError,
)
from pie_server.runtime.port import JsonValue
from pie_server.services.inbox import Inbox, InboxLimits, Message

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

MAX_CHILDREN = 256  # that one instance holds, the ended ones among them
# Unread messages in one direction; both sides are one sender each, so its share is all of it.
TALK = InboxLimits(messages=256, share=256, bytes=4 << 20)
# Results are kept as JSON as long as the parent lives, which may ask for them again.
MAX_RESULT_BYTES = 1 << 20


class Child:
    """One launched inferlet.

    Args:
        name: Unique within its session.
        inferlet: What runs.
        depth: 1 for a child of the inferlet that the client launched.

    Attributes:
        scope: Cancels it.
        ended: Set when it has.
        detached: Its parent has let go of it.
        joined: Its parent knows how it ended.
        heard: Messages for the child; its `session.receive` takes them.
        told: Messages for the parent.
    """

    def __init__(self, name: str, inferlet: str, depth: int) -> None:
        self.name = name
        self.inferlet = inferlet
        self.depth = depth
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.detached = False
        self.joined = False
        self.heard = Inbox(TALK)
        self.told = Inbox(TALK)
        self._result = b"null"
        self._error: PieError | None = None

    @property
    def state(self) -> str:
        """running, completed, failed or cancelled, as a session's."""
        if not self.ended.is_set():
            return "running"
        if self._error is None:
            return "completed"
        return "cancelled" if isinstance(self._error, OperationCancelled) else "failed"

    # -- its parent's side ---------------------------------------------------------------------

    def outcome(self) -> JsonValue:
        """What it returned.

        Raises:
            ChildFailed: It failed; the details have its error.
            OperationCancelled: It was cancelled.
        """
        self.joined = True
        error = self._error
        if isinstance(error, OperationCancelled):
            raise OperationCancelled(f"{self.inferlet} ({self.name}) was cancelled")
        if error is not None:
            raise ChildFailed(
                f"{self.inferlet} ({self.name}) failed: {error.message}",
                hint=error.hint,
                details={"child": self.name, "error": error.to_wire()},
            )
        result: JsonValue = msgspec.json.decode(self._result)
        return result

    def hear(self, message: Message) -> None:
        """Queues a message for it.

        Raises:
            InvalidRequest: It has ended.
            MessagesExceeded: It has not received the last ones, or too much of what the parent has
                sent anywhere is unread.
        """
        if self.ended.is_set():
            raise InvalidRequest(f"{self.inferlet} ({self.name}) has ended")
        _put(self.heard, message, f"{self.inferlet} ({self.name})")

    def detach(self) -> None:
        """Lets it go on without its parent, until the session ends."""
        self.detached = True
        self.heard.close()
        self.told.discard()

    def parent_ended(self) -> None:
        """Ends it, unless it is detached; nobody will read what it told."""
        if not self.detached:
            self.scope.cancel()
            self.told.discard()

    # -- its own side --------------------------------------------------------------------------

    def tell_parent(self, message: Message) -> None:
        """Queues a message for its parent. Raises MessagesExceeded."""
        _put(self.told, message, "the parent of this inferlet")

    async def next_message(self) -> Message:
        """What its parent says next. Raises OperationCancelled if nobody can say anything."""
        message = await self.heard.take()
        if message is None:
            raise OperationCancelled(
                "this inferlet was detached: nobody can send to it any more",
                hint="Use a topic or a work queue to talk with detached inferlets.",
            )
        return message

    def finish(self, result: JsonValue, error: PieError | None) -> None:
        """It has ended; what it told its parent can still be received.

        A result that cannot be kept is a failure.
        """
        try:
            self._result = _kept(result)
        except PieError as refused:
            error = error or refused
        self._error = error
        self.heard.discard()
        self.told.close()
        self.ended.set()


def _put(inbox: Inbox, message: Message, reader: str) -> None:
    if not message.sender.has_room(len(message.text)):
        raise MessagesExceeded("too much of what this inferlet has sent is unread")
    if not inbox.has_room(message):
        raise MessagesExceeded(f"{reader} has not received its last messages")
    inbox.put(message)


def _kept(result: JsonValue) -> bytes:
    try:
        text = msgspec.json.encode(result)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise GuestProtocolError(f"the result is no JSON: {error}") from None
    if len(text) > MAX_RESULT_BYTES:
        raise OutputExceeded(
            f"the result has {len(text)} bytes; a launched inferlet's may have {MAX_RESULT_BYTES}",
            hint="Put it into the key-value store and return its key.",
            details={"limit_bytes": MAX_RESULT_BYTES},
        )
    return text


class ChildLauncher(Protocol):
    """Starts inferlets in a session; implemented by the session's instances."""

    def launch(self, parent: InstanceHost, program: str, arguments: dict[str, JsonValue]) -> Child:
        """Starts one and returns at once.

        Raises:
            ChildrenExceeded: The session runs enough of them, or too deeply.
            UnknownInferlet: There is no such inferlet.
            InvalidArguments: It does not take these arguments.
        """
