"""The runtime's facade: what the server uses to run inferlets in WebAssembly.

Owns the engine, the driver and the compiled interpreters. One per process is enough. Knows nothing
of sessions or of what operations mean.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import trio

from pie_server.errors import ShuttingDown
from pie_server.runtime.build_process import ProgressCallback
from pie_server.runtime.driver import Driver
from pie_server.runtime.fibers import FiberEngine
from pie_server.runtime.instance import Instance
from pie_server.runtime.locations import default_cache_directory
from pie_server.runtime.manifest import Program
from pie_server.runtime.needs import hold_to_needs
from pie_server.runtime.port import Host, InstanceLimits, JsonValue
from pie_server.runtime.programs import Programs


@dataclass(frozen=True, slots=True)
class RuntimeStatistics:
    """A snapshot of the runtime.

    Attributes:
        live_instances: Guests that have not ended.
        live_stores: Stores of wasmtime; equal to `live_instances` unless something leaks.
        launched: Guests started since the beginning.
        failed: Those that ended with an error or were cancelled.
        turns: Turns that the driver gave.
        cpu_seconds: CPU time of guests that have ended.
    """

    live_instances: int
    live_stores: int
    launched: int
    failed: int
    turns: int
    cpu_seconds: float


class Runtime:
    """Runs inferlets.

    Args:
        cache_directory: Where what was built is kept; PIE_CACHE_DIR or the user's cache
            directory if not given.

    Raises:
        ConfigurationError: The installed wasmtime does not fit.
    """

    def __init__(self, cache_directory: Path | None = None) -> None:
        self._engine = FiberEngine()
        self._programs = Programs(self._engine, cache_directory or default_cache_directory())
        self._driver = Driver(self._engine.tick)
        self._instances: set[Instance] = set()
        self._running = False
        self._launched = 0
        self._failed = 0
        self._cpu_seconds = 0.0

    @property
    def ready(self) -> bool:
        """Whether Python's interpreter is loaded, so that launches start at once."""
        return self._programs.loaded(self._programs.interpreter("python"))

    def is_built(self, language: str = "python") -> bool:
        """Whether the language's interpreter for the present sources is in the cache directory."""
        return self._programs.cached_path(self._programs.interpreter(language)).exists()

    async def prepare(
        self, progress: ProgressCallback | None = None, language: str = "python"
    ) -> None:
        """Build a language's interpreter if this version has never been, and load it.

        Takes milliseconds when it is in the cache, 15 to 90 s otherwise; the loop goes on. Does
        not need `run`. Other languages' are built when their first inferlet is launched.

        Raises:
            ConfigurationError: It cannot be built.
        """
        await self._programs.component(self._programs.interpreter(language), progress)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Service body: `await nursery.start(runtime.run)`; ends all guests when cancelled."""
        self._running = True
        task_status.started()
        try:
            await self._driver.run()
        finally:
            self._running = False
            for instance in list(self._instances):
                instance.kill(ShuttingDown("the server is shutting down."))

    async def run_instance(
        self, program: Program, arguments: JsonValue, host: Host, limits: InstanceLimits
    ) -> JsonValue:
        """Run one inferlet to its end and return its result. Always closes the host.

        Cancelling this call ends the guest at once, wherever it is.

        Raises:
            InvalidArguments: They do not fit the program's parameters.
            GuestError: How it failed; `GuestRaised` has the traceback in its details.
            OutputExceeded: Its result is too large.
            ShuttingDown: The runtime is not running.
            ConfigurationError: The interpreter, or the program itself, cannot be built.
            InvalidRequest: Its module is not that of an inferlet.
        """
        host = hold_to_needs(program, host)
        try:
            return await self._run_instance(program, program.check(arguments), host, limits)
        finally:
            host.close()

    async def compile(self, program: Program) -> None:
        """Build what a program needs to run, and load it; in milliseconds if it was built before.

        Raises:
            ConfigurationError: It cannot be built.
            InvalidRequest: Its module is not that of an inferlet.
        """
        await self._programs.component(self._programs.recipe(program))

    async def try_start(self, program: Program, host: Host, limits: InstanceLimits) -> None:
        """Run a program without arguments, to see whether it starts; raises like `run_instance`."""
        try:
            await self._run_instance(program, {}, host, limits)
        finally:
            host.close()

    async def _run_instance(
        self, program: Program, arguments: JsonValue, host: Host, limits: InstanceLimits
    ) -> JsonValue:
        instance: Instance | None = None
        try:
            component = await self._programs.component(self._programs.recipe(program))
            if not self._running:
                raise ShuttingDown("the runtime is not running.")
            source, given = _texts_for_guest(program, arguments, limits)
            fiber = self._engine.spawn(component, source, given, limits.memory_bytes)
            instance = Instance(fiber, host, limits, self._driver.schedule)
            self._instances.add(instance)
            self._launched += 1
            self._failed += 1  # until it has returned
            instance.start()
            await instance.done.wait()
            result = instance.result()
            self._failed -= 1
            return result
        finally:
            if instance is not None:
                instance.close()
                self._instances.discard(instance)
                self._cpu_seconds += instance.cpu_seconds

    def statistics(self) -> RuntimeStatistics:
        """Counters since the start."""
        return RuntimeStatistics(
            live_instances=len(self._instances),
            live_stores=self._engine.live_fibers,
            launched=self._launched,
            failed=self._failed - len(self._instances),
            turns=self._driver.turns,
            cpu_seconds=self._cpu_seconds,
        )


def _texts_for_guest(
    program: Program, arguments: JsonValue, limits: InstanceLimits
) -> tuple[str, str]:
    """Both parameters of `run`, see `world.wit`."""
    source = {"name": program.name, "text": program.source}
    given = {
        "arguments": arguments,
        # What the SDK respects by itself, so that an honest guest never meets the hard limit.
        "limits": {
            "operations_in_flight": limits.operations_in_flight,
            "operation_bytes": limits.operation_bytes,
        },
        "time": time.time(),
    }
    return "" if program.compiled else json.dumps(source), json.dumps(given)
