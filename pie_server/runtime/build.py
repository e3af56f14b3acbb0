"""Builds one component to machine code; runs as a process of its own.

    python -m pie_server.runtime.build KIND TARGET [DIRECTORY]

KIND is "python" or "javascript" for an interpreter, "program" for the inferlet in DIRECTORY. Steps:
make the component, compile it to machine code (wasmtime), start an interpreter once. Prints one
line of JSON per step. Here a wrong set of engine features, which aborts the process it runs in, or
a module made to exhaust the compiler costs only this process.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from pie_server.errors import ConfigurationError, PieError
from pie_server.runtime.building import build_program
from pie_server.runtime.fibers import FiberEngine, Returned, Turn
from pie_server.runtime.javascript_interpreter import make_javascript_interpreter
from pie_server.runtime.python_interpreter import make_python_interpreter

# Our own interpreters take 10 s and 1 GiB; these stop a compiler that has gone astray.
_INTERPRETER_CPU_SECONDS: Final = 600
_INTERPRETER_BYTES: Final = 12 << 30
# A program of a megabyte takes 2 s. Modules made for it take minutes, and gigabytes.
_PROGRAM_CPU_SECONDS: Final = 6
_PROGRAM_BYTES: Final = 2 << 30
# For each process of a compiler that makes the module (the first C++ program builds its library).
_COMPILER_CPU_SECONDS: Final = 300
_KEPT_VERSIONS: Final = {"python": 4, "javascript": 4, "program": 1024}
_PROBES: Final = {
    "python": "async def main(input):\n    return input['n'] + 1\n",
    "javascript": "export async function main(input) { return input.n + 1; }",
}
_PROBE_MEMORY_BYTES: Final = 256 << 20
_PROBE_SECONDS: Final = 60.0


def build(kind: str, target: Path, directory: Path | None = None) -> None:
    """Write the compiled component to `target`, unless another process has done so meanwhile.

    Raises:
        ConfigurationError: A tool is missing or failed, or the result does not run.
        InvalidRequest: The program is not one of an inferlet.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # Interpreters are built one at a time; programs have nothing to wait for but their like.
    lock = target.parent / (f"{target.stem}.lock" if kind == "program" else "build.lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            if not target.exists():
                _build(kind, target, directory)
                _forget_old_versions(kind, target)
        finally:
            if kind == "program":
                lock.unlink(missing_ok=True)


def _build(kind: str, target: Path, directory: Path | None) -> None:
    program = kind == "program"
    # Memory is limited from here on; the CPU time of each compiler, and then of wasmtime's.
    _limit_memory(_PROGRAM_BYTES if program else _INTERPRETER_BYTES)
    _limit_cpu(_COMPILER_CPU_SECONDS if program else _INTERPRETER_CPU_SECONDS)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        _announce("component")
        wasm = _make_component(kind, directory, Path(scratch), target.parent)
        _announce("machine_code")
        engine = FiberEngine()
        compiled = Path(scratch) / "compiled.cwasm"
        if program:
            _limit_cpu(_PROGRAM_CPU_SECONDS)
        try:
            compiled.write_bytes(engine.compile(wasm))
        except ValueError as error:
            raise ConfigurationError(f"the module cannot be compiled: {error}") from None
        if not program:
            _announce("proof")
            _prove(engine, compiled, _PROBES[kind])
        os.replace(compiled, target)


def _make_component(kind: str, directory: Path | None, scratch: Path, cache: Path) -> bytes:
    if kind == "python":
        return make_python_interpreter(scratch)
    if kind == "javascript":
        return make_javascript_interpreter(scratch, cache)
    if directory is None:
        raise ConfigurationError("which program? Give its directory.")
    return build_program(directory, cache).component


def _forget_old_versions(kind: str, newest: Path) -> None:
    """Leaves those used last; a server that maps a deleted one keeps it until it ends."""
    built = sorted(newest.parent.glob(f"{kind}-*.cwasm"), key=lambda path: path.stat().st_mtime)
    for path in built[: -_KEPT_VERSIONS[kind]]:
        path.unlink(missing_ok=True)


def _announce(step: str) -> None:
    print(json.dumps({"step": step}), flush=True)


def _limit_memory(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_DATA, (size, hard))


def _limit_cpu(seconds: int) -> None:
    """Limit what this process may still use, and every child of it from its start."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds, hard))


def _prove(engine: FiberEngine, compiled: Path, probe: str) -> None:
    source = json.dumps({"name": "proof", "text": probe})
    limits = {"operations_in_flight": 64, "operation_bytes": 65536}
    arguments = json.dumps({"arguments": {"n": 41}, "limits": limits, "time": time.time()})
    fiber = engine.spawn(engine.load(compiled), source, arguments, _PROBE_MEMORY_BYTES)
    deadline = time.monotonic() + _PROBE_SECONDS
    try:
        while fiber.poll() is Turn.PREEMPTED and time.monotonic() < deadline:
            pass
        if fiber.outcome != Returned(True, "42"):
            raise ConfigurationError(f"the interpreter was built but does not run: {fiber.outcome}")
    finally:
        fiber.close()


def main() -> int:
    """Build for the command line; the exit status is 1 if it failed."""
    kind, target, *directory = sys.argv[1:]
    try:
        build(kind, Path(target), Path(directory[0]) if directory else None)
    except PieError as error:
        print(json.dumps({"failed": error.message, "hint": error.hint}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
