"""What can be built into machine code, and under which name it is cached.

A recipe's key is a hash of all that the component is made of, so a cached one is never out of date.
Reads sources; never builds, loads or runs anything.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pie_server.runtime.locations import inferlets_directory, python_sdk_directory, sdk_directory
from pie_server.runtime.manifest import Program
from pie_server.runtime.wasmtime_api import FEATURES

INTERPRETED: Final = {"python": "Python", "javascript": "JavaScript"}
_TOOLS: Final = {
    "python": ("componentize-py",),
    "javascript": ("ziglang",),
    "c": ("ziglang",),
    "cpp": ("ziglang",),
}
_SDKS: Final = {"javascript": "javascript", "rust": "rust", "c": "c", "cpp": "c"}
# Modules of ours that decide how it is built.
_BUILDERS: Final = {
    "python": ("python_interpreter.py",),
    "javascript": ("javascript_interpreter.py", "toolchains.py", "wrap.py"),
    "wasm": ("wrap.py",),
}
_COMPILED_BUILDERS: Final = ("toolchains.py", "wrap.py")
_SUFFIXES: Final = {".py", ".wit", ".js", ".c", ".h", ".hpp", ".rs", ".txt"}
_KEY_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Recipe:
    """One component that can be built.

    Attributes:
        kind: "python" or "javascript" for an interpreter, "program" for a compiled inferlet.
        key: Name of its file in the cache, without suffix.
        title: What it is, for people.
        directory: The inferlet's directory, for a compiled one.
    """

    kind: str
    key: str
    title: str
    directory: Path | None = None


def recipe_of_interpreter(language: str) -> Recipe:
    """The interpreter for an interpreted language, as the present sources make it."""
    digest = _common_digest(language)
    sources = inferlets_directory()
    _add_files(digest, (sources / "runtimes" / language, sources / "wit"))
    key = f"{language}-{digest.hexdigest()[:_KEY_DIGITS]}"
    return Recipe(language, key, f"the {INTERPRETED[language]} interpreter")


def recipe_of_program(program: Program) -> Recipe:
    """A compiled inferlet."""
    digest = _common_digest("wasm" if program.prebuilt else program.language)
    digest.update(program.digest.encode())
    key = f"program-{digest.hexdigest()[:_KEY_DIGITS]}"
    return Recipe("program", key, f"the inferlet {program.name!r}", program.directory)


def _common_digest(language: str) -> hashlib._Hash:
    """Of the tools, how they are called, the engine's features and the language's SDK."""
    digest = hashlib.sha256()
    for module in _BUILDERS.get(language, _COMPILED_BUILDERS):
        digest.update((Path(__file__).parent / module).read_bytes())
    for package in (*_TOOLS.get(language, ()), "wasmtime"):
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "missing"
        digest.update(f"{package} {version}\n".encode())
    digest.update(f"{platform.machine()} {sys.platform} {FEATURES}\n".encode())
    if language == "python":
        _add_files(digest, (python_sdk_directory() / "inferlet",))
    elif language in _SDKS:
        _add_files(digest, (sdk_directory(_SDKS[language]),))
    return digest


def _add_files(digest: hashlib._Hash, roots: Iterable[Path]) -> None:
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix in _SUFFIXES:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
