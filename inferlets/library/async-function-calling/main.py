"""Asynchronous function calling: a tool starts as soon as its call is written.

The model writes on, perhaps the next call, while the tool runs; by the end of the turn it has often
returned.
"""

from __future__ import annotations

from inferlet import Context, Model, Sampler, Task, gather, runtime, spawn, tools

CALL_END = "</tool_call>"


async def turn(ctx: Context, most: int) -> tuple[str, list[Task[tools.Result]]]:
    """One turn of the model: what it says, and the tools that run since it called them."""
    said, running, written = "", [], 0
    while written < most:
        reply = await ctx.complete(
            Sampler.argmax(), max_tokens=most - written, stop=[CALL_END], cue=written == 0
        )
        written += len(reply.tokens)
        said += reply.content
        running += [spawn(tools.call(call)) for call in reply.tool_calls]
        if reply.tokens[-1] in ctx.model.eos_tokens:
            break
    ctx.seal()
    return said, running


async def main(input: dict) -> str:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model).tools(tools.schemas(input.get("tools")))
    ctx.system(input["system"]).user(input["question"])
    for _ in range(input["max_turns"]):
        said, running = await turn(ctx, input["max_tokens"])
        if not running:
            return said.strip()
        for result in await gather(*running):
            ctx.tool_result(result.content)
    raise RuntimeError(f"no answer after {input['max_turns']} turns; raise max_turns")
