"""`pie-server bench agents`: the whole command on a tiny model, and its check of the work done."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from pie_scenarios.agents.bench import SIDES, Cell, Run, _run_side
from pie_scenarios.agents.workload import AgentResult, AgentShape
from pie_server.client import Client
from pie_server.errors import PieError

CLIENT: Client = None  # type: ignore[assignment] # the agents of these tests need none


def test_the_benchmark_measures_every_side_and_ends_with_its_headline(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "pie_server", "bench", "agents", "--agents", "1,2",
         "--tools-ms", "0", "--rounds", "2", "--repeats", "2", "--json", str(file),
         "--model", str(tiny_checkpoint)],
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"COLUMNS": "120"},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.rstrip().splitlines()[-1]
    found = re.fullmatch(r"headline: throughput_ratio=(\d+\.\d+) latency_ratio=(\d+\.\d+)", last)
    assert found, last
    assert all(float(ratio) > 0 for ratio in found.groups())
    figures = json.loads(file.read_text())
    assert figures["shape"]["rounds"] == 2
    assert [(cell["agents"], cell["tool_milliseconds"]) for cell in figures["cells"]] == [
        (1, 0),
        (2, 0),
    ]
    for cell in figures["cells"]:
        assert set(cell["runs"]) == {"inferlet", "client", "client, no reuse"}
        for runs in cell["runs"].values():
            assert len(runs) == 2
            assert all(run["agents_per_second"] > 0 for run in runs)
            assert all(run["latency_seconds"] > 0 for run in runs)
        first, second = cell["orders"]
        assert sorted(first) == sorted(cell["runs"])
        assert second == first[::-1]


def worker(generated: int, context: int, seconds: float = 1.0) -> object:
    async def agent(
        client: Client, shape: AgentShape, rng: random.Random, vocabulary: int
    ) -> AgentResult:
        await trio.sleep(seconds)
        return AgentResult(seconds, generated, context)

    return agent


SHAPE = AgentShape(rounds=3, prompt_tokens=10, generate_tokens=5, append_tokens=4)


async def test_a_side_that_does_the_work_is_timed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert SHAPE.context_tokens == 10 + 3 * 5 + 2 * 4
    agent = worker(15, 33, seconds=2.0)
    run = await _run_side(CLIENT, agent, 4, SHAPE, 100, 0)  # type: ignore[arg-type]
    assert run.agents_per_second == pytest.approx(2.0)
    assert run.latency_seconds == pytest.approx(2.0)


@pytest.mark.parametrize(("generated", "context"), [(14, 33), (15, 32), (16, 34), (0, 0)])
async def test_a_side_that_does_other_work_is_refused(
    autojump_clock: trio.testing.MockClock, generated: int, context: int
) -> None:
    agent = worker(generated, context)
    with pytest.raises(PieError, match="other work than it should"):
        await _run_side(CLIENT, agent, 2, SHAPE, 100, 0)  # type: ignore[arg-type]
    shorter = replace(SHAPE, rounds=2)
    with pytest.raises(PieError, match="other work"):
        await _run_side(CLIENT, worker(15, 33), 1, shorter, 100, 0)  # type: ignore[arg-type]


def test_ratios_are_taken_within_a_repetition() -> None:
    cell = Cell(1, 0)
    for side in SIDES:
        factor = 1.0 if side == "inferlet" else 0.5
        # The machine was four times slower in the second repetition.
        cell.runs[side] = [Run(8 * factor, 1 / factor), Run(2 * factor, 4 / factor)]
    assert cell.throughput_ratios("client") == [2.0, 2.0]
    assert cell.latency_ratios("client") == [2.0, 2.0]
