"""Tokens in, tokens out: what a client that drives its own agent needs from a server."""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model, prefix_reuse=input["prefix_reuse"]).append(input["tokens"])
    reply = await ctx.complete(
        Sampler.multinomial(input["temperature"]),
        max_tokens=input["max_tokens"],
        cue=False,
        ignore_eos=input["ignore_eos"],
    )
    return {"tokens": reply.tokens, "text": reply.text, "finish_reason": reply.finish_reason}
