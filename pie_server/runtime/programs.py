"""The interpreter components: built once per version of their sources, then loaded in milliseconds.

Owns the cache directory. Building runs in a subprocess (`build`), because it takes long, needs much
memory, and because a mistaken set of engine features aborts the process it runs in.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from pie_server.errors import ConfigurationError
from pie_server.runtime.fibers import Component, FiberEngine
from pie_server.runtime.locations import inferlets_directory, sdk_directory
from pie_server.runtime.wasmtime_api import FEATURES

# Of each step: what to tell people, where the whole build stands then, how long it usually takes.
_STEPS: Final = {
    "component": ("Building the Python interpreter for inferlets", 0.0, 20.0),
    "machine_code": ("Compiling the interpreter to machine code", 0.5, 20.0),
    "proof": ("Starting the interpreter for the first time", 0.95, 1.0),
}
_HEARTBEAT_SECONDS: Final = 0.5
_REAP_SECONDS: Final = 5.0
_ERROR_BYTES: Final = 2000
_BUILD_LIMITER: Final = trio.CapacityLimiter(1)


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is.

    Attributes:
        message: What is being done, for people.
        fraction: 0 to 1; an estimate from usual durations.
        seconds: Since the build began.
    """

    message: str
    fraction: float
    seconds: float


ProgressCallback = Callable[[BuildProgress], None]


class Programs:
    """Compiled interpreters of this server.

    Args:
        engine: Loads them.
        cache_directory: Where built components are kept between runs.
    """

    def __init__(self, engine: FiberEngine, cache_directory: Path) -> None:
        self._engine = engine
        self._cache_directory = cache_directory
        self._component: Component | None = None
        self._building = trio.Lock()  # one build at a time; others wait for its result

    @property
    def ready(self) -> bool:
        """Whether `component` will return at once."""
        return self._component is not None

    def cached_path(self) -> Path:
        """Where the component of the present sources and versions is, or will be."""
        return self._cache_directory / f"python-{_fingerprint()}.cwasm"

    async def component(self, progress: ProgressCallback | None = None) -> Component:
        """The Python interpreter; built first if there is none for these sources and versions.

        Raises:
            ConfigurationError: It cannot be built.
        """
        if self._component is None:
            async with self._building:
                if self._component is None:
                    self._component = await self._load_or_build(progress or (lambda _: None))
        return self._component

    async def _load_or_build(self, progress: ProgressCallback) -> Component:
        path = await trio.to_thread.run_sync(self.cached_path, limiter=_BUILD_LIMITER)
        if path.exists():
            try:
                return await self._load(path)
            except ValueError:
                path.unlink(missing_ok=True)  # damaged: build it again
        await _build(path, progress)
        try:
            return await self._load(path)
        except ValueError as error:
            raise ConfigurationError(
                f"The interpreter that was just built cannot be loaded: {error}",
                hint=f"Delete {self._cache_directory} and try again.",
            ) from None

    async def _load(self, path: Path) -> Component:
        return await trio.to_thread.run_sync(self._engine.load, path, limiter=_BUILD_LIMITER)


def _fingerprint() -> str:
    """Hash of all that the component is made of."""
    digest = hashlib.sha256()
    for package in ("componentize-py", "wasmtime"):
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "missing"
        digest.update(f"{package} {version}\n".encode())
    digest.update(f"{platform.machine()} {sys.platform} {FEATURES}\n".encode())
    sources = inferlets_directory()
    for root in (sdk_directory() / "inferlet", sources / "runtimes" / "python", sources / "wit"):
        for path in sorted(root.rglob("*")):
            if path.suffix in {".py", ".wit"}:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


async def _build(target: Path, progress: ProgressCallback) -> None:
    started = trio.current_time()
    step = "component"
    step_started = started
    failure: dict[str, str] = {}

    def report() -> None:
        message, fraction, usual_seconds = _STEPS[step]
        now = trio.current_time()
        within = min(0.9, (now - step_started) / usual_seconds)
        following = [entry[1] for entry in _STEPS.values() if entry[1] > fraction]
        fraction += within * ((following[0] if following else 1.0) - fraction)
        progress(BuildProgress(message, fraction, now - started))

    def heed(line: bytes) -> None:
        nonlocal step, step_started
        news = _parse(line)
        if news.get("step") in _STEPS:
            step, step_started = news["step"], trio.current_time()
            report()
        elif "failed" in news:
            failure.update(news)

    async def heartbeat() -> None:
        while True:
            report()
            await trio.sleep(_HEARTBEAT_SECONDS)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(heartbeat)
        status, errors = await _run_build(target, heed)
        nursery.cancel_scope.cancel()
    if failure:
        raise ConfigurationError(failure["failed"], hint=failure.get("hint", ""))
    if status:
        raise ConfigurationError(
            f"Building the interpreter ended with status {status}: "
            f"{errors.decode(errors='replace').strip()}",
            hint="Run `python -m pie_server.runtime.build /tmp/python.cwasm` to see more.",
        )
    progress(
        BuildProgress("The interpreter for inferlets is ready", 1.0, trio.current_time() - started)
    )


async def _run_build(target: Path, heed: Callable[[bytes], None]) -> tuple[int, bytes]:
    """Run the build's process; its exit status and the end of what it wrote to stderr."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "pie_server.runtime.build", str(target)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a group of its own, so that its children end with it
    )
    errors = bytearray()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, process.stderr, lambda line: errors.extend(line + b"\n"))
            nursery.start_soon(_read, process.stdout, heed)
        return await process.wait(), bytes(errors[-_ERROR_BYTES:])
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _REAP_SECONDS):
                await process.wait()


async def _read(stream: trio.abc.ReceiveStream | None, heed: Callable[[bytes], None]) -> None:
    assert stream is not None
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            heed(line)
    if rest:
        heed(rest)


def _parse(line: bytes) -> dict[str, str]:
    try:
        news = json.loads(line)
    except ValueError:
        return {}
    return news if isinstance(news, dict) else {}
