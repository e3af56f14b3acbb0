"""Monte Carlo tree search over an agent's turns: promising beginnings are tried more often."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from zlib import crc32

from inferlet import Context, Model, Sampler, runtime, session, tools


@dataclass(eq=False)
class Node:
    """A conversation after some turns; its path ("0.2.1") says how it came about."""

    path: str
    ctx: Context
    parent: Node | None = None
    logprob: float = 0.0
    tokens: int = 0
    answer: str | None = None
    children: list[Node] = field(default_factory=list)
    visits: int = 0
    reward: float = 0.0  # of all visits together

    @property
    def depth(self) -> int:
        return self.path.count(".")

    def worth(self, exploration: float) -> float:
        """UCT: mean reward, and a bonus for what was seldom tried (Kocsis and Szepesvari 2006)."""
        seldom = math.sqrt(math.log(self.parent.visits) / self.visits)
        return self.reward / self.visits + exploration * seldom


def gist(answer: str) -> str:
    """What is compared: the last number of an answer if it has one, else its words."""
    numbers = re.findall(r"-?\d+(?:[.,]\d+)*", answer)
    return numbers[-1] if numbers else answer.casefold().strip(" .!")


class Search:
    """The tree, and how it grows."""

    def __init__(self, root: Node, input: dict) -> None:
        self.root = root
        self.input = input

    def is_open(self, node: Node) -> bool:
        return node.answer is None and node.depth < self.input["max_turns"]

    def select(self) -> Node:
        """From the root along the worthiest children to a state that has not been tried out."""
        node = self.root
        while self.is_open(node) and len(node.children) == self.input["branches"]:
            node = max(node.children, key=lambda child: child.worth(self.input["exploration"]))
        return node

    async def turn(self, node: Node, name: str, sampler: Sampler) -> Node:
        """The state behind one turn more: an answer, or the results of tools."""
        ctx = node.ctx.fork()
        reply = await ctx.complete(sampler, max_tokens=self.input["max_tokens"])
        after = Node(f"{node.path}.{name}", ctx, node)
        after.logprob = node.logprob + reply.logprob
        after.tokens = node.tokens + len(reply.tokens)
        ctx.seal()
        if reply.tool_calls:
            for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
                ctx.tool_result(result.content)
        else:
            after.answer = reply.content
        return after

    async def expand(self, node: Node) -> Node:
        path = f"{node.path}.{len(node.children)}"
        # The path decides the seed, so that siblings differ and a run can be repeated.
        seed = self.input["seed"] + crc32(path.encode())
        sampler = Sampler.multinomial(self.input["temperature"], seed=seed)
        node.children.append(await self.turn(node, str(len(node.children)), sampler))
        return node.children[-1]

    async def rollout(self, node: Node) -> tuple[str | None, float]:
        """Goes on greedily to an answer; the reward is the mean probability of its tokens."""
        end = node
        while self.is_open(end):
            before, end = end, await self.turn(end, "r", Sampler.argmax())
            if before is not node:
                before.ctx.release()
        if end is not node:
            end.ctx.release()
        if end.answer is None:
            return None, 0.0
        return end.answer, math.exp(end.logprob / max(1, end.tokens))


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model).tools(tools.schemas(input.get("tools"))).system(input["system"])
    await ctx.user(input["question"]).flush()
    search = Search(Node("0", ctx), input)
    rewards: defaultdict[str, float] = defaultdict(float)
    wording: dict[str, str] = {}
    for _ in range(input["iterations"]):
        node = search.select()
        if search.is_open(node):
            node = await search.expand(node)
        answer, reward = await search.rollout(node)
        if answer is not None:
            rewards[gist(answer)] += reward
            wording.setdefault(gist(answer), answer)
        session.send({"node": node.path, "answer": answer, "reward": reward})
        above: Node | None = node
        while above is not None:
            above.visits += 1
            above.reward += reward
            above = above.parent
    if not rewards:
        raise RuntimeError(f"no simulation answered within {input['max_turns']} turns")
    best = max(rewards, key=lambda key: rewards[key])
    visits = [child.visits for child in search.root.children]
    return {"answer": wording[best], "rewards": dict(rewards), "visits": visits}
