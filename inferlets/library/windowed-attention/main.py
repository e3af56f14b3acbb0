"""Windowed attention: every token sees itself and a fixed number of tokens before it."""

from __future__ import annotations

import math

from inferlet import Context, Distribution, Model, runtime


async def read(ctx: Context, tokens: list[int], window: int) -> tuple[int, float]:
    """Reads tokens through the window; the most probable next token and its log-probability.

    What is out of the window of all later tokens is dropped, and its pages are free again.
    """
    start = ctx.seq_len
    ends = range(start + 1, start + 1 + len(tokens))
    forward = ctx.forward().input(tokens)
    forward.visible([[(max(0, end - window), end)] for end in ends])
    top = forward.probe(-1, Distribution(k=1))
    [token], [probability] = (await forward.execute()).distribution(top)
    if ctx.seq_len >= window:
        ctx.drop(0, ctx.seq_len + 1 - window)
    return token, math.log(probability)


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    window = input["window"]
    prompt = Context(model).system(input["system"]).user(input["prompt"]).cue().buffer()
    ctx = Context(model)
    pages, logprob = 0, 0.0
    for start in range(0, len(prompt), window):
        token, certainty = await read(ctx, prompt[start : start + window], window)
    tokens: list[int] = []
    while len(tokens) < input["max_tokens"]:
        if token in model.eos_tokens and not input["ignore_eos"]:
            break
        tokens.append(token)
        logprob += certainty
        token, certainty = await read(ctx, [token], window)
        pages = max(pages, ctx.info()["pages"])
    text = model.tokenizer().decode(tokens, skip_special=True)
    return {"text": text, "tokens": tokens, "logprob": logprob, "most_pages": pages}
