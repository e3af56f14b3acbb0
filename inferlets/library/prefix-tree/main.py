"""Prefix tree: many prompts are read as a tree, so what several have in common is read once."""

from __future__ import annotations

from itertools import groupby

from inferlet import Context, Model, Sampler, gather, runtime

Prompts = list[tuple[list[int], int]]  # tokens and the number of the prompt, sorted


def common_length(prompts: Prompts) -> int:
    """Of sorted prompts the first and the last have in common what all have."""
    first, last = prompts[0][0], prompts[-1][0]
    pairs = zip(first, last, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))


class Tree:
    """Grows contexts along the tree of the prompts, and answers at its leaves."""

    def __init__(self, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self.answers: dict[int, str] = {}
        self.tokens_read = 0

    async def grow(self, ctx: Context, prompts: Prompts) -> None:
        """Reads what these prompts have in common, then each group of them in a fork."""
        read, end = ctx.seq_len, common_length(prompts)
        self.tokens_read += end - read
        await ctx.append(prompts[0][0][read:end]).flush()
        ended = [number for tokens, number in prompts if len(tokens) == end]
        longer = [prompt for prompt in prompts if len(prompt[0]) > end]
        groups = [list(group) for _, group in groupby(longer, key=lambda prompt: prompt[0][end])]
        await gather(
            *[self.answer(ctx.fork(), number) for number in ended],
            *[self.grow(ctx.fork(), group) for group in groups],
        )
        ctx.release()

    async def answer(self, ctx: Context, number: int) -> None:
        reply = await ctx.complete(Sampler.argmax(), max_tokens=self.max_tokens, cue=False)
        self.answers[number] = reply.text
        ctx.release()


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    prompts: Prompts = []
    for number, text in enumerate(input["prompts"]):
        ctx = Context(model).system(input["system"]).user(text).cue()
        prompts.append((ctx.buffer(), number))
        ctx.release()
    tree = Tree(input["max_tokens"])
    await tree.grow(Context(model), sorted(prompts))
    return {
        "answers": [tree.answers[number] for number in range(len(prompts))],
        "prompt_tokens": sum(len(tokens) for tokens, _ in prompts),
        "tokens_read": tree.tokens_read,
    }
