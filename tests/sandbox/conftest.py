"""Pools on every backend of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from pie_sandbox import SandboxPool, SandboxSettings, describe_backends, open_pool
from pie_server.config import Config


def settings_of(backend: str) -> SandboxSettings:
    """Small pools; built things are shared with the server's own cache."""
    return SandboxSettings(backend, Path(Config().cache_dir), warm=1, capacity=2)


@pytest.fixture(scope="session")
def missing_backends() -> dict[str, str]:
    """Why a backend cannot be tested here."""
    reports = trio.run(describe_backends, settings_of("auto"))
    return {report.name: report.detail for report in reports if not report.available}


@pytest.fixture(scope="session")
def prepared(missing_backends: dict[str, str]) -> dict[str, str]:
    """Builds image and component once, outside of any test's time."""
    for backend in {"docker", "wasm"} - set(missing_backends):
        trio.run(open_pool, settings_of(backend), print)
    return missing_backends


@pytest.fixture(params=["docker", "wasm"])
def backend(request: pytest.FixtureRequest, prepared: dict[str, str]) -> str:
    """Each backend in turn."""
    if request.param in prepared:
        pytest.skip(f"no {request.param} sandbox here: {prepared[request.param]}")
    return str(request.param)


@pytest.fixture
async def pool(backend: str, nursery: trio.Nursery) -> SandboxPool:
    """A running pool for two leases."""
    opened = await open_pool(settings_of(backend))
    await nursery.start(opened.run)
    return opened
