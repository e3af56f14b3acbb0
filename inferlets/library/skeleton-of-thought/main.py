"""Skeleton of thought: the points of an answer first, then all of them written at the same time."""

from __future__ import annotations

import re

from inferlet import Context, Model, Regex, Sampler, gather, runtime, session


def outline(points: int, characters: int) -> Regex:
    """A numbered list of so many lines."""
    lines = (rf"{n}\. [A-Za-z][^\n]{{2,{characters - 1}}}\n" for n in range(1, points + 1))
    return Regex("".join(lines))


async def write(skeleton: Context, number: int, point: str, max_tokens: int) -> str:
    with skeleton.fork() as ctx:
        ctx.user(f"Write point {number} of your list in one or two sentences: {point}")
        reply = await ctx.complete(Sampler.argmax(), max_tokens=max_tokens)
    session.send({"point": number, "text": reply.text})
    return reply.text


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    points, characters = input["points"], input["point_characters"]
    ctx = Context(model).system(input["system"])
    ctx.user(f"{input['question']}\nGive only the {points} points of an answer, a few words each.")
    reply = await ctx.complete(
        Sampler.argmax(),
        max_tokens=points * (characters + 8),  # a token has a character at least
        constrain=outline(points, characters),
    )
    titles = re.findall(r"^\d+\. (.+)$", reply.text, re.MULTILINE)
    session.send({"skeleton": titles})
    await ctx.seal().flush()
    written = [
        write(ctx, number, title, input["max_tokens"]) for number, title in enumerate(titles, 1)
    ]
    texts = await gather(*written)
    answer = "\n".join(f"{n}. {title}: {texts[n - 1]}" for n, title in enumerate(titles, 1))
    return {"answer": answer, "skeleton": titles, "points": texts}
