"""An operation that fails or is cancelled, and the inferlet that goes on, on a real engine."""

from __future__ import annotations

import pytest
import trio

from pie_server.client import open_client

from .conftest import OpenServer, run

# Each way to be refused, with what makes it: the limit, and what is tried first. Then the same
# context does what it was meant to do, and must come to the same as one that was never refused.
REFUSED = """
from inferlet import Context, Model, OperationError, Sampler, runtime, tools

model = Model.load(runtime.models()[0])

def fresh():
    ctx = Context(model, prefix_reuse=False)
    return ctx.tools(["calculator"]).system("You are helpful.").user("What is 2 + 2?")

async def say(ctx, **changes):
    asked = dict(max_tokens=4, ignore_eos=True) | changes
    return (await ctx.complete(Sampler.argmax(), **asked)).tokens

async def refused(attempt, code):
    try:
        await attempt
    except OperationError as error:
        assert error.code == code, error
    else:
        raise AssertionError(f"not refused with {code}")

async def main(input):
    with fresh() as plain:
        expected, length = await say(plain), plain.seq_len
    answers = {}
    for code, change in input["refusals"]:
        with fresh() as ctx:
            await refused(say(ctx, **change), code)
            assert ctx.seq_len == ctx.info()["tokens"] == 0, code
            answers[code] = [await say(ctx) == expected, ctx.seq_len == length]

    with fresh() as ctx:
        forward = ctx.forward()
        forward.sample([10**6], Sampler.argmax())
        await refused(forward.execute(), "invalid_arguments")
        answers["forward"] = [await say(ctx) == expected, ctx.seq_len == length]

    with fresh().append([5] * 5000) as ctx:
        await refused(ctx.flush(), "context_too_long")
        answers["flush"] = [ctx.seq_len == 0, len(ctx.buffer()) > 5000]
    return answers
"""

CANCELLED = """
from inferlet import Context, Model, Sampler, TaskCancelled, runtime, spawn

async def say(ctx, count):
    return await ctx.complete(Sampler.argmax(), max_tokens=count, cue=False, ignore_eos=True)

async def main(input):
    model = Model.load(runtime.models()[0])
    ctx = Context(model).append([11, 12, 13, 14] * 6)
    await ctx.flush()
    begin = ctx.seq_len
    expected = (await say(ctx.fork(), 8)).tokens
    task = spawn(say(ctx, 400))
    while ctx.info()["tokens"] < begin + 3:
        await runtime.sleep(0.002)
    task.cancel()
    try:
        await task.join()
        return "it was not cancelled"
    except TaskCancelled:
        pass
    length, true = ctx.seq_len, ctx.info()["tokens"]
    ctx.truncate(length - begin)
    again = (await say(ctx, 8)).tokens
    return [length == true > begin, again == expected, ctx.seq_len == begin + 8]
"""


@pytest.mark.parametrize("native", [False, True])
async def test_a_refused_operation_can_be_tried_again_as_if_it_had_never_been(
    open_server: OpenServer, native: bool
) -> None:
    refusals = [
        ["invalid_arguments", {"max_tokens": 0}],
        ["pages_exceeded", {"max_tokens": 400}],
    ]
    async with (
        open_server({"refused": REFUSED}, instance_pages=24, allow_native=True) as live,
        open_client(live.url) as client,
    ):
        events = await run(client, "refused", {"refusals": refusals}, native=native)
        result = events[-1].data["result"]
        assert isinstance(result, dict), [event.data for event in events[-2:]]
        assert set(result) == {"invalid_arguments", "pages_exceeded", "forward", "flush"}
        assert all(answer == [True, True] for answer in result.values()), result


@pytest.mark.parametrize("native", [False, True])
async def test_truncating_after_a_cancelled_completion_cuts_where_it_should(
    open_server: OpenServer, native: bool
) -> None:
    async with (
        open_server({"cancelled": CANCELLED}, allow_native=True) as live,
        open_client(live.url) as client,
    ):
        with trio.fail_after(60):
            events = await run(client, "cancelled", native=native)
        assert events[-1].data["result"] == [True, True, True], events[-2:]
