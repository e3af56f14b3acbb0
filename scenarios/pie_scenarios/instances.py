"""Runs inferlets on an engine in this process: real host, real guests, no server around them.

All instances of a run are held at their first forward pass (or another operation) until the last
has come to it. So the clock measures what follows, and neither launching nor order of arrival.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from pie_sandbox.sandbox import Sandbox
from pie_server.engine.engine import Engine
from pie_server.errors import PieError, SandboxUnavailable
from pie_server.host.instance_host import InstanceHost
from pie_server.host.ports import Services
from pie_server.runtime import Host, InstanceLimits, JsonValue, Mailbox, Program
from pie_tools.registry import ToolRegistry

_RUN_SECONDS = 600.0
DECODING = frozenset({"context.forward", "context.generate"})
# A benchmark measures time, so it must not be ended for having used some.
LIMITS = InstanceLimits(cpu_seconds=600.0)

Run = Callable[[Program, JsonValue, Host, InstanceLimits], Awaitable[JsonValue]]


@dataclass(slots=True)
class BenchSession:
    """A session whose client is not there: events are counted and dropped."""

    id: str
    tenant: str = "benchmark"
    events: int = 0

    def emit(self, kind: str, data: dict[str, JsonValue]) -> None:
        """See `SessionPort`."""
        self.events += 1

    async def receive(self) -> JsonValue:
        """See `SessionPort`; nothing ever comes."""
        await trio.sleep_forever()


@dataclass(slots=True)
class Gate:
    """Holds instances back until `count` of them are there.

    Attributes:
        at: The operations at which an instance is held, the first time.
        opened: When the last one came (`time.perf_counter`); 0 before.
        on_open: Called just before the first is let go.
    """

    count: int
    at: frozenset[str] = DECODING
    on_open: Callable[[], None] = lambda: None
    opened: float = 0.0
    _held: list[Callable[[], None]] = field(default_factory=list)

    def arrive(self, release: Callable[[], None]) -> None:
        """One instance is there; `release` lets it go."""
        self._held.append(release)
        if len(self._held) == self.count:
            self.on_open()
            self.opened = time.perf_counter()
            for let_go in self._held:
                let_go()


class GatedHost:
    """A host that holds its guest back at the gate, and counts its operations.

    Attributes:
        answered: When the last answer was given (`time.perf_counter`, `time.thread_time`).
        operations: How many of each were submitted.
        cpu_seconds: CPU time that the host took for them.
    """

    def __init__(self, host: Host, gate: Gate) -> None:
        self._host = host
        self._gate = gate
        self._passed = False
        self.operations: Counter[str] = Counter()
        self.cpu_seconds = 0.0
        self.answered = (0.0, 0.0)

    def submit(self, operations: Sequence[Mapping[str, JsonValue]], mailbox: Mailbox) -> None:
        """See `Host`."""
        names = [str(operation.get("op")) for operation in operations]
        self.operations.update(names)
        if self._passed or self._gate.at.isdisjoint(names):
            self._submit(operations, mailbox)
        else:
            self._passed = True
            self._gate.arrive(lambda: self._submit(operations, mailbox))

    def _submit(self, operations: Sequence[Mapping[str, JsonValue]], mailbox: Mailbox) -> None:
        started = time.thread_time()
        self._host.submit(operations, _Stamped(mailbox, self))
        self.cpu_seconds += time.thread_time() - started

    def call(self, operation: Mapping[str, JsonValue]) -> JsonValue:
        """See `Host`."""
        return self._host.call(operation)

    def close(self) -> None:
        """See `Host`."""
        self._host.close()


@dataclass(slots=True)
class _Stamped:
    """A mailbox that notes when it was last written to."""

    mailbox: Mailbox
    host: GatedHost

    def complete(self, operation_id: int, value: JsonValue) -> None:
        self.mailbox.complete(operation_id, value)
        self.host.answered = _now()

    def fail(self, operation_id: int, error: PieError) -> None:
        self.mailbox.fail(operation_id, error)
        self.host.answered = _now()


@dataclass(frozen=True, slots=True)
class InstancesRun:
    """Many instances of one program, once.

    Attributes:
        seconds: From the moment the last instance was ready to the last result.
        ending_seconds: Of it, behind the last answer of the host: guests return and are freed.
        ending_cpu_seconds: CPU time of the event loop in it.
        host_cpu_seconds: CPU time of the host for their operations.
        operations: How many of each all instances submitted.
        results: What they returned.
    """

    seconds: float
    ending_seconds: float
    ending_cpu_seconds: float
    host_cpu_seconds: float
    operations: Counter[str]
    results: list[JsonValue]


async def run_instances(
    engine: Engine,
    run: Run,
    program: Program,
    arguments: Sequence[JsonValue],
    *,
    at: frozenset[str] = DECODING,
    on_open: Callable[[], None] = lambda: None,
) -> InstancesRun:
    """Runs one instance for each of `arguments`, all at the same time.

    Args:
        run: `Runtime.run_instance`, or `run_native`.
        at: The operations at which they wait for each other.
        on_open: Called when all instances are ready and the clock starts.

    Raises:
        PieError: One of them failed, or never came to such an operation.
    """
    gate = Gate(len(arguments), at, on_open)
    hosts: list[GatedHost] = []
    results: list[JsonValue] = []

    async def one(argument: JsonValue, host: GatedHost) -> None:
        results.append(await run(program, argument, host, LIMITS))

    with trio.fail_after(_RUN_SECONDS):
        async with trio.open_nursery() as nursery:
            for number, argument in enumerate(arguments):
                hosts.append(GatedHost(open_host(engine, nursery, number), gate))
                nursery.start_soon(one, argument, hosts[-1])
    ended, ended_cpu = _now()
    if not gate.opened:
        raise PieError(f"{program.name} ended before all of its instances were at the gate")
    operations: Counter[str] = Counter()
    for gated in hosts:
        operations.update(gated.operations)
    host_seconds = sum(gated.cpu_seconds for gated in hosts)
    answered, answered_cpu = max(gated.answered for gated in hosts)
    return InstancesRun(
        seconds=ended - gate.opened,
        ending_seconds=ended - answered,
        ending_cpu_seconds=ended_cpu - answered_cpu,
        host_cpu_seconds=host_seconds,
        operations=operations,
        results=results,
    )


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def open_host(engine: Engine, nursery: trio.Nursery, number: int) -> InstanceHost:
    """The host of one instance, without tools and sandbox; whoever asked for it closes it."""
    services = Services({engine.checkpoint.name: engine}, ToolRegistry())
    session = BenchSession(f"benchmark-{number}")
    return InstanceHost(services, session, nursery, _no_sandbox, LIMITS)


async def _no_sandbox() -> Sandbox:
    raise SandboxUnavailable("inferlets of this benchmark run no code")
