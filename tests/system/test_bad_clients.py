"""Bad clients, tools and sandboxes: typed errors, pages back, a neighbour undisturbed.

Every session that is harmed holds KV. `live.undisturbed()` runs another client's session beside it
all the time and checks at the end that every page came back.
"""

from __future__ import annotations

import json
import os
import struct
import threading

import docker
import pytest
import trio

from pie_sandbox.container import LABEL
from pie_server.client import open_client
from pie_server.errors import (
    InvalidArguments,
    InvalidRequest,
    SessionEnded,
    UnknownInferlet,
    UnknownSession,
)
from pie_server.wire import Event
from pie_tools.function_tool import FunctionTool
from tests.raw_websocket import (
    CONTINUATION,
    TEXT,
    abort,
    client_frame,
    read_to_end,
    read_until,
)
from tests.sandbox.conftest import missing_backends as missing_backends

from .conftest import LiveServer, OpenServer, events_of, run

HOLD = """
from inferlet import Context, Model, OperationError, Sampler, gather, runtime, session, tools
from inferlet._backend import control
model = Model.load(runtime.models()[0])
async def hold():
    ctx = Context(model).append([5, 6, 7] * 20)
    await ctx.flush()
    return ctx
async def say(ctx, count):
    return await ctx.complete(Sampler.argmax(), max_tokens=count, cue=False, ignore_eos=True)
"""

HOLDS = (
    HOLD
    + """
async def main(input):
    ctx = await hold()
    session.send("ready")
    await session.receive()
    return (await say(ctx, 4)).tokens
"""
)

STREAMS = (
    HOLD
    + """
async def main(input):
    ctx = await hold()
    session.send("ready")
    for number in range(input["messages"]):
        with ctx.fork() as fork:
            await fork.complete(
                Sampler.argmax(), max_tokens=8, cue=False, ignore_eos=True, stream=True
            )
        session.send("x" * input["size"])
        if number % 8 == 0:
            await runtime.sleep(0.01)  # the disk needs time
    return "streamed"
"""
)

CALLS = (
    HOLD
    + """
async def main(input):
    ctx = await hold()
    session.send("ready")
    alone = (await say(ctx.fork(), 4)).tokens
    results = []
    for group in input["groups"]:
        calls = [tools.call(tools.Call(*call), contexts=[ctx]) for call in group]
        results.append([[r.content, r.is_error] for r in await gather(*calls)])
    return {"results": results, "same": (await say(ctx, 4)).tokens == alone}
"""
)


def launch(inferlet: str, **arguments: object) -> bytes:
    message = {"type": "launch", "id": 1, "inferlet": inferlet, "arguments": arguments}
    return client_frame(TEXT, json.dumps(message).encode())


def result_of(events: list[Event]) -> dict[str, object]:
    result = events[-1].data["result"]
    assert isinstance(result, dict), events[-2:]
    return result


# Frames


