"""Answers one prompt and streams the text."""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict) -> str:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model).system(input["system"]).user(input["prompt"])
    sampler = Sampler.top_p(input["temperature"], input["top_p"])
    reply = await ctx.complete(sampler, max_tokens=input["max_tokens"], stream=True)
    return reply.text
