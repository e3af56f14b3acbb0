"""ReAct: the model calls tools, reads their results, and goes on until it answers.

The context's KV pages stay on the device while the tools run, so no turn computes again what an
earlier one has read.
"""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime, tools


async def main(input: dict) -> str:
    model = Model.load(input.get("model") or runtime.models()[0])
    sampler = Sampler.multinomial(input["temperature"])
    ctx = Context(model)
    ctx.tools(tools.schemas(input.get("tools")))
    ctx.system(input["system"]).user(input["question"])
    for _ in range(input["max_turns"]):
        reply = await ctx.complete(sampler, max_tokens=input["max_tokens"], stream=True)
        if not reply.tool_calls:
            return reply.content
        ctx.seal()
        for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
            ctx.tool_result(result.content)
    raise RuntimeError(f"no answer after {input['max_turns']} turns; raise max_turns")
