"""The deterministic mode: the same bits, whatever else is in the batch and wherever pages go."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import torch
import trio

from pie_server.engine.batch import Logits
from pie_server.engine.commands import ForwardCommand
from pie_server.engine.engine import Engine, EngineSettings
from pie_server.engine.sampling import SamplingParams
from pie_server.engine.scheduler import SchedulerLimits
from pie_server.errors import PieError
from pie_server.model.loader import load_checkpoint

from ..conftest import make_checkpoint
from .conftest import generate

LIMITS = SchedulerLimits(prefill_tokens=16, rows=8)


async def life(engine: Engine, seed: int) -> tuple[list[int], list[torch.Tensor]]:
    """A prompt, a generation, more text and its logits; the same for the same seed."""
    rng = random.Random(seed)
    context = engine.create_context("a")
    prompt = [rng.randrange(200) for _ in range(rng.randrange(5, 60))]
    params = SamplingParams(temperature=0.7, seed=seed)
    command = await generate(engine, context, prompt, params=params, max_tokens=12)
    fill = [rng.randrange(200) for _ in range(20)]
    done, errors = trio.Event(), list[PieError]()

    def on_done(_: ForwardCommand, error: PieError | None) -> None:
        errors.extend([error] if error else [])
        done.set()

    last = ForwardCommand(context, fill, asked=[(o, Logits()) for o in (0, 19)], on_done=on_done)
    engine.submit(last)
    with trio.fail_after(60):
        await done.wait()
    assert not errors
    engine.release(context)
    answers = [answer for answer in last.answers if isinstance(answer, torch.Tensor)]
    return command.generated, answers


def mixture(directory: Path) -> Path:
    """A windowed mixture of experts: its experts see other numbers of tokens in other batches."""
    import transformers

    make_checkpoint(directory)
    config = transformers.Qwen3MoeConfig(
        vocab_size=291,
        hidden_size=32,
        intermediate_size=48,
        moe_intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        num_experts=6,
        num_experts_per_tok=2,
        use_sliding_window=True,
        sliding_window=20,
        max_position_embeddings=512,
        initializer_range=0.3,
    )
    transformers.Qwen3MoeForCausalLM(config).save_pretrained(directory)
    return directory


@asynccontextmanager
async def engine_over(directory: Path, dtype: torch.dtype, pages: int) -> AsyncIterator[Engine]:
    settings = EngineSettings(pages, limits=LIMITS, deterministic=True)
    engine = Engine(load_checkpoint(str(directory), dtype=dtype), settings)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield engine
        engine.check_integrity()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", [make_checkpoint, mixture])
async def test_logits_are_bitwise_those_of_a_request_that_ran_alone(
    tmp_path: Path, make: Callable[[Path], Path], dtype: torch.dtype
) -> None:
    directory = make(tmp_path)
    alone: dict[int, tuple[list[int], list[torch.Tensor]]] = {}
    for seed in range(6):
        async with engine_over(directory, dtype, pages=64) as engine:
            alone[seed] = await life(engine, seed)
    together: dict[int, tuple[list[int], list[torch.Tensor]]] = {}
    # Too few pages for all: some contexts are moved out and come back.
    async with engine_over(directory, dtype, pages=12) as engine:

        async def one(seed: int) -> None:
            together[seed] = await life(engine, seed)

        async with trio.open_nursery() as nursery:
            for seed in range(6):
                nursery.start_soon(one, seed)
        statistics = engine.scheduler.statistics
        assert statistics.rows > 1.5 * statistics.steps
        assert engine.residency.statistics.offloaded_contexts
        assert not engine.residency.statistics.dropped_contexts
    for seed, (tokens, logits) in alone.items():
        assert together[seed][0] == tokens
        for mine, theirs in zip(logits, together[seed][1], strict=True):
            assert torch.equal(mine, theirs)