async def holding_client(live: LiveServer) -> trio.SocketStream:
    """A raw connection whose session holds KV and waits."""
    stream = await live.raw_client()
    await stream.send_all(launch("holds"))
    await read_until(stream, b"ready")
    return stream


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "malformed_message"),
        ('{"type": "input", "session": "x"', "malformed_message"),
        ('{"type": "launch", "inferlet": ["holds"]}', "malformed_message"),
        ('{"type": "launch", "inferlet": "holds", "pages": 1}', "malformed_message"),
        ('{"type": "launch", "inferlet": "holds", "native": true}', "invalid_request"),
        ('{"type": "hello", "protocol": 1}', "unknown_message_type"),
        ('{"type": "event", "session": "x", "seq": 1}', "unknown_message_type"),
        ('{"type": "input", "session": "not launched", "message": 1}', "unknown_session"),
        ('{"type": "attach", "session": "not launched", "after": 7}', "unknown_session"),
    ],
)
async def test_a_message_that_is_wrong_or_too_early_is_answered_and_the_session_goes_on(
    open_server: OpenServer, message: str, code: str
) -> None:
    async with open_server({"holds": HOLDS}) as live, live.undisturbed():
        stream = await holding_client(live)
        async with stream:
            with trio.fail_after(20):
                await stream.send_all(client_frame(TEXT, message.encode()))
                answer = await read_until(stream, b'"details"')
                assert f'"code":"{code}"'.encode() in answer.replace(b'": "', b'":"')
                await stream.send_all(client_frame(TEXT, b'{"type": "ping", "id": "here"}'))
                await read_until(stream, b'"here"')
            assert live.server.hub.statistics().live == 2


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (client_frame(TEXT, b"x" * (2 << 20)), 1009),
        (client_frame(TEXT, b"\xff\xfe"), 1007),
        (client_frame(3, b""), 1002),
        (client_frame(CONTINUATION, b"continues nothing"), 1002),
        (client_frame(TEXT, b"begun", final=False) + client_frame(TEXT, b"another"), 1002),
        (b"\x81\x08unmasked", 1002),
    ],
)
async def test_frames_that_break_the_protocol_end_the_connection_and_then_its_session(
    open_server: OpenServer, frames: bytes, code: int
) -> None:
    async with open_server({"holds": HOLDS}) as live, live.undisturbed():
        stream = await holding_client(live)
        async with stream:
            with trio.fail_after(20):
                try:
                    await stream.send_all(frames)
                except trio.BrokenResourceError:
                    assert code == 1009  # it is cut before it has sent everything
                end = await read_to_end(stream)
            assert code == 1009 or struct.pack(">H", code) in end
            with trio.fail_after(20):
                while live.server.hub.statistics().live > 1:
                    await trio.sleep(0.01)
        assert live.server.hub.statistics().cancelled == 1


# Unknown things


async def test_what_the_server_does_not_know_is_refused_by_name(open_server: OpenServer) -> None:
    async with (
        open_server({"holds": HOLDS}) as live,
        open_client(live.url) as client,
        live.undisturbed(),
    ):
        before = live.server.hub.statistics().launched
        with pytest.raises(UnknownInferlet, match="nothing"):
            await client.launch("nothing", {})
        with pytest.raises(UnknownInferlet):
            await client.launch("../../etc/passwd", {})
        with pytest.raises(InvalidArguments, match="question"):
            await client.launch("react", {})
        with pytest.raises(InvalidArguments, match="max_turns"):
            await client.launch("react", {"question": "?", "max_turns": "many"})
        with pytest.raises(InvalidRequest, match="native launches are switched off"):
            await client.launch("holds", {}, native=True)
        with pytest.raises(UnknownSession):
            await client.attach("s_unknown")
        assert live.server.hub.statistics().launched == before
        handle = await client.launch("holds", {})
        await handle.send("go")
        assert (await events_of(handle))[-1].data["status"] == "completed"
        with pytest.raises(SessionEnded):
            await handle.send("too late")


ASKS = (
    HOLD
    + """
async def main(input):
    ctx = await hold()
    before = ctx.info()["tokens"]
    codes = []
    for ask in [
        lambda: Model.load("gpt"),
        lambda: control("context.create", model="gpt"),
        lambda: control("context.fly", context=ctx.handle),
        lambda: control("context.truncate", context=ctx.handle, length="all"),
        lambda: control("context.truncate", context=ctx.handle, length=10**9),
        lambda: control("context.truncate", context=ctx.handle, length=3, force=True),
        lambda: control("context.fork", context=4711),
    ]:
        try:
            codes.append(ask())
        except OperationError as error:
            codes.append(error.code)
    for ask in [
        ctx.fork().tools(["hammer"]).flush(),
        ctx.fork().append([10**6]).flush(),
        ctx.fork().append([-1]).flush(),
        ctx.fork().append([5] * 5000).flush(),
        say(ctx.fork(), 0),
        ctx.fork().complete(Sampler.top_p(-1.0, 2.0), max_tokens=4),
    ]:
        try:
            codes.append(repr(await ask))
        except OperationError as error:
            codes.append(error.code)
    missing = await tools.call(tools.Call("hammer", {}), contexts=[ctx])
    wrong = await tools.call(tools.Call("calculator", {"sum": "1"}), contexts=[ctx])
    return {
        "codes": codes, "tools": [missing.content, wrong.content],
        "tokens": ctx.info()["tokens"] - before, "said": len((await say(ctx, 4)).tokens),
    }
"""
)


