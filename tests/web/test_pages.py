from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest
import trio

from pie_server.errors import ConfigurationError
from pie_server.web import WebLimits, serve

if TYPE_CHECKING:
    from conftest import Server

    StartServer = Callable[..., AbstractAsyncContextManager[Server]]


async def test_health_and_inferlets_and_statistics_are_json(server: Server) -> None:
    assert await server.get("/health") == (200, {"status": "ok", "version": "1.2.3"})
    assert await server.get("/v1/statistics") == (200, {"live": 0})
    status, body = await server.get("/v1/inferlets")
    assert status == 200
    assert body == {
        "inferlets": [
            {
                "name": "count",
                "version": "1.0.0",
                "description": "Counts.",
                "language": "python",
                "parameters": {"type": "object"},
            }
        ]
    }


async def test_ready_follows_loading_and_draining(start_server: StartServer) -> None:
    loaded = False
    async with start_server(ready=lambda: loaded) as server:
        status, body = await server.get("/ready")
        assert (status, body["error"]["code"]) == (503, "overloaded")  # type: ignore[index]
        loaded = True
        assert await server.get("/ready") == (200, {"status": "ready"})
        kept = await server.connect()
        await kept.send_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n")  # a request in flight
        server.draining.set()
        await server.served.wait()


@pytest.mark.parametrize(
    ("request_text", "status", "code"),
    [
        ("GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, "invalid_request"),
        ("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, "invalid_request"),
        (
            "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
            413,
            "message_too_large",
        ),
        (
            "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
            413,
            "message_too_large",
        ),
        ("GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n", 426, "invalid_request"),
        ("GET /health HTTP/1.1\r\n\r\n", 400, "invalid_request"),
        ("BOGUS\r\n\r\n", 400, "invalid_request"),
        (f"GET /{'x' * 200_000} HTTP/1.1\r\nHost: x\r\n\r\n", 431, "message_too_large"),
        (
            "GET /v1/sessions HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: upgrade\r\n\r\n",
            400,
            "invalid_request",
        ),
        (
            "GET /nope HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            404,
            "invalid_request",
        ),
        (
            "GET /v1/sessions HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Origin: https://evil.example\r\n\r\n",
            403,
            "invalid_request",
        ),
    ],
)
async def test_every_refusal_is_json_with_its_status(
    server: Server, request_text: str, status: int, code: str
) -> None:
    answered, body = await server.http(request_text)
    assert answered == status
    error = body["error"]
    assert isinstance(error, dict)
    assert error["code"] == code
    assert error["message"]


async def test_one_connection_serves_several_requests_and_close_really_closes(
    server: Server,
) -> None:
    stream = await server.connect()
    for _ in range(3):
        await stream.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _ = await server.read_response(stream)
        assert status == 200
    await stream.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    status, _ = await server.read_response(stream)
    assert status == 200
    assert await stream.receive_some() == b""


async def test_idle_connections_and_slow_requests_are_closed(start_server: StartServer) -> None:
    async with start_server(web=WebLimits(request_seconds=0.2, linger_seconds=0.2)) as server:
        silent, kept = await server.connect(), await server.connect()
        await kept.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        await server.read_response(kept)
        assert await silent.receive_some() == b""
        assert await kept.receive_some() == b""
        dripping = await server.connect()
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            for byte in b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 10_000:
                await dripping.send_all(bytes([byte]))
                await trio.sleep(0.01)


async def test_too_many_connections_are_told_so(start_server: StartServer) -> None:
    async with start_server(web=WebLimits(connections=2)) as server:
        first, second = await server.connect(), await server.connect()
        for stream in (first, second):
            await stream.send_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            await server.read_response(stream)
        status, body = await server.get("/health")
        assert (status, body["error"]["code"]) == (503, "overloaded")  # type: ignore[index]


async def test_a_taken_port_is_a_configuration_error_with_a_hint(server: Server) -> None:
    with pytest.raises(
        ConfigurationError, match=r"Cannot listen on .*: Address already in use"
    ) as caught:
        await serve(lambda *_: None, "127.0.0.1", server.port, trio.Event())
    assert "another port" in caught.value.hint
    with pytest.raises(ConfigurationError):
        await serve(lambda *_: None, "192.0.2.1", 0, trio.Event())
