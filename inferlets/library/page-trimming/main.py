"""Page trimming: an agent drops how it found an answer, and keeps the answer.

Tool calls and their results fill most of an agent's cache, and are hardly ever needed again.
"""

from __future__ import annotations

from inferlet import Completion, Context, Model, Sampler, runtime, tools


async def answer(ctx: Context, question: str, input: dict) -> tuple[Completion, int, int]:
    """The answer, and where in the context the work towards it begins and ends."""
    await ctx.user(question).cue().flush()
    begin = ctx.seq_len
    for turn in range(input["max_turns"]):
        reply = await ctx.complete(Sampler.argmax(), max_tokens=input["max_tokens"], cue=turn > 0)
        if not reply.tool_calls:
            return reply, begin, ctx.seq_len - len(reply.tokens)
        ctx.seal()
        for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
            ctx.tool_result(result.content)
    raise RuntimeError(f"no answer after {input['max_turns']} turns; raise max_turns")


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model).tools(tools.schemas(input.get("tools"))).system(input["system"])
    answers, dropped = [], 0
    for question in input["questions"]:
        reply, begin, end = await answer(ctx, question, input)
        answers.append(reply.content)
        if input["trim"] and begin < end:
            # The answer now follows the question as if it had been given at once. Its last token
            # has yet to be read, and is not to see the work either.
            ctx.truncate(1)
            ctx.drop(begin, end)
            ctx.append(reply.tokens[-1:])
            dropped += end - begin
        if reply.finish_reason != "stop":
            ctx.seal()
    await ctx.flush()
    info = ctx.info()
    return {
        "answers": answers,
        "tokens": info["tokens"],
        "dropped_tokens": dropped,
        "pages": info["pages"],
    }