async def test_an_inferlet_that_asks_for_unknown_things_can_go_on(open_server: OpenServer) -> None:
    async with (
        open_server({"asks": ASKS}) as live,
        open_client(live.url) as client,
        live.undisturbed(),
    ):
        result = result_of(await run(client, "asks"))
        assert result["codes"] == [
            "unknown_model",
            "unknown_model",
            "unknown_operation",
            "invalid_arguments",
            "invalid_arguments",
            "invalid_arguments",
            "unknown_handle",
            "invalid_arguments",
            "invalid_arguments",
            "invalid_arguments",
            "context_too_long",
            "invalid_arguments",
            "invalid_arguments",
        ]
        missing, wrong = result["tools"]  # type: ignore[misc]
        assert missing.startswith("error: unknown tool hammer")
        assert wrong.startswith("error: invalid arguments for calculator")
        assert (result["tokens"], result["said"]) == (0, 4)


# Clients that do not read, or leave


async def test_a_client_that_never_reads_holds_nothing_up(open_server: OpenServer) -> None:
    """Its session streams 20 MB, ends, and frees its pages while the client is still connected."""
    async with open_server({"streams": STREAMS}, detach_grace_seconds=60) as live:
        async with live.undisturbed():
            stream = await live.raw_client()
            await stream.send_all(launch("streams", messages=200, size=100_000))
            with trio.fail_after(60):
                while live.server.hub.statistics().completed < 1:
                    await trio.sleep(0.02)
            assert live.server.hub.statistics().live == 1
            assert len(live.engine._contexts) <= 2  # the neighbour's
        async with open_client(live.url) as client:
            (info,) = [i for i in await client.list_sessions() if i.inferlet == "streams"]
            events = await events_of(await client.attach(info.session))
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            assert events[-1].data["result"] == "streamed"
        await stream.aclose()


async def test_a_client_that_vanishes_mid_stream_ends_its_session_after_the_grace(
    open_server: OpenServer,
) -> None:
    async with open_server({"streams": STREAMS}) as live, live.undisturbed():
        stream = await live.raw_client()
        await stream.send_all(launch("streams", messages=10**6, size=10))
        await read_until(stream, b"xxxxxxxxxx")
        await abort(stream)
        with trio.fail_after(20):
            while live.server.hub.statistics().cancelled < 1:
                await trio.sleep(0.01)


# Tools


def tools_that_fail(threads: threading.Event) -> list[FunctionTool]:
    async def breaks() -> str:
        raise RuntimeError("a tooth is missing")

    async def hangs() -> str:
        await trio.sleep_forever()
        return ""

    def blocks() -> str:
        threads.wait()
        return ""

    async def sticks() -> str:
        await trio.sleep_forever()
        return ""

    return [
        FunctionTool(breaks, description="It breaks."),
        FunctionTool(hangs, description="It hangs.", deadline_seconds=0.3),
        FunctionTool(blocks, description="It blocks a thread.", deadline_seconds=0.3),
        FunctionTool(sticks, description="It hangs for long.", deadline_seconds=600),
    ]


async def test_tools_that_fail_or_hang_are_results_and_the_session_goes_on(
    open_server: OpenServer,
) -> None:
    released = threading.Event()
    calls = [[name, {}] for name in ("breaks", "hangs", "blocks")]
    calls.append(["calculator", {"expression": "6*7"}])
    try:
        async with (
            open_server({"calls": CALLS}) as live,
            open_client(live.url) as client,
            live.undisturbed(),
        ):
            live.register(*tools_that_fail(released))
            result = result_of(
                await run(client, "calls", {"groups": [[c] for c in calls] + [calls]})
            )
            expected = [
                ["error: RuntimeError: a tooth is missing", True],
                ["error: timed out after 0.3 s", True],
                ["error: timed out after 0.3 s", True],
                ["42", False],
            ]
            one_by_one, together = result["results"][:4], result["results"][4]  # type: ignore[index]
            assert [group[0] for group in one_by_one] == together == expected
            assert result["same"] is True
    finally:
        released.set()


