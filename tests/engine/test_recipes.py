"""Tokens that are not plain: hidden tokens, trees, given vectors, dropped ranges, copies.

Whatever was hidden from a token when it was computed, wherever pages were lost since, the logits
are those of a dense computation with the same mask, positions and embeddings.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
import trio

from pie_server.engine.batch import Distribution, TopTokens
from pie_server.engine.commands import ForwardCommand
from pie_server.engine.engine import Engine
from pie_server.engine.scheduler import SchedulerLimits
from pie_server.errors import InvalidRequest, PieError
from pie_server.kv import Context, Recipe
from pie_server.kv.recipe import hidden_from_visible, union

from .conftest import OpenEngine, generate

TOLERANCE = 2e-5
MaskedOracle = Callable[["Twin"], torch.Tensor]


@dataclass
class Twin:
    """What a context should hold: embeddings, positions and who sees whom."""

    vectors: list[torch.Tensor] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    seen: list[set[int]] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)

    def add(self, vector: torch.Tensor, shift: int = 0, hidden: set[int] | None = None) -> None:
        at = len(self.vectors)
        self.vectors.append(vector)
        self.positions.append(at + shift)
        self.seen.append(set(range(at + 1)) - (self.hidden if hidden is None else hidden))

    def truncate(self, length: int) -> None:
        del self.vectors[length:], self.positions[length:], self.seen[length:]
        self.hidden = {at for at in self.hidden if at < length}

    def fork(self) -> Twin:
        return Twin(
            list(self.vectors), list(self.positions), [set(s) for s in self.seen], set(self.hidden)
        )


@pytest.fixture(scope="module")
def masked_oracle(tiny_checkpoint: Path) -> tuple[MaskedOracle, torch.Tensor]:
    """Probabilities at each position of a twin, by transformers; and the embedding matrix."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        tiny_checkpoint, dtype=torch.float32, attn_implementation="eager"
    )
    model.eval()

    def probabilities(twin: Twin) -> torch.Tensor:
        count = len(twin.vectors)
        mask = torch.full((1, 1, count, count), torch.finfo(torch.float32).min)
        for token, seen in enumerate(twin.seen):
            mask[0, 0, token, list(seen)] = 0
        with torch.inference_mode():
            logits = model(
                inputs_embeds=torch.stack(twin.vectors)[None],
                attention_mask=mask,
                position_ids=torch.tensor([twin.positions]),
            ).logits
        return logits[0].softmax(dim=-1)

    return probabilities, model.get_input_embeddings().weight.detach()


async def feed(
    engine: Engine,
    context: Context,
    fill: list[int],
    recipes: list[tuple[int, int, Recipe]] | None = None,
    vectors: list[object] | None = None,
) -> torch.Tensor:
    """Feeds and returns full distributions [tokens, vocab]."""
    vocabulary = engine.checkpoint.config.vocab_size
    done, errors = trio.Event(), []

    def on_done(_: ForwardCommand, error: PieError | None) -> None:
        errors.append(error)
        done.set()

    command = ForwardCommand(
        context,
        fill,
        asked=[(offset, Distribution(vocabulary)) for offset in range(len(fill))],
        recipes=recipes or (),
        vectors=vectors or (),
        on_done=on_done,
    )
    engine.submit(command)
    with trio.fail_after(60):
        await done.wait()
    if errors[0] is not None:
        raise errors[0]
    rows = torch.zeros(len(fill), vocabulary)
    for row, top in zip(rows, command.answers, strict=True):
        assert isinstance(top, TopTokens)
        row[top.tokens] = torch.tensor(top.probabilities)
    return rows


