"""Jacobi decoding: a row of guesses is corrected in parallel until its beginning holds.

One pass predicts what follows each guess. Behind guesses that are all right, the prediction is what
greedy decoding would say; the others are better guesses for the next pass.
"""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    most, width = input["max_tokens"], input["guesses"]
    ctx = Context(model).system(input["system"]).user(input["prompt"]).cue()
    tokens: list[int] = []
    guesses: list[int] = []
    passes = 0
    while len(tokens) < most:
        forward = ctx.append(guesses).forward()
        each = forward.sample(list(range(-len(guesses) - 1, 0)), Sampler.argmax())
        said = (await forward.execute()).tokens_at(each)
        passes += 1
        right = next((i for i, guess in enumerate(guesses) if guess != said[i]), len(guesses))
        ctx.truncate(len(guesses) - right)
        true = said[: right + 1]
        end = next((i for i, token in enumerate(true) if token in model.eos_tokens), None)
        tokens += true[:end]
        if end is not None:
            break
        ctx.append(true[-1:])
        # Where there is no prediction yet, the last one is repeated.
        guesses = [*said[right + 1 :], *said[-1:] * width][: min(width, most - len(tokens) - 1)]
    return {
        "text": model.tokenizer().decode(tokens, skip_special=True),
        "tokens": len(tokens),
        "passes": passes,
        "tokens_per_pass": round(len(tokens) / passes, 3),
    }
