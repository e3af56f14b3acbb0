"""Heavy hitters: the pages that matter least to the next token leave the KV cache (after H2O).

How much a page matters is measured: one forward pass reads the last token several times, side by
side, each time without one of the pages, and sees how far the next token's distribution moves.
"""

from __future__ import annotations

from collections import defaultdict

from inferlet import Context, Distribution, Model, Sampler, runtime, tools

Page = tuple[int, int]  # the half-open range of its tokens
WIDTH = 64  # most probable tokens that distributions are compared by


def distance(one: dict[int, float], other: dict[int, float]) -> float:
    """Total variation: half of what two distributions differ by."""
    tokens = one.keys() | other.keys()
    return sum(abs(one.get(t, 0.0) - other.get(t, 0.0)) for t in tokens) / 2


async def influence(ctx: Context, last: int, pages: list[Page]) -> dict[Page, float]:
    """How far the distribution behind `last`, to be read next, moves without each of the pages."""
    end = ctx.seq_len
    with ctx.fork() as probe:
        forward = probe.forward().input_at([last] * (len(pages) + 1), [end] * (len(pages) + 1))
        # Dropped tokens stay hidden from all of them.
        forward.visible([[(0, end)], *[[(0, low), (high, end)] for low, high in pages]])
        tops = [forward.probe(row, Distribution(k=WIDTH)) for row in range(len(pages) + 1)]
        out = await forward.execute()
    found = [dict(zip(*out.distribution(top), strict=True)) for top in tops]
    return {page: distance(found[0], row) for page, row in zip(pages, found[1:], strict=True)}


class Cache:
    """Keeps a context within its budget of tokens."""

    def __init__(self, ctx: Context, input: dict) -> None:
        self.ctx = ctx
        self.budget, self.recent = input["budget"], input["recent"]
        self.policy = input["policy"]
        self.evicted: set[Page] = set()
        self.scores: defaultdict[Page, float] = defaultdict(float)

    async def trim(self, last: int) -> None:
        """Evict the pages with the lowest scores; `last` is the context's last token."""
        size, length = self.ctx.page_size, self.ctx.seq_len
        pages = [(at, at + size) for at in range(0, length - self.recent - size + 1, size)]
        pages = [page for page in pages if page not in self.evicted]
        excess = length - len(self.evicted) * size - self.budget
        if excess <= 0 or not pages or self.policy == "none":
            return
        # The last token is read again, or for the first time, with the evicted pages out of sight.
        self.ctx.truncate(1)
        if self.policy == "influence":
            for page, moved in (await influence(self.ctx, last, pages)).items():
                self.scores[page] += moved
        for page in sorted(pages, key=lambda page: self.scores[page])[: -(-excess // size)]:
            self.ctx.drop(*page)
            self.evicted.add(page)
        self.ctx.append([last])


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model)
    if "tools" in input:
        ctx.tools(tools.schemas(input["tools"]))
    ctx.system(input["system"]).user(input["prompt"]).cue()
    last = ctx.buffer()[-1]
    await ctx.flush()
    cache = Cache(ctx, input)
    tokens: list[int] = []
    logprob = 0.0
    while (left := input["max_tokens"] - len(tokens)) > 0:
        await cache.trim(last)
        reply = await ctx.complete(
            Sampler.argmax(), max_tokens=min(left, input["every"]), cue=False
        )
        tokens += reply.tokens
        logprob += reply.logprob
        last = tokens[-1]
        if reply.finish_reason == "stop":
            break
    info = ctx.info()
    return {
        "text": model.tokenizer().decode(tokens, skip_special=True),
        "tokens": tokens,
        "logprob": logprob,
        "context_tokens": info["tokens"],
        "evicted_tokens": len(cache.evicted) * ctx.page_size,
        "pages": info["pages"],
    }
