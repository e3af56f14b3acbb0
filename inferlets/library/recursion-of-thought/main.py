"""Recursion of thought: a sub-question is solved in a context of its own; only its answer returns.

So a long calculation never fills one context: each sees one question and the answers it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inferlet import Context, Model, Sampler, gather, runtime, session, tools


def parts_of(text: str) -> Iterator[tuple[bool, str]]:
    """The text in pieces, and which of them stand in outermost brackets."""
    depth, begin = 0, 0
    for at, sign in enumerate(text):
        if sign == "[":
            if depth == 0:
                yield False, text[begin:at]
                begin = at + 1
            depth += 1
        elif sign == "]" and depth:
            depth -= 1
            if depth == 0:
                yield True, text[begin:at]
                begin = at + 1
    if depth:
        raise ValueError(f"a bracket is not closed: {text!r}")
    yield False, text[begin:]


def gist(answer: str) -> str:
    """What takes a sub-question's place: the last number of its answer, else all of it."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?", answer)
    return numbers[-1] if numbers else answer.strip(" .")


class Solver:
    """Asks in forks of `root`."""

    def __init__(self, root: Context, input: dict) -> None:
        self.root = root
        self.input = input
        self.solved = 0

    async def solve(self, question: str, depth: int = 0) -> str:
        if depth > self.input["depth"]:
            raise RuntimeError(f"more than {self.input['depth']} questions inside each other")
        answer = await self.ask(await self.simplified(question, depth))
        # The model may divide a question itself, by answering with questions in brackets.
        if any(is_question for is_question, _ in parts_of(answer)):
            return await self.solve(answer, depth + 1)
        self.solved += 1
        session.send({"depth": depth, "question": question, "answer": answer})
        return answer

    async def simplified(self, question: str, depth: int) -> str:
        """The question with answers in place of its sub-questions, which are solved together."""

        async def piece(is_question: bool, text: str) -> str:
            return gist(await self.solve(text, depth + 1)) if is_question else text

        return "".join(await gather(*[piece(*part) for part in parts_of(question)]))

    async def ask(self, question: str) -> str:
        with self.root.fork().user(question) as ctx:
            for _ in range(self.input["max_turns"]):
                reply = await ctx.complete(Sampler.argmax(), max_tokens=self.input["max_tokens"])
                if not reply.tool_calls:
                    return reply.content
                ctx.seal()
                for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
                    ctx.tool_result(result.content)
        raise RuntimeError(f"no answer to {question!r} within max_turns")


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    root = Context(model).tools(tools.schemas(input.get("tools"))).system(input["system"])
    await root.flush()
    solver = Solver(root, input)
    return {"answer": await solver.solve(input["question"]), "questions": solver.solved}