@pytest.mark.parametrize("seed", range(12))
async def test_what_tokens_saw_decides_their_logits_whatever_happens_to_pages(
    open_engine: OpenEngine, masked_oracle: tuple[MaskedOracle, torch.Tensor], seed: int
) -> None:
    oracle, embedding = masked_oracle
    rng = random.Random(seed)
    limits = SchedulerLimits(prefill_tokens=rng.choice([5, 512]))
    async with open_engine(
        pages=rng.choice([70, 200]),
        page_size_tokens=rng.choice([1, 2, 4]),
        limits=limits,
        offload_bytes=rng.choice([0, 20_000, 1 << 30]),
    ) as engine:
        vocabulary = engine.checkpoint.config.vocab_size

        async def life(rng: random.Random) -> None:
            context, twin = engine.create_context("t"), Twin()
            for _ in range(8):
                length = len(twin.vectors)
                choice = rng.random()
                if length > 1:
                    start, stop = sorted(rng.sample(range(length + 1), 2))
                if choice < 0.2 and length > 1:
                    context.mask(start, stop, visible=False)
                    twin.hidden |= set(range(start, stop))
                elif choice < 0.3 and length > 1 and not context.dropped:
                    context.mask(start, stop, visible=True)
                    twin.hidden -= set(range(start, stop))
                elif choice < 0.45 and length > 1:
                    context.drop_range(start, stop)
                    twin.hidden |= set(range(start, stop))
                elif choice < 0.55:
                    keep = rng.randrange(length + 1)
                    context.truncate(keep)
                    twin.truncate(keep)
                elif choice < 0.65:
                    context.drop()
                elif choice < 0.75:
                    parent = context
                    context, twin = engine.fork(parent), twin.fork()
                    engine.release(parent)
                fill, recipes, vectors = [], [], []
                special = rng.random()
                for offset in range(rng.choice([1, 1, 2, 5])):
                    token = rng.randrange(vocabulary)
                    vector = embedding[token]
                    if rng.random() < 0.2:  # given as a vector
                        vector = embedding[token] * 0.5 + embedding[token - 1]
                        fill.append(-1 - len(vectors))
                        vectors.append(vector)
                    else:
                        fill.append(token)
                    if special < 0.4:  # a mask and a position of its own
                        own = len(twin.vectors)
                        visible = [tuple(sorted(rng.choices(range(own + 1), k=2))) for _ in "ab"]
                        hidden = hidden_from_visible(union(visible), own)
                        shift = rng.choice([0, 0, 3, -min(own, 2)])
                        recipes.append((offset, offset + 1, Recipe(hidden, shift)))
                        hides = (*hidden, *context.dropped)
                        every = {at for low, high in hides for at in range(low, high)}
                        twin.add(vector, shift, every)
                    else:
                        twin.add(vector)
                got = await feed(engine, context, fill, recipes, vectors)
                expected = oracle(twin)[-len(fill) :]
                torch.testing.assert_close(got, expected, atol=TOLERANCE, rtol=1e-3)
                engine.check_integrity()
            engine.release(context)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(life, random.Random(seed * 100 + number))


async def test_dropping_a_range_frees_its_pages_at_once_and_for_good(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=32, page_size_tokens=4) as engine:
        context = engine.create_context("t", prefix_reuse=False)
        await feed(engine, context, list(range(40)))
        assert engine.pool.free_pages == 22
        context.drop_range(3, 33)  # pages 1 to 7 hold nothing else
        assert engine.pool.free_pages == 29
        await feed(engine, context, [1])
        context.drop()  # the log is fed again, and then the range is given back again
        await feed(engine, context, [1])
        assert engine.pool.free_pages == 32 - 11 + 7
        with pytest.raises(ValueError, match="were dropped"):
            context.mask(0, 10, visible=True)


async def test_special_tokens_are_never_shared_as_a_prefix(open_engine: OpenEngine) -> None:
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        first = engine.create_context("t")
        await feed(engine, first, list(range(16)))
        first.mask(0, 4, visible=False)
        await feed(engine, first, list(range(16, 32)))
        second = engine.create_context("t")
        await generate(engine, second, list(range(31)), max_tokens=1)
        assert second.table.pages[:4] == first.table.pages[:4]
        assert not set(second.table.pages[4:]) & set(first.table.pages)


async def test_copied_kv_is_what_the_source_had(open_engine: OpenEngine) -> None:
    """A context that is a copy of every token answers like the one that it was copied from."""
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        source = engine.create_context("t", prefix_reuse=False)
        await feed(engine, source, [5, 6, 7, 8, 9, 10])
        target = engine.create_context("t", prefix_reuse=False)
        await copy(engine, source, [0, 1, 2, 3, 4], target)
        assert target.tokens == [5, 6, 7, 8, 9]
        got = await feed(engine, target, [10])
        source.truncate(5)
        torch.testing.assert_close(got, await feed(engine, source, [10]))


async def test_a_copy_of_kv_that_is_not_there_fails_and_leaves_the_target_usable(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        source = engine.create_context("t", prefix_reuse=False)
        await feed(engine, source, [5, 6, 7, 8, 9, 10])
        source.drop()
        target = engine.create_context("t", prefix_reuse=False)
        await feed(engine, target, [1, 2])
        with pytest.raises(InvalidRequest, match="token 0 has no KV"):
            await copy(engine, source, [0, 1], target)
        assert target.tokens == [1, 2]
        await feed(engine, target, [3])


async def copy(engine: Engine, source: Context, tokens: list[int], target: Context) -> None:
    done, errors = trio.Event(), []

    def on_done(_: object, error: PieError | None) -> None:
        errors.append(error)
        done.set()

    engine.copy_tokens(source, tokens, target, on_done)
    with trio.fail_after(20):
        await done.wait()
    if errors[0] is not None:
        raise errors[0]
