"""A trio client of the session protocol; used by the demo, the benchmarks and the tests.

One connection serves any number of sessions. A reader task hands events to the handles' bounded
buffers. A handle that nobody reads loses events instead of stalling the others, and asks the server
for them again when it is read on: the server's log is the buffer. Everything the server refuses is
raised as the same typed error (`pie_server.errors`) that it is there.
"""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from pie_server import wire
from pie_server.errors import ConnectionLost, MalformedMessage, OperationCancelled, PieError
from pie_server.wire import Event, JsonValue, SessionInfo

DEFAULT_PATH = "/v1/sessions"
BUFFERED_EVENTS = 4096  # per session; beyond it they are asked for again
FRAME_BYTES = 64 * 1024 * 1024  # the server's frames are far smaller; one large event is not

RECEIVE_BYTES = 64 * 1024
CONNECT_SECONDS = 15.0
CLOSE_SECONDS = 5.0

QUEUED_FRAMES = 16  # between trio-websocket's reader and ours, which only passes on

_T = TypeVar("_T")
_Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class SessionHandle:
    """A session that this client follows.

    Attributes:
        session: Its id, to attach from another connection.
        seq: The last event that `events` has yielded.
    """

    def __init__(self, client: Client, session: str, after: int, buffered_events: int) -> None:
        self.session = session
        self.seq = after
        self._client = client
        self._buffered_events = buffered_events
        self._received_seq = after
        self._buffer: deque[Event] = deque()
        self._arrived = trio.Event()
        self._lagging = False
        self._ended = False

    def events(self) -> AsyncIterator[Event]:
        """Yields the events after `seq`, in order, each once, until and with `done`.

        May be left and called again; only one task at a time.

        Raises:
            ConnectionLost: The connection ended first.
        """
        return _Events(self)

    async def next_event(self) -> Event:
        """Waits for the next event.

        Raises:
            ConnectionLost: The connection ended first.
            trio.EndOfChannel: `done` was the last one.
        """
        if self._ended:
            raise trio.EndOfChannel
        while not self._buffer:
            if self._lagging:
                self._lagging = False
                await self._client.send(wire.Attach(self.session, self._received_seq))
                continue
            self._client.check_open()
            self._arrived = trio.Event()
            await self._arrived.wait()
        event = self._buffer.popleft()
        self.seq = event.seq
        if event.kind == "done":
            self._ended = True
            self._client.forget(self)
        return event

    async def result(self) -> JsonValue:
        """Reads to the end and returns the inferlet's result.

        Raises:
            PieError: The session failed, with the type it failed with.
            OperationCancelled: It was cancelled.
            ConnectionLost: The connection ended first.
        """
        failure: PieError | None = None
        async for event in self.events():
            if event.kind == "error":
                failure = wire.error_from_wire(_error_body(event.data))
            elif event.kind == "done":
                if event.data["status"] == "completed":
                    return cast(JsonValue, event.data["result"])
                failure = failure or OperationCancelled(
                    f"Session {self.session} was cancelled ({event.data.get('reason')})."
                )
        raise failure or PieError(f"Session {self.session} has been read to its end before.")

    async def send(self, message: JsonValue) -> None:
        """Sends an input to the inferlet; returns once the server has stored it.

        Raises:
            SessionEnded: It takes no more.
            InputQueueFull: It has not received the last ones.
        """
        await self._client.request(lambda ref: wire.Input(self.session, message, ref))

    async def cancel(self) -> None:
        """Ends the session; its `done` event follows."""
        await self._client.request(lambda ref: wire.Cancel(self.session, ref))

    async def detach(self) -> None:
        """Follows it no longer; the session ends after the server's grace, unless detached."""
        self._client.forget(self)
        await self._client.request(lambda ref: wire.Detach(self.session, ref))

    def receive(self, event: Event) -> None:
        """Takes an event from the connection (the reader calls it)."""
        if event.seq != self._received_seq + 1:
            return  # before what we have, or behind a gap that will be asked for again
        if len(self._buffer) >= self._buffered_events:
            self._lagging = True
            return
        self._received_seq = event.seq
        self._buffer.append(event)
        self._arrived.set()

    def wake(self) -> None:
        """Lets a waiting reader see that the connection has ended (the reader calls it)."""
        self._arrived.set()


class _Events(AsyncIterator[Event]):
    """No generator: one that is left early would have to be closed explicitly."""

    def __init__(self, handle: SessionHandle) -> None:
        self._handle = handle

    async def __anext__(self) -> Event:
        try:
            return await self._handle.next_event()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None


