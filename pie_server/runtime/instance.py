"""One running guest: its fiber, its limits, and its traffic with the host.

Owns the fiber from its start until `close`. The driver calls `step`; the host answers through
`complete` and `fail`. Completions that pile up between two turns reach the guest as one list.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec
import trio

from pie_server.errors import (
    CpuLimitExceeded,
    GuestDeadlocked,
    GuestProtocolError,
    GuestTrapped,
    OperationsExceeded,
    PieError,
)
from pie_server.runtime.fibers import Fiber, Trapped, Turn
from pie_server.runtime.outcomes import error_of_trap, result_of
from pie_server.runtime.port import Host, InstanceLimits, JsonValue

# Above its limit an operation fails and the guest may go on; a guest that has this many times its
# limit undelivered does not read its answers, and they would fill the server's memory.
_FLOOD_FACTOR: Final = 16
# The same for answers that are few and large.
_UNDELIVERED_BYTES: Final = 64 << 20

# An operation that is none: a guest that cannot return an error says why it traps next.
_LAST_WORDS: Final = "fail"

_log = logging.getLogger(__name__)


class _Operation(msgspec.Struct, forbid_unknown_fields=False):
    """The part of an operation that the runtime looks at."""

    id: int
    op: str


_decode_head = msgspec.json.Decoder(list[_Operation]).decode
_decode_operations = msgspec.json.Decoder(list[dict[str, object]]).decode
_encode = msgspec.json.Encoder().encode


class Instance:
    """A guest and what it exchanges with its host. Implements `Mailbox` and `Runnable`.

    Args:
        fiber: The guest, not yet started.
        host: Receives its operations.
        limits: What it may use.
        schedule: Asks the driver for a turn.

    Attributes:
        done: Set when the guest has ended.
        cpu_seconds: CPU time of its turns so far, with what the host did in them for it.
    """

    def __init__(
        self,
        fiber: Fiber,
        host: Host,
        limits: InstanceLimits,
        schedule: Callable[[Instance], None],
    ) -> None:
        self._fiber = fiber
        self._host = host
        self._limits = limits
        self._schedule = schedule
        self._scheduled = False
        self._unanswered: set[int] = set()
        self._mail: list[bytes] = []  # completions as JSON
        self._mail_bytes = 0
        self._last_words: dict[str, object] | None = None
        self._value: JsonValue = None
        self._error: PieError | None = None
        self.done = trio.Event()
        self.cpu_seconds = 0.0

    def start(self) -> None:
        """Ask for the first turn."""
        self._request_turn()

    def result(self) -> JsonValue:
        """What the guest returned.

        Raises:
            GuestError: How it failed.
        """
        if self._error is not None:
            raise self._error
        return self._value

    def kill(self, error: PieError) -> None:
        """End the guest wherever it is; `result` will raise `error`."""
        if not self.done.is_set():
            self._error = error
            self.close()

    def close(self) -> None:
        """Free the guest. Idempotent; later answers of the host are dropped."""
        self._fiber.close()
        self._unanswered.clear()
        self._mail.clear()
        self._mail_bytes = 0
        self.done.set()

    # The host's side

    def complete(self, operation_id: int, value: JsonValue) -> None:
        """Answer an operation."""
        self._post(operation_id, {"id": operation_id, "ok": True, "val": value})

    def fail(self, operation_id: int, error: PieError) -> None:
        """Answer an operation with an error."""
        self._post(operation_id, {"id": operation_id, "ok": False, "error": error.to_wire()})

    def _post(self, operation_id: int, completion: dict[str, object]) -> None:
        if self.done.is_set():
            return
        if operation_id not in self._unanswered:
            _log.error("operation %d was answered twice, or never asked", operation_id)
            return
        self._unanswered.remove(operation_id)
        text = _encoded(completion)
        self._mail.append(text)
        self._mail_bytes += len(text)
        if self._mail_bytes > _UNDELIVERED_BYTES:
            self.kill(_too_much_mail())
        elif self._fiber.waiting:
            self._request_turn()

    # The driver's side

    def step(self) -> None:
        """One turn: hand over the mail, run, and send what the guest submitted to the host."""
        self._scheduled = False
        if self.done.is_set() or (self._fiber.waiting and not self._mail):
            return
        try:
            self._after(self._run_turn())
        except PieError as error:
            self.kill(error)

    def _run_turn(self) -> Turn:
        # What the host does at once for the guest (tokenizing, rendering) is the guest's too: the
        # loop stands still for it just as long.
        started = time.thread_time()
        try:
            if self._fiber.waiting:
                self._fiber.resume(self._take_mail())
            turn = self._fiber.poll()
            self._send_submitted()
        finally:
            self.cpu_seconds += time.thread_time() - started
        return turn

    def crashed(self, error: Exception) -> None:
        """End a guest whose turn failed through a defect of ours."""
        self.kill(GuestTrapped(f"the runtime failed while it ran this inferlet: {error!r}"))

    def _after(self, turn: Turn) -> None:
        if self.done.is_set():
            return
        if turn is Turn.FINISHED:
            self._finish()
        elif self.cpu_seconds > self._limits.cpu_seconds:
            raise CpuLimitExceeded(
                f"the inferlet used its {self._limits.cpu_seconds:g} s of CPU time.",
                hint="Do vector work in operations of the server, or ask for a higher limit.",
            )
        elif turn is Turn.PREEMPTED or self._mail:
            self._request_turn()
        elif not self._unanswered:
            raise GuestDeadlocked("the inferlet waits, but it has no operation in flight.")

    def _finish(self) -> None:
        outcome = self._fiber.outcome
        assert outcome is not None
        if isinstance(outcome, Trapped):
            self.kill(error_of_trap(outcome.message, self._last_words))
            return
        self._value = result_of(outcome, self._limits)
        self.close()

    def _request_turn(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._schedule(self)

    def _take_mail(self) -> bytes:
        mail, self._mail = self._mail, []
        self._mail_bytes = 0
        return b"[" + b",".join(mail) + b"]"

    def _send_submitted(self) -> None:
        texts, self._fiber.submitted = self._fiber.submitted, []
        for text in texts:
            if self.done.is_set():
                return
            self._send(text)

    def _send(self, text: bytes) -> None:
        if len(text) > self._limits.operation_bytes:
            raise GuestProtocolError(
                f"one submit had {len(text)} bytes; {self._limits.operation_bytes} are allowed."
            )
        try:
            heads = _decode_head(text)
            operations = _decode_operations(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise GuestProtocolError(
                f"a submit was not a list of operations, each with an id and an op: {error}"
            ) from None
        accepted = [
            operation
            for head, operation in zip(heads, operations, strict=True)
            if self._admit(head.id, operation)
        ]
        if accepted:
            self._host.submit(accepted, self)  # type: ignore[arg-type] # parsed JSON

    def _admit(self, operation_id: int, operation: dict[str, object]) -> bool:
        limit = self._limits.operations_in_flight
        if operation["op"] == _LAST_WORDS:
            self._last_words = operation
            return False
        if operation_id in self._unanswered:
            raise GuestProtocolError(f"operation id {operation_id} is in flight already.")
        in_flight = len(self._unanswered) + len(self._mail)
        if in_flight >= limit * _FLOOD_FACTOR:
            raise GuestProtocolError(
                f"{in_flight} operations were submitted and their answers never fetched; "
                f"{limit} may be in flight."
            )
        self._unanswered.add(operation_id)
        if in_flight < limit:
            return True
        self.fail(
            operation_id,
            OperationsExceeded(
                f"{limit} operations are in flight, which is the limit.",
                hint="Await some of them before starting more.",
            ),
        )
        return False


def _encoded(completion: dict[str, object]) -> bytes:
    """The completion, or an error in its place if its value is no JSON (a defect of the host)."""
    try:
        return _encode(completion)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        _log.exception("an operation's value is no JSON")
        failure = PieError(f"the operation's value cannot be sent: {error}")
        return _encode({"id": completion["id"], "ok": False, "error": failure.to_wire()})


def _too_much_mail() -> GuestProtocolError:
    return GuestProtocolError(
        f"more than {_UNDELIVERED_BYTES} bytes of answers wait for this inferlet to fetch them.",
        hint="Await operations before starting more, and ask for less at once.",
        details={"limit_bytes": _UNDELIVERED_BYTES},
    )
