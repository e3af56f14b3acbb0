"""Decode steps and prefill as shares of what the device can do, measured in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pie_scenarios.engine_loop import open_engine, pages_for, watch_model
from pie_scenarios.hardware import HardwareLimits, measure_limits
from pie_scenarios.throughput.measure import run_point
from pie_scenarios.throughput.workload import Point, Work
from pie_server.engine.engine import EngineSettings
from pie_server.engine.scheduler import SchedulerLimits
from pie_server.model.loader import Checkpoint

_BUFFER_BYTES = 4 << 30
_MATRIX_SIZE = 8192
# The server's default bounds a step's latency on a CPU; a GPU is not busy with so few tokens.
_PREFILL_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Speed:
    """One model at one number of contexts.

    Attributes:
        graphs: Whether decode steps were replayed.
        decode_share: Of the memory bandwidth (or the matrix rate, whichever is the bound).
        prefill_share: Of the matrix rate.
    """

    model: str
    contexts: int
    graphs: bool
    step_seconds: float
    tokens_per_second: float
    decode_share: float
    prefill_share: float


def device_limits(device: torch.device, dtype: torch.dtype) -> HardwareLimits:
    """Bandwidth by large reads and copies, matrix rate by a large product."""
    return measure_limits(dtype, device, buffer_bytes=_BUFFER_BYTES, matrix_size=_MATRIX_SIZE)


async def measure(
    checkpoint: Checkpoint, limits: HardwareLimits, counts: Sequence[int], point: Point
) -> list[Speed]:
    """Each number of contexts, with graphs and without.

    Args:
        checkpoint: The model.
        limits: Of its device.
        counts: Contexts at once.
        point: Prompt and output of each.
    """
    model = checkpoint.model
    work = Work(model.config, model.weight_bytes, model.dtype.itemsize)
    tokens = point.prompt_tokens + point.output_tokens
    results = []
    settings = EngineSettings(
        pages=pages_for(max(counts), tokens), limits=SchedulerLimits(_PREFILL_TOKENS)
    )
    async with open_engine(checkpoint, settings) as engine:
        watch, graphs = watch_model(engine), engine.runner.graphs
        for count in counts:
            here = Point(point.prompt_tokens, point.output_tokens, count)
            for chosen in (graphs, None) if graphs is not None else (None,):
                engine.runner.graphs = chosen
                await run_point(engine, watch, here, seed=0)  # compiles, captures
                run = await run_point(engine, watch, here, seed=1)
                results.append(
                    Speed(
                        checkpoint.name,
                        count,
                        chosen is not None and not chosen.off,
                        run.step_seconds,
                        count / run.step_seconds,
                        work.decode_limit_seconds(here, limits) / run.step_seconds,
                        work.prefill_limit_seconds(here, limits) / run.prefill_seconds,
                    )
                )
    return results
