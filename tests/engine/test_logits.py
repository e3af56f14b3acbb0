"""Whatever the batch, the pages and the history of a context: logits equal a dense recompute."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
import trio

from pie_server.engine.commands import GenerateCommand
from pie_server.engine.engine import Engine
from pie_server.engine.sampling import SamplingParams
from pie_server.engine.scheduler import SchedulerLimits
from pie_server.kv import Context

from ..conftest import make_checkpoint
from .conftest import OpenEngine, Oracle, forward, generate, make_oracle

TOLERANCE = 2e-5


def tokens_of(rng: random.Random, count: int, vocabulary: int) -> list[int]:
    return [rng.randrange(vocabulary) for _ in range(count)]


async def cancelled_generation(engine: Engine, context: Context, rng: random.Random) -> None:
    """Begins to generate and is cancelled at a random moment, perhaps in the middle of a step."""
    ended = trio.Event()
    command = GenerateCommand(
        context,
        [1],
        params=SamplingParams(),
        max_tokens=100,
        stop_tokens=frozenset(),
        on_token=None,
        on_done=lambda *_: ended.set(),
    )
    engine.submit(command)
    for _ in range(rng.randrange(12)):
        await trio.lowlevel.checkpoint()
    engine.scheduler.cancel(command)
    await ended.wait()


async def test_one_prefill_gives_the_oracles_distribution(
    open_engine: OpenEngine, oracle: Oracle
) -> None:
    async with open_engine(pages=32) as engine:
        fill = tokens_of(random.Random(1), 40, engine.checkpoint.config.vocab_size)
        got = await forward(engine, engine.create_context("t"), fill)
        torch.testing.assert_close(
            torch.stack([got[i] for i in range(40)]), oracle(fill), atol=TOLERANCE, rtol=1e-3
        )


SHAPES = {
    "grouped queries, untied": {"seed": 0},
    "one KV head, tied": {"seed": 1, "num_key_value_heads": 1},
    "no grouping, odd head size": {"seed": 2, "num_key_value_heads": 4, "head_dim": 24},
}


@pytest.fixture(scope="module", params=SHAPES)
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Oracle]:
    """Random models of several shapes, each with its oracle."""
    directory = make_checkpoint(tmp_path_factory.mktemp("shape"), **SHAPES[request.param])
    return directory, make_oracle(directory)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_to_contexts_their_logits_stay(
    open_engine: OpenEngine, checkpoint: tuple[Path, Oracle], seed: int
) -> None:
    """Random operations on several contexts at once, in a pool so small that pages run out.

    Prefill in chunks, decode, fork, truncate, drop, cancel in mid-step, shared prefixes.
    """
    directory, oracle = checkpoint
    rng = random.Random(seed)
    limits = SchedulerLimits(prefill_tokens=rng.choice([7, 24, 512]), rows=rng.choice([2, 64]))
    async with open_engine(
        directory,
        pages=rng.choice([30, 200]),
        page_size_tokens=rng.choice([1, 4, 16]),
        limits=limits,
        offload_bytes=rng.choice([0, 20_000, 1 << 30]),
    ) as engine:
        vocabulary = engine.checkpoint.config.vocab_size
        shared = tokens_of(rng, 20, vocabulary)

        async def life(rng: random.Random) -> None:
            context = engine.create_context("t", prefix_reuse=rng.random() < 0.7)
            log: list[int] = []
            for step in range(8):
                choice = rng.random()
                if choice < 0.2 and log:
                    log = log[: rng.randrange(len(log) + 1)]
                    context.truncate(len(log))
                elif choice < 0.4:
                    parent, context = context, engine.fork(context)
                    if rng.random() < 0.5:
                        engine.release(parent)
                    else:
                        await forward(engine, parent, tokens_of(rng, 1, vocabulary), [])
                        engine.release(parent)
                elif choice < 0.5:
                    context.drop()
                elif choice < 0.6 and log:
                    await cancelled_generation(engine, context, rng)
                    context.truncate(len(log))
                begin = shared if step == 0 else []
                fill = begin + tokens_of(rng, rng.choice([1, 1, 2, 5, 13]), vocabulary)
                if len(log) + len(fill) > 28:
                    log = []
                    context.truncate(0)
                got = await forward(engine, context, fill)
                log += fill
                expected = oracle(log)[-len(fill) :]
                torch.testing.assert_close(
                    torch.stack([got[i] for i in range(len(fill))]),
                    expected,
                    atol=TOLERANCE,
                    rtol=1e-3,
                )
                engine.check_integrity()
            engine.release(context)

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(life, random.Random(seed * 100 + number))


async def test_greedy_generation_equals_the_oracles(
    open_engine: OpenEngine, oracle: Oracle
) -> None:
    async with open_engine(pages=64) as engine:
        prompt = [5, 17, 33, 8, 120]
        command = await generate(engine, engine.create_context("t"), prompt, max_tokens=20)
        expected = list(prompt)
        for _ in range(20):
            expected.append(int(oracle(expected)[-1].argmax()))
        assert command.generated == expected[len(prompt) :]


async def test_the_embedded_model_gives_the_oracles_logits(open_engine: OpenEngine) -> None:
    from pie_server.model.loader import EMBEDDED, EMBEDDED_DIRECTORY

    oracle = make_oracle(Path(EMBEDDED_DIRECTORY))
    async with open_engine(EMBEDDED, pages=64) as engine:
        fill = engine.checkpoint.tokenizer.encode("<|im_start|>user\nWhat is 12 * 3?<|im_end|>\n")
        context = engine.create_context("t")
        first = await forward(engine, context, fill[:5])
        rest = await forward(engine, context, fill[5:])
        got = torch.stack([*first.values(), *rest.values()])
        torch.testing.assert_close(got, oracle(fill), atol=1e-4, rtol=1e-2)
