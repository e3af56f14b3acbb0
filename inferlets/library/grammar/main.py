"""An answer in the language of a context-free grammar."""

from __future__ import annotations

from inferlet import Context, Ebnf, Model, Sampler, runtime


async def main(input: dict) -> str:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model).system(input["system"]).user(input["prompt"])
    sampler = Sampler.multinomial(input["temperature"], seed=input["seed"])
    reply = await ctx.complete(
        sampler, max_tokens=input["max_tokens"], constrain=Ebnf(input["grammar"])
    )
    if reply.finish_reason != "stop":
        raise ValueError(
            f"the answer was cut off after {len(reply.tokens)} tokens: raise max_tokens, or bound "
            "the repetitions of the grammar"
        )
    return reply.text
