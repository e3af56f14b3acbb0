"""Chooses a backend and opens a pool on it. Code never runs on the host itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import trio

from pie_sandbox.docker import DockerBackend
from pie_sandbox.engine_api import Engine, engine_socket
from pie_sandbox.image import image_tag
from pie_sandbox.limits import SandboxLimits
from pie_sandbox.pool import WarmPool
from pie_sandbox.sandbox import PoolStatistics, Progress, Sandbox, SandboxPool
from pie_sandbox.wasm import WasmBackend
from pie_sandbox.worker import Backend
from pie_server.errors import ConfigurationError, SandboxUnavailable

CHOICES = ("auto", "docker", "wasm", "off")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """What a server decides about its sandbox.

    Attributes:
        backend: "docker", "wasm", "off", or "auto": Docker where an engine answers, else wasm.
        cache_dir: Where the wasm sandbox is built and kept.
        warm: Workers that wait, started, for the next session.
        capacity: Leases at a time; further sessions wait.
        limits: The walls of each lease.
    """

    backend: str
    cache_dir: Path
    warm: int = 2
    capacity: int = 16
    limits: SandboxLimits = field(default_factory=SandboxLimits)

    def __post_init__(self) -> None:
        if self.backend not in CHOICES:
            raise ConfigurationError(
                f"sandbox is {self.backend!r}", hint=f"Use one of {', '.join(CHOICES)}."
            )


@dataclass(frozen=True, slots=True)
class BackendReport:
    """What `pie-server doctor` shows of a backend."""

    name: str
    available: bool
    prepared: bool
    detail: str
    hint: str = ""


async def choose_backend(settings: SandboxSettings) -> Backend | None:
    """Return the backend to use, None for "off". Builds nothing.

    Raises:
        SandboxUnavailable: Docker was demanded and no engine answers.
    """
    if settings.backend == "off":
        return None
    if settings.backend != "wasm":
        try:
            engine = Engine(engine_socket())
            await engine.probe()
            return DockerBackend(engine, settings.limits)
        except SandboxUnavailable as error:
            if settings.backend == "docker":
                raise
            logger.info("no Docker sandbox, using wasm: %s", error)
    return WasmBackend(settings.cache_dir, settings.limits)


async def open_pool(settings: SandboxSettings, progress: Progress = logger.info) -> SandboxPool:
    """Choose and prepare a backend (the first time: a minute) and return a pool to `run`.

    Raises:
        SandboxUnavailable: what was demanded cannot be had; the hint says what to do.
    """
    backend = await choose_backend(settings)
    if backend is None:
        return ClosedPool()
    try:
        await backend.prepare(progress)
    except SandboxUnavailable as error:
        if settings.backend != "auto" or isinstance(backend, WasmBackend):
            raise
        progress(f"no Docker sandbox, using wasm: {error}")
        backend = WasmBackend(settings.cache_dir, settings.limits)
        await backend.prepare(progress)
    return WarmPool(backend, warm=settings.warm, capacity=settings.capacity)


async def describe_backends(settings: SandboxSettings) -> list[BackendReport]:
    """Look at every backend, building nothing."""
    return [await _describe_docker(), _describe_wasm(settings)]


async def _describe_docker() -> BackendReport:
    try:
        engine = Engine(engine_socket())
        version = await engine.probe()
        prepared = await engine.has_image(image_tag())
    except SandboxUnavailable as error:
        return BackendReport("docker", False, False, error.message, error.hint)
    image = f"image {image_tag()} {'is there' if prepared else 'will be built at first use'}"
    return BackendReport("docker", True, prepared, f"engine {version}; {image}")


def _describe_wasm(settings: SandboxSettings) -> BackendReport:
    try:
        prepared = WasmBackend(settings.cache_dir, settings.limits).is_prepared()
    except SandboxUnavailable as error:
        return BackendReport("wasm", False, False, error.message, error.hint)
    detail = "compiled" if prepared else "will be built at first use (about a minute)"
    return BackendReport("wasm", True, prepared, detail)


class ClosedPool:
    """The pool of a server whose sandbox is off."""

    backend = "off"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do nothing until cancelled."""
        task_status.started()
        await trio.sleep_forever()

    async def lease(self, name: str) -> Sandbox:
        """Refuse.

        Raises:
            SandboxUnavailable: always.
        """
        raise SandboxUnavailable(
            "code execution is switched off on this server",
            hint="Start the server with --sandbox auto.",
        )

    def statistics(self) -> PoolStatistics:
        """All zero."""
        return PoolStatistics("off", 0, 0, 0, 0, 0, 0, 0, 0)
