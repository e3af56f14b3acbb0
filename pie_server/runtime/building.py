"""Turns the directory of a compiled inferlet into a component.

Blocks for seconds and runs compilers: the server does this in a process of its own (`build`), the
command line wherever it likes.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pie_server.errors import ConfigurationError
from pie_server.runtime.locations import default_cache_directory
from pie_server.runtime.manifest import Program
from pie_server.runtime.toolchains import compile_c, compile_rust
from pie_server.runtime.wrap import is_component, wrap

_C_SUFFIXES: Final = {"c": (".c",), "cpp": (".cpp", ".cc", ".c")}


@dataclass(frozen=True, slots=True)
class BuiltProgram:
    """A compiled inferlet.

    Attributes:
        program: What its manifest says.
        component: The WebAssembly component.
    """

    program: Program
    component: bytes

    def write(self, target: Path) -> None:
        """Write the component to a file, which has it whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_bytes(self.component)
        scratch.replace(target)


def build_program(directory: Path, cache_directory: Path | None = None) -> BuiltProgram:
    """Compile the inferlet in `directory`.

    Args:
        directory: Has `inferlet.toml` and the sources.
        cache_directory: Where compilers keep what they can use again.

    Raises:
        ConfigurationError: The manifest is impossible, there is no compiler for its language, the
            compiler refused a source, or the language has nothing to compile.
        InvalidRequest: The module is not that of an inferlet.
    """
    program = Program.from_directory(directory)
    if not program.compiled:
        raise ConfigurationError(
            f"{program.name!r} is in {program.language}, which runs from its source.",
            hint=f"pie-server run {directory}",
        )
    entry = directory / program.entry
    if program.prebuilt:
        core = entry.read_bytes()
    else:
        with tempfile.TemporaryDirectory() as scratch:
            output = Path(scratch) / "program.wasm"
            _compile(program, entry, output, cache_directory or default_cache_directory())
            core = output.read_bytes()
    return BuiltProgram(program, core if is_component(core) else wrap(core))


def _compile(program: Program, entry: Path, output: Path, cache_directory: Path) -> None:
    if program.language == "rust":
        compile_rust(entry.resolve(), output, cache_directory)
        return
    suffixes = _C_SUFFIXES[program.language]
    sources = sorted(path for path in entry.resolve().parent.iterdir() if path.suffix in suffixes)
    compile_c(sources, output, cache_directory)
