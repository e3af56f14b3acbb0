"""Builds the Python interpreter component; runs as a process of its own.

    python -m pie_server.runtime.build TARGET

Steps: freeze SDK and entry point into a component (componentize-py), compile it to machine code
(wasmtime), start it once. Prints one line of JSON per step. The last step proves the engine's
feature set: a wrong one aborts the process, and here that costs only this process.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pie_server.errors import ConfigurationError
from pie_server.runtime.fibers import FiberEngine, Returned, Turn
from pie_server.runtime.locations import inferlets_directory, sdk_directory

# Our own interpreter takes 10 s and 1 GiB; these stop a compiler that has gone astray.
_COMPILE_CPU_SECONDS = 600
_COMPILE_BYTES = 12 << 30
_KEPT_VERSIONS = 4
_PROBE = "async def main(input):\n    return input['n'] + 1\n"
_PROBE_MEMORY_BYTES = 256 << 20
_PROBE_SECONDS = 60.0


def build(target: Path) -> None:
    """Write the compiled component to `target`, unless another process has done so meanwhile.

    Raises:
        ConfigurationError: componentize-py is missing or failed, or the result does not run.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            wasm = Path(scratch) / "python.wasm"
            _announce("component")
            _componentize(wasm, Path(scratch))
            _announce("machine_code")
            compiled = Path(scratch) / "python.cwasm"
            engine = FiberEngine()
            _limit_resources()
            compiled.write_bytes(engine.compile(wasm.read_bytes()))
            _announce("proof")
            _prove(engine, compiled)
            os.replace(compiled, target)
        _forget_old_versions(target)


def _forget_old_versions(newest: Path) -> None:
    """Each version has 40 MB; a server that still maps a deleted one keeps it until it ends."""
    built = sorted(newest.parent.glob("python-*.cwasm"), key=lambda path: path.stat().st_mtime)
    for path in built[:-_KEPT_VERSIONS]:
        path.unlink(missing_ok=True)


def _announce(step: str) -> None:
    print(json.dumps({"step": step}), flush=True)


def _componentize(output: Path, scratch: Path) -> None:
    tool = shutil.which("componentize-py", path=str(Path(sys.executable).parent)) or shutil.which(
        "componentize-py"
    )
    if tool is None:
        raise ConfigurationError(
            "componentize-py is needed once, to build the interpreter that inferlets run in.",
            hint="pip install 'trio-pie-server[build]'",
        )
    # A virtual environment would put its whole site-packages on the guest's import path.
    empty = scratch / "empty"
    empty.mkdir()
    sources = inferlets_directory()
    staged = scratch / "app"
    shutil.copytree(sources / "runtimes" / "python", staged)
    shutil.copytree(sdk_directory() / "inferlet", staged / "inferlet")
    for stale in staged.rglob("__pycache__"):
        shutil.rmtree(stale)
    done = subprocess.run(
        [
            tool, "--quiet", "--wit-path", str(sources / "wit"), "--world", "program",
            "componentize", "app", "--python-path", str(staged), "--output", str(output),
        ],
        env={"PATH": os.environ.get("PATH", ""), "VIRTUAL_ENV": str(empty), "HOME": str(scratch)},
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise ConfigurationError(
            f"componentize-py failed: {(done.stderr or done.stdout).strip()[-2000:]}",
            hint="Check that inferlets/runtimes/python/app.py imports only the standard library.",
        )


def _limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_COMPILE_CPU_SECONDS, _COMPILE_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_DATA, (_COMPILE_BYTES, resource.RLIM_INFINITY))


def _prove(engine: FiberEngine, compiled: Path) -> None:
    source = json.dumps({"name": "proof", "text": _PROBE})
    limits = {"operations_in_flight": 64, "operation_bytes": 65536}
    arguments = json.dumps({"arguments": {"n": 41}, "limits": limits})
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
    try:
        build(Path(sys.argv[1]))
    except ConfigurationError as error:
        print(json.dumps({"failed": error.message, "hint": error.hint}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
