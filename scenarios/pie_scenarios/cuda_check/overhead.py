"""Time per output token through inferlets over the engine's own loop, on this device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import trio

from pie_scenarios.engine_loop import open_engine, pages_for
from pie_scenarios.overhead.measure import Bench
from pie_scenarios.overhead.workload import (
    ENGINE,
    HEADLINE_KEYS,
    CompletionShape,
    inferlet_sides,
)
from pie_scenarios.ratios import Spread, geometric_mean
from pie_scenarios.rounds import run_rounds
from pie_server.engine.engine import EngineSettings
from pie_server.model.loader import Checkpoint
from pie_server.runtime import Registry, Runtime


async def measure(
    checkpoint: Checkpoint, counts: Sequence[int], rounds: int
) -> tuple[dict[str, float], list[str]]:
    """Ratios by the keys of `pie-server bench overhead`, and notes on sides that are missing."""
    shape = CompletionShape()
    inferlets, missing = inferlet_sides(Registry())
    pages = pages_for(max(counts), shape.prompt_tokens + shape.output_tokens)
    runtime = Runtime()
    await runtime.prepare(lambda step: None)
    by_side: dict[str, list[float]] = {side: [] for side in inferlets}
    async with (
        trio.open_nursery() as nursery,
        open_engine(checkpoint, EngineSettings(pages=pages)) as engine,
    ):
        await nursery.start(runtime.run)
        bench = Bench(engine, runtime, shape)
        for count in counts:
            sides = {ENGINE: partial(bench.run_engine, count, seed=count)} | {
                side: partial(bench.run_inferlets, program, count, seed=count)
                for side, program in inferlets.items()
            }
            await run_rounds(sides, 1)  # warms up
            done = await run_rounds(sides, rounds)
            for side, ratios in by_side.items():
                found = done.ratios(side, ENGINE, lambda run: run.token_seconds)
                ratios.append(Spread.of(found).median)
        nursery.cancel_scope.cancel()
    means = {side: geometric_mean(ratios) for side, ratios in by_side.items()}
    return {HEADLINE_KEYS[side]: means[side] for side in HEADLINE_KEYS if side in means}, missing
