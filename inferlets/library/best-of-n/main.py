"""Best of n: sample several answers in one batch, return the one the model is surest of."""

from __future__ import annotations

from inferlet import Completion, Context, Model, Sampler, gather, runtime


async def sample(prompt: Context, seed: int, input: dict) -> Completion:
    sampler = Sampler.multinomial(input["temperature"], seed=seed)
    with prompt.fork() as ctx:
        return await ctx.complete(sampler, max_tokens=input["max_tokens"])


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    prompt = Context(model).system(input["system"]).user(input["prompt"])
    await prompt.flush()
    seeds = range(input["seed"], input["seed"] + input["n"])
    replies = await gather(*[sample(prompt, seed, input) for seed in seeds])
    best = max(replies, key=lambda reply: reply.mean_logprob)
    return {
        "text": best.text,
        "mean_logprob": best.mean_logprob,
        "candidates": [{"text": r.text, "mean_logprob": r.mean_logprob} for r in replies],
    }
