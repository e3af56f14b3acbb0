"""The python tool: how an execution reads to the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from pie_sandbox import (
    ExecutionLimits,
    ExecutionResult,
    Sandbox,
    SandboxPool,
    SandboxSettings,
    open_pool,
)
from pie_server.config import Config
from pie_tools import ToolCallContext, ToolRegistry, ToolResult
from pie_tools.python import PythonTool, render_execution


def execution(**changes: object) -> ExecutionResult:
    fields: dict[str, object] = {
        "stdout": "",
        "stderr": "",
        "value": None,
        "ok": True,
        "exception": None,
        "seconds": 0.1,
        "truncated": False,
        "limit": None,
        "backend": "docker",
    }
    return ExecutionResult(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (execution(stdout="42\n"), "42"),
        (execution(stdout="42\n", value="7"), "42"),
        (execution(value="'seven'"), "'seven'"),
        (execution(), "(no output)"),
        (
            execution(ok=False, exception="NameError: name 'x' is not defined"),
            "error: NameError: name 'x' is not defined",
        ),
        (
            execution(stdout="1\n2\n", ok=False, exception="ZeroDivisionError: division by zero"),
            "1\n2\nerror: ZeroDivisionError: division by zero",
        ),
        (execution(stdout="aaa", truncated=True, limit="output"), "aaa\n[output cut]"),
        (execution(stdout="out\n", stderr="warning\n"), "out\nwarning"),
        (
            execution(ok=False, exception="TimeoutError: too slow", state_lost=True),
            "error: TimeoutError: too slow\n"
            "(the interpreter was restarted; earlier variables are gone)",
        ),
    ],
)
def test_an_execution_reads_like_this(result: ExecutionResult, text: str) -> None:
    assert render_execution(result) == text


@pytest.fixture
async def pool(nursery: trio.Nursery) -> SandboxPool:
    """Real, on what this machine has."""
    opened = await open_pool(SandboxSettings("auto", Path(Config().cache_dir), warm=1, capacity=2))
    await nursery.start(opened.run)
    return opened


async def test_calls_of_a_session_share_one_sandbox_and_stream(pool: SandboxPool) -> None:
    leases: list[Sandbox] = []
    streamed: list[str] = []

    async def sandbox() -> Sandbox:
        if not leases:
            leases.append(await pool.lease("session"))
        return leases[0]

    registry = ToolRegistry([PythonTool(ExecutionLimits(seconds=2))])

    async def python(code: str) -> ToolResult:
        call = ToolCallContext("session", "call", streamed.append, sandbox)
        with trio.fail_after(60):
            return await registry.call("python", {"code": code}, call)

    assert await python("x = 20") == ToolResult("(no output)", backend=pool.backend)
    assert await python("print(x + 1)\nx + 22") == ToolResult("21", backend=pool.backend)
    assert "".join(streamed) == "21\n"
    assert (await python("x + 22")).content == "42"
    failed = await python("print('a')\nnope")
    assert failed.is_error
    assert failed.content == "a\nerror: NameError: name 'nope' is not defined"
    slow = await python("while True: pass")
    assert slow.content.startswith("error: TimeoutError: the code was stopped after 2 s")
    assert len(leases) == 1


async def test_without_a_sandbox_the_model_is_told() -> None:
    async def sandbox() -> Sandbox:
        off = await open_pool(SandboxSettings("off", Path("unused")))
        return await off.lease("x")

    call = ToolCallContext("session", "call", lambda text: None, sandbox)
    result = await ToolRegistry([PythonTool()]).call("python", {"code": "1"}, call)
    assert result == ToolResult(
        "error: code execution is switched off on this server", is_error=True
    )
