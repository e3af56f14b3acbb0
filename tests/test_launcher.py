"""What a launcher refuses, and what waits for a sandbox is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from pie_sandbox import ExecutionLimits, SandboxPool
from pie_sandbox.pool import WarmPool
from pie_server.config import Config
from pie_server.errors import InvalidRequest, SandboxUnavailable, UnknownInferlet
from pie_server.launcher import InferletLauncher, SessionSandbox
from pie_server.runtime import InstanceLimits, Program, Registry
from pie_server.runtime.version_store import VersionStore
from pie_server.server import Server
from pie_tools import ToolCallContext, ToolRegistry
from pie_tools.python import PythonTool
from tests.sandbox.test_pool import FakeBackend

NOTHING: Any = None  # `check` looks at none of these


def launcher(**options: bool) -> InferletLauncher:
    return InferletLauncher(Registry(), NOTHING, NOTHING, NOTHING, InstanceLimits(), **options)


def test_native_launches_are_refused_unless_they_are_allowed() -> None:
    arguments = {"prompt": "hi"}
    launcher().check("text-completion", arguments, native=False)
    with pytest.raises(InvalidRequest, match="switched off") as caught:
        launcher().check("text-completion", arguments, native=True)
    assert "--allow-native" in caught.value.hint
    launcher(allow_native=True).check("text-completion", arguments, native=True)


UPLOAD = {
    "inferlet.toml": b'[inferlet]\nname = "stranger"\nversion = "1.0.0"\ndescription = "?"\n',
    "main.py": b"def main(input):\n    return 1\n",
}


async def test_uploads_never_run_natively(tmp_path: Path) -> None:
    store = VersionStore(tmp_path)
    async with store.staged("stranger", UPLOAD) as place:
        await store.add(Program.from_directory(place), place, UPLOAD)
    registry = Registry(store=store)
    trusting = InferletLauncher(
        registry, NOTHING, NOTHING, NOTHING, InstanceLimits(), allow_native=True
    )
    trusting.check("stranger", {}, native=False)
    session: Any = SimpleNamespace(id="s_1", usage={})
    for name in ("stranger", "stranger@1.0.0"):
        with pytest.raises(InvalidRequest, match="never run natively") as caught:
            trusting.check(name, {}, native=True)
        assert "without `native`" in caught.value.hint
        with pytest.raises(InvalidRequest, match="never run natively"):
            await trusting.launch(inferlet=name, arguments={}, session=session, native=True)
    with pytest.raises(UnknownInferlet):
        trusting.check("nobody", {}, native=True)


async def running_pool(nursery: trio.Nursery, capacity: int, seconds: float = 0.1) -> SandboxPool:
    pool = WarmPool(FakeBackend(seconds), warm=0, capacity=capacity)
    await nursery.start(pool.run)
    return pool


async def test_who_waits_for_a_sandbox_in_vain_hears_that_all_are_leased(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = await running_pool(nursery, 2)
    others = [await pool.lease(name) for name in ("a", "b")]
    sandbox = SessionSandbox(pool, "late")
    call = ToolCallContext("late", "call_1", lambda text: None, sandbox.get)
    results = []

    async def python() -> None:
        results.append(await ToolRegistry([PythonTool()]).call("python", {"code": "1"}, call))

    async with trio.open_nursery() as calls:  # the second waits for the first one's lease
        calls.start_soon(python)
        calls.start_soon(python)
    for result in results:
        assert result.is_error
        assert "all 2 sandboxes are leased" in result.content
    await others[0].aclose()
    assert (await (await sandbox.get()).execute("1", ExecutionLimits())).ok
    await sandbox.aclose()


async def test_a_sandbox_that_does_not_start_in_time_is_not_called_leased(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = await running_pool(nursery, 2, seconds=1000)
    with pytest.raises(SandboxUnavailable, match="none has started"):
        await SessionSandbox(pool, "x").get()


async def test_the_servers_pool_has_the_leases_of_its_settings(tmp_path: Path) -> None:
    server = Server(Config(sandbox="wasm", sandbox_leases=3, warm_sandboxes=0))
    await server._open_sandboxes()
    assert server.sandboxes.statistics().capacity == 3
