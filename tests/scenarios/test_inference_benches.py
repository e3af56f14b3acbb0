"""The inference benchmarks: each whole command on a tiny model, really run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pie_scenarios.instances import InstancesRun
from pie_scenarios.token_programs import TokenProgram, generate_program
from pie_server.errors import PieError
from pie_server.runtime import Registry


def run_bench(name: str, model: Path, directory: Path, *flags: str) -> tuple[str, dict[str, Any]]:
    """Runs a benchmark in a process of its own; returns its last line and its figures."""
    figures, plot = directory / "figures.json", directory / "plot.svg"
    model_flag = "--sizes" if name == "throughput" else "--model"
    command = [sys.executable, "-m", "pie_server", "bench", name, model_flag, str(model)]
    done = subprocess.run(
        [*command, *flags, "--json", str(figures), "--plot", str(plot)],
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"COLUMNS": "80"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ElementTree.fromstring(plot.read_text()).tag.endswith("svg")
    raw = json.loads(figures.read_text())
    assert raw["benchmark"] == name
    assert raw["machine"]["cores"] == os.cpu_count()
    assert "…" not in done.stdout.split("headline")[0].partition("┏")[2], "a table was cut"
    return done.stdout.rstrip().splitlines()[-1], raw


def headline(line: str, *keys: str) -> dict[str, float]:
    """The figures of a headline, which must have these keys in this order and no others."""
    pattern = " ".join(["headline:", *(rf"{key}=(\d+\.\d+)" for key in keys)])
    found = re.fullmatch(pattern, line)
    assert found, line
    return dict(zip(keys, map(float, found.groups()), strict=True))


def test_throughput_reports_rates_and_shares_of_measured_limits(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    line, raw = run_bench(
        "throughput", tiny_checkpoint, tmp_path, "--concurrency", "1,3", "--prompt", "20",
        "--output", "4", "--rounds", "2",
    )  # fmt: skip
    headline(line)  # this model has none of the headline's sizes
    (model,) = raw["models"]
    assert list(model["points"]) == ["20/4 x 1", "20/4 x 3"]
    assert all(rate > 0 for rate in model["limits"].values())
    for key in model["points"]:
        runs = model["runs"]["results"][key]
        assert [run["decode_steps"] for run in runs] == [4, 4]
        for run in runs:
            assert 0 < run["decode_model_seconds"] < run["decode_device_seconds"]
            assert run["decode_device_seconds"] < run["decode_seconds"]
        assert all(share > 0 for share in model["decode_limit_shares"][key])
        assert all(share > 0 for share in model["prefill_limit_shares"][key])
    first, second = model["runs"]["orders"]
    assert second == first[::-1]


def test_overhead_compares_inferlets_with_the_engine_alone(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    line, raw = run_bench(
        "overhead", tiny_checkpoint, tmp_path, "--concurrency", "1,2", "--output", "4",
        "--rounds", "1",
    )  # fmt: skip
    sides = set(raw["cells"][0]["ratios"])
    assert {"generate", "python tokens"} <= sides
    keys = {
        "generate": "generate_ratio",
        "rust tokens": "rust_token_ratio",
        "javascript tokens": "js_token_ratio",
        "python tokens": "python_token_ratio",
    }
    values = headline(line, *(key for side, key in keys.items() if side in sides))
    assert all(value > 0 for value in values.values())
    for cell in raw["cells"]:
        results = cell["rounds"]["results"]
        assert set(results) == sides | {"engine"}
        assert results["engine"][0]["host_cpu_seconds"] == 0.0
        assert results["python tokens"][0]["host_cpu_seconds"] > 0.0
        assert results["python tokens"][0]["ending_seconds"] > 0.0


def test_calls_times_every_operation_in_every_layer(tiny_checkpoint: Path, tmp_path: Path) -> None:
    line, raw = run_bench(
        "calls", tiny_checkpoint, tmp_path, "--instances", "1,3", "--operations", "6",
        "--each", "2", "--rounds", "1",
    )  # fmt: skip
    values = headline(line, "control_us", "inference_us")
    assert [cell["instances"] for cell in raw["cells"]] == [1, 3]
    for cell in raw["cells"]:
        sides = set(cell["rounds"]["results"])
        for operation in ("runtime.time", "context.info", "context.fork, .release"):
            assert {f"{operation}: handler", f"{operation}: with JSON"} <= sides
        assert "runtime.time: python guest" in sides
        assert {f"context.forward: {layer}" for layer in ("engine", "with JSON")} <= sides
    dearest = max(
        cell["rounds"]["results"]["context.forward: with JSON"][0] for cell in raw["cells"]
    )
    assert values["inference_us"] == pytest.approx(dearest * 1e6, rel=0.01)


def test_batching_runs_the_same_inferlets_under_every_policy(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    line, raw = run_bench(
        "batching", tiny_checkpoint, tmp_path, "--inferlets", "3", "--prompt", "8",
        "--output", "2", "--rounds", "1",
    )  # fmt: skip
    values = headline(line, "adaptive_over_eager", "adaptive_over_best_other")
    results = raw["rounds"]["results"]
    assert set(results) == {"adaptive", "eager", "k_only", "t_only"}
    assert all(run["tokens"] == 6 for runs in results.values() for run in runs)
    (eager,) = results["eager"]
    assert eager["rows"] == eager["steps"], "an eager step has one row"
    assert values["adaptive_over_eager"] >= values["adaptive_over_best_other"] - 0.001


def test_fragmentation_mixes_every_technique_over_fragmented_pages(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    line, raw = run_bench(
        "fragmentation", tiny_checkpoint, tmp_path, "--rows", "13", "--prompt", "48",
        "--output", "4", "--rounds", "1",
    )  # fmt: skip
    assert headline(line, "mixed_ratio")["mixed_ratio"] > 0
    results = raw["rounds"]["results"]
    assert set(raw["techniques"]) - {"greedy"} <= set(results)
    fresh, some, most = (
        results[f"mixed, {share} occupied"][0]["fragmentation"] for share in ("0%", "25%", "75%")
    )
    assert fresh <= some < most


@pytest.mark.parametrize(
    ("generates", "lengths", "instances"), [(1, [4, 4], 2), (2, [4, 3], 2), (2, [4], 2)]
)
def test_inferlets_that_did_other_work_are_refused(
    generates: int, lengths: list[int], instances: int
) -> None:
    program = generate_program(Registry())
    results: list[Any] = [{"tokens": [1] * length} for length in lengths]
    done = InstancesRun(1.0, 0.0, 0.0, 0.0, Counter({"context.generate": generates}), results)
    with pytest.raises(PieError, match="other work than it should"):
        program.check(done, instances, 4)


def test_inferlets_that_did_their_work_another_way_are_refused() -> None:
    coarse = generate_program(Registry())
    stepwise = TokenProgram(coarse.program, stepwise=True)
    results: list[Any] = [{"tokens": [1, 2]}]
    at_once = InstancesRun(1.0, 0.0, 0.0, 0.0, Counter({"context.generate": 1}), results)
    by_step = InstancesRun(1.0, 0.0, 0.0, 0.0, Counter({"context.forward": 2}), results)
    coarse.check(at_once, 1, 2)
    stepwise.check(by_step, 1, 2)
    with pytest.raises(PieError, match="other work"):
        stepwise.check(at_once, 1, 2)
    with pytest.raises(PieError, match="other work"):
        coarse.check(by_step, 1, 2)
