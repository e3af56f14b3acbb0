"""Library inferlets that launch others: supervisor and swarm, in a real session, natively."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from pie_server.engine.engine import Engine, EngineSettings
from pie_server.errors import GuestRaised
from pie_server.host.ports import Services
from pie_server.instances import FamilyLimits, InstanceParts, SessionInstances
from pie_server.model.loader import load_checkpoint
from pie_server.runtime import InstanceLimits, Registry
from pie_server.runtime.locations import inferlets_directory
from pie_tools.registry import ToolRegistry, calculator
from tests.host.conftest import RememberingSession, no_sandbox

MANIFEST = """
[inferlet]
name = "moody"
version = "1.0.0"
description = "Fails or hangs the first time, then answers."
"""
# A native guest may use files.
MOODY = """
from pathlib import Path
from inferlet import sleep

async def main(input):
    tries = Path(input["tries"])
    tries.touch()
    tries.write_text(tries.read_text() + "x")
    if len(tries.read_text()) <= input["bad"]:
        if input["mood"] == "hangs":
            await sleep(3600)
        raise ValueError("no such luck")
    return input["mood"]
"""

RunFamily = Callable[..., Awaitable[Any]]


@pytest.fixture
async def run_family(tmp_path: Path) -> AsyncIterator[RunFamily]:
    """Runs library inferlets that may launch others; afterwards every page must be back."""
    library = tmp_path / "library"
    for name in ("react", "supervisor", "swarm"):
        shutil.copytree(inferlets_directory() / "library" / name, library / name)
    (library / "moody").mkdir()
    (library / "moody/inferlet.toml").write_text(MANIFEST)
    (library / "moody/main.py").write_text(MOODY)
    registry = Registry(library)
    engine = Engine(load_checkpoint("embedded"), EngineSettings(pages=256))
    services = Services({"embedded": engine}, ToolRegistry([calculator()]))
    unused: Any = None  # WebAssembly guests are in tests/system
    parts = InstanceParts(registry, unused, services, InstanceLimits(), FamilyLimits())

    async def run(program: str, /, **arguments: Any) -> Any:
        session: Any = RememberingSession()
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                instances = SessionInstances(parts, session, nursery, no_sandbox, native=True)
                return await instances.run(registry.get(program), arguments)
        raise AssertionError

    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield run
        engine.check_integrity()
        engine.prefixes.clear()
        assert engine.pool.free_pages == engine.pool.total_pages
        nursery.cancel_scope.cancel()


async def test_a_supervisor_returns_the_results_of_its_children(run_family: RunFamily) -> None:
    tasks = [{"question": f"What is {n} + 4?"} for n in (3, 10, 20, 30, 40)]
    result = await run_family("supervisor", tasks=tasks, at_once=2)
    for answer, right in zip(result["results"], ("7", "14", "24", "34", "44"), strict=True):
        assert right in answer
    assert result["problems"] == [[]] * 5


async def test_what_fails_or_hangs_is_started_again(run_family: RunFamily, tmp_path: Path) -> None:
    def task(mood: str, bad: int) -> dict[str, Any]:
        return {"tries": str(tmp_path / f"{mood}{bad}"), "mood": mood, "bad": bad}

    tasks = [task("fails", 1), task("hangs", 1), task("fails", 9), task("works", 0)]
    result = await run_family("supervisor", program="moody", tasks=tasks, seconds=3, attempts=2)
    assert result["results"] == ["fails", "hangs", None, "works"]
    assert [len(problems) for problems in result["problems"]] == [1, 1, 2, 0]
    assert "no such luck" in result["problems"][0][0]
    assert result["problems"][1] == ["not done after 3 s"]


async def test_a_swarm_answers_questions_that_need_each_others_answers(
    run_family: RunFamily,
) -> None:
    questions = ["What is 3 + 4?", "What is 20 - 12?", "What is {0} * {1}?", "What is {2} + 1?"]
    for agents in (1, 3):
        result = await run_family("swarm", questions=questions, agents=agents)
        for answer, right in zip(result["answers"], ("7", "8", "56", "57"), strict=True):
            assert right in answer
        assert sum(result["shares"]) == 4
        assert len(result["shares"]) == agents


async def test_a_question_cannot_need_a_later_answer(run_family: RunFamily) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await run_family("swarm", questions=["What is {1} + 1?", "What is 3 + 4?"])
    problem = "question 0 needs an answer that does not come before it"
    assert caught.group_contains(GuestRaised, match=problem)
