"""The calls to the Docker Engine API that the sandbox makes, as async methods with deadlines.

Wraps the blocking `docker` SDK: each call runs in a thread of one named limiter and has the SDK's
socket timeout, so it ends even when it is cancelled meanwhile (the thread is waited for: a call
that was abandoned half-way could leak a container). Streams of containers never pass through
here, see `attach.py`. Only unix sockets are spoken to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import docker
import requests
import trio
from docker.errors import APIError, DockerException, NotFound

from pie_server.errors import SandboxUnavailable

T = TypeVar("T")

DEFAULT_SOCKET = "/var/run/docker.sock"
CALL_SECONDS = 20.0
PROBE_SECONDS = 3.0
IMPORT_SECONDS = 300.0
ENGINE_CALLS = trio.CapacityLimiter(8)
"""The engine starts about four containers a second whatever the concurrency; more only queue."""


@dataclass(frozen=True, slots=True)
class ContainerSummary:
    """One row of a container listing."""

    name: str
    running: bool
    labels: Mapping[str, str]


def engine_socket() -> str:
    """Return the path of the engine's socket, from DOCKER_HOST or the default.

    Raises:
        SandboxUnavailable: DOCKER_HOST names something else than a unix socket.
    """
    host = os.environ.get("DOCKER_HOST", "")
    if not host:
        return DEFAULT_SOCKET
    if host.startswith("unix://"):
        return host.removeprefix("unix://")
    raise SandboxUnavailable(
        f"DOCKER_HOST is {host}, but the sandbox speaks only to a local engine",
        hint="Unset DOCKER_HOST or set it to unix:///path/of/the/socket.",
    )


class Engine:
    """One Docker Engine behind a unix socket."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self._client: Any = None

    async def probe(self) -> str:
        """Return the engine's version.

        Raises:
            SandboxUnavailable: nothing answers; the hint says what to do.
        """
        if not await trio.Path(self.socket_path).exists():
            raise SandboxUnavailable(
                f"no Docker engine: {self.socket_path} does not exist",
                hint="Install one (as root: apt-get install docker.io, then start dockerd) "
                "or use the wasm sandbox.",
            )
        if not os.access(self.socket_path, os.R_OK | os.W_OK):
            raise SandboxUnavailable(
                f"the Docker engine's socket {self.socket_path} may not be used by this user",
                hint="As root: usermod -aG docker USER, then log in again.",
            )
        with trio.move_on_after(PROBE_SECONDS):
            version = await self._call("version", lambda client: client.version(), probe=True)
            return str(version.get("Version", "unknown"))
        raise SandboxUnavailable(f"the Docker engine at {self.socket_path} does not answer")

    async def has_image(self, tag: str) -> bool:
        """Whether an image of this name and tag exists."""

        def call(client: Any) -> bool:
            with contextlib.suppress(NotFound):
                client.inspect_image(tag)
                return True
            return False

        return await self._call("inspect image", call)

    async def import_image(self, tar: Path, repository: str, tag: str) -> None:
        """Make an image of a root file system."""

        def call(client: Any) -> None:
            with tar.open("rb") as file:
                answer = client.import_image_from_data(file, repository=repository, tag=tag)
            if '"error"' in str(answer):
                raise SandboxUnavailable(f"docker import failed: {str(answer)[-300:]}")

        await self._call("import image", call, timeout_seconds=IMPORT_SECONDS)

    async def create(self, name: str, specification: Mapping[str, object]) -> None:
        """Create a container from an API-level specification."""
        await self._call(
            "create container",
            lambda client: client.create_container_from_config(dict(specification), name),
        )

    async def start(self, name: str) -> None:
        """Start a created container."""
        await self._call("start container", lambda client: client.start(name))

    async def remove(self, name: str) -> None:
        """Kill and remove a container; it is no error when it is gone or going."""

        def call(client: Any) -> None:
            try:
                client.remove_container(name, force=True, v=True)
            except APIError as error:
                if error.status_code not in (404, 409):
                    raise

        await self._call("remove container", call)

    async def containers(self, label: str) -> list[ContainerSummary]:
        """List all containers with this label, running or not."""

        def call(client: Any) -> list[ContainerSummary]:
            return [
                ContainerSummary(
                    name=row["Names"][0].lstrip("/"),
                    running=row["State"] == "running",
                    labels=row.get("Labels") or {},
                )
                for row in client.containers(all=True, filters={"label": label})
                if row.get("Names")
            ]

        return await self._call("list containers", call)

    async def _call(
        self,
        what: str,
        function: Callable[[Any], T],
        *,
        timeout_seconds: float = CALL_SECONDS,
        probe: bool = False,
    ) -> T:
        def run() -> T:
            try:
                return function(self._connect(timeout_seconds))
            except (DockerException, requests.RequestException) as error:
                raise SandboxUnavailable(
                    f"the Docker engine failed to {what}: {error}",
                    hint="See `docker info` and the engine's log.",
                ) from error

        # A probe changes nothing and may be left alone; any other call is waited for.
        return await trio.to_thread.run_sync(run, limiter=ENGINE_CALLS, abandon_on_cancel=probe)

    def _connect(self, timeout_seconds: float) -> Any:
        if timeout_seconds != CALL_SECONDS:
            return docker.APIClient(f"unix://{self.socket_path}", timeout=timeout_seconds)
        if self._client is None:
            self._client = docker.APIClient(
                f"unix://{self.socket_path}", version="auto", timeout=timeout_seconds
            )
        return self._client
