"""Graph of thoughts: partial results are merged pairwise, each merge tried several times.

The thoughts form a graph: every merge takes two thoughts and makes one, and starts as soon as both
are there.
"""

from __future__ import annotations

import re
from collections import Counter

from inferlet import Context, Model, Sampler, gather, runtime, session, tools


def gist(answer: str) -> str:
    """What is passed on: the last number of an answer if it has one, else all of it."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?", answer)
    return numbers[-1] if numbers else answer.strip()


class Graph:
    """Thinks in forks of `root`."""

    def __init__(self, root: Context, input: dict) -> None:
        self.root = root
        self.input = input
        self.thoughts = 0

    async def thought_of(self, items: list[str]) -> str:
        """The thought that all of these come to."""
        if len(items) == 1:
            return items[0]
        middle = len(items) // 2
        return await self.merged(
            *await gather(self.thought_of(items[:middle]), self.thought_of(items[middle:]))
        )

    async def merged(self, a: str, b: str) -> str:
        question = self.input["merge"].replace("{a}", a).replace("{b}", b)
        tries = range(self.input["tries"])
        answers = await gather(*[self.ask(question, self.input["seed"] + i) for i in tries])
        thought, votes = Counter(answers).most_common(1)[0]
        self.thoughts += 1
        session.send({"thought": thought, "from": [a, b], "agreement": votes / len(answers)})
        return thought

    async def ask(self, question: str, seed: int) -> str:
        sampler = Sampler.multinomial(self.input["temperature"], seed=seed)
        with self.root.fork().user(question) as ctx:
            for _ in range(self.input["max_turns"]):
                reply = await ctx.complete(sampler, max_tokens=self.input["max_tokens"])
                if not reply.tool_calls:
                    return gist(reply.content)
                ctx.seal()
                for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
                    ctx.tool_result(result.content)
        raise RuntimeError(f"no answer to {question!r} within max_turns")


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    root = Context(model).tools(tools.schemas(input.get("tools"))).system(input["system"])
    await root.flush()
    graph = Graph(root, input)
    return {"result": await graph.thought_of(input["items"]), "thoughts": graph.thoughts}
