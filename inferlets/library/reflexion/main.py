"""Reflexion: after a failed attempt the model says what to do differently, and tries again."""

from __future__ import annotations

import re

from inferlet import Context, Model, Sampler, runtime, session, tools


async def attempt(ctx: Context, input: dict) -> str:
    """The answer to what was asked, with tools on the way."""
    for _ in range(input["max_turns"]):
        reply = await ctx.complete(Sampler.argmax(), max_tokens=input["max_tokens"])
        ctx.seal()
        if not reply.tool_calls:
            return reply.content
        for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
            ctx.tool_result(result.content)
    return ""


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    base = Context(model).tools(tools.schemas(input.get("tools")))
    lessons: list[str] = []
    failed: list[str] = []
    for number in range(input["attempts"]):
        memory = "".join(f"\nLesson of attempt {n}: {text}" for n, text in enumerate(lessons, 1))
        with base.fork().system(input["system"] + memory).user(input["question"]) as ctx:
            answer = await attempt(ctx, input)
            if re.search(input["accept"], answer):
                return {"answer": answer, "attempts": number + 1, "lessons": lessons}
            failed.append(answer)
            ctx.user(input["reflect"])
            lessons.append((await ctx.complete(Sampler.argmax(), max_tokens=64)).content)
        session.send({"failed": answer, "lesson": lessons[-1]})
    raise RuntimeError(f"none of {len(failed)} attempts was accepted: {failed}")
