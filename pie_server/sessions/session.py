"""One session: its identity, its events, its inputs, its end.

Owned by `SessionHub`, which runs it; the inferlet's host calls `emit` and `receive`; connections
call `deliver`, `attach` and `cancel`. All state changes are synchronous calls on the loop. Never
looks at sockets and never runs anything itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

import trio

from pie_server.errors import (
    InputQueueFull,
    InvalidRequest,
    OutputExceeded,
    PieError,
    SessionEnded,
)
from pie_server.sessions.event_log import EventLog, Follower
from pie_server.sessions.journal import Journal
from pie_server.sessions.limits import SessionLimits
from pie_server.wire import JsonValue, Reference, encode_json

SessionState = Literal["running", "completed", "failed", "cancelled"]
CancelReason = Literal["client", "abandoned", "shutdown"]

RESERVED_KINDS = frozenset({"started", "input", "done"})  # the session's own
REMEMBERED_INPUTS = 1024  # ids of inputs that a client may send again without effect


class Session:
    """A running session; see `SessionPort` for the half that an inferlet's host sees.

    Attributes:
        id: Unguessable.
        tenant: Whose it is; other tenants cannot name it.
        inferlet: What runs.
        arguments: What it was launched with.
        native: Whether it runs as a trio task instead of a WebAssembly guest.
        detached: Whether it goes on when no client follows it.
        created: Unix seconds.
        state: running, or how it ended.
        usage: The host's figures, set by the launcher at any time; part of the `done` event.
        log: Its events.
        scope: Cancels everything the session runs.
        cancel_reason: Why it was cancelled, if it was.
    """

    def __init__(
        self,
        *,
        id: str,
        tenant: str,
        inferlet: str,
        arguments: JsonValue,
        native: bool,
        detached: bool,
        created: float,
        log: EventLog,
        journal: Journal,
        limits: SessionLimits,
    ) -> None:
        self.id = id
        self.tenant = tenant
        self.inferlet = inferlet
        self.arguments = arguments
        self.native = native
        self.detached = detached
        self.created = created
        self.state: SessionState = "running"
        self.usage: dict[str, JsonValue] = {}
        self.log = log
        self.scope = trio.CancelScope()
        self.cancel_reason: CancelReason | None = None
        self._journal = journal
        self._limits = limits
        self._clients: dict[Follower, None] = {}
        self._input_ids: dict[str | int, None] = {}
        self._input_bytes = 0
        self._send_input, self._inputs = trio.open_memory_channel[tuple[JsonValue, int]](
            limits.input_messages
        )

    # --- the inferlet's side ------------------------------------------------------------------

    def emit(self, kind: str, data: Mapping[str, JsonValue]) -> None:
        """Appends an event; clients see it once it is stored. After the end it does nothing.

        Raises:
            OutputExceeded: The event, the session's output or what is not yet stored of it is too
                large; the event was not appended.
            InvalidRequest: The data is no JSON.
            Overloaded: The journal is behind.
        """
        if self.log.ended:
            return
        if not (kind.isascii() and kind.isidentifier()) or kind in RESERVED_KINDS:
            raise ValueError(f"{kind!r} is no event kind for inferlets")
        encoded = encode_json(data)
        self._check_output(len(encoded))
        self._journal.check_room()
        self._append(kind, encoded)

    async def receive(self) -> JsonValue:
        """The next input of a client, in the order in which they were acknowledged."""
        message, size = await self._inputs.receive()
        self._input_bytes -= size
        return message

    async def flushed(self) -> None:
        """Returns once every event emitted before the call is stored: back-pressure for producers.

        Ends with the session at the latest.
        """
        seq = self.log.last_seq
        if self.log.stored_seq >= seq:
            await trio.lowlevel.checkpoint()
            return
        stored = trio.Event()
        self.log.when_stored(seq, stored.set)
        await stored.wait()

    # --- the clients' side --------------------------------------------------------------------

    @property
    def clients(self) -> int:
        """How many clients follow it."""
        return len(self._clients)

    def deliver(self, message: JsonValue, reference: Reference, stored: Callable[[], None]) -> None:
        """Queues an input for the inferlet; calls `stored` once it is on disk.

        A reference that was delivered before is acknowledged again and delivered once.

        Raises:
            SessionEnded: Nothing receives inputs any more.
            InputQueueFull: The inferlet has too many waiting.
        """
        if self.log.ended:
            raise SessionEnded(f"Session {self.id} has {self.state}.")
        if reference is not None and reference in self._input_ids:
            self.log.when_stored(self.log.last_seq, stored)
            return
        encoded = encode_json({"id": reference, "message": message})
        if self._input_bytes + len(encoded) > self._limits.input_bytes:
            raise self._inputs_full("bytes", self._limits.input_bytes)
        try:
            self._send_input.send_nowait((message, len(encoded)))
        except trio.WouldBlock:
            raise self._inputs_full("messages", self._limits.input_messages) from None
        self._input_bytes += len(encoded)
        if reference is not None:
            self._input_ids[reference] = None
            if len(self._input_ids) > REMEMBERED_INPUTS:
                del self._input_ids[next(iter(self._input_ids))]
        self._append("input", encoded)
        self.log.when_stored(self.log.last_seq, stored)

    def attach(self, client: Follower) -> None:
        """Counts a client; the session is not abandoned while there is one."""
        self._clients[client] = None
        self.scope.deadline = float("inf")

    def detach(self, client: Follower) -> None:
        """A client left; after the last one the grace period runs."""
        if client not in self._clients:
            return
        del self._clients[client]
        if not self._clients and not self.detached and not self.log.ended:
            self.scope.deadline = trio.current_time() + self._limits.detach_grace_seconds

    def cancel(self, reason: CancelReason) -> None:
        """Ends it as `cancelled`; nothing happens when it has ended."""
        if not self.log.ended and self.cancel_reason is None:
            self.cancel_reason = reason
            self.scope.cancel()

    # --- the hub's side -----------------------------------------------------------------------

    def start(self) -> None:
        """Appends the first event."""
        self._append(
            "started",
            encode_json(
                {
                    "inferlet": self.inferlet,
                    "arguments": self.arguments,
                    "runtime": "native" if self.native else "wasm",
                }
            ),
        )

    def end(
        self,
        state: SessionState,
        *,
        result: JsonValue = None,
        error: PieError | None = None,
        stored: Callable[[], None],
    ) -> None:
        """Appends `error`, if any, and `done`, the last event; then calls `stored` once it is."""
        if error is not None:
            self._append("error", _encode_error(error))
        done: dict[str, object] = {"status": state, "result": result, "usage": self.usage}
        if state == "cancelled":
            done["reason"] = self.cancel_reason
        self._append("done", encode_json(done))
        self.state = state
        self.log.ended = True
        self._journal.end(self.log, state, time.time(), stored)
        self._send_input.close()
        self._inputs.close()

    def _append(self, kind: str, data: bytes) -> None:
        self._journal.append(self.log, self.log.append(kind, time.time(), data))

    def _check_output(self, size: int) -> None:
        limits, log = self._limits, self.log
        if size > limits.event_bytes:
            what, limit = f"This event has {size} bytes; one event", limits.event_bytes
        elif log.bytes_total + size > limits.output_bytes:
            what, limit = "The session's output", limits.output_bytes
        elif log.backlog_bytes + size > limits.backlog_bytes:
            what, limit = "Output that is not stored yet", limits.backlog_bytes
        else:
            return
        raise OutputExceeded(
            f"{what} may have {limit} bytes.",
            hint="Send less, in larger pieces, or wait between them.",
            details={"limit_bytes": limit},
        )

    def _inputs_full(self, unit: str, limit: int) -> InputQueueFull:
        return InputQueueFull(
            f"The inferlet of session {self.id} has not received its last inputs; at most {limit}"
            f" {unit} wait.",
            details={f"limit_{unit}": limit},
        )


def _encode_error(error: PieError) -> bytes:
    """Details that are no JSON are left out rather than losing the error."""
    try:
        return encode_json(error.to_wire())
    except InvalidRequest:
        message = error.message.encode("utf-8", "replace").decode()
        return encode_json({"code": error.code, "message": message, "hint": "", "details": {}})
