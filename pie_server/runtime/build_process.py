"""Runs a build (`build`) in a process of its own and reports how far it is.

Building takes long and much memory, a mistaken set of engine features aborts the process it runs
in, and a hostile module may exhaust the compiler: so never in the server itself. Ends the process
and its children when cancelled.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from pie_server.errors import ConfigurationError
from pie_server.runtime.recipes import Recipe

# Of each step: what to tell people, where the whole build stands then, how long it usually takes.
_STEPS: Final = {
    "component": ("Building {title}", 0.0, 20.0),
    "machine_code": ("Compiling {title} to machine code", 0.5, 20.0),
    "proof": ("Starting {title} for the first time", 0.95, 1.0),
}
_HEARTBEAT_SECONDS: Final = 0.5
_REAP_SECONDS: Final = 5.0
_ERROR_BYTES: Final = 2000
# Two compilers are enough to keep a server's cores busy.
_BUILDS: Final = 2


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
_slots = trio.Semaphore(_BUILDS)
_log = logging.getLogger(__name__)


async def run_build(recipe: Recipe, target: Path, progress: ProgressCallback) -> None:
    """Build a recipe's component into `target`.

    Raises:
        ConfigurationError: It failed; the message has the compiler's words.
    """
    async with _slots:
        report = _Report(recipe.title, progress)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report.run_heartbeat)
            status, errors = await _run(recipe, target, report.heed)
            nursery.cancel_scope.cancel()
    if report.failure:
        raise ConfigurationError(report.failure["failed"], hint=report.failure.get("hint", ""))
    if status == -signal.SIGXCPU:
        raise ConfigurationError(
            f"Building {recipe.title} took more CPU time than a build may.",
            hint="Make it smaller; a program of a megabyte takes about two seconds.",
        )
    if status:
        # Clients may see the hint, and paths of the server are none of their business.
        command = " ".join(_arguments(recipe, target))
        _log.error("building %s ended with status %d: %s", recipe.title, status, command)
        raise ConfigurationError(
            f"Building {recipe.title} ended with status {status}: "
            f"{errors.decode(errors='replace').strip()}",
            hint="The server's log has the command, which can be run by hand to see more.",
        )
    report.done()


class _Report:
    """Turns the lines of a build into progress, and goes on reporting while a step is silent."""

    def __init__(self, title: str, progress: ProgressCallback) -> None:
        self._title = title
        self._progress = progress
        self._step = "component"
        self._started = self._step_started = trio.current_time()
        self.failure: dict[str, str] = {}

    def heed(self, line: bytes) -> None:
        news = _parse(line)
        if news.get("step") in _STEPS:
            self._step, self._step_started = news["step"], trio.current_time()
            self._report()
        elif "failed" in news:
            self.failure.update(news)

    async def run_heartbeat(self) -> None:
        while True:
            self._report()
            await trio.sleep(_HEARTBEAT_SECONDS)

    def done(self) -> None:
        message = f"{self._title[0].upper()}{self._title[1:]} is ready"
        self._progress(BuildProgress(message, 1.0, trio.current_time() - self._started))

    def _report(self) -> None:
        message, fraction, usual_seconds = _STEPS[self._step]
        now = trio.current_time()
        within = min(0.9, (now - self._step_started) / usual_seconds)
        following = [entry[1] for entry in _STEPS.values() if entry[1] > fraction]
        fraction += within * ((following[0] if following else 1.0) - fraction)
        message = message.format(title=self._title)
        self._progress(BuildProgress(message, fraction, now - self._started))


def _arguments(recipe: Recipe, target: Path) -> list[str]:
    directory = [str(recipe.directory)] if recipe.directory else []
    build = [sys.executable, "-m", "pie_server.runtime.build"]
    return [*build, recipe.kind, str(target), *directory]


async def _run(recipe: Recipe, target: Path, heed: Callable[[bytes], None]) -> tuple[int, bytes]:
    """Run the build's process; its exit status and the end of what it wrote to stderr."""
    process = await trio.lowlevel.open_process(
        _arguments(recipe, target),
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
