"""One client connection: a reader, the application's tasks, and nothing that outlives them.

`serving.py` runs one `Connection` per accepted socket; the protocol inside is hypercorn's (see
`protocol.py`), its `TCPServer` is replaced: there a failing connection takes the process down, a
client that never reads blocks the shutdown, and idle connections stay open.

The reader is the only one that ends a connection. Whoever wants it closed shuts the sending side
down and gives the reader `linger_seconds` to see the peer's end; closing with unread data would
reset the connection and lose the last bytes we sent, the close frame among them.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, RawData, Updated
from hypercorn.events import Event as TransportEvent
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from hypercorn.utils import parse_socket_addr

from pie_server.web.limits import WebLimits
from pie_server.web.protocol import GuardedProtocol

LOGGER = logging.getLogger(__name__)
READ_BYTES = 64 * 1024
APP_QUEUE = 16  # messages between a socket's reader and the application; both sides only pass on
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError, OSError)


class Connection:
    """Serves one socket.

    Args:
        app: The ASGI application.
        config: hypercorn's configuration.
        context: Shared by all connections; `terminated` is set when the server drains.
        limits: Deadlines.
        stream: The socket.
    """

    def __init__(
        self,
        app: ASGIFramework,
        config: Config,
        context: WorkerContext,
        limits: WebLimits,
        stream: trio.SocketStream,
    ) -> None:
        self._app = app
        self._config = config
        self._context = context
        self._limits = limits
        self._stream = stream
        self._send_lock = trio.Lock()  # a frame goes out whole: pongs come from the reader
        self._reading = trio.CancelScope()
        self._idle = True
        self._closing = False
        self._protocol: GuardedProtocol

    async def run(self) -> None:
        """Serves until either side is done. Contains every failure of this connection."""
        try:
            self._stream.setsockopt(
                socket.IPPROTO_TCP,
                socket.TCP_USER_TIMEOUT,
                int(self._limits.user_timeout_seconds * 1000),
            )
            async with trio.open_nursery() as nursery:
                async with trio.open_nursery() as pings:
                    self._protocol = self._make_protocol(nursery, pings)
                    await self._read()
                    pings.cancel_scope.cancel()
                # The application has been told; what it still does is not worth waiting for long.
                self.abort()
                nursery.cancel_scope.deadline = trio.current_time() + self._limits.linger_seconds
        except* _GONE:
            pass
        except* Exception:
            LOGGER.exception("a connection failed")
        finally:
            await trio.aclose_forcefully(self._stream)

    def abort(self) -> None:
        """Closes the socket under everyone."""
        self._stream.socket.close()

    def drain(self) -> None:
        """Ends the connection if no request is in flight; the others end by themselves."""
        if self._idle:
            self._shut_down()

    def _make_protocol(self, nursery: trio.Nursery, pings: trio.Nursery) -> GuardedProtocol:
        sock = self._stream.socket
        return GuardedProtocol(
            self._app,
            self._config,
            self._context,
            _Tasks(nursery, pings),
            ConnectionState({}),
            False,
            parse_socket_addr(sock.family, sock.getpeername()),
            parse_socket_addr(sock.family, sock.getsockname()),
            self._protocol_send,
        )

    async def _read(self) -> None:
        self._reading.deadline = trio.current_time() + self._limits.request_seconds
        with self._reading:
            while True:
                try:
                    data = await self._stream.receive_some(READ_BYTES)
                except _GONE:
                    break
                if not data:
                    break
                if not self._closing:
                    await self._protocol.handle(RawData(bytes(data)))
        with trio.move_on_after(self._limits.linger_seconds):
            await self._protocol.hang_up()

    async def _protocol_send(self, event: TransportEvent) -> None:
        if isinstance(event, RawData):
            await self._send(event.data)
        elif isinstance(event, Closed):
            self._shut_down()
        elif isinstance(event, Updated):
            self._idle = event.idle
            if not self._closing:
                until = self._limits.request_seconds if event.idle else float("inf")
                self._reading.deadline = trio.current_time() + until

    async def _send(self, data: bytes) -> None:
        """Sends all of it or ends the connection.

        A frame mostly fits the socket's buffer, so it is written at once, which costs half of what
        trio's `send_all` does and is no checkpoint: every loop that sends has its own.
        """
        if not self._send_lock.locked():
            try:
                data = data[os.write(self._stream.socket.fileno(), data) :]
            except BlockingIOError:
                pass
            except OSError:
                self._reading.cancel()
                return
        if data:
            await self._send_slowly(data)

    async def _send_slowly(self, data: bytes) -> None:
        """Waits for the client to read; shielded, since half a frame ends the connection too."""
        deadline = trio.current_time() + self._limits.send_seconds
        with trio.CancelScope(deadline=deadline, shield=True) as scope:
            async with self._send_lock:
                try:
                    await self._stream.send_all(data)
                except _GONE:
                    self._reading.cancel()
        if scope.cancelled_caught:
            LOGGER.info("a client did not read for %.0f s: closed", self._limits.send_seconds)
            self.abort()
            self._reading.cancel()

    def _shut_down(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._reading.deadline = trio.current_time() + self._limits.linger_seconds
        try:
            self._stream.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._reading.cancel()


class _Tasks:
    """hypercorn's task group: starts the application and the pings of one connection.

    Stock, a message to an application that has returned waits for ever; here it is dropped.
    """

    def __init__(self, nursery: trio.Nursery, pings: trio.Nursery) -> None:
        self._nursery = nursery
        self._pings = pings

    async def spawn_app(
        self,
        app: ASGIFramework,
        config: Config,
        scope: dict[str, object],
        send: Callable[[object], Awaitable[None]],
    ) -> Callable[[object], Awaitable[None]]:
        """Starts the application for one request and returns how to give it messages."""
        put, get = trio.open_memory_channel[object](APP_QUEUE)
        self._nursery.start_soon(_run_app, app, scope, get, send)

        async def put_message(message: object) -> None:
            with suppress(trio.BrokenResourceError):
                await put.send(message)

        return put_message

    def spawn(self, function: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Starts a task of the protocol; hypercorn's only one sends pings."""
        self._pings.start_soon(function, *arguments)


async def _run_app(
    app: ASGIFramework,
    scope: dict[str, object],
    messages: trio.MemoryReceiveChannel[object],
    send: Callable[[object], Awaitable[None]],
) -> None:
    async with messages:
        try:
            await app(scope, messages.receive, send)
        except* Exception:
            LOGGER.exception("the application failed")
    await send(None)
