"""Tokens that are not plain: hidden tokens, trees, given vectors, dropped ranges, copies.

Whatever was hidden from a token when it was computed, wherever pages were lost since, the logits
are those of a dense computation with the same mask, positions and embeddings.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
import torch
import trio

from pie_server.engine.batch import Distribution, TopTokens
from pie_server.engine.commands import Command, ForwardCommand
from pie_server.engine.engine import Engine
from pie_server.engine.kv_commands import CopyCommand, Done, KeepCommand
from pie_server.engine.scheduler import SchedulerLimits
from pie_server.errors import InvalidRequest, PieError
from pie_server.kv import Context, Recipe
from pie_server.kv.recipe import hidden_from_visible, union

from .conftest import OpenEngine, forward, generate

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
    vectors: Sequence[object] | None = None,
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
        recipes=(lambda _: recipes) if recipes else None,
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
                        ends = [sorted(rng.choices(range(own + 1), k=2)) for _ in "ab"]
                        visible = [(low, high) for low, high in ends]
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


async def test_a_copy_waits_for_kv_that_its_source_does_not_have_now(
    open_engine: OpenEngine,
) -> None:
    """Dropped, offloaded or never computed: where KV is is no business of guests."""
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        whole = engine.create_context("t", prefix_reuse=False)
        expected = await feed(engine, whole, [5, 6, 7, 8, 9, 10, 11])
        source = engine.create_context("t", prefix_reuse=False)
        await feed(engine, source, [5, 6, 7, 8, 9])
        source.append([10])
        source.drop()
        target = engine.create_context("t", prefix_reuse=False)
        await copy(engine, source, [0, 1, 2, 3, 4, 5], target)
        assert target.pinned
        assert source.readers == 0
        got = await feed(engine, target, [11])
        torch.testing.assert_close(got[-1], expected[-1], atol=TOLERANCE, rtol=1e-3)


async def test_a_copy_from_a_context_that_was_cut_meanwhile_fails_alone(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        source = engine.create_context("t", prefix_reuse=False)
        await feed(engine, source, [5, 6, 7])
        target = engine.create_context("t", prefix_reuse=False)
        await feed(engine, target, [1, 2])
        source.truncate(1)
        with pytest.raises(InvalidRequest, match="truncated or released"):
            await copy(engine, source, [0, 2], target)
        assert (target.tokens, target.pinned, source.readers) == ([1, 2], False, 0)
        await feed(engine, target, [3])


async def copy(engine: Engine, source: Context, tokens: list[int], target: Context) -> None:
    await submitted(engine, lambda done: CopyCommand(source, tokens, target, done))


async def test_keeping_a_token_whose_page_was_dropped_fails_alone(open_engine: OpenEngine) -> None:
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        context = engine.create_context("t", prefix_reuse=False)
        await feed(engine, context, list(range(20)))
        context.drop_range(0, 16)
        with pytest.raises(InvalidRequest, match="was dropped"):
            await submitted(engine, lambda done: KeepCommand(context, 0, [17], done))
        await feed(engine, context, [1])  # the engine is alive, and so is the context


async def test_different_embeddings_never_share_kv(
    open_engine: OpenEngine, masked_oracle: tuple[MaskedOracle, torch.Tensor]
) -> None:
    _, embedding = masked_oracle
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        tokens = [-1 - i for i in range(9)]
        answers = []
        for first in (10, 100, 10):
            context = engine.create_context("t")
            vectors: list[object] = [embedding[first + i] for i in range(9)]
            answers.append((await feed(engine, context, tokens, None, vectors))[-1])
        assert not torch.allclose(answers[0], answers[1], atol=1e-3)
        torch.testing.assert_close(answers[0], answers[2])


async def test_copied_embeddings_stay_the_ones_they_were(
    open_engine: OpenEngine, masked_oracle: tuple[MaskedOracle, torch.Tensor]
) -> None:
    _, embedding = masked_oracle
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        source = engine.create_context("t")
        await feed(engine, source, [-1, -2], None, [embedding[7], embedding[8]])
        target = engine.create_context("t")
        await feed(engine, target, [-1], None, [embedding[9]])
        await copy(engine, source, [1, 0], target)
        assert target.tokens == [-1, -2, -3]
        held = [cast(torch.Tensor, vector) for vector in target.vectors]
        torch.testing.assert_close(torch.stack(held), embedding[[9, 8, 7]])
        target.truncate(2)
        assert len(target.vectors) == 2
        target.truncate(0)
        assert (target.vectors, target.first_vector) == ([], None)


async def test_what_a_context_hides_moves_with_the_tokens_that_are_kept(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        context = engine.create_context("t", prefix_reuse=False)
        await feed(engine, context, list(range(10)))
        context.mask(1, 2, visible=False)
        context.mask(6, 8, visible=False)
        await submitted(engine, lambda done: KeepCommand(context, 4, [5, 7, 9], done))
        assert context.tokens == [0, 1, 2, 3, 5, 7, 9]
        assert context.recipe.hidden == ((1, 2), (5, 6))


async def submitted(engine: Engine, make: Callable[[Done], Command]) -> None:
    """Waits for one command; raises what it fails with."""
    done, errors = trio.Event(), []

    def on_done(_: object, error: PieError | None) -> None:
        errors.append(error)
        done.set()

    engine.submit(make(on_done))
    with trio.fail_after(20):
        await done.wait()
    if errors[0] is not None:
        raise errors[0]


@pytest.mark.parametrize("more", [0, 1])
async def test_after_a_generation_a_drop_hides_what_a_mask_hides(
    open_engine: OpenEngine, more: int
) -> None:
    """The last generated token is fed with what comes next, and must not look at lost pages."""
    results = []
    for drop in (False, True):
        async with open_engine(pages=64) as engine:
            context = engine.create_context("a", prefix_reuse=False)
            await generate(engine, context, list(range(100, 160)), max_tokens=4)
            if drop:
                context.drop_range(0, 56)
            else:
                context.mask(0, 56, visible=False)
            # Something else writes into the pages that were given back.
            await generate(engine, engine.create_context("b"), list(range(90)), max_tokens=1)
            command = await generate(engine, context, [7] * more, max_tokens=4)
            results.append((command.generated, command.logprob))
    assert results[0][0] == results[1][0]
    assert results[0][1] == pytest.approx(results[1][1], abs=1e-4)


@pytest.mark.parametrize("away", ["on the device", "in host memory", "dropped"])
async def test_a_dropped_range_stays_unseen_when_the_last_token_is_fed_again(
    open_engine: OpenEngine, away: str
) -> None:
    results = []
    for where in ("on the device", away):
        offload = 0 if where == "dropped" else 1 << 20
        async with open_engine(pages=20, page_size_tokens=4, offload_bytes=offload) as engine:
            context = engine.create_context("a", prefix_reuse=False)
            await forward(engine, context, list(range(100, 130)), [])
            context.drop_range(0, 24)
            if where != "on the device":
                other = engine.create_context("b", prefix_reuse=False)
                await forward(engine, other, list(range(78)), [])  # takes nearly every page
                assert not context.table.held_pages()
                assert (context.parcel is not None) == (where == "in host memory")
                engine.release(other)
            command = await generate(engine, context, [], max_tokens=4)
            results.append((command.generated, command.logprob))
    assert results[0][0] == results[1][0]
    assert results[0][1] == pytest.approx(results[1][1], abs=1e-4)
