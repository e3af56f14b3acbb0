"""Output validation: an answer that does not fit is taken back or criticized, and asked again."""

from __future__ import annotations

import re

from inferlet import Context, Model, Sampler, runtime, session


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    pattern = re.compile(input["pattern"])
    ctx = Context(model).system(input["system"]).user(input["prompt"])
    await ctx.flush()
    prompt_tokens = ctx.seq_len
    rejected: list[str] = []
    for attempt in range(input["attempts"]):
        sampler = Sampler.multinomial(input["temperature"], seed=input["seed"] + attempt)
        reply = await ctx.complete(sampler, max_tokens=input["max_tokens"])
        text = reply.content.strip()
        if pattern.fullmatch(text):
            return {"text": text, "attempts": attempt + 1, "rejected": rejected}
        rejected.append(text)
        session.send({"rejected": text})
        if input["feedback"]:
            ctx.seal().user(input["feedback"])
        else:
            ctx.truncate(ctx.seq_len - prompt_tokens)
    raise ValueError(f"no answer of {len(rejected)} matches {input['pattern']!r}: {rejected}")
