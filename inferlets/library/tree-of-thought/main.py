"""Tree of thought: fork the context, let every branch think, keep the most confident ones.

Forks share all KV pages of their common past, and the branches of a level decode in one batch.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from zlib import crc32

from inferlet import Context, Model, Sampler, gather, runtime, session, tools


@dataclass(eq=False)
class Branch:
    """One line of thought: its place in the tree ("0.2.1") and how sure the model was of it."""

    path: str
    ctx: Context
    logprob: float = 0.0
    tokens: int = 0
    answer: str | None = None

    @property
    def score(self) -> float:
        return self.logprob / max(1, self.tokens)


def gist(answer: str) -> str:
    """What is voted on: the last number of an answer if it has one, else its words."""
    numbers = re.findall(r"-?\d+(?:[.,]\d+)*", answer)
    return numbers[-1] if numbers else answer.casefold().strip(" .!")


async def think(parent: Branch, index: int, input: dict) -> Branch:
    """Take one turn in a fork of `parent`: either it answers, or it calls tools and can go on."""
    branch = Branch(f"{parent.path}.{index}", parent.ctx.fork(), parent.logprob, parent.tokens)
    # The path decides the seed, so that siblings differ and a run can be repeated.
    seed = input["seed"] + crc32(branch.path.encode())
    sampler = Sampler.multinomial(input["temperature"], seed=seed)
    reply = await branch.ctx.complete(sampler, max_tokens=input["max_tokens"])
    branch.logprob += reply.logprob
    branch.tokens += len(reply.tokens)
    branch.ctx.seal()
    if reply.tool_calls:
        for result in await tools.call_all(reply.tool_calls, contexts=[branch.ctx]):
            branch.ctx.tool_result(result.content)
    else:
        branch.answer = reply.content.strip()
    news = {"branch": branch.path, "parent": parent.path, "text": reply.text}
    session.send(news | {"score": branch.score, "answer": branch.answer})
    return branch


async def main(input: dict) -> str:
    model = Model.load(input.get("model") or runtime.models()[0])
    root = Context(model).tools(tools.schemas(input.get("tools")))
    await root.system(input["system"]).user(input["question"]).flush()
    beam, finished = [Branch("0", root)], []
    for _ in range(input["depth"]):
        width = range(input["branches"])
        children = await gather(*[think(parent, i, input) for parent in beam for i in width])
        ranked = sorted(children, key=lambda branch: branch.score, reverse=True)
        finished += [branch for branch in ranked if branch.answer is not None]
        kept = [branch for branch in ranked if branch.answer is None][: input["beam"]]
        for branch in {*beam, *ranked} - {*kept}:
            branch.ctx.release()
        beam = kept
    if not finished:
        raise RuntimeError(f"no branch answered within {input['depth']} levels; raise depth")
    votes = defaultdict(list)
    for branch in finished:
        votes[gist(branch.answer)].append(branch)
    best = {key: max(group, key=lambda branch: branch.score) for key, group in votes.items()}
    winner = max(votes, key=lambda key: (len(votes[key]), best[key].score))
    counts = {best[key].answer: len(group) for key, group in votes.items()}
    session.send({"best": best[winner].answer, "votes": counts})
    return best[winner].answer
