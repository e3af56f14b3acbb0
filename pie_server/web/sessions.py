"""The WebSocket handler of `/v1/sessions`: client messages in, session events out.

One `SessionConnection` per WebSocket: a task that always receives (a handler that does not never
learns that its client left), a task that sends what the outbox has, and the end. Answers protocol
errors and goes on; its own failures close this connection and nothing else. Sessions belong to the
hub and go on without us.
"""

from __future__ import annotations

import logging
from typing import assert_never

import trio
from quart import Websocket

from pie_server import wire
from pie_server.errors import (
    InvalidRequest,
    MalformedMessage,
    PieError,
    SessionEnded,
    UnknownSession,
)
from pie_server.sessions import Session, SessionHub
from pie_server.web.limits import WebLimits
from pie_server.web.outbox import Outbox

LOGGER = logging.getLogger(__name__)
CLOSE_RESTART = 1012
CLOSE_POLICY = 1008
CLOSE_FAILURE = 1011


class SessionConnection:
    """One client's connection.

    Args:
        socket: The accepted WebSocket.
        hub: The sessions.
        limits: Bounds of the connection.
        tenant: Whose sessions it may name.
        version: The server's version, for `hello`.
    """

    def __init__(
        self, socket: Websocket, hub: SessionHub, limits: WebLimits, tenant: str, version: str
    ) -> None:
        self._socket = socket
        self._hub = hub
        self._limits = limits
        self._tenant = tenant
        self._version = version
        self._attached: dict[str, Session] = {}
        self._close = CLOSE_RESTART, "server restart: connect again and attach"
        self._outbox = Outbox(hub.journal, limits.frame_bytes, limits.pending_replies, self._forget)

    async def run(self) -> None:
        """Serves the connection to its end."""
        try:
            self._outbox.reply(wire.encode(wire.Hello(wire.PROTOCOL_VERSION, self._version)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, nursery.cancel_scope)
                nursery.start_soon(self._finish)
                await self._receive()
                nursery.cancel_scope.cancel()
            await self._socket.close(*self._close)
        except* Exception:
            LOGGER.exception("a session connection failed")
            await self._socket.close(CLOSE_FAILURE, "internal error")
        finally:
            self._outbox.close()
            for session in self._attached.values():
                session.detach(self._outbox)

    # --- tasks --------------------------------------------------------------------------------

    async def _send(self, connection: trio.CancelScope) -> None:
        while (frame := await self._outbox.next_frame()) is not None:
            await self._socket.send(frame.decode())
        connection.cancel()

    async def _finish(self) -> None:
        """After the drain: sends what is left, then the connection ends."""
        await self._hub.drained.wait()
        self._outbox.finish()

    async def _receive(self) -> None:
        """Until the client asks for more than it reads; when it leaves, we are cancelled."""
        while not self._outbox.overflowed:
            frame = await self._socket.receive()
            try:
                if not isinstance(frame, str):  # an empty binary message arrives as None
                    raise MalformedMessage(
                        "Binary messages are no part of the protocol; send JSON as text.",
                        details={"reason": "binary"},
                    )
                message = wire.decode_client(frame, self._limits.message_bytes)
            except PieError as error:
                reference = wire.reference_of(frame) if isinstance(frame, str) else None
                self._outbox.reply(wire.encode_error(error, reference))
                continue
            try:
                await self._handle(message)
            except PieError as error:
                self._outbox.reply(wire.encode_error(error, message.id))
        self._close = CLOSE_POLICY, "read the answers before asking for more"

    # --- messages -----------------------------------------------------------------------------

    async def _handle(self, message: wire.ClientMessage) -> None:
        match message:
            case wire.Input():
                await self._input(message)
            case wire.Launch():
                self._launch(message)
            case wire.Attach():
                await self._attach(message)
            case wire.Detach():
                self._forget(message.session)
                self._outbox.unfollow(message.session)
                self._acknowledge(message.id, message.session)
            case wire.Cancel():
                await self._cancel(message)
            case wire.List():
                sessions = await self._hub.list(self._tenant)
                self._outbox.reply(wire.encode(wire.Sessions(sessions, message.id)))
            case wire.Ping():
                self._outbox.reply(wire.encode(wire.Pong(message.id)))
            case _:
                assert_never(message)

    def _launch(self, message: wire.Launch) -> None:
        session = self._hub.launch(
            inferlet=message.inferlet,
            arguments=message.arguments,  # type: ignore[arg-type]
            tenant=self._tenant,
            native=message.native,
            detached=message.detached,
        )
        self._follow(session, 0, wire.encode(wire.Launched(message.id, session.id)))

    async def _input(self, message: wire.Input) -> None:
        try:
            session = self._hub.find(message.session, self._tenant)
        except UnknownSession:
            row = await self._hub.require_ended(message.session, self._tenant)
            raise SessionEnded(f"Session {row.id} has {row.state}.") from None
        session.deliver(
            message.message,  # type: ignore[arg-type]
            message.id,
            lambda: self._acknowledge(message.id, message.session),
        )

    async def _cancel(self, message: wire.Cancel) -> None:
        try:
            self._hub.find(message.session, self._tenant).cancel("client")
        except UnknownSession:
            await self._hub.require_ended(message.session, self._tenant)
        self._acknowledge(message.id, message.session)

    async def _attach(self, message: wire.Attach) -> None:
        log = await self._hub.open_log(message.session, self._tenant)
        if message.after > log.stored_seq:
            raise InvalidRequest(
                f"Session {log.session} has {log.stored_seq} events; `after` is {message.after}.",
                hint="Attach after the last `seq` that was received, or 0 for all events.",
                details={"last_seq": log.stored_seq},
            )
        self._acknowledge(message.id, message.session)
        try:
            self._follow(self._hub.find(message.session, self._tenant), message.after)
        except UnknownSession:
            self._outbox.follow(log, message.after)

    def _follow(self, session: Session, after: int, preface: bytes | None = None) -> None:
        session.attach(self._outbox)
        self._attached[session.id] = session
        self._outbox.follow(session.log, after, preface)

    def _forget(self, session: str) -> None:
        attached = self._attached.pop(session, None)
        if attached is not None:
            attached.detach(self._outbox)

    def _acknowledge(self, reference: wire.Reference, session: str) -> None:
        if reference is not None:
            self._outbox.reply(wire.encode(wire.Ack(reference, session)))
