"""Prefix caching: a long beginning is read once, and kept under a name for later runs."""

from __future__ import annotations

from hashlib import sha256

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    name = f"prefix-{sha256(input['prefix'].encode()).hexdigest()[:16]}"
    ctx = Context.open(model, name)
    found = ctx is not None
    if ctx is None:
        ctx = Context(model).system(input["prefix"])
        await ctx.flush()
        ctx.save(name)
    prefix_tokens = ctx.seq_len
    reply = await ctx.user(input["prompt"]).complete(
        Sampler.argmax(), max_tokens=input["max_tokens"], stream=True
    )
    if input["forget"]:
        Context.delete(model, name)
    return {"text": reply.text, "prefix_tokens": prefix_tokens, "found": found}
