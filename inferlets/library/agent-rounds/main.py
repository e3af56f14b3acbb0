"""Benchmark: an agent of fixed token counts whose tool is a pause.

Each round generates exactly so many tokens, waits for its tool, and appends the tool's result,
which the next round prefills together with its first decode.
"""

from __future__ import annotations

import time

from inferlet import Context, Model, Sampler, runtime


def make_tokens(wanted: int | list[int], vocab_size: int, start: int) -> list[int]:
    """The tokens given, or that many made-up ones; special tokens have low numbers: avoid them."""
    if isinstance(wanted, list):
        return wanted
    low = min(64, vocab_size // 2)
    return [low + (start + 37 * n) % (vocab_size - low) for n in range(wanted)]


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model).append(make_tokens(input["prompt_tokens"], model.vocab_size, 0))
    result = make_tokens(input["append_tokens"], model.vocab_size, 7)
    generated, round_seconds = 0, []
    for number in range(input["rounds"]):
        started = time.monotonic()
        if number:
            ctx.append(result)
        reply = await ctx.complete(
            Sampler.argmax(), max_tokens=input["generate_tokens"], cue=False, ignore_eos=True
        )
        generated += len(reply.tokens)
        await runtime.sleep(input["tool_seconds"])
        round_seconds.append(time.monotonic() - started)
    return {"generated": generated, "length": ctx.seq_len, "round_seconds": round_seconds}
