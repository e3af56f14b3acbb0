"""Times control operations, layer by layer; all results in seconds an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from pie_scenarios.calls.callers import Caller, Operation, open_callers
from pie_scenarios.calls.workload import CONTROL, GUEST_CONTROL, CallShape, slope
from pie_scenarios.instances import run_instances
from pie_scenarios.stopwatch import Stopwatch
from pie_server.engine.engine import Engine
from pie_server.errors import PieError
from pie_server.runtime import JsonValue, Program, Runtime


async def through_handler(engine: Engine, shape: CallShape, name: str, instances: int) -> float:
    """The host alone: a decoded operation in, its value out."""
    watch = Stopwatch()
    call = watch.timed(Caller.call, "call")
    await _cycle(engine, shape, name, instances, call)
    return watch.seconds["call"] / watch.calls["call"]


async def through_json(engine: Engine, shape: CallShape, name: str, instances: int) -> float:
    """The host between two JSON texts; making the first is the guest's business."""
    watch = Stopwatch()
    submit = watch.timed(Caller.submit_text, "submit")
    answer = watch.timed(Caller.answer_text, "answer")

    def call(caller: Caller, operation: Operation) -> JsonValue:
        submit(caller, caller.text(operation))
        answer(caller)
        return caller.value()

    await _cycle(engine, shape, name, instances, call)
    return (watch.seconds["submit"] + watch.seconds["answer"]) / watch.calls["submit"]


async def through_guest(
    engine: Engine, runtime: Runtime, shape: CallShape, program: Program, instances: int
) -> float:
    """From the guest's call to its answer, with all instances calling at the same time."""

    async def run(count: int) -> float:
        arguments: list[JsonValue] = [{"count": count}] * instances
        at = frozenset({GUEST_CONTROL})
        done = await run_instances(engine, runtime.run_instance, program, arguments, at=at)
        asked = done.operations[GUEST_CONTROL]
        if asked != count * instances:
            raise PieError(f"the guests did {asked} operations, not {count * instances}")
        return done.seconds

    return await slope(run, shape.per_instance(instances), instances)


async def _cycle(
    engine: Engine,
    shape: CallShape,
    name: str,
    instances: int,
    call: Callable[[Caller, Operation], JsonValue],
) -> None:
    async with open_callers(engine, instances) as callers:
        for _ in range(shape.per_instance(instances)):
            for caller in callers:
                new = 0
                for operation in CONTROL[name]:
                    handles = {"own": caller.context, "new": new}
                    handle = handles.get(str(operation.get("context")))
                    placed = operation if handle is None else {**operation, "context": handle}
                    value = call(caller, placed)
                    if operation["op"] == "context.fork":
                        new = cast("dict[str, int]", value)["context"]
