"""Tokens in, tokens out: what a client that drives its own agent needs from a server."""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model, prefix_reuse=input["prefix_reuse"]).append(input["tokens"])
    sampler = Sampler.multinomial(input["temperature"])
    if input["stepwise"]:
        return await stepwise(ctx, sampler, input["max_tokens"], ignore_eos=input["ignore_eos"])
    reply = await ctx.complete(
        sampler, max_tokens=input["max_tokens"], cue=False, ignore_eos=input["ignore_eos"]
    )
    return {"tokens": reply.tokens, "text": reply.text, "finish_reason": reply.finish_reason}


async def stepwise(ctx: Context, sampler: Sampler, most: int, *, ignore_eos: bool) -> dict:
    tokens: list[int] = []
    while len(tokens) < most:
        forward = ctx.forward()
        best = forward.sample([-1], sampler)
        token = (await forward.execute()).token(best)
        if not ignore_eos and token in ctx.model.eos_tokens:
            break
        tokens.append(token)
        ctx.append([token])
    return {
        "tokens": tokens,
        "text": ctx.model.tokenizer().decode(tokens, skip_special=True),
        "finish_reason": "stop" if len(tokens) < most else "length",
    }
