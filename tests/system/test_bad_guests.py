"""A bad inferlet harms only itself: typed error, pages back, a neighbour undisturbed."""

from __future__ import annotations

import pytest
import trio

from pie_server.client import open_client

from .conftest import OpenServer, error_code, run

HOLD = """
from inferlet import Context, Model, Sampler, runtime, session, spawn, gather
model = Model.load(runtime.models()[0])
async def hold():
    ctx = Context(model).append([5, 6, 7] * 20)
    await ctx.flush()
    return ctx
"""

BAD = {
    "raises": ("guest_raised", "ctx = await hold()\n    raise KeyError('mine')"),
    "spins": ("cpu_limit_exceeded", "ctx = await hold()\n    while True: pass"),
    "allocates": (
        "memory_limit_exceeded",
        "ctx = await hold()\n    held = []\n    while True: held.append(bytearray(1 << 20))",
    ),
    "recurses": (
        "guest_raised",
        "ctx = await hold()\n    def again(): again()\n    again()",
    ),
    "sleeps": ("guest_raised", "ctx = await hold()\n    import time; time.sleep(30)"),
    "floods-output": (
        "output_exceeded",
        "ctx = await hold()\n    while True: session.send('x' * 100000)",
    ),
    "unknown-handle": ("unknown_handle", "ctx = await hold()\n    ctx.handle = 4711; ctx.fork()"),
    "too-long": (
        "context_too_long",
        "ctx = await hold()\n    await ctx.append([5] * 5000).flush()",
    ),
    "too-many-pages": (
        "pages_exceeded",
        "all = []\n    while True: all.append(await hold())",
    ),
}

INFERLETS = {
    name: f"{HOLD}\nasync def main(input):\n    {body}\n" for name, (_, body) in BAD.items()
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_guest_gets_a_typed_error_and_harms_nobody(
    open_server: OpenServer, name: str
) -> None:
    async with (
        open_server(INFERLETS, instance_cpu_seconds=1.0, instance_pages=48) as live,
        open_client(live.url) as client,
        live.undisturbed(),
    ):
        events = await run(client, name)
        expected, _ = BAD[name]
        assert events[-1].data["status"] == "failed"
        found = error_code(events)
        # What a guest does not catch comes out as its own exception, which carries the code.
        text = str([event.data for event in events if event.kind == "error"])
        assert found == expected or (found == "guest_raised" and expected in text), text


async def test_operations_in_flight_end_with_their_inferlet(open_server: OpenServer) -> None:
    source = (
        HOLD
        + """
async def main(input):
    ctx = await hold()
    fork = ctx.fork()
    spawn(ctx.complete(Sampler.argmax(), max_tokens=300, cue=False, ignore_eos=True))
    spawn(session.receive())
    await fork.complete(Sampler.argmax(), max_tokens=2, cue=False, ignore_eos=True)
    return "left"
"""
    )
    async with (
        open_server({"leaves": source}) as live,
        open_client(live.url) as client,
        live.undisturbed(),
    ):
        events = await run(client, "leaves")
        assert events[-1].data["result"] == "left"


async def test_a_flood_of_operations_is_bounded_and_others_go_on(open_server: OpenServer) -> None:
    source = (
        HOLD
        + """
async def main(input):
    ctx = await hold()
    forks = [ctx.fork() for _ in range(8)]
    turns = [
        fork.append([7]).complete(Sampler.argmax(), max_tokens=2, cue=False, ignore_eos=True)
        for fork in forks
    ]
    waits = [runtime.sleep(0.001) for _ in range(3000)]
    await gather(*turns, *waits)
    return len(waits)
"""
    )
    async with (
        open_server({"floods": source}, instance_operations=64) as live,
        open_client(live.url) as client,
        live.undisturbed(),
    ):
        events = await run(client, "floods")
        assert events[-1].data["result"] == 3000, events[-2:]


async def test_a_flood_around_the_sdk_ends_in_a_typed_error(open_server: OpenServer) -> None:
    """4000 inference operations submitted at once, their answers never fetched."""
    source = (
        HOLD
        + """
import json
from wit_world.imports import host
async def main(input):
    ctx = await hold()
    forks = [ctx.fork().handle for _ in range(20)]
    fill = [{"tokens": [5, 6]}]
    while True:
        operations = [
            {"id": 10**6 + n, "op": "context.flush", "context": forks[n % 20], "fill": fill}
            for n in range(4000)
        ]
        host.submit(json.dumps(operations))
"""
    )
    async with (
        open_server({"floods": source}, instance_operations=64) as live,
        open_client(live.url) as client,
        live.undisturbed(),
    ):
        events = await run(client, "floods")
        assert error_code(events) == "guest_protocol_error", events[-2:]


async def test_more_work_than_pages_takes_turns(open_server: OpenServer) -> None:
    """Sixteen agents of 20 pages each on a pool of 64: all complete, with the same answers."""
    async with open_server(pages=64) as live, open_client(live.url) as client:
        arguments = {"prompt_tokens": 200, "rounds": 2, "generate_tokens": 24, "append_tokens": 32}
        results: list[object] = []

        async def one() -> None:
            events = await run(client, "agent-rounds", arguments)  # type: ignore[arg-type]
            assert events[-1].data["status"] == "completed", events[-2:]
            results.append(events[-1].data["result"]["length"])  # type: ignore[index]

        with trio.fail_after(120):
            async with trio.open_nursery() as nursery:
                for _ in range(16):
                    nursery.start_soon(one)
        assert results == [200 + 24 + 32 + 24] * 16
