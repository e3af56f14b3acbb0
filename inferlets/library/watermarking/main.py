"""A watermark in generated text, and its detector (Kirchenbauer et al. 2023).

Each token and a secret key colour the vocabulary that may follow it: some tokens are green.
Sampling favours green tokens a little, so a marked text has too many of them to be chance.
"""

from __future__ import annotations

import math
import random
from hashlib import sha256
from itertools import pairwise

from inferlet import Context, Distribution, Model, Sampler, runtime


def is_green(key: str, previous: int, token: int, share: float) -> bool:
    digest = sha256(f"{key}/{previous}/{token}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def examine(tokens: list[int], key: str, share: float) -> dict:
    """How far the number of green tokens is from chance, in standard deviations (`z`).

    A pair of tokens counts once: a text that repeats itself is no stronger evidence.
    """
    pairs = set(pairwise(tokens))
    green = sum(is_green(key, previous, token, share) for previous, token in pairs)
    deviation = math.sqrt(max(1, len(pairs)) * share * (1 - share))
    z = (green - share * len(pairs)) / deviation
    return {"pairs": len(pairs), "green": green, "z": round(z, 3), "marked": z > 4}


async def write(ctx: Context, input: dict) -> list[int]:
    draw = random.Random(input["seed"])
    tokens = ctx.buffer()
    begin = len(tokens)
    probe = Distribution(input["temperature"], input["candidates"])
    generator = ctx.generate(Sampler.argmax(), max_tokens=input["max_tokens"])
    async for step in generator:
        top = step.clear_sampler().probe(-1, probe)
        candidates, weights = (await step.execute()).distribution(top)
        for index, token in enumerate(candidates):
            if is_green(input["key"], tokens[-1], token, input["green_share"]):
                weights[index] *= math.exp(input["strength"])
            if token in ctx.model.eos_tokens and len(tokens) - begin < input["min_tokens"]:
                weights[index] = 0.0
        tokens += generator.accept(draw.choices(candidates, weights))
    return tokens[begin:]


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    if "detect" in input:
        tokens = model.tokenizer().encode(input["detect"])
        return examine(tokens, input["key"], input["green_share"])
    if "prompt" not in input:
        raise ValueError("give a prompt, or a text to detect the watermark in")
    ctx = Context(model).system(input["system"]).user(input["prompt"]).cue()
    tokens = await write(ctx, input)
    text = model.tokenizer().decode(tokens, skip_special=True)
    return {"text": text, **examine(tokens, input["key"], input["green_share"])}
