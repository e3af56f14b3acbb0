"""Runs one point of the grid on an engine and says where the time went."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from pie_scenarios.engine_loop import (
    generate,
    open_contexts,
    prefill,
    random_prompts,
    release_contexts,
)
from pie_scenarios.stopwatch import Stopwatch
from pie_scenarios.throughput.workload import Point
from pie_server.engine.engine import Engine


@dataclass(frozen=True, slots=True)
class Run:
    """One point, once.

    Attributes:
        prefill_seconds: From the first prompt's submission to the end of the last prefill.
        decode_seconds: From then to the last token.
        decode_steps: Steps in it.
        decode_model_seconds: Of it, inside the model (forward pass and logits).
        decode_device_seconds: Of it, in the device's thread: the model, layout and sampling.
    """

    prefill_seconds: float
    decode_seconds: float
    decode_steps: int
    decode_model_seconds: float
    decode_device_seconds: float

    @property
    def step_seconds(self) -> float:
        """Wall time of a decode step."""
        return self.decode_seconds / self.decode_steps

    @property
    def overhead_seconds(self) -> float:
        """Wall time of a decode step outside the model."""
        return (self.decode_seconds - self.decode_model_seconds) / self.decode_steps

    def tokens_per_second(self, point: Point) -> float:
        """Output tokens over all time, prefill included."""
        tokens = point.concurrent * point.output_tokens
        return tokens / (self.prefill_seconds + self.decode_seconds)

    def prompt_tokens_per_second(self, point: Point) -> float:
        """Prompt tokens over the time of the prefill."""
        return point.concurrent * point.prompt_tokens / self.prefill_seconds


async def run_point(engine: Engine, model: Stopwatch, point: Point, seed: int) -> Run:
    """Prefills all contexts, then decodes them all.

    Args:
        engine: Idle, with pages for the whole point.
        model: What `watch_model` gave for it.
        seed: Of the prompts.
    """
    vocabulary = engine.checkpoint.config.vocab_size
    rng = random.Random(seed)
    prompts = random_prompts(rng, point.concurrent, point.prompt_tokens, vocabulary)
    contexts = open_contexts(engine, point.concurrent)
    statistics = engine.scheduler.statistics
    try:
        started = time.perf_counter()
        await prefill(engine, contexts, prompts)
        prefilled = time.perf_counter()
        model.reset()
        steps, device = statistics.steps, statistics.device_seconds
        await generate(engine, contexts, [[]] * point.concurrent, tokens=point.output_tokens)
        ended = time.perf_counter()
    finally:
        release_contexts(engine, contexts)
    return Run(
        prefill_seconds=prefilled - started,
        decode_seconds=ended - prefilled,
        decode_steps=statistics.steps - steps,
        decode_model_seconds=model.seconds["model"],
        decode_device_seconds=statistics.device_seconds - device,
    )