async def test_a_session_is_cancelled_while_its_tool_hangs(open_server: OpenServer) -> None:
    released = threading.Event()
    async with (
        open_server({"calls": CALLS}) as live,
        open_client(live.url) as client,
        live.undisturbed(),
    ):
        live.register(*tools_that_fail(released))
        handle = await client.launch("calls", {"groups": [[["sticks", {}], ["sticks", {}]]]})
        with trio.fail_after(20):
            while (await handle.next_event()).kind != "tool_call":
                pass
            await handle.cancel()
        assert (await events_of(handle, 20))[-1].data["status"] == "cancelled"


# Containers


@pytest.fixture
def engine(missing_backends: dict[str, str]) -> docker.APIClient:
    """The Docker engine of this machine."""
    if "docker" in missing_backends:
        pytest.skip(f"no Docker engine here: {missing_backends['docker']}")
    client = docker.from_env().api
    yield client
    client.close()


def kill_own_containers(engine: docker.APIClient) -> int:
    here = f" {os.getpid()} "
    rows = engine.containers(filters={"label": LABEL})
    names = [row["Id"] for row in rows if here in row["Labels"][LABEL]]
    for name in names:
        engine.kill(name)
    return len(names)


async def test_a_session_whose_container_dies_keeps_its_context_and_gets_another(
    open_server: OpenServer, engine: docker.APIClient
) -> None:
    spin = "print('spinning', flush=True)\nwhile True: pass"
    codes = ["x = 41", "x + 1", spin, "'x' in globals()", "6 * 7"]
    groups = [[["python", {"code": code}]] for code in codes]
    async with (
        open_server({"calls": CALLS}, sandbox="docker", warm_sandboxes=0) as live,
        open_client(live.url) as client,
        live.undisturbed(),
    ):
        handle = await client.launch("calls", {"groups": groups})
        with trio.fail_after(120):
            while (event := await handle.next_event()).kind != "stdout":
                assert event.kind != "error", event
            assert await trio.to_thread.run_sync(kill_own_containers, engine) == 1
        result = result_of(await events_of(handle, 120))
        answers = [group[0] for group in result["results"]]  # type: ignore[attr-defined]
        assert answers[:2] == [["(no output)", False], ["42", False]]
        content, failed = answers[2]
        assert failed
        assert content.startswith("error: ")
        assert answers[3:] == [["False", False], ["42", False]]
        assert result["same"] is True
        assert live.server.sandboxes.statistics().lost == 1


# Pages


async def test_a_large_prompt_gets_its_turn_while_small_agents_come_and_go(
    open_server: OpenServer,
) -> None:
    """30 of 40 pages for one, while 16 others with 7 pages each want nearly three times as many."""
    small = {"prompt_tokens": 60, "rounds": 1, "generate_tokens": 40, "tool_seconds": 0.0}
    large = {"prompt_tokens": 460, "rounds": 1, "generate_tokens": 8, "tool_seconds": 0.0}
    completed = 0
    async with open_server(pages=40) as live, open_client(live.url) as client:

        async def come_and_go(until: trio.Event) -> None:
            nonlocal completed
            while not until.is_set():
                events = await run(client, "agent-rounds", dict(small))
                assert events[-1].data["status"] == "completed", events[-2:]
                completed += 1

        async with live.undisturbed(60), trio.open_nursery() as nursery:
            done = trio.Event()
            for _ in range(16):
                nursery.start_soon(come_and_go, done)
            while completed < 16:
                await trio.sleep(0.01)
            with trio.fail_after(90):
                events = await run(client, "agent-rounds", dict(large))
            assert events[-1].data["status"] == "completed", events[-2:]
            assert result_of(events)["length"] == 468
            done.set()
