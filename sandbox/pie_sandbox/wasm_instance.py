"""One instance of the sandbox component, with an engine, a store and host functions of its own.

The only module of the sandbox that runs wasmtime. `execute` blocks and belongs in a thread;
`interrupt` may be called from any other. Host functions raise nothing but WasmtimeError: other
exceptions would pass through a global of wasmtime-py that threads share.
"""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import trio
import wasmtime
from wasmtime import _ffi as wasmtime_ffi
from wasmtime import component

from pie_sandbox.messages import parse_outcome
from pie_sandbox.sandbox import Limit, OnOutput
from pie_sandbox.wasm_build import new_engine
from pie_server.errors import SandboxLost

MAX_SLEEP_SECONDS = 86_400.0
MAX_TABLE_ELEMENTS = 100_000
MAX_INSTANCES = 100
MAX_TABLES = 20
MAX_MEMORIES = 10


class Ending(NamedTuple):
    """What a cell left: the fields of `ExecutionResult` that it decides."""

    ok: bool
    value: str | None
    exception: str | None
    traceback: str | None
    limit: Limit | None


class Run:
    """One cell: what it prints and whether it was interrupted. Shared by its thread and trio."""

    def __init__(self, output_bytes: int, token: trio.lowlevel.TrioToken) -> None:
        self.texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self.truncated = False
        self.trapped = False
        self.seconds = 0.0
        self.interrupted: Literal["time", "cancelled"] | None = None
        self.ended = False
        self.wake = threading.Event()
        self._left_bytes = output_bytes
        self._token = token
        self._news = trio.Event()
        self._delivered = 0

    def write(self, stream: str, text: str) -> None:
        """Keep what the limit allows; on the cell's thread."""
        data = text.encode()
        if len(data) > self._left_bytes:
            self.truncated = True
            text = data[: self._left_bytes].decode(errors="ignore")
            self._left_bytes = 0
        else:
            self._left_bytes -= len(data)
        if text:
            self.texts["stderr" if stream == "stderr" else "stdout"].append(text)
            self._token.run_sync_soon(self._announce, idempotent=True)

    async def pump(self, on_output: OnOutput) -> None:
        """Deliver stdout while the cell runs; on trio."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            self.deliver(on_output)

    def deliver(self, on_output: OnOutput) -> None:
        """Deliver what has not been delivered; on trio."""
        parts = self.texts["stdout"][self._delivered :]
        self._delivered += len(parts)
        if parts:
            on_output("".join(parts))

    def _announce(self) -> None:
        self._news.set()


class WasmInstance:
    """A Python interpreter in WebAssembly; keeps its variables until it traps or is freed."""

    def __init__(self, artefact: Path, memory_bytes: int) -> None:
        self._engine = new_engine()
        # Only files that this program compiled lie in its cache directory.
        program = component.Component.deserialize_file(self._engine, str(artefact))
        self._store = wasmtime.Store(self._engine)
        self._store.set_wasi(wasmtime.WasiConfig())  # no files, arguments, variables, network
        self._store.set_limits(
            memory_size=memory_bytes,
            table_elements=MAX_TABLE_ELEMENTS,
            instances=MAX_INSTANCES,
            tables=MAX_TABLES,
            memories=MAX_MEMORIES,
        )
        self._store.set_epoch_deadline(1)
        self._run: Run | None = None
        linker = component.Linker(self._engine)
        linker.add_wasip2()
        self._define_host_functions(linker)
        instance = linker.instantiate(self._store, program)
        self._execute = instance.get_func(self._store, "execute")
        # The lock keeps `interrupt` from raising the epoch after the cell that it was meant for.
        self._lock = threading.Lock()

    def execute(self, run: Run, code: str) -> Ending:
        """Run one cell to its end or its interruption; blocks."""
        self._run = run
        started = time.perf_counter()
        try:
            with self._lock:
                if run.interrupted is not None:
                    return _trapped("the call was cancelled")
                self._store.set_epoch_deadline(1)
            text = self._execute(self._store, code)
            return _ending(text)
        except (wasmtime.WasmtimeError, wasmtime.ExitTrap, wasmtime.Trap, SandboxLost) as error:
            run.trapped = True
            return _trapped(f"SystemExit: the interpreter ended: {_reason(error)}")
        finally:
            run.seconds = time.perf_counter() - started
            with self._lock:
                run.ended = True
            self._run = None

    def interrupt(self, run: Run, why: Literal["time", "cancelled"]) -> None:
        """End a cell from outside, wherever it is; nothing happens to one that has ended."""
        with self._lock:
            if run.ended or run.interrupted is not None:
                return
            run.interrupted = why
            self._engine.increment_epoch()
        run.wake.set()

    def free(self) -> None:
        """Free everything at once; never while a cell runs. Idempotent."""
        self._store.close()

    def _define_host_functions(self, linker: component.Linker) -> None:
        linker.allow_shadowing = True
        with linker.root() as root:
            with root.add_instance(f"wasi:io/poll@{_wasi_version()}") as poll:
                poll.add_func("poll", _refuse_to_block)
                poll.add_func("[method]pollable.block", _refuse_to_block)
            root.add_func("write", self._write)
            root.add_func("sleep", self._sleep)

    def _write(self, _store: object, stream: str, text: str) -> None:
        if self._run is not None:
            self._run.write(stream, text)

    def _sleep(self, _store: object, seconds: float) -> None:
        run = self._run
        if run is not None and run.wake.wait(min(max(seconds, 0.0), MAX_SLEEP_SECONDS)):
            raise wasmtime.WasmtimeError("interrupted")


def _refuse_to_block(*_arguments: object) -> NoReturn:
    # WASI would block this thread where no epoch reaches it.
    raise wasmtime.WasmtimeError("waiting is not possible here; use time.sleep")


def _ending(text: str) -> Ending:
    outcome = parse_outcome(text)
    limit: Limit | None = "memory" if outcome.limit == "memory" else None
    return Ending(outcome.ok, outcome.value, outcome.exception, outcome.traceback, limit)


def _trapped(exception: str) -> Ending:
    return Ending(False, None, exception, None, None)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _wasi_version() -> str:
    found = re.search(rb"wasi:io/poll@([0-9.]+)", Path(str(wasmtime_ffi.filename)).read_bytes())
    if found is None:
        raise wasmtime.WasmtimeError("this wasmtime has no wasi:io/poll")
    return found[1].decode()
