"""Map-reduce over a long document: ask about all parts at once, merge the answers in a tree."""

from __future__ import annotations

import re

from inferlet import Context, Model, Sampler, gather, runtime, session, tools


async def ask(root: Context, question: str, input: dict) -> str:
    """The answer in a fork of `root`, or the part of it that is passed on."""
    with root.fork().user(question) as ctx:
        for _ in range(input["max_turns"]):
            reply = await ctx.complete(Sampler.argmax(), max_tokens=input["max_tokens"])
            if not reply.tool_calls:
                break
            ctx.seal()
            for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
                ctx.tool_result(result.content)
        else:
            raise RuntimeError(f"no answer to {question!r} within max_turns")
    session.send({"question": question, "answer": reply.content})
    if "extract" not in input:
        return reply.content
    found = [match[0] for match in re.finditer(input["extract"], reply.content)]
    if not found:
        raise ValueError(f"{input['extract']!r} is not found in {reply.content!r}")
    return found[-1]


def chunks(items: list[str], size: int) -> list[list[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    root = Context(model).tools(tools.schemas(input.get("tools"))).system(input["system"])
    await root.flush()

    async def merged(answers: list[str]) -> str:
        if len(answers) == 1:
            return answers[0]
        parts = input["join"].join(answers)
        return await ask(root, input["reduce"].replace("{parts}", parts), input)

    paragraphs = [text.strip() for text in re.split(r"\n\s*\n", input["document"]) if text.strip()]
    parts = ["\n\n".join(chunk) for chunk in chunks(paragraphs, input["paragraphs"])]
    asked = [ask(root, input["map"].replace("{part}", part), input) for part in parts]
    mapped = answers = await gather(*asked)
    while len(answers) > 1:
        answers = await gather(*[merged(group) for group in chunks(answers, input["width"])])
    return {"answer": answers[0], "mapped": mapped}
