"""Retrieval-augmented generation as a graph of steps: search, rank, read, check.

Every step is a task that starts as soon as the steps it needs are done.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from inferlet import Context, Logprob, Model, Sampler, Task, chat, gather, runtime, spawn, tools


class Graph:
    """Steps by name, each with the names of those whose results it takes. Each runs once."""

    def __init__(self, steps: dict[str, tuple[Callable[..., Awaitable], list[str]]]) -> None:
        self.steps = steps
        self.tasks: dict[str, Task] = {}

    def task(self, name: str) -> Task:
        if name not in self.tasks:
            self.tasks[name] = spawn(self.run(name))
        return self.tasks[name]

    async def run(self, name: str) -> object:
        step, needs = self.steps[name]
        return await step(*await gather(*[self.task(need) for need in needs]))


async def likelihood(model: Model, passage: str, question: str) -> float:
    """Log-probability per token of the question behind a passage: how well they go together."""
    read, asked = chat.system(model, passage), chat.user(model, question)
    with Context(model) as ctx:
        forward = ctx.forward().input([*read, *asked])
        probes = [
            forward.probe(at, Logprob(token)) for at, token in enumerate(asked, len(read) - 1)
        ]
        out = await forward.execute()
    return sum(out.logprob(probe) for probe in probes) / len(asked)


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    question = input["question"]
    queries = input.get("queries", [question])

    async def search(query: str) -> list[str]:
        result = await tools.call("search_documents", {"query": query})
        return [] if result.is_error else result.content.splitlines()

    async def rank(*found: list[str]) -> list[str]:
        passages = list(dict.fromkeys(passage for list_ in found for passage in list_))
        scores = await gather(*[likelihood(model, passage, question) for passage in passages])
        best = sorted(zip(scores, passages, strict=True), reverse=True)
        return [passage for _, passage in best[: input["keep"]]]

    async def read(passages: list[str]) -> str:
        """The model reads them as the result of a search of its own, as it has learnt to."""
        call = {"name": "search_documents", "arguments": {"query": queries[0]}}
        ctx = Context(model).tools(tools.schemas(["search_documents"])).system(input["system"])
        ctx.user(question).message(
            {"role": "assistant", "content": "", "tool_calls": [{"function": call}]}
        )
        ctx.tool_result("\n".join(passages) or "error: no document matches")
        return (await ctx.complete(Sampler.argmax(), max_tokens=input["max_tokens"])).content

    async def check(passages: list[str], answer: str) -> bool:
        """Whether all names and numbers of the answer stand in the passages."""
        source = " ".join(passages).casefold()
        facts = re.findall(r"\d[\d.,:]*\d|\d|\b[A-Z]\w+", answer)
        return bool(passages) and all(fact.casefold() in source for fact in facts)

    searches = {
        f"search {number}": (lambda query=query: search(query), [])
        for number, query in enumerate(queries)
    }
    graph = Graph(
        searches
        | {
            "rank": (rank, list(searches)),
            "read": (read, ["rank"]),
            "check": (check, ["rank", "read"]),
        }
    )
    return {
        "grounded": await graph.task("check"),
        "answer": await graph.task("read"),
        "passages": await graph.task("rank"),
    }
