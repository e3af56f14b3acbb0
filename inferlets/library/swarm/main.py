"""Swarm: agents pull questions from a work queue and broadcast their answers to each other.

The leader launches the agents (the same program, told its swarm) and collects what they find. A
question may need earlier answers: its agent waits until another one has broadcast them.
"""

from __future__ import annotations

import re

from inferlet import Context, Model, Sampler, gather, messaging, runtime, tools

NEEDED = re.compile(r"\{(\d+)\}")


async def answer(root: Context, question: str, input: dict) -> str:
    with root.fork().user(question) as ctx:
        for _ in range(input["max_turns"]):
            reply = await ctx.complete(Sampler.argmax(), max_tokens=input["max_tokens"])
            if not reply.tool_calls:
                return reply.content
            ctx.seal()
            for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
                ctx.tool_result(result.content)
    raise RuntimeError(f"no answer to {question!r} within max_turns")


def gist(text: str) -> str:
    """What takes an answer's place in a question: its last number, else all of it."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?", text)
    return numbers[-1] if numbers else text.strip(" .")


async def agent(input: dict) -> int:
    """Answers questions until there are no more; how many it answered."""
    swarm, known, answered = input["swarm"], {}, 0
    model = Model.load(input.get("model") or runtime.models()[0])
    root = Context(model).tools(tools.schemas(input.get("tools"))).system(input["system"])
    await root.flush()
    with messaging.subscribe(f"{swarm}/answers") as news:
        messaging.push(f"{swarm}/ready", True)
        while (job := await messaging.pull(f"{swarm}/questions")) is not None:
            number, question = job
            # Answers only come from earlier questions, which others have taken before.
            while not {int(place) for place in NEEDED.findall(question)} <= known.keys():
                told, text = await news.next()
                known[told] = gist(text)
            filled = NEEDED.sub(lambda match: known[int(match[1])], question)
            text = await answer(root, filled, input)
            messaging.broadcast(f"{swarm}/answers", [number, text])
            answered += 1
    return answered


async def lead(input: dict) -> dict:
    swarm = f"swarm-{runtime.instance_id()}"
    questions, count = input["questions"], input["agents"]
    for number, question in enumerate(questions):
        if any(int(place) >= number for place in NEEDED.findall(question)):
            raise ValueError(f"question {number} needs an answer that does not come before it")
    told = {key: value for key, value in input.items() if key != "questions"}
    children = [runtime.launch("swarm", told | {"swarm": swarm}) for _ in range(count)]
    await gather(*[messaging.pull(f"{swarm}/ready") for _ in children])
    with messaging.subscribe(f"{swarm}/answers") as news:
        for job in [*enumerate(questions), *[None] * count]:
            messaging.push(f"{swarm}/questions", job)
        found = dict([await news.next() for _ in questions])
    shares = await gather(*[child.join() for child in children])
    return {"answers": [found[number] for number in range(len(questions))], "shares": shares}


async def main(input: dict) -> dict | int:
    if "swarm" in input:
        return await agent(input)
    if "questions" not in input:
        raise ValueError("give questions")
    return await lead(input)
