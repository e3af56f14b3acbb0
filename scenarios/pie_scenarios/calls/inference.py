"""Times inference operations, layer by layer; all results in seconds an operation.

What is timed is everything but the model: all instances ask for one token after the other, and the
time inside the model is taken off.
"""

from __future__ import annotations

import random
import time

from pie_scenarios.calls.callers import Caller, Operation, Pump, open_callers
from pie_scenarios.calls.workload import INFERENCE, CallShape, slope
from pie_scenarios.engine_loop import (
    GREEDY,
    Completed,
    open_contexts,
    random_prompts,
    release_contexts,
)
from pie_scenarios.instances import run_instances
from pie_scenarios.stopwatch import Stopwatch
from pie_scenarios.token_programs import TokenProgram
from pie_server.engine.batch import Sample
from pie_server.engine.commands import ForwardCommand
from pie_server.engine.engine import Engine
from pie_server.errors import PieError
from pie_server.kv import Context
from pie_server.runtime import Runtime

_TOKEN = 16  # any ordinary one


async def through_engine(
    engine: Engine, model: Stopwatch, shape: CallShape, instances: int
) -> float:
    """Commands straight to the engine, each followed by the next."""
    count = shape.per_instance(instances)
    contexts = open_contexts(engine, instances)
    completed = Completed(instances)

    def submit(context: Context, left: int) -> None:
        def on_done(command: ForwardCommand, error: PieError | None) -> None:
            if error is None and left > 1:
                submit(context, left - 1)
            else:
                completed(command, error)

        engine.submit(
            ForwardCommand(context, [_TOKEN], asked=[(0, Sample(GREEDY))], on_done=on_done)
        )

    try:
        model.reset()
        started = time.perf_counter()
        for context in contexts:
            submit(context, count)
        await completed.wait()
        seconds = time.perf_counter() - started
    finally:
        release_contexts(engine, contexts)
    return (seconds - model.seconds["model"]) / (instances * count)


async def through_json(engine: Engine, model: Stopwatch, shape: CallShape, instances: int) -> float:
    """The host between two JSON texts, without a guest."""
    count = shape.per_instance(instances)
    left: dict[Caller, int] = {}

    def go_on(caller: Caller) -> bool:
        caller.answer_text()
        left[caller] -= 1
        if left[caller]:
            caller.submit_text(caller.text(_forward(caller)))
        return left[caller] > 0

    pump = Pump(go_on)
    async with open_callers(engine, instances) as callers:
        model.reset()
        started = time.perf_counter()
        for caller in callers:
            left[caller] = count
            caller.on_answer = pump.answered
            caller.submit_text(caller.text(_forward(caller)))
        await pump.run(instances)
        seconds = time.perf_counter() - started
    return (seconds - model.seconds["model"]) / (instances * count)


async def through_guest(
    engine: Engine,
    model: Stopwatch,
    runtime: Runtime,
    shape: CallShape,
    program: TokenProgram,
    instances: int,
) -> float:
    """Guests that complete text token by token."""
    vocabulary = engine.checkpoint.config.vocab_size
    prompts = random_prompts(random.Random(instances), instances, 1, vocabulary)

    async def run(count: int) -> float:
        arguments = program.arguments(prompts, count)
        done = await run_instances(
            engine, runtime.run_instance, program.program, arguments, on_open=model.reset
        )
        program.check(done, instances, count)
        return done.seconds - model.seconds["model"]

    return await slope(run, shape.per_instance(instances), instances)


def _forward(caller: Caller) -> Operation:
    return {
        "op": INFERENCE,
        "context": caller.context,
        "fill": [{"tokens": [_TOKEN]}],
        "samplers": [{"index": -1, "sampler": {}}],
    }
