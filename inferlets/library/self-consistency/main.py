"""Self-consistency: solve a question several times, answer what most solutions came to."""

from __future__ import annotations

import re
from collections import Counter

from inferlet import Context, Model, Sampler, gather, runtime, session, tools


def gist(answer: str) -> str:
    """What is voted on: the last number of an answer if it has one, else its words."""
    numbers = re.findall(r"-?\d+(?:[.,]\d+)*", answer)
    return numbers[-1] if numbers else answer.casefold().strip(" .!")


async def solve(prompt: Context, seed: int, input: dict) -> str | None:
    sampler = Sampler.multinomial(input["temperature"], seed=seed)
    with prompt.fork() as ctx:
        for _ in range(input["max_turns"]):
            reply = await ctx.complete(sampler, max_tokens=input["max_tokens"])
            if not reply.tool_calls:
                session.send({"solution": reply.content})
                return reply.content
            ctx.seal()
            for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
                ctx.tool_result(result.content)
    return None


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    prompt = Context(model).tools(tools.schemas(input.get("tools")))
    await prompt.system(input["system"]).user(input["question"]).flush()
    seeds = range(input["seed"], input["seed"] + input["samples"])
    solutions = await gather(*[solve(prompt, seed, input) for seed in seeds])
    answers = [solution for solution in solutions if solution is not None]
    if not answers:
        raise RuntimeError(f"no solution within {input['max_turns']} turns; raise max_turns")
    votes = Counter(map(gist, answers))
    winner, count = votes.most_common(1)[0]
    return {
        "answer": next(answer for answer in answers if gist(answer) == winner),
        "agreement": count / len(solutions),
        "votes": dict(votes),
    }
