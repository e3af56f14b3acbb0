"""Builds the WebAssembly sandbox: one component of CPython and our guest, compiled for this CPU.

`BUILD_COMMAND DIRECTORY TARGET` runs it as a process of its own, so that it can be ended and so
that its memory goes with it; it prints what it does, a line at a time. The result is a file that
only the wasmtime of the same version and settings loads; `artefact_name` says which.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import wasmtime
from wasmtime import component

HERE = Path(__file__).parent
GUEST_FILES = (*sorted(HERE.glob("guest/*.py")), *sorted(HERE.glob("wasm_guest/*")))
BUILD_COMMAND = (
    sys.executable,
    "-c",
    "import sys, pathlib, pie_sandbox.wasm_build as b; b.build(*map(pathlib.Path, sys.argv[1:]))",
)
STACK_BYTES = 1536 << 10
"""Deep recursion must end in Python's RecursionError, not in a trap."""


def new_engine() -> wasmtime.Engine:
    """Return an engine; each sandbox has its own, so that its epoch interrupts it alone."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.max_wasm_stack = STACK_BYTES
    config.wasm_threads = False
    return wasmtime.Engine(config)


def artefact_name() -> str:
    """Return the file name that changes with everything the artefact depends on."""
    digest = hashlib.sha256()
    for file in GUEST_FILES:
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    digest.update(Path(__file__).read_bytes())
    digest.update(f"{importlib.metadata.version('wasmtime')} {_cpu()}".encode())
    return f"sandbox-{platform.machine()}-{digest.hexdigest()[:16]}.cwasm"


def build(directory: Path, target: Path) -> None:
    """Build `target`, which appears complete or not at all.

    Args:
        directory: Empty, for intermediate files, on the same file system; the caller removes it.
        target: The file to make.
    """
    wasm = directory / "sandbox.wasm"
    _say("wasm sandbox: joining CPython and the guest into one component")
    _componentize(directory, wasm)
    _say(f"wasm sandbox: compiling {wasm.stat().st_size >> 20} MiB for this CPU")
    compiled = directory / target.name
    compiled.write_bytes(component.Component.from_file(new_engine(), str(wasm)).serialize())
    os.replace(compiled, target)
    _say("wasm sandbox: ready")


def _componentize(directory: Path, wasm: Path) -> None:
    package = directory / "source" / "pie_sandbox"
    for part in ("guest", "wasm_guest"):
        shutil.copytree(HERE / part, package / part, ignore=shutil.ignore_patterns("__pyc*"))
    (package / "__init__.py").write_text('"""The guest half only."""\n')
    (package / "wasm_guest" / "app.py").rename(package.parent / "sandbox_app.py")
    command = [
        sys.executable, "-c", "import componentize_py; componentize_py.script()",
        "-d", str(HERE / "wasm_guest" / "world.wit"), "-w", "sandbox",
        "componentize", "sandbox_app", "-p", str(package.parent), "-o", str(wasm),
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        print(done.stdout.decode(errors="replace"), file=sys.stderr)
        raise SystemExit("componentize-py failed")


def _cpu() -> str:
    """What compiled code may rely on: a home directory can move to another machine."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _say(line: str) -> None:
    print(line, flush=True)
