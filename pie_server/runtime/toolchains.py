"""Runs the compilers: Rust, C and C++ to a core WebAssembly module.

The sources are the author's own: compilers read whatever file a source names, so never give them a
stranger's. Strangers hand in modules, whose compilation to machine code `build` limits.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pie_server.errors import ConfigurationError
from pie_server.runtime.locations import sdk_directory

_RUST_TARGET: Final = "wasm32-unknown-unknown"
_RUST_HINT: Final = "apt-get install rustc libstd-rust-dev-wasm32 lld"
_ZIG_HINT: Final = "pip install 'trio-pie-server[languages]' (it has the compiler, ziglang)"
_MESSAGE_CHARACTERS: Final = 4000
# With names, which a trap's stack shows; `wrap` drops what only debuggers need.
_RUST_FLAGS: Final = (
    "--edition=2021", f"--target={_RUST_TARGET}", "-Copt-level=3", "-Cpanic=abort",
    "-Ccodegen-units=1", "-Cstrip=debuginfo", "--color=never",
)  # fmt: skip
_ZIG_FLAGS: Final = (
    "-target", "wasm32-wasi", "-mexec-model=reactor", "-O2", "-DNDEBUG", "-fno-exceptions",
    "-fno-sanitize=undefined", "-g",
)  # fmt: skip


def missing_tool(language: str) -> str | None:
    """How to install the compiler of a language, or None if it is there."""
    if language == "rust":
        return None if find_rustc() else _RUST_HINT
    if language in ("c", "cpp", "javascript"):
        return None if importlib.util.find_spec("ziglang") else _ZIG_HINT
    if language == "python":
        found = importlib.util.find_spec("componentize_py")
        return None if found else "pip install 'trio-pie-server[build]'"
    return None


def find_rustc() -> str | None:
    """The first rustc on PATH that can compile to WebAssembly; there may be others that cannot."""
    for place in os.environ.get("PATH", "").split(os.pathsep):
        rustc = shutil.which("rustc", path=place)
        if rustc is not None and _has_target(rustc):
            return rustc
    return None


def _has_target(rustc: str) -> bool:
    done = subprocess.run(
        [rustc, f"--target={_RUST_TARGET}", "--print=target-libdir"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0 and any(Path(done.stdout.strip()).glob("libstd-*.rlib"))


def compile_rust(entry: Path, output: Path, cache_directory: Path) -> None:
    """Compile an inferlet in Rust, together with the SDK's crate `inferlet`.

    Raises:
        ConfigurationError: There is no compiler, or it refused the source.
    """
    rustc = find_rustc()
    if rustc is None:
        raise ConfigurationError(
            "Inferlets in Rust need a rustc for WebAssembly, and there is none on PATH.",
            hint=_RUST_HINT,
        )
    library = _rust_sdk(rustc, cache_directory / "rust")
    _compile(
        [
            rustc, *_RUST_FLAGS, "--crate-type=cdylib", "--crate-name=program",
            f"--extern=inferlet={library}", entry.name, "-o", str(output),
        ],
        entry.parent,
    )  # fmt: skip


def _rust_sdk(rustc: str, cache_directory: Path) -> Path:
    """The SDK as a library of this very compiler; other versions cannot read it."""
    sources = sdk_directory("rust") / "src"
    version = subprocess.run([rustc, "--version", "--verbose"], capture_output=True, check=False)
    digest = hashlib.sha256(version.stdout)
    for path in sorted(sources.glob("*.rs")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    directory = cache_directory / digest.hexdigest()[:16]
    library = directory / "libinferlet.rlib"
    if not library.exists():
        directory.mkdir(parents=True, exist_ok=True)
        scratch = directory / f"libinferlet.{os.getpid()}.rlib"
        _compile(
            [
                rustc, *_RUST_FLAGS, "--crate-type=rlib", "--crate-name=inferlet",
                "lib.rs", "-o", str(scratch),
            ],
            sources,
        )  # fmt: skip
        scratch.replace(library)
    return library


def compile_c(sources: Sequence[Path], output: Path, cache_directory: Path) -> None:
    """Compile an inferlet in C or C++, together with the SDK.

    Raises:
        ConfigurationError: There is no compiler, or it refused the source.
    """
    sdk = sdk_directory("c")
    compile_with_zig(
        [*sources, *sorted(sdk.glob("*.c"))],
        output,
        cache_directory,
        include=(sdk,),
        flags=("-Wall", "-Wextra"),
    )


def compile_with_zig(
    sources: Sequence[Path],
    output: Path,
    cache_directory: Path,
    *,
    include: Sequence[Path] = (),
    flags: Sequence[str] = (),
) -> None:
    """Compile and link C and C++ with clang, its libraries and linker, as PyPI's ziglang has them.

    Raises:
        ConfigurationError: It is not installed, or refused the source.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise ConfigurationError(
            "Inferlets in C, C++ and JavaScript need the compiler in the package ziglang.",
            hint=_ZIG_HINT,
        )
    driver = "c++" if any(path.suffix in (".cpp", ".cc") for path in sources) else "cc"
    cache = str(cache_directory / "zig")
    _compile(
        [
            sys.executable, "-m", "ziglang", driver, *_ZIG_FLAGS, *flags,
            *(f"-I{path}" for path in include), *map(str, sources), "-o", str(output),
        ],
        sources[0].parent,
        {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
    )  # fmt: skip


def _compile(
    command: Sequence[str], directory: Path, environment: dict[str, str] | None = None
) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise ConfigurationError(
            f"compiling failed: {said[:_MESSAGE_CHARACTERS]}",
            hint="Mend the source; docs/inferlets.md shows an inferlet in each language.",
        )
