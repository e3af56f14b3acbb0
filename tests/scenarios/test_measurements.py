"""What benchmarks share: ratios, rounds, limits, charts, checkpoints of a given size."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch

from pie_scenarios.chart import BarChart
from pie_scenarios.checkpoints import SHAPES, Shape, model_source, write_checkpoint
from pie_scenarios.engine_loop import (
    generate,
    open_contexts,
    open_engine,
    pages_for,
    prefill,
    release_contexts,
)
from pie_scenarios.fragmentation.pages import fragmentation, occupy_pages
from pie_scenarios.hardware import HardwareLimits, measure_limits
from pie_scenarios.ratios import Spread, geometric_mean, ratios
from pie_scenarios.report import headline
from pie_scenarios.rounds import Rounds, run_rounds
from pie_scenarios.stopwatch import Stopwatch
from pie_scenarios.throughput.bench import ModelRuns, headline_values
from pie_scenarios.throughput.measure import Run
from pie_scenarios.throughput.workload import Point, Work
from pie_server.engine.engine import EngineSettings
from pie_server.kv import PagePool
from pie_server.model.config import ModelConfig
from pie_server.model.loader import load_checkpoint

SMALL = Shape(vocab_size=300, hidden_size=64, intermediate_size=96, layers=2, query_heads=2,
              kv_heads=1, head_dim=32)  # fmt: skip
LIMITS = HardwareLimits(100.0, 80.0, 1000.0)


@pytest.fixture(scope="module")
def small_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("random") / "small"
    write_checkpoint(directory, SMALL)
    return directory


@pytest.fixture(scope="module")
def small_config(small_directory: Path) -> ModelConfig:
    return load_checkpoint(str(small_directory)).config


def test_a_ratio_is_taken_within_its_round_and_the_spread_is_kept() -> None:
    assert ratios([2.0, 8.0], [1.0, 4.0]) == [2.0, 2.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])
    assert Spread.of([3.0, 1.0, 2.5]) == Spread(2.5, 1.0, 3.0)
    assert Spread.of([1.0]).text(3) == "1.000 (1.000-1.000)"
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)


def test_a_headline_is_one_line_of_keys_and_values() -> None:
    assert headline(a_ratio=1.23456, b_us=2.0) == "headline: a_ratio=1.235 b_us=2.000"
    assert headline() == "headline:"


async def test_every_side_runs_once_a_round_in_alternating_order() -> None:
    ran: list[str] = []

    async def side(name: str) -> int:
        ran.append(name)
        return len(ran)

    rounds = await run_rounds({"a": lambda: side("a"), "b": lambda: side("b")}, 3)
    assert ran == ["a", "b", "b", "a", "a", "b"]
    assert rounds.orders == [["a", "b"], ["b", "a"], ["a", "b"]]
    assert rounds.results == {"a": [1, 4, 5], "b": [2, 3, 6]}
    assert rounds.ratios("b", "a", float) == [2.0, 0.75, 1.2]


def test_the_work_of_a_step_is_what_the_shape_says(small_config: ModelConfig) -> None:
    work = Work(small_config, weight_bytes=5000, kv_bytes=4)
    point = Point(prompt_tokens=10, output_tokens=4, concurrent=3)
    layer = 64 * 64 * 2 + 2 * 32 * 64 + 3 * 64 * 96
    assert work.layer_weights == 2 * layer == SMALL.layers * SMALL.layer_parameters
    assert work.layer_weights + work.head_weights == SMALL.parameters
    kv = 3 * 12 * (2 * 2 * 1 * 32) * 4  # contexts, tokens, elements of a token, bytes
    assert work.decode_bytes(point) == 5000 + kv
    attention = 4 * 2 * 2 * 32  # of a token and one it attends to
    assert work.decode_flops(point) == 3 * (2 * SMALL.parameters + attention * 12)
    assert work.prefill_flops(point) == 30 * (2 * work.layer_weights + attention * 5)


def test_a_limit_is_the_slower_of_memory_and_arithmetic(small_config: ModelConfig) -> None:
    work = Work(small_config, weight_bytes=200_000, kv_bytes=2)
    alone, many = Point(8, 8, 1), Point(8, 8, 10_000)
    assert work.decode_limit_seconds(alone, LIMITS) == work.decode_bytes(alone) / 100.0
    assert work.decode_limit_seconds(many, LIMITS) == work.decode_flops(many) / 1000.0
    assert work.prefill_limit_seconds(alone, LIMITS) == work.prefill_flops(alone) / 1000.0


def test_the_throughput_headline_takes_single_decode_and_bulk_prefill(
    small_config: ModelConfig,
) -> None:
    work = Work(small_config, 200_000, 2)
    points = {"one": Point(8, 4, 1), "many": Point(8, 4, 16)}
    seconds = {
        "one": work.decode_limit_seconds(points["one"], LIMITS) * 4 / 0.5,
        "many": work.prefill_limit_seconds(points["many"], LIMITS) / 0.25,
    }
    results = {
        "one": [Run(1.0, seconds["one"], 4, 0.0, 0.0)],
        "many": [Run(seconds["many"], 1.0, 4, 0.0, 0.0)],
    }
    model = ModelRuns("1b", "bf16", work, LIMITS, points, Rounds(results))
    assert headline_values([model]) == {
        "decode_limit_share_1b": pytest.approx(0.5),
        "prefill_limit_share_1b": pytest.approx(0.25),
    }


def test_every_limit_is_really_measured() -> None:
    limits = measure_limits(
        torch.float32, torch.device("cpu"), buffer_bytes=1 << 22, matrix_size=64
    )
    assert limits.read_bytes_per_second > 0
    assert limits.copy_bytes_per_second > 0
    assert limits.matrix_flops_per_second > 0
    assert limits.bytes_per_second >= limits.read_bytes_per_second


def test_of_two_measurements_each_rate_is_the_better_one() -> None:
    other = HardwareLimits(50.0, 90.0, 2000.0)
    assert LIMITS.best_with(other) == HardwareLimits(100.0, 90.0, 2000.0)
    assert LIMITS.best_with(other).bytes_per_second == 100.0


def test_a_stopwatch_counts_calls_also_those_that_fail() -> None:
    class Owner:
        def work(self, fail: bool) -> str:
            if fail:
                raise ValueError("as asked")
            return "done"

    owner, ticks = Owner(), iter(range(100))
    watch = Stopwatch(lambda: float(next(ticks)))
    watch.attach(owner, "work", "work")
    assert owner.work(False) == "done"
    with pytest.raises(ValueError, match="as asked"):
        owner.work(True)
    assert watch.calls == {"work": 2}
    assert watch.seconds == {"work": 2.0}
    watch.reset()
    assert not watch.seconds


def test_a_chart_has_a_bar_for_each_figure_and_none_where_there_is_none() -> None:
    chart = BarChart(
        "a < b", "ratio", ["1", "8"], {"x": [Spread(1, 0.5, 2), None], "y": [Spread(0, 0, 0)] * 2}
    )
    root = ElementTree.fromstring(chart.svg())
    rectangles = [node for node in root.iter() if node.tag.endswith("rect")]
    assert len(rectangles) == 1 + 2 + 3  # background, legend, bars
    assert any(node.text == "a < b" for node in root.iter())


@pytest.mark.parametrize(("name", "millions"), [("25m", 25), ("135m", 134), ("1b", 1236)])
def test_the_shapes_have_the_sizes_they_are_named_after(name: str, millions: int) -> None:
    assert round(SHAPES[name].parameters / 1e6) == millions


async def test_a_random_checkpoint_loads_and_generates(small_directory: Path) -> None:
    checkpoint = load_checkpoint(str(small_directory), dtype=torch.bfloat16)
    assert checkpoint.config.vocab_size == SMALL.vocab_size
    async with open_engine(checkpoint, EngineSettings(pages=pages_for(2, 12))) as engine:
        contexts = open_contexts(engine, 2)
        await prefill(engine, contexts, [[20] * 6, [30] * 8])
        await generate(engine, contexts, [[], []], tokens=4)
        assert [len(context.tokens) for context in contexts] == [10, 12]
        release_contexts(engine, contexts)
        assert engine.pool.free_pages == engine.pool.total_pages


def test_a_checkpoint_is_written_once_and_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(SHAPES, "small", SMALL)
    told: list[str] = []
    source = model_source("small", told.append)
    assert told == ["writing the checkpoint small"]
    assert model_source("small", told.append) == source
    assert len(told) == 1
    assert [path.name for path in Path(source).parent.iterdir()] == ["random-small"]
    assert model_source("embedded") == "embedded"
    assert model_source("some/directory") == "some/directory"


@pytest.mark.parametrize(
    ("share", "least", "most"), [(0.0, 0.0, 0.0), (0.25, 0.15, 0.35), (0.75, 0.65, 0.85)]
)
def test_occupied_pages_leave_gaps_between_the_free_ones(
    share: float, least: float, most: float
) -> None:
    pool = PagePool(400)
    held = occupy_pages(pool, share, random.Random(1))
    assert pool.free_pages == 400 - round(400 * share)
    pool.check_integrity([held])
    taken = sorted(pool.try_acquire(pool.free_pages) or [])
    assert least <= fragmentation([taken]) <= most
    pool.release([*held, *taken])
    pool.check_integrity([])


def test_fragmentation_is_the_share_of_broken_neighbourhoods() -> None:
    assert fragmentation([[1, 2, 3], [9, 8]]) == 0.0
    assert fragmentation([[1, 2, 7], [4, 9]]) == pytest.approx(2 / 3)
    assert fragmentation([[5], []]) == 0.0
