"""Runs one side at one number of completions, and says where the time went."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import torch

from pie_scenarios.engine_loop import (
    GREEDY,
    generate,
    open_contexts,
    random_prompts,
    release_contexts,
    watch_model,
)
from pie_scenarios.instances import InstancesRun, run_instances
from pie_scenarios.overhead.workload import CompletionShape
from pie_scenarios.stopwatch import Stopwatch
from pie_scenarios.token_programs import TokenProgram
from pie_server.engine.batch import Sample
from pie_server.engine.engine import Engine
from pie_server.engine.sampler import sample
from pie_server.runtime import Runtime

_SAMPLER_REPEATS = 20


@dataclass(frozen=True, slots=True)
class Run:
    """One side, once; all times for the whole run.

    Attributes:
        seconds: Wall time from the first step to the last token's answer.
        ending_seconds: Wall time behind it, until all guests had returned and were freed.
        output_tokens: Of one completion.
        completions: At the same time.
        model_seconds: Inside the model, in the device's thread.
        device_seconds: All of a step in the device's thread.
        loop_cpu_seconds: CPU time of the event loop's thread, without the ending.
        scheduler_cpu_seconds: Of it, laying batches out.
        results_cpu_seconds: Of it, handing results out, the host's answers included.
        host_cpu_seconds: Of it, the host taking operations.
    """

    seconds: float
    ending_seconds: float
    output_tokens: int
    completions: int
    model_seconds: float
    device_seconds: float
    loop_cpu_seconds: float
    scheduler_cpu_seconds: float
    results_cpu_seconds: float
    host_cpu_seconds: float

    @property
    def token_seconds(self) -> float:
        """Time per output token of one completion: what its reader sees."""
        return self.seconds / self.output_tokens

    @property
    def guest_cpu_seconds(self) -> float:
        """CPU time of guests, of crossing into them, and of the loop that drives them."""
        named = self.scheduler_cpu_seconds + self.results_cpu_seconds + self.host_cpu_seconds
        return self.loop_cpu_seconds - named


class Bench:
    """One engine with its stopwatches, and the runtime beside it.

    Args:
        engine: Not used before.
        runtime: Running.
    """

    def __init__(self, engine: Engine, runtime: Runtime, shape: CompletionShape) -> None:
        self._engine = engine
        self._runtime = runtime
        self._shape = shape
        self._device = watch_model(engine)
        self._loop = Stopwatch(time.thread_time)
        self._loop.attach(engine.scheduler, "next_batch", "scheduler")
        self._loop.attach(engine.scheduler, "complete", "results")
        self._loop_cpu = 0.0
        self._device_seconds = 0.0

    async def run_engine(self, count: int, seed: int) -> Run:
        """Side a: commands straight to the engine."""
        prompts = self._prompts(count, seed)
        contexts = open_contexts(self._engine, count)
        try:
            self._start()
            started = time.perf_counter()
            await generate(self._engine, contexts, prompts, tokens=self._shape.output_tokens)
            return self._finished(count, time.perf_counter() - started, None)
        finally:
            release_contexts(self._engine, contexts)

    async def run_inferlets(self, program: TokenProgram, count: int, seed: int) -> Run:
        """Sides b and c: instances of a program."""
        tokens = self._shape.output_tokens
        done = await run_instances(
            self._engine,
            self._runtime.run_instance,
            program.program,
            program.arguments(self._prompts(count, seed), tokens),
            on_open=self._start,
        )
        run = self._finished(count, done.seconds - done.ending_seconds, done)
        program.check(done, count, tokens)
        return run

    def _prompts(self, count: int, seed: int) -> list[list[int]]:
        vocabulary = self._engine.checkpoint.config.vocab_size
        return random_prompts(random.Random(seed), count, self._shape.prompt_tokens, vocabulary)

    def sampling_seconds(self, count: int) -> float:
        """Of one step of `count` greedy rows, measured alone on random logits."""
        logits = torch.randn(count, self._engine.checkpoint.config.vocab_size)
        requests = [Sample(GREEDY, row) for row in range(count)]
        sample(logits, requests)
        started = time.perf_counter()
        for _ in range(_SAMPLER_REPEATS):
            sample(logits, requests)
        return (time.perf_counter() - started) / _SAMPLER_REPEATS

    def _start(self) -> None:
        self._device.reset()
        self._loop.reset()
        self._device_seconds = self._engine.scheduler.statistics.device_seconds
        self._loop_cpu = time.thread_time()

    def _finished(self, count: int, seconds: float, done: InstancesRun | None) -> Run:
        return Run(
            seconds=seconds,
            ending_seconds=done.ending_seconds if done else 0.0,
            output_tokens=self._shape.output_tokens,
            completions=count,
            model_seconds=self._device.seconds["model"],
            device_seconds=self._engine.scheduler.statistics.device_seconds - self._device_seconds,
            loop_cpu_seconds=time.thread_time()
            - self._loop_cpu
            - (done.ending_cpu_seconds if done else 0.0),
            scheduler_cpu_seconds=self._loop.seconds["scheduler"],
            results_cpu_seconds=self._loop.seconds["results"],
            host_cpu_seconds=done.host_cpu_seconds if done else 0.0,
        )
