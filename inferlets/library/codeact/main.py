"""CodeAct: the model's only action is Python code; it reads what the code prints and goes on.

All code of a session runs in one interpreter in its sandbox, so variables and functions of earlier
turns are still there.
"""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime, tools


async def main(input: dict) -> str:
    model = Model.load(input.get("model") or runtime.models()[0])
    sampler = Sampler.multinomial(input["temperature"])
    ctx = Context(model).tools(tools.schemas(["python"]))
    ctx.system(input["system"]).user(input["question"])
    for _ in range(input["max_turns"]):
        reply = await ctx.complete(sampler, max_tokens=input["max_tokens"], stream=True)
        if not reply.tool_calls:
            return reply.content
        ctx.seal()
        # One after the other: code of one turn may build on what came before it.
        for call in reply.tool_calls:
            ctx.tool_result((await tools.call(call, contexts=[ctx])).content)
    raise RuntimeError(f"no answer after {input['max_turns']} turns; raise max_turns")
