"""Samplers written in the inferlet: min-p, locally typical and Mirostat 2.0 sampling.

A sampler keeps some of the candidates, from which one is drawn, and learns which it was.
"""

from __future__ import annotations

import math
import random

from inferlet import Context, Distribution, Model, Sampler, runtime

Candidates = list[tuple[int, float]]  # tokens with their probabilities, most probable first


class MinP:
    """Tokens at least so probable as a share of the best one (Nguyen et al. 2024)."""

    def __init__(self, share: float) -> None:
        self.share = share

    def keep(self, candidates: Candidates) -> Candidates:
        floor = self.share * candidates[0][1]
        return [(token, p) for token, p in candidates if p >= floor]

    def learn(self, probability: float) -> None:
        pass


class Typical:
    """Tokens about as surprising as the model expects to be surprised (Meister et al. 2023)."""

    def __init__(self, mass: float) -> None:
        self.mass = mass

    def keep(self, candidates: Candidates) -> Candidates:
        entropy = -sum(p * math.log(p) for _, p in candidates if p > 0)
        by_distance = sorted(
            (item for item in candidates if item[1] > 0),
            key=lambda item: abs(-math.log(item[1]) - entropy),
        )
        kept, total = [], 0.0
        for token, p in by_distance:
            kept.append((token, p))
            total += p
            if total >= self.mass:
                break
        return kept

    def learn(self, probability: float) -> None:
        pass


class Mirostat:
    """Steers the surprise of the text to a target, in bits a token (Basu et al. 2021)."""

    def __init__(self, target: float, rate: float) -> None:
        self.target, self.rate = target, rate
        self.limit = 2 * target

    def keep(self, candidates: Candidates) -> Candidates:
        floor = 2.0**-self.limit
        return [(token, p) for token, p in candidates if p >= floor] or candidates[:1]

    def learn(self, probability: float) -> None:
        self.limit -= self.rate * (-math.log2(probability) - self.target)


def without(candidates: Candidates, banned: list[int]) -> Candidates:
    left = [(token, p) for token, p in candidates if token not in banned]
    total = sum(p for _, p in left)
    return [(token, p / total) for token, p in left]


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model).system(input["system"]).user(input["prompt"])
    rule = {
        "min-p": lambda: MinP(input["min_p"]),
        "typical": lambda: Typical(input["mass"]),
        "mirostat": lambda: Mirostat(input["surprise"], input["rate"]),
    }[input["sampler"]]()
    draw = random.Random(input["seed"])
    probe = Distribution(input["temperature"], input["candidates"])
    tokens: list[int] = []
    surprises: list[float] = []
    generator = ctx.generate(Sampler.argmax(), max_tokens=input["max_tokens"])
    async for step in generator:
        top = step.clear_sampler().probe(-1, probe)
        candidates = list(zip(*(await step.execute()).distribution(top), strict=True))
        if len(tokens) < input["min_tokens"]:
            candidates = without(candidates, model.eos_tokens)
        kept = rule.keep(candidates)
        [(token, probability)] = draw.choices(kept, [p for _, p in kept])
        rule.learn(probability)
        surprises.append(-math.log2(probability))
        tokens += generator.accept([token])
    return {
        "text": model.tokenizer().decode(tokens, skip_special=True),
        "tokens": tokens,
        "mean_surprise_bits": sum(surprises) / len(surprises),
    }