class Client:
    """A connection to a server; see `open_client`.

    Attributes:
        server: The server's version.
    """

    def __init__(self, socket: WebSocketConnection, buffered_events: int) -> None:
        self.server = ""
        self._socket = socket
        self._buffered_events = buffered_events
        # Input ids are remembered per session, so another client of it must not count from 1 too.
        self._name = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._answers: dict[str, _Answer] = {}
        self._handles: dict[str, SessionHandle] = {}
        self._lost: PieError | None = None

    async def launch(
        self,
        inferlet: str,
        arguments: Mapping[str, JsonValue] | None = None,
        *,
        native: bool = False,
        detached: bool = False,
    ) -> SessionHandle:
        """Starts an inferlet in a new session.

        Args:
            inferlet: Its name.
            arguments: As its parameter schema says.
            native: Runs it as a task of the server instead of a WebAssembly guest (trusted only).
            detached: Lets it go on when no client is connected.

        Raises:
            UnknownInferlet, InvalidArguments, Overloaded, ShuttingDown: The server refused.
            ConnectionLost: The connection ended.
        """
        given: dict[str, object] = dict(arguments or {})
        answer = await self.request(
            lambda ref: wire.Launch(inferlet, ref, given, native=native, detached=detached)
        )
        return self._handles[_expect(answer, wire.Launched).session]

    async def attach(self, session: str, after: int = 0) -> SessionHandle:
        """Follows a session, running or ended, from the event after `after` on.

        Raises:
            UnknownSession: There is none, or not any more.
            InvalidRequest: It has fewer events.
        """
        handle = SessionHandle(self, session, after, self._buffered_events)
        before = self._handles.get(session)
        self._handles[session] = handle
        try:
            await self.request(lambda ref: wire.Attach(session, after, ref))
        except BaseException:
            if before is None:
                self._handles.pop(session, None)
            else:
                self._handles[session] = before
            raise
        return handle

    async def list_sessions(self) -> list[SessionInfo]:
        """The tenant's running and newest ended sessions, newest first."""
        answer = await self.request(lambda ref: wire.List(ref))
        return _expect(answer, wire.Sessions).sessions

    async def ping(self) -> None:
        """Returns once the server has answered."""
        await self.request(lambda ref: wire.Ping(ref))

    # --- for handles --------------------------------------------------------------------------

    async def request(self, make: Callable[[str], wire.ClientMessage]) -> wire.ServerMessage:
        """Sends what `make` makes of a fresh reference and waits for the answer to it.

        Raises:
            PieError: The server's error, typed.
            ConnectionLost: The connection ended first.
        """
        reference = f"{self._name}-{next(self._numbers)}"
        answer = self._answers[reference] = _Answer()
        try:
            await self.send(make(reference))
            await answer.arrived.wait()
        finally:
            del self._answers[reference]
        if isinstance(answer.value, PieError):
            raise _fresh(answer.value)
        assert answer.value is not None
        return answer.value

    async def send(self, message: wire.ClientMessage) -> None:
        """Sends a message that has no answer.

        Raises:
            ConnectionLost: The connection has ended.
            InvalidRequest: The message holds what is no JSON.
        """
        self.check_open()
        frame = wire.encode_json(message).decode()
        try:
            await self._socket.send_message(frame)
        except ConnectionClosed as closed:
            raise _lost(closed) from None

    def check_open(self) -> None:
        """Raises `ConnectionLost` after the end of the connection."""
        if self._lost is not None:
            raise _fresh(self._lost)

    def forget(self, handle: SessionHandle) -> None:
        """Delivers no more events to a handle."""
        if self._handles.get(handle.session) is handle:
            del self._handles[handle.session]

    async def aclose(self) -> None:
        """Says goodbye (`open_client` does it)."""
        await self._socket.aclose()

    # --- reader -------------------------------------------------------------------------------

    async def greet(self) -> None:
        """Reads the server's first message.

        Raises:
            MalformedMessage: It is another protocol, or another version of it.
            ConnectionLost: The connection ended.
        """
        try:
            frame = await self._socket.get_message()
        except ConnectionClosed as closed:
            raise _lost(closed) from None
        hello = wire.decode_server(frame)[0]
        if not isinstance(hello, wire.Hello) or hello.protocol != wire.PROTOCOL_VERSION:
            raise MalformedMessage(
                f"This client speaks protocol {wire.PROTOCOL_VERSION}; the server said"
                f" {wire.encode(hello).decode()[:200]}.",
                hint="Use a client and a server of the same version.",
            )
        self.server = hello.server

    async def run(self) -> None:
        """The reader task: until the connection ends, which everyone waiting is told."""
        try:
            while True:
                for message in wire.decode_server(await self._socket.get_message()):
                    self._take(message)
        except ConnectionClosed as closed:
            self._lost = _lost(closed)
        except PieError as error:
            self._lost = error
        finally:
            self._lost = self._lost or ConnectionLost("The client was closed.")
            for answer in self._answers.values():
                answer.give(self._lost)
            for handle in self._handles.values():
                handle.wake()

    def _take(self, message: wire.ServerMessage) -> None:
        if isinstance(message, Event):
            handle = self._handles.get(message.session)
            if handle is not None:
                handle.receive(message)
            return
        if isinstance(message, wire.Hello):
            return
        if isinstance(message, wire.Launched):
            self._handles[message.session] = SessionHandle(
                self, message.session, 0, self._buffered_events
            )
        answer = self._answers.get(message.id) if isinstance(message.id, str) else None
        if answer is not None:
            if isinstance(message, wire.Error):
                answer.give(wire.error_from_wire(message.error))
            else:
                answer.give(message)


