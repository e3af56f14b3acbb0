"""Guests over the server's own host and an engine, with the tiny random model or the embedded one.

Import the fixtures `tiny` and `embedded` into a test module; each runs a guest in WebAssembly and
natively, and fails the test if a page is left over.
"""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from pie_server.engine.engine import Engine, EngineSettings
from pie_server.host.instance_host import InstanceHost
from pie_server.host.ports import Services
from pie_server.model.loader import load_checkpoint
from pie_server.runtime import InstanceLimits, JsonValue, Program, Runtime, run_native
from pie_tools.registry import ToolRegistry, calculator
from tests.host.conftest import RememberingSession, no_sandbox

GUEST_SECONDS = 120.0


@dataclass
class RealRunner:
    """Runs guests, each with a host of its own over one engine."""

    engine: Engine
    runtime: Runtime
    nursery: trio.Nursery
    native: bool

    async def __call__(self, source: str | Program, arguments: JsonValue = None) -> Any:
        if isinstance(source, str):
            source = Program.from_source("test", textwrap.dedent(source))
        limits = InstanceLimits()
        host = InstanceHost(
            Services({self.engine.checkpoint.name: self.engine}, ToolRegistry([calculator()])),
            RememberingSession(),
            self.nursery,
            no_sandbox,
            limits,
        )
        run = run_native if self.native else self.runtime.run_instance
        with trio.fail_after(GUEST_SECONDS):
            result = await run(source, arguments or {}, host, limits)
        assert not host.in_flight
        return result


@asynccontextmanager
async def _running(checkpoint: str, runtime: Runtime, *, native: bool) -> AsyncIterator[RealRunner]:
    engine = Engine(load_checkpoint(checkpoint), EngineSettings(pages=256))
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield RealRunner(engine, runtime, nursery, native)
        engine.check_integrity()
        engine.prefixes.clear()
        assert engine.pool.free_pages == engine.pool.total_pages
        nursery.cancel_scope.cancel()


@pytest.fixture(params=["wasm", "native"])
async def tiny(
    request: pytest.FixtureRequest, runtime: Runtime, tiny_checkpoint: Path
) -> AsyncIterator[RealRunner]:
    """With a random model of 300 tokens."""
    async with _running(str(tiny_checkpoint), runtime, native=request.param == "native") as runner:
        yield runner


@pytest.fixture(params=["wasm", "native"])
async def embedded(request: pytest.FixtureRequest, runtime: Runtime) -> AsyncIterator[RealRunner]:
    """With the model that ships."""
    async with _running("embedded", runtime, native=request.param == "native") as runner:
        yield runner
