"""Makes the Python interpreter component: CPython with our SDK, frozen by componentize-py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pie_server.errors import ConfigurationError
from pie_server.runtime.locations import inferlets_directory, python_sdk_directory


def make_python_interpreter(scratch: Path) -> bytes:
    """The component; takes about 20 s.

    Raises:
        ConfigurationError: componentize-py is missing or failed.
    """
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
    output = scratch / "python.wasm"
    staged = _stage(sources, scratch / "app")
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
    return output.read_bytes()


def _stage(sources: Path, staged: Path) -> Path:
    """Entry point and SDK in one directory, without what was compiled from them before."""
    shutil.copytree(sources / "runtimes" / "python", staged)
    shutil.copytree(python_sdk_directory() / "inferlet", staged / "inferlet")
    for stale in staged.rglob("__pycache__"):
        shutil.rmtree(stale)
    return staged