class _Answer:
    """One request's place to wait for its answer."""

    __slots__ = ("arrived", "value")

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.value: wire.ServerMessage | PieError | None = None

    def give(self, value: wire.ServerMessage | PieError) -> None:
        self.value = value
        self.arrived.set()


@asynccontextmanager
async def open_client(url: str, *, buffered_events: int = BUFFERED_EVENTS) -> AsyncIterator[Client]:
    """Connects to a server; sessions that are not detached end some time after the block.

    Args:
        url: `ws://host:port` or `http://host:port`; a path other than `/v1/sessions` is kept.
        buffered_events: Unread events per session before they are asked for again later.

    Raises:
        ConnectionLost: No server there, or it refused the connection.
        MalformedMessage: It speaks another protocol.
    """
    failure: BaseException | None = None
    stream = await _open_stream(url)
    try:
        async with stream, trio.open_nursery() as nursery:
            try:
                client = await _shake_hands(nursery, stream, url, buffered_events)
                yield client
            except trio.Cancelled:
                raise
            except BaseException as error:  # raised below: no nursery wraps the caller's errors
                failure = error
            else:
                with trio.move_on_after(CLOSE_SECONDS):
                    await client.aclose()
            nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        failure = _rejection(url, group)  # raised by trio-websocket's reader, in the nursery
        if failure is None:
            raise
    if failure is not None:
        raise failure


async def _open_stream(url: str) -> _Stream:
    """The connection's stream is ours: trio-websocket does not close it in every case."""
    parts = _websocket_url(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            if parts.scheme == "wss":
                return await trio.open_ssl_over_tcp_stream(
                    parts.hostname or "", port, https_compatible=True
                )
            return await trio.open_tcp_stream(parts.hostname or "", port)
    except (OSError, trio.TooSlowError) as failure:
        raise ConnectionLost(
            f"Cannot connect to {url}: {failure or 'no answer'}.",
            hint="Check that the server runs and listens there.",
        ) from None


async def _shake_hands(
    nursery: trio.Nursery, stream: _Stream, url: str, buffered_events: int
) -> Client:
    parts = _websocket_url(url)
    try:
        with trio.fail_after(CONNECT_SECONDS):
            socket = await wrap_client_stream(
                nursery,
                stream,
                parts.netloc,
                f"{parts.path}?{parts.query}" if parts.query else parts.path,
                max_message_size=FRAME_BYTES,
                message_queue_size=QUEUED_FRAMES,
                receive_buffer_size=RECEIVE_BYTES,
            )
            client = Client(socket, buffered_events)
            await client.greet()
    except (HandshakeError, OSError, ConnectionClosed, trio.TooSlowError) as failure:
        raise ConnectionLost(
            f"{url} opens no session connection: {failure or type(failure).__name__}.",
            hint="Check that this is the address of a pie-server.",
        ) from None
    nursery.start_soon(client.run)
    return client


def _rejection(url: str, group: BaseExceptionGroup[Exception]) -> ConnectionLost | None:
    for refused in group.exceptions:
        if isinstance(refused, ConnectionRejected):
            body = (refused.body or b"")[:500].decode(errors="replace")
            return ConnectionLost(
                f"{url} refused the session connection with status {refused.status_code}: {body}",
                hint="Check that this is the address of a pie-server of this version.",
                details={"status": refused.status_code},
            )
    return None


def _websocket_url(url: str) -> SplitResult:
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path if parts.path not in ("", "/") else DEFAULT_PATH
    return parts._replace(scheme=scheme, path=path)


def _expect(answer: wire.ServerMessage, kind: type[_T]) -> _T:
    if not isinstance(answer, kind):
        raise MalformedMessage(f"The server answered with {type(answer).__name__}.")
    return answer


def _fresh(error: PieError) -> PieError:
    """One exception for each who is told; a shared one would collect their tracebacks."""
    return type(error)(error.message, hint=error.hint, details=error.details)


def _lost(closed: ConnectionClosed) -> ConnectionLost:
    code = closed.reason.code if closed.reason else 1006
    reason = (closed.reason.reason if closed.reason else None) or "no reason given"
    return ConnectionLost(
        f"The server closed the connection ({code}: {reason}).", details={"close_code": code}
    )


def _error_body(data: Mapping[str, object]) -> wire.ErrorBody:
    details = data.get("details")
    return wire.ErrorBody(
        str(data.get("code")),
        str(data.get("message")),
        str(data.get("hint", "")),
        cast(dict[str, object], details) if isinstance(details, dict) else {},
    )
