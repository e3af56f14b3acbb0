from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest
import trio

from pie_server.client import Client, open_client
from pie_server.errors import (
    ConnectionLost,
    InvalidRequest,
    OperationCancelled,
    Overloaded,
    PieError,
    UnknownInferlet,
)
from pie_server.sessions import SessionLimits

if TYPE_CHECKING:
    from conftest import Server

    StartServer = Callable[..., AbstractAsyncContextManager[Server]]


async def test_a_launched_session_streams_its_events_in_order_and_ends_with_its_result(
    server: Server,
) -> None:
    async with server.client() as client:
        assert client.server == "1.2.3"
        handle = await client.launch("count", {"to": 100})
        events = [event async for event in handle.events()]
    assert [event.seq for event in events] == list(range(1, 103))
    assert events[0].kind == "started"
    assert events[0].data == {
        "inferlet": "count",
        "arguments": {"to": 100},
        "runtime": "wasm",
    }
    assert [event.data["text"] for event in events[1:-1]] == [str(n) for n in range(100)]
    done = events[-1]
    assert done.kind == "done"
    assert done.data["status"] == "completed"
    assert done.data["result"] == {"counted": 100}
    assert set(done.data["usage"]) == {"generated_tokens", "wall_seconds"}  # type: ignore[call-overload]


async def test_inputs_reach_the_inferlet_in_order_and_are_events_too(server: Server) -> None:
    async with server.client() as client:
        handle = await client.launch("tick", native=True)
        for message in ("a", {"b": [1, None]}, "stop"):
            await handle.send(message)
        events = [event async for event in handle.events()]
    assert events[0].data["runtime"] == "native"
    inputs = [event.data["message"] for event in events if event.kind == "input"]
    assert inputs == ["a", {"b": [1, None]}, "stop"]
    assert [e.data["text"] for e in events if e.kind == "text"] == ["a", {"b": [1, None]}]


async def test_the_same_input_id_is_delivered_once_and_acknowledged_twice(server: Server) -> None:
    from pie_server.wire import Ack, Input

    async with server.client() as client:
        handle = await client.launch("tick")
        for _ in range(2):
            answer = await client.request(lambda ref: Input(handle.session, "once", ref))
            assert isinstance(answer, Ack)
        repeated = Input(handle.session, "again", 777)
        await client.send(repeated)
        await client.send(repeated)
        await handle.send("stop")
        texts = [e.data["text"] async for e in handle.events() if e.kind == "text"]
    assert texts == ["once", "once", "again"]


async def test_cancel_ends_the_session_with_its_reason(server: Server) -> None:
    async with server.client() as client:
        handle = await client.launch("hold")
        await handle.cancel()
        with pytest.raises(OperationCancelled, match="client"):
            await handle.result()
        assert handle.session in server.launcher.ended


async def test_errors_of_the_server_are_raised_with_their_type(server: Server) -> None:
    async with server.client() as client:
        with pytest.raises(UnknownInferlet, match="no inferlet 'nope'"):
            await client.launch("nope")
        handle = await client.launch("crash")
        with pytest.raises(PieError) as caught:
            await handle.result()
        assert caught.value.code == "internal_error"


async def test_an_ended_session_can_be_read_again_from_any_seq(server: Server) -> None:
    async with server.client() as client:
        handle = await client.launch("count", {"to": 500, "size": 5000})  # beyond the tail
        await handle.result()
    async with server.client() as client:
        for after in (0, 1, 250, 501, 502):
            again = await client.attach(handle.session, after)
            if after == 502:
                continue
            seqs = [event.seq async for event in again.events()]
            assert seqs == list(range(after + 1, 503))


async def test_two_clients_follow_one_session(server: Server) -> None:
    async with server.client() as first, server.client() as second:
        one = await first.launch("tick")
        two = await second.attach(one.session)
        await two.send("from the second")
        await two.send("stop")
        events = [event async for event in one.events()]
        assert events == [event async for event in two.events()]


