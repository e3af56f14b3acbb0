from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest
import trio

from pie_server.errors import ConnectionLost, ShuttingDown
from pie_server.web import WebLimits

if TYPE_CHECKING:
    from conftest import Server

    StartServer = Callable[..., AbstractAsyncContextManager[Server]]


async def test_a_drain_lets_sessions_end_then_closes_with_1012(server: Server) -> None:
    async with server.client() as client, trio.open_nursery() as nursery:
        handle = await client.launch("hold")
        assert (await handle.next_event()).kind == "started"
        server.draining.set()
        nursery.start_soon(server.hub.drain, 5.0)
        while True:  # refused from now on, on the connection that is still open
            try:
                await (await client.launch("count")).result()
            except ShuttingDown:
                break
        with pytest.raises(OSError, match="connect"):
            await server.connect()
        server.launcher.gate().set()
        assert await handle.result() is None
        with pytest.raises(ConnectionLost, match="attach") as caught:  # noqa: PT012
            while True:
                await client.ping()
        assert caught.value.details == {"close_code": 1012}
        await server.served.wait()


async def test_what_still_runs_after_the_bound_is_cancelled_and_its_end_is_sent(
    server: Server,
) -> None:
    async with server.client() as client:
        handle = await client.launch("hold")
        server.draining.set()
        with trio.fail_after(3):
            await server.hub.drain(0.1)
            events = [event async for event in handle.events()]
            await server.served.wait()
    assert events[-1].kind == "done"
    assert events[-1].data["status"] == "cancelled"
    assert events[-1].data["reason"] == "shutdown"


async def test_a_client_that_never_reads_does_not_hold_the_shutdown(
    start_server: StartServer,
) -> None:
    limits = WebLimits(drain_seconds=0.5, linger_seconds=0.2, send_seconds=60)
    async with start_server(web=limits) as server:
        stream = await server.upgrade()
        text = b'{"type":"launch","inferlet":"count","arguments":{"to":400,"size":50000}}'
        mask = bytes(4)
        await stream.send_all(bytes([0x81, 0x80 | len(text)]) + mask + text)
        await server.ended()
        idle = await server.connect()
        server.draining.set()
        with trio.fail_after(5):
            await server.hub.drain(0.1)
            await server.served.wait()
            assert await idle.receive_some() == b""


async def test_requests_in_flight_are_answered_while_draining(server: Server) -> None:
    stream = await server.connect()
    await stream.send_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await server.read_response(stream))[0] == 200
    async with server.client() as client:  # keeps the server serving
        await client.ping()
        busy = await server.connect()
        await busy.send_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n")
        await client.ping()
        server.draining.set()
        with trio.fail_after(5):
            assert await stream.receive_some() == b""  # idle: closed at once
        server.hub.drained.set()
