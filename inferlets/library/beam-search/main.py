"""Beam search: follow the most probable beginnings of an answer at the same time."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import chain

from inferlet import Context, Distribution, Model, gather, runtime


@dataclass(eq=False)
class Beam:
    """A beginning of an answer. Its context has its last token noted, and reads it next."""

    ctx: Context
    tokens: list[int]
    logprob: float = 0.0

    def score(self, length_penalty: float) -> float:
        return self.logprob / max(1, len(self.tokens)) ** length_penalty


async def extensions(beam: Beam, width: int) -> list[tuple[float, Beam, int]]:
    """Its most probable next tokens, each with the log-probability of all that it would end."""
    forward = beam.ctx.forward()
    top = forward.probe(-1, Distribution(k=width))
    tokens, probabilities = (await forward.execute()).distribution(top)
    return [
        (beam.logprob + math.log(probability), beam, token)
        for token, probability in zip(tokens, probabilities, strict=True)
        if probability > 0
    ]


def extended(beam: Beam, token: int, logprob: float) -> Beam:
    return Beam(beam.ctx.fork().append([token]), [*beam.tokens, token], logprob)


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    width, most, penalty = input["beams"], input["max_tokens"], input["length_penalty"]
    ends = set(model.eos_tokens)
    beams = [Beam(Context(model).system(input["system"]).user(input["prompt"]).cue(), [])]
    finished: list[Beam] = []
    for _ in range(most):
        found = await gather(*[extensions(beam, width + len(ends)) for beam in beams])
        options = chain.from_iterable(found)
        ranked = heapq.nlargest(2 * width, options, key=lambda option: option[0])
        finished += [
            Beam(beam.ctx, [*beam.tokens, token], logprob)
            for logprob, beam, token in ranked[:width]
            if token in ends
        ]
        going_on = [option for option in ranked if option[2] not in ends][:width]
        parents, beams = beams, [extended(beam, token, total) for total, beam, token in going_on]
        for parent in parents:
            parent.ctx.release()
        # Log-probabilities only fall, so this is the best that any beam can still become.
        attainable = max(beam.logprob for beam in beams) / most**penalty
        if any(beam.score(penalty) >= attainable for beam in finished):
            break
    best = max(finished or beams, key=lambda beam: beam.score(penalty))
    return {
        "text": model.tokenizer().decode(best.tokens, skip_special=True),
        "tokens": best.tokens,
        "logprob": best.logprob,
        "score": best.score(penalty),
        "finished": len(finished),
    }
