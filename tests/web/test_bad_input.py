"""What clients do wrong, on real sockets; each time another session must not notice."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from pie_server.errors import InputQueueFull, InvalidRequest, SessionEnded, UnknownSession
from pie_server.sessions import JournalLimits, SessionLimits
from pie_server.web import WebLimits
from tests.raw_websocket import abort, client_frame, read_to_end, read_until

if TYPE_CHECKING:
    from conftest import Server

    StartServer = Callable[..., AbstractAsyncContextManager[Server]]

MIB = 1024 * 1024


async def read_message(socket: WebSocketConnection) -> dict[str, object]:
    message = json.loads(await socket.get_message())
    assert isinstance(message, dict)
    return message


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "malformed_message"),
        ("{", "malformed_message"),
        ("[]", "malformed_message"),
        ("null", "malformed_message"),
        ('{"type": "launch"}', "malformed_message"),
        ('{"type": "launch", "inferlet": 3}', "malformed_message"),
        ('{"type": "launch", "inferlet": "count", "extra": 1}', "malformed_message"),
        ('{"type": "launch", "inferlet": "count", "arguments": []}', "malformed_message"),
        ('{"type": "attach", "session": "x", "after": -1}', "malformed_message"),
        ('{"type": "fly"}', "unknown_message_type"),
        ('{"type": "ping", "id": ' + "[" * 100_000, "malformed_message"),
        (
            '{"type": "launch", "inferlet": "count", "arguments": {"a": '
            + "[" * 70
            + "]" * 70
            + "}}",
            "malformed_message",
        ),
        ('{"type": "launch", "inferlet": "nothing"}', "unknown_inferlet"),
        ('{"type": "launch", "inferlet": "count", "arguments": {"bad": 1}}', "invalid_arguments"),
        ('{"type": "input", "session": "none", "message": 1}', "unknown_session"),
        ('{"type": "cancel", "session": "none"}', "unknown_session"),
        ('{"type": "attach", "session": "none"}', "unknown_session"),
        (b"", "malformed_message"),
        (b"\x00\x01", "malformed_message"),
    ],
)
async def test_a_bad_message_is_answered_and_the_connection_goes_on(
    server: Server, frame: str | bytes, code: str
) -> None:
    async with server.undisturbed(), open_websocket_url(f"{server.url}/v1/sessions") as socket:
        assert (await read_message(socket))["type"] == "hello"
        await socket.send_message(frame)
        answer = await read_message(socket)
        assert answer["type"] == "error"
        error = answer["error"]
        assert isinstance(error, dict)
        assert error["code"] == code
        assert error["hint"]
        await socket.send_message('{"type": "ping", "id": "still here"}')
        assert await read_message(socket) == {"type": "pong", "id": "still here"}


async def test_the_id_of_a_message_with_a_bad_field_comes_back(server: Server) -> None:
    async with open_websocket_url(f"{server.url}/v1/sessions") as socket:
        await read_message(socket)
        await socket.send_message('{"type": "launch", "id": "mine", "inferlet": 3}')
        assert (await read_message(socket))["id"] == "mine"


async def test_messages_out_of_order_are_refused_with_their_reason(server: Server) -> None:
    async with server.undisturbed(), server.client() as client:
        handle = await client.launch("count", {"to": 2})
        await handle.result()
        with pytest.raises(InvalidRequest, match="has 4 events") as caught:
            await client.attach(handle.session, 5)
        assert caught.value.details == {"last_seq": 4}
        with pytest.raises(SessionEnded, match="completed"):
            await handle.send("too late")
        await handle.cancel()  # of what has ended: nothing to do
        await handle.detach()
        with pytest.raises(UnknownSession):
            await client.attach("s_unknown")


async def test_inputs_that_nobody_receives_are_bounded(start_server: StartServer) -> None:
    limits = SessionLimits(input_messages=3)
    async with (
        start_server(sessions=limits) as server,
        server.undisturbed(),
        server.client() as client,
    ):
        handle = await client.launch("hold")
        for number in range(3):
            await handle.send(number)
        with pytest.raises(InputQueueFull, match="at most 3 messages"):
            await handle.send(3)
        server.launcher.gate().set()
        await handle.result()


@pytest.mark.parametrize("whole", [True, False])
async def test_an_oversized_message_closes_with_1009(
    start_server: StartServer, whole: bool
) -> None:
    async with start_server(web=WebLimits(message_bytes=100_000)) as server, server.undisturbed():
        stream = await server.upgrade()
        if whole:
            await stream.send_all(client_frame(1, b"x" * 200_000))
            assert struct.pack(">H", 1009) in await read_to_end(stream)
            return
        await stream.send_all(client_frame(1, b"x" * 60_000, final=False))
        more = client_frame(0, b"x" * 60_000, final=False)
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            while True:  # a message that never ends
                await stream.send_all(more)


async def test_frames_that_break_the_websocket_protocol_close_with_their_code(
    server: Server,
) -> None:
    cases = [
        (client_frame(1, b"\xff\xfe"), 1007),  # no UTF-8
        (client_frame(3, b""), 1002),  # no such opcode
        (client_frame(0, b"x"), 1002),  # continues nothing
        (b"\x81\x01x", 1002),  # not masked
        (b"\xf1\x80\x00\x00\x00\x00", 1002),  # reserved bits, no extension negotiated
    ]
    async with server.undisturbed():
        for frame, code in cases:
            stream = await server.upgrade(
                headers="Sec-WebSocket-Extensions: permessage-deflate\r\n"
            )
            await stream.send_all(frame)
            assert struct.pack(">H", code) in await read_to_end(stream), frame


@pytest.mark.parametrize("extra", [b"x", b"\x81\x80\x00\x00\x00\x00", b"\r\n"])
async def test_bytes_behind_the_upgrade_request_are_refused(server: Server, extra: bytes) -> None:
    async with server.undisturbed():
        stream = await server.connect()
        await stream.send_all(server.handshake() + extra)
        assert b" 400 " in await read_to_end(stream)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 100_000,
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        os.urandom(64),
    ],
)
async def test_garbage_instead_of_a_request_ends_that_connection_only(
    server: Server, garbage: bytes
) -> None:
    async with server.undisturbed():
        stream = await server.connect()
        await stream.send_all(garbage)
        await stream.send_eof()
        await read_to_end(stream)


async def test_http_2_is_not_spoken(server: Server) -> None:
    status, _ = await server.http(
        "GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    )
    assert status == 200


async def test_a_client_that_leaves_mid_stream_leaves_its_session_for_the_grace(
    start_server: StartServer,
) -> None:
    limits = SessionLimits(detach_grace_seconds=0.3)
    async with start_server(sessions=limits) as server, server.undisturbed():
        stream = await server.upgrade()
        await stream.send_all(client_frame(1, b'{"type": "launch", "inferlet": "hold"}'))
        await read_until(stream, b"before")
        await abort(stream)
        async with server.client() as client:
            (info,) = [i for i in await client.list_sessions() if i.inferlet == "hold"]
            assert info.state == "running"
            await server.ended(info.session)
            handle = await client.attach(info.session)
            events = [event async for event in handle.events()]
        assert [event.kind for event in events] == ["started", "text", "done"]
        assert events[-1].data["status"] == "cancelled"
        assert events[-1].data["reason"] == "abandoned"


async def test_a_client_that_comes_back_within_the_grace_finds_its_session(
    start_server: StartServer,
) -> None:
    async with start_server(sessions=SessionLimits(detach_grace_seconds=20)) as server:
        async with server.client() as client:
            handle = await client.launch("hold")
            assert (await handle.next_event()).kind == "started"
        async with server.client() as client:
            again = await client.attach(handle.session, handle.seq)
            server.launcher.gate().set()
            events = [event async for event in again.events()]
    assert [event.seq for event in events] == [2, 3, 4]
    assert events[-1].data["status"] == "completed"


async def test_a_client_that_never_reads_makes_nothing_grow(start_server: StartServer) -> None:
    """100 MB are produced for it; other sessions run on, and it is cut after the send deadline."""
    async with start_server(
        sessions=SessionLimits(output_bytes=256 * MIB, detach_grace_seconds=60),
        journal=JournalLimits(),
        web=WebLimits(send_seconds=0.5, linger_seconds=0.2),
    ) as server:
        before = resident_bytes()
        async with server.undisturbed():
            stream = await server.upgrade()
            arguments = '{"to": 1000, "size": 100000}'
            launch = f'{{"type": "launch", "inferlet": "count", "arguments": {arguments}}}'
            await stream.send_all(client_frame(1, launch.encode()))
            session = await server.ended()
        assert resident_bytes() - before < 60 * MIB
        async with server.client() as client:
            handle = await client.attach(session)
            seqs = [event.seq async for event in handle.events()]
        assert seqs == list(range(1, 1003))
        assert b"done" not in await read_to_end(stream)  # the connection was cut


async def test_a_client_that_asks_and_never_reads_the_answers_is_cut(
    start_server: StartServer,
) -> None:
    limits = WebLimits(pending_replies=100, send_seconds=0.3, linger_seconds=0.2)
    async with start_server(web=limits) as server, server.undisturbed():
        stream = await server.upgrade()
        ping = client_frame(1, json.dumps({"type": "ping", "id": "x" * 100}).encode())
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            while True:
                await stream.send_all(ping * 1000)


async def test_a_crashing_inferlet_tells_the_client_nothing_of_the_server(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with server.undisturbed(), server.client() as client:
        handle = await client.launch("crash")
        events = [event async for event in handle.events()]
    assert [event.kind for event in events] == ["started", "error", "done"]
    assert events[1].data["code"] == "internal_error"
    assert "secret" not in json.dumps(events[1].data)
    assert "a secret of the operator" in caplog.text


async def test_an_inferlet_that_floods_is_stopped_at_its_limit(server: Server) -> None:
    async with server.undisturbed(), server.client() as client:
        handle = await client.launch("flood")
        events = [event async for event in handle.events()]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-2].data["code"] == "output_exceeded"
    assert events[-1].data["status"] == "failed"


async def test_closing_at_the_same_time_from_both_sides_is_harmless(server: Server) -> None:
    async with server.undisturbed():
        for delay in range(20):
            stream = await server.upgrade()
            await stream.send_all(client_frame(1, b'{"type": "launch", "inferlet": "count"}'))
            await stream.send_all(client_frame(8, struct.pack(">H", 1000)))
            for _ in range(delay):
                await trio.lowlevel.checkpoint()
            await stream.aclose()


async def test_a_websocket_close_is_answered(server: Server) -> None:
    stream = await server.upgrade()
    await stream.send_all(client_frame(8, struct.pack(">H", 1000)))
    assert (await read_to_end(stream)).endswith(b"\x88\x02" + struct.pack(">H", 1000))


async def test_two_hundred_connections_are_served_at_once(server: Server) -> None:
    done = 0

    async def one() -> None:
        nonlocal done
        async with server.client() as client:
            handle = await client.launch("count", {"to": 20})
            assert await handle.result() == {"counted": 20}
        done += 1

    async with server.undisturbed(), trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(one)
    assert done == 200


async def test_a_connection_that_ended_leaves_no_task_behind(server: Server) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    for _ in range(5):
        async with server.client() as client:
            await (await client.launch("count")).result()
        stream = await server.upgrade()
        await stream.aclose()
    await server.eventually(lambda: trio.lowlevel.current_statistics().tasks_living <= before)


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
