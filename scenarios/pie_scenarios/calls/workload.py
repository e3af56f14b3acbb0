"""Which operations are timed, and in which layers.

Layers, from the inside out: the engine or the host's handler alone; with the JSON that guests speak
on both sides of it; through a guest. A control operation is answered at once, an inference
operation takes part in a step.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pie_scenarios.calls import control_guest
from pie_server.runtime import JsonValue, Program

HANDLER = "handler"
ENGINE = "engine"
JSON = "with JSON"

INFERENCE = "context.forward"
GUEST_CONTROL = "runtime.time"
# Each is a cycle of operations that leaves things as they were. `context` stands for the caller's
# own context, `new` for the one that the operation before has made.
CONTROL: dict[str, list[dict[str, JsonValue]]] = {
    GUEST_CONTROL: [{"op": "runtime.time"}],
    "context.info": [{"op": "context.info", "context": "own"}],
    "context.fork, .release": [
        {"op": "context.fork", "context": "own"},
        {"op": "context.release", "context": "new"},
    ],
}


@dataclass(frozen=True, slots=True)
class CallShape:
    """How much is done.

    Attributes:
        operations: Of all instances together, at least.
        each: Of every instance, at least.
    """

    operations: int = 512
    each: int = 4

    def per_instance(self, instances: int) -> int:
        """Operations of each of so many instances."""
        return max(self.each, -(-self.operations // instances))


async def slope(run: Callable[[int], Awaitable[float]], per_instance: int, instances: int) -> float:
    """Seconds of each further operation: what a guest costs at its end drops out.

    Args:
        run: The seconds that all instances take for so many operations each.
    """
    shortest = await run(1)
    return (await run(1 + per_instance) - shortest) / (per_instance * instances)


def control_program() -> Program:
    """The inferlet that does control operations."""
    return Program.from_source("control-operations", inspect.getsource(control_guest))
