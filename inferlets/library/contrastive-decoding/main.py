"""Contrastive decoding: follow one prompt, and away from another (classifier-free guidance)."""

from __future__ import annotations

import math

from inferlet import Context, Distribution, Logprobs, Model, gather, runtime


async def compare(ctx: Context, other: Context, width: int) -> list[tuple[int, float, float]]:
    """The most probable next tokens of `ctx`, with their log-probabilities in both contexts.

    Both passes share a batch. Only then is it known which tokens to ask `other` about, so its
    hidden state waits on the device for that.
    """
    forward = ctx.forward()
    top = forward.probe(-1, Distribution(k=width))
    out, against = await gather(forward.execute(), other.forward().keep_hidden([-1]).execute())
    tokens, probabilities = out.distribution(top)
    with against.hidden as hidden:
        asked = hidden.probe(0, Logprobs(tokens))
        logprobs = (await hidden.execute()).logprobs(asked)
    return [
        (token, math.log(probability), logprob)
        for token, probability, logprob in zip(tokens, probabilities, logprobs, strict=True)
        if probability > 0
    ]


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    scale = input["scale"]
    plausible = math.log(input["plausible"]) if input["plausible"] else -math.inf
    ctx = Context(model).system(input["system"]).user(input["prompt"]).cue()
    other = Context(model)
    if "negative" in input:
        other.system(input["system"])
    other.user(input.get("negative", input["prompt"])).cue()
    tokens: list[int] = []
    likelihood_ratio = 0.0
    while len(tokens) < input["max_tokens"]:
        candidates = await compare(ctx, other, input["candidates"])
        floor = candidates[0][1] + plausible  # the most probable one comes first
        token, wanted, unwanted = max(
            (item for item in candidates if item[1] >= floor),
            key=lambda item: item[2] + scale * (item[1] - item[2]),
        )
        if token in model.eos_tokens:
            break
        likelihood_ratio += wanted - unwanted
        tokens.append(token)
        ctx.append([token])
        other.append([token])
    text = model.tokenizer().decode(tokens, skip_special=True)
    return {"text": text, "tokens": tokens, "log_likelihood_ratio": likelihood_ratio}
