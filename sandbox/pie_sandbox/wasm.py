"""The WebAssembly backend: a CPython without files, sockets, processes and threads, per lease.

For machines without a Docker engine. The walls are WebAssembly's: a guest reaches only what the
host hands it, which is a clock, random numbers and two functions. Memory is bounded by the store,
time by an epoch of the instance's own engine, which also ends a cell that is cancelled.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import secrets
import subprocess
import tempfile
from pathlib import Path

import trio
import wasmtime

from pie_sandbox.limits import SandboxLimits
from pie_sandbox.sandbox import ExecutionLimits, ExecutionResult, OnOutput, Progress
from pie_sandbox.wasm_build import BUILD_COMMAND, artefact_name
from pie_sandbox.wasm_instance import Ending, Run, WasmInstance
from pie_sandbox.worker import Worker
from pie_server.errors import SandboxUnavailable

BACKEND = "wasm"
BUILD_SECONDS = 900.0
WASM_THREADS = trio.CapacityLimiter(64)
"""A running cell holds one; the pool's capacity is the real bound."""


class WasmBackend:
    """Makes instances of the component in the cache."""

    def __init__(self, cache_dir: Path, limits: SandboxLimits) -> None:
        self._artefact = cache_dir / artefact_name()
        self._limits = limits
        self._numbers = itertools.count(1)
        self._token = secrets.token_hex(4)

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return BACKEND

    def is_prepared(self) -> bool:
        """Whether the component is there.

        Raises:
            SandboxUnavailable: it is not, and cannot be built.
        """
        if self._artefact.exists():
            return True
        if importlib.util.find_spec("componentize_py") is None:
            raise SandboxUnavailable(
                "the wasm sandbox cannot be built: componentize-py is not installed",
                hint="Install it: pip install 'trio-pie-server[build]'.",
            )
        return False

    async def prepare(self, progress: Progress) -> None:
        """Build the component, in a process that a cancellation ends."""
        if self.is_prepared():
            return
        self._artefact.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="sandbox-", dir=self._artefact.parent) as scratch:
            with trio.move_on_after(BUILD_SECONDS):
                await self._build(scratch, progress)
        if not self._artefact.exists():
            raise SandboxUnavailable(
                "the wasm sandbox was not built; the reason is in the output above",
                hint="It needs about 2 GiB of memory and 200 MiB in the cache directory.",
            )

    async def _build(self, scratch: str, progress: Progress) -> None:
        command = [*BUILD_COMMAND, scratch, str(self._artefact)]
        run = functools.partial(
            trio.run_process, command, stdout=subprocess.PIPE, capture_stderr=False, check=False
        )
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(run)
            assert process.stdout is not None
            async for chunk in process.stdout:
                for line in chunk.decode(errors="replace").splitlines():
                    progress(line)

    async def start(self) -> Worker:
        """Make an instance: some milliseconds."""
        name = f"wasm-{self._token}-{next(self._numbers)}"
        make = functools.partial(WasmInstance, self._artefact, self._limits.memory_bytes)
        try:
            instance = await trio.to_thread.run_sync(make, limiter=WASM_THREADS)
        except wasmtime.WasmtimeError as error:
            raise SandboxUnavailable(
                f"the wasm sandbox does not start: {error}",
                hint=f"Delete {self._artefact}; it is built again.",
            ) from error
        worker = WasmWorker(name, instance)
        await worker.execute("None", ExecutionLimits(), lambda text: None)  # pages in, seeds
        return worker

    async def discard(self, worker: Worker) -> None:
        """Free the instance."""
        worker.close()
        await trio.lowlevel.checkpoint()

    async def remove_orphans(self) -> int:
        """Nothing of it survives its process."""
        await trio.lowlevel.checkpoint()
        return 0


class WasmWorker:
    """One instance; each cell runs in a thread, and always comes back from it soon."""

    def __init__(self, name: str, instance: WasmInstance) -> None:
        self._name = name
        self._instance = instance
        self._run: Run | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """See `Worker.name`."""
        return self._name

    @property
    def closed(self) -> bool:
        """See `Worker.closed`."""
        return self._closed

    async def is_alive(self) -> bool:
        """Whether it has not been closed."""
        await trio.lowlevel.checkpoint()
        return not self._closed

    def close(self) -> None:
        """Interrupt the cell if one runs, which then frees the instance; else free it."""
        self._closed = True
        if self._run is not None:
            self._instance.interrupt(self._run, "cancelled")
        else:
            self._instance.free()

    async def execute(
        self, code: str, limits: ExecutionLimits, on_output: OnOutput
    ) -> ExecutionResult:
        """See `Worker.execute`."""
        run = self._run = Run(limits.output_bytes, trio.lowlevel.current_trio_token())
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, run, limits.seconds)
                nursery.start_soon(run.pump, on_output)
                ending = await trio.to_thread.run_sync(
                    self._instance.execute, run, code, limiter=WASM_THREADS
                )
                nursery.cancel_scope.cancel()
        finally:
            self._run = None
            if run.interrupted is not None or run.trapped:
                self._closed = True
            if self._closed:
                self._instance.free()
        run.deliver(on_output)
        return _result(run, ending, limits)

    async def _watch(self, run: Run, seconds: float) -> None:
        try:
            await trio.sleep(seconds)
            self._instance.interrupt(run, "time")
        finally:
            self._instance.interrupt(run, "cancelled")  # does nothing to a cell that has ended


def _result(run: Run, ending: Ending, limits: ExecutionLimits) -> ExecutionResult:
    exception = ending.exception
    if run.interrupted == "time":
        exception = f"TimeoutError: the code was stopped after {limits.seconds:g} s"
    limit = "time" if run.interrupted == "time" else ending.limit
    return ExecutionResult(
        stdout="".join(run.texts["stdout"]),
        stderr="".join(run.texts["stderr"]),
        value=ending.value,
        ok=ending.ok,
        exception=exception,
        seconds=run.seconds,
        truncated=run.truncated,
        limit=limit or ("output" if run.truncated else None),
        backend=BACKEND,
        traceback=ending.traceback,
        state_lost=run.trapped or run.interrupted is not None,
    )
