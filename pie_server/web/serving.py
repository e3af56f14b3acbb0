"""Listening, accepting, draining: the outermost frame of HTTP serving.

`server.py` starts `serve` in its nursery. It binds what was configured and nothing else, gives each
socket a `Connection`, and ends within a bound after `draining` is set, whatever clients do.
"""

from __future__ import annotations

import errno
import os
from functools import partial

import trio
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from pie_server.errors import ConfigurationError, Overloaded
from pie_server.web.connection import Connection
from pie_server.web.limits import WebLimits
from pie_server.web.protocol import error_body

BACKLOG = 1024  # a burst of agents connects at once; the kernel caps it at somaxconn


async def serve(
    app: ASGIFramework,
    host: str,
    port: int,
    draining: trio.Event,
    limits: WebLimits | None = None,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves `app` until `draining` is set and all connections have ended, or cancelled.

    Reports the bound port (useful with port 0) as its start value. After `draining` connections
    have `limits.drain_seconds` before their sockets are closed under them.

    Raises:
        ConfigurationError: The address cannot be bound.
    """
    limits = limits or WebLimits()
    listeners = await _listen(host, port)
    config, context = _hypercorn_config(limits), WorkerContext(None)
    connections: set[Connection] = set()

    async def handle(stream: trio.SocketStream) -> None:
        if len(connections) >= limits.connections:
            await _refuse(stream, limits)
            return
        connection = Connection(app, config, context, limits, stream)
        connections.add(connection)
        try:
            await connection.run()
        finally:
            connections.discard(connection)

    async with trio.open_nursery() as bound:
        async with trio.open_nursery() as serving:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(
                    partial(trio.serve_listeners, handle, listeners, handler_nursery=serving)
                )
                task_status.started(listeners[0].socket.getsockname()[1])
                await draining.wait()
                accepting.cancel_scope.cancel()
            await context.terminated.set()
            for connection in list(connections):
                connection.drain()
            bound.start_soon(_end_after, limits.drain_seconds, connections, serving.cancel_scope)
        bound.cancel_scope.cancel()


async def _end_after(
    seconds: float, connections: set[Connection], serving: trio.CancelScope
) -> None:
    """Ends the connections that have not ended by themselves."""
    await trio.sleep(seconds)
    for connection in list(connections):
        connection.abort()
    serving.cancel()


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE:
            hint = "Stop what listens there, or choose another port (0 takes a free one)."
        elif failure.errno == errno.EACCES:
            hint = "Ports below 1024 need privileges; choose a higher one."
        else:
            hint = "Use an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all."
        reason = os.strerror(failure.errno) if failure.errno and failure.errno > 0 else failure
        raise ConfigurationError(f"Cannot listen on {host}:{port}: {reason}.", hint=hint) from None
    if port == 0:  # a name with an IPv4 and an IPv6 address would get two different ports
        for listener in listeners[1:]:
            await listener.aclose()
        del listeners[1:]
    return listeners


async def _refuse(stream: trio.SocketStream, limits: WebLimits) -> None:
    error = Overloaded(
        f"The server has {limits.connections} connections, the most it allows.",
        hint="Use one connection for many sessions, or try again later.",
    )
    body = error_body(error)
    head = (
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
        f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with trio.move_on_after(limits.linger_seconds):
        try:
            await stream.send_all(head.encode() + body)
            await stream.send_eof()
            while await stream.receive_some():
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
    await trio.aclose_forcefully(stream)


def _hypercorn_config(limits: WebLimits) -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.h11_max_incomplete_size = limits.header_bytes
    config.websocket_max_message_size = limits.message_bytes
    config.websocket_ping_interval = limits.ping_seconds
    return config
