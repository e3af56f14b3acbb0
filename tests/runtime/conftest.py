"""Fixtures of the runtime's tests; `tests/inferlets` uses them too."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

from pie_server.runtime import InstanceLimits, JsonValue, Program, Runtime, run_native
from tests.runtime.fake_host import FakeHost

# The first run of all builds the interpreter, which takes a minute on a busy machine.
BUILD_SECONDS = 600.0


@pytest.fixture(scope="session")
def built_runtime() -> Runtime:
    """A runtime whose interpreter is loaded. Not running."""
    runtime = Runtime()

    async def prepare() -> None:
        with trio.fail_after(BUILD_SECONDS):
            await runtime.prepare()

    trio.run(prepare)
    return runtime


@pytest.fixture
async def runtime(built_runtime: Runtime) -> AsyncIterator[Runtime]:
    """A running runtime; fails the test if a guest is left over."""
    async with trio.open_nursery() as nursery:
        await nursery.start(built_runtime.run)
        yield built_runtime
        nursery.cancel_scope.cancel()
    statistics = built_runtime.statistics()
    assert statistics.live_instances == 0
    assert statistics.live_stores == 0


@dataclass
class Runner:
    """Runs guests, each with its own fake host."""

    runtime: Runtime
    nursery: trio.Nursery
    native: bool = False
    hosts: list[FakeHost] = field(default_factory=list)

    async def __call__(
        self,
        source: str | Program,
        arguments: JsonValue = None,
        *,
        limits: InstanceLimits | None = None,
        host: FakeHost | None = None,
        **scripted: Any,
    ) -> JsonValue:
        if isinstance(source, str):
            source = Program.from_source("test", textwrap.dedent(source))
        host = host or FakeHost(self.nursery, **scripted)
        self.hosts.append(host)
        run = run_native if self.native else self.runtime.run_instance
        try:
            return await run(source, arguments or {}, host, limits or InstanceLimits())
        finally:
            assert host.closed == 1

    @property
    def host(self) -> FakeHost:
        """Of the guest that was started last."""
        return self.hosts[-1]


@pytest.fixture
async def wasm(runtime: Runtime, nursery: trio.Nursery) -> Runner:
    """Runs guests in WebAssembly."""
    return Runner(runtime, nursery)


@pytest.fixture(params=["wasm", "native"])
async def both(request: pytest.FixtureRequest, runtime: Runtime, nursery: trio.Nursery) -> Runner:
    """Runs guests in both ways, one after the other."""
    return Runner(runtime, nursery, native=request.param == "native")