async def test_sessions_are_listed_with_their_state(server: Server) -> None:
    async with server.client() as client:
        ended = await client.launch("count")
        await ended.result()
        running = await client.launch("hold", detached=True)
        infos = {info.session: info for info in await client.list_sessions()}
    assert infos[ended.session].state == "completed"
    assert infos[ended.session].last_seq == 5
    assert infos[running.session].state == "running"
    assert infos[running.session].detached
    assert infos[running.session].clients == 1


async def test_a_detached_session_goes_on_without_clients(start_server: StartServer) -> None:
    async with start_server(sessions=SessionLimits(detach_grace_seconds=0.01)) as server:
        async with server.client() as client:
            detached = await client.launch("hold", detached=True)
            attached = await client.launch("hold")
        await server.ended(attached.session)
        server.launcher.gate().set()
        async with server.client() as client:
            handle = await client.attach(detached.session)
            assert await handle.result() is None


async def test_detach_starts_the_grace_and_stops_the_events(start_server: StartServer) -> None:
    async with (
        start_server(sessions=SessionLimits(detach_grace_seconds=0.05)) as server,
        server.client() as client,
    ):
        handle = await client.launch("hold")
        await handle.detach()
        await server.ended(handle.session)
        await client.ping()


async def test_a_handle_that_nobody_reads_stalls_no_other_and_loses_nothing(
    start_server: StartServer,
) -> None:
    async with start_server() as server, server.client(buffered_events=10) as client:
        unread = await client.launch("count", {"to": 1000, "size": 1000})
        for _ in range(3):
            assert await (await client.launch("count")).result() == {"counted": 3}
        await server.ended(unread.session)
        seqs = [event.seq async for event in unread.events()]
        assert seqs == list(range(1, 1003))


async def test_too_many_sessions_are_refused_and_room_is_reused(
    start_server: StartServer,
) -> None:
    async with (
        start_server(sessions=SessionLimits(live_sessions=2)) as server,
        server.client() as client,
    ):
        handles = [await client.launch("hold") for _ in range(2)]
        with pytest.raises(Overloaded, match="2 sessions are running"):
            await client.launch("hold")
        await handles[0].cancel()
        with pytest.raises(OperationCancelled):
            await handles[0].result()
        await client.launch("count")


async def test_an_argument_that_is_no_json_is_refused_before_it_is_sent(server: Server) -> None:
    async with server.client() as client:
        with pytest.raises(InvalidRequest, match="JSON"):
            await client.launch("count", {"x": object()})  # type: ignore[dict-item]
        await client.ping()


async def test_the_callers_own_errors_come_out_as_they_are(server: Server) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with server.client():
            raise KeyError("mine")


async def test_no_server_is_a_connection_error_with_a_hint(server: Server) -> None:
    with pytest.raises(ConnectionLost, match="Cannot connect"):
        async with open_client("ws://127.0.0.1:1"):
            pass
    with pytest.raises(ConnectionLost, match="404"):
        async with open_client(f"{server.url}/other"):
            pass


async def test_everyone_waiting_learns_that_the_connection_ended(server: Server) -> None:
    launched = []

    async def wait(client: Client) -> None:
        handle = await client.launch("hold")
        launched.append(handle)
        with pytest.raises(ConnectionLost, match="1012") as caught:
            async for _ in handle.events():
                pass
        assert caught.value.details == {"close_code": 1012}
        with pytest.raises(ConnectionLost):
            await client.ping()

    async with server.client() as client, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait, client)
        await server.eventually(lambda: len(launched) == 3)
        server.hub.drained.set()


async def test_a_thousand_sessions_share_one_connection(server: Server) -> None:
    results = []

    async def one(client: Client, to: int) -> None:
        handle = await client.launch("count", {"to": to})
        results.append(await handle.result() == {"counted": to})

    async with server.client() as client, trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(one, client, number % 7)
    assert results == [True] * 1000
