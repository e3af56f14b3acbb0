"""`pie-server bench throughput`: tokens per second, and their share of the machine's limits.

Runs on the engine alone. Each model is a random-weight checkpoint of a real size; the machine's
memory bandwidth and matrix rate are measured in the same run, before and after each model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import torch
import trio

from pie_scenarios.bench import bench_command, integers, run_command
from pie_scenarios.chart import BarChart
from pie_scenarios.checkpoints import model_source
from pie_scenarios.engine_loop import open_engine, pages_for, watch_model
from pie_scenarios.hardware import HardwareLimits, measure_limits
from pie_scenarios.ratios import Spread
from pie_scenarios.report import Report, Ticker, figures_table, open_ticker
from pie_scenarios.rounds import Rounds, run_rounds
from pie_scenarios.throughput.measure import Run, run_point
from pie_scenarios.throughput.workload import Point, Work
from pie_server.engine.engine import EngineSettings
from pie_server.errors import InvalidRequest
from pie_server.model.linear import Quantization
from pie_server.model.loader import Checkpoint, load_checkpoint

DESCRIPTION = "Tokens per second at several sizes, as shares of memory bandwidth and matrix rate"

_FORMATS: dict[str, tuple[torch.dtype, Quantization | None]] = {
    "bf16": (torch.bfloat16, None),
    "f32": (torch.float32, None),
    "int8": (torch.bfloat16, "int8"),
}
_CONCURRENT = (1, 8, 32, 64)
# The whole grid of the largest model takes a quarter of an hour; `--concurrency` asks for it.
_CONCURRENT_1B = (1, 8)
_ROUNDS = {"1b": 1}
_HEADLINE = (("decode", "1b"), ("prefill", "1b"), ("decode", "135m"))
_WARM_UP = Point(32, 4, 2)


@dataclass(slots=True)
class ModelRuns:
    """All points of one model."""

    name: str
    weights: str
    work: Work
    limits: HardwareLimits
    points: dict[str, Point]
    rounds: Rounds[Run]

    def decode_shares(self, key: str) -> list[float]:
        """Share of the decode limit, one a round."""
        limit = self.work.decode_limit_seconds(self.points[key], self.limits)
        return [limit / run.step_seconds for run in self.rounds.results[key]]

    def prefill_shares(self, key: str) -> list[float]:
        """Share of the matrix rate, one a round."""
        limit = self.work.prefill_limit_seconds(self.points[key], self.limits)
        return [limit / run.prefill_seconds for run in self.rounds.results[key]]

    def rates(self, key: str) -> list[float]:
        """Output tokens per second, one a round."""
        return [run.tokens_per_second(self.points[key]) for run in self.rounds.results[key]]


def main(arguments: list[str]) -> int:
    """Parses flags and runs."""
    return run_command("throughput", _command, arguments)


@bench_command(DESCRIPTION)
@click.option("--sizes", default="25m,135m,1b", help="25m, 135m, 1b (made once), or directories.")
@click.option("--concurrency", default="", help="Contexts at once.  [default: 1,8,32,64; 1b: 1,8]")
@click.option("--prompt", default=256, help="Prompt tokens.")
@click.option("--output", default=64, help="Output tokens.")
@click.option("--long", is_flag=True, help="Prompt 1024, output 256 as well.")
@click.option("--rounds", default=3, help="Rounds (the 1b model has one unless given).")
@click.option(
    "--weights", default="bf16", type=click.Choice(list(_FORMATS)), help="How weights are stored."
)
@click.pass_context
def _command(
    context: click.Context,
    sizes: str,
    concurrency: str,
    prompt: int,
    output: int,
    long: bool,
    rounds: int,
    weights: str,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    names = [name.strip() for name in sizes.split(",")]
    lengths = [(prompt, output), *([(1024, 256)] if long else [])]
    explicit = context.get_parameter_source("rounds") is not click.core.ParameterSource.DEFAULT
    counts = {name: rounds if explicit else _ROUNDS.get(name, rounds) for name in names}
    points = {name: _points(name, lengths, concurrency) for name in names}
    runs = []
    with open_ticker(sum(counts[name] * len(points[name]) for name in names)) as ticker:
        for name in names:
            measure = partial(_measure, name, points[name], counts[name], weights, ticker)
            runs.append(trio.run(measure))
    report(runs).publish(json_file, plot_file)


def _points(name: str, lengths: list[tuple[int, int]], concurrency: str) -> list[Point]:
    default = _CONCURRENT_1B if name == "1b" else _CONCURRENT
    counts = integers(concurrency) if concurrency else default
    return [Point(prompt, output, count) for prompt, output in lengths for count in counts]


async def _measure(
    name: str, points: list[Point], rounds: int, weights: str, ticker: Ticker
) -> ModelRuns:
    ticker.describe(f"{name}: loading")
    source = model_source(name, ticker.describe)
    dtype, quantization = _FORMATS[weights]
    checkpoint = load_checkpoint(source, dtype=dtype, quantization=quantization)
    work = _work(checkpoint)
    limits = measure_limits(dtype, checkpoint.model.device)
    keys = {_key(point): point for point in points}
    async with open_engine(checkpoint, _settings(points)) as engine:
        model = watch_model(engine)
        await run_point(engine, model, _WARM_UP, seed=0)
        results = await run_rounds(
            {key: partial(run_point, engine, model, keys[key], seed=1) for key in keys},
            rounds,
            lambda key: ticker.begin(f"{name}: {key}"),
        )
    limits = limits.best_with(measure_limits(dtype, checkpoint.model.device))
    return ModelRuns(Path(name).name, weights, work, limits, keys, results)


def _settings(points: list[Point]) -> EngineSettings:
    tokens = [
        (point.concurrent, point.prompt_tokens + point.output_tokens)
        for point in [*points, _WARM_UP]
    ]
    return EngineSettings(pages=max(pages_for(*each) for each in tokens))


def _work(checkpoint: Checkpoint) -> Work:
    model = checkpoint.model
    if model.config.mixture is not None:
        raise InvalidRequest(
            f"{checkpoint.name} is a mixture of experts, whose work depends on its tokens",
            hint="Measure a dense model.",
        )
    return Work(model.config, model.weight_bytes, model.dtype.itemsize)


def _key(point: Point) -> str:
    return f"{point.prompt_tokens}/{point.output_tokens} x {point.concurrent}"


def headline_values(runs: list[ModelRuns]) -> dict[str, float]:
    """Decoding alone (fewest at once) and prefill in bulk (most at once), of what was run."""
    values = {}
    models = {model.name: model for model in runs}
    for phase, name in _HEADLINE:
        if name not in models:
            continue
        model = models[name]
        by_count = sorted(model.points, key=lambda key: model.points[key].concurrent)
        if phase == "decode":
            shares = model.decode_shares(by_count[0])
        else:
            shares = model.prefill_shares(by_count[-1])
        values[f"{phase}_limit_share_{name}"] = Spread.of(shares).median
    return values


def report(runs: list[ModelRuns]) -> Report:
    """Table, chart and figures."""
    table = figures_table(
        "Closed loop on the engine; medians, (range) of the shares; overhead: a decode step's time "
        "outside the model",
        ("model", "prompt/output\nx concurrent", "output\ntokens/s", "prompt\ntokens/s",
         "prefill\n/ limit", "decode\nstep ms", "decode\n/ limit", "overhead\nms a step",
         "overhead\nus a row"),
    )  # fmt: skip
    for model in runs:
        for key, point in model.points.items():
            table.add_row(model.name, key, *_row(model, key, point))
    groups = [f"{model.name} {key}" for model in runs for key in model.points]
    chart = BarChart(
        "Share of the machine's limit", "share", groups,
        {
            "decode": [Spread.of(m.decode_shares(key)) for m in runs for key in m.points],
            "prefill": [Spread.of(m.prefill_shares(key)) for m in runs for key in m.points],
        },
    )  # fmt: skip
    figures: dict[str, object] = {
        "models": [
            {
                "name": model.name,
                "weights": model.weights,
                "weight_bytes": model.work.weight_bytes,
                "limits": asdict(model.limits),
                "points": {key: asdict(point) for key, point in model.points.items()},
                "runs": asdict(model.rounds),
                "decode_limit_shares": {key: model.decode_shares(key) for key in model.points},
                "prefill_limit_shares": {key: model.prefill_shares(key) for key in model.points},
            }
            for model in runs
        ]
    }
    notes = [_limits_note(model) for model in runs]
    return Report("throughput", headline_values(runs), figures, [table], chart, notes)


def _row(model: ModelRuns, key: str, point: Point) -> list[str]:
    def median(values: list[float]) -> float:
        return Spread.of(values).median

    results = model.rounds.results[key]
    overhead = median([run.overhead_seconds for run in results])
    return [
        f"{median(model.rates(key)):.1f}",
        f"{median([run.prompt_tokens_per_second(point) for run in results]):.0f}",
        Spread.of(model.prefill_shares(key)).text(),
        f"{median([run.step_seconds for run in results]) * 1e3:.2f}",
        Spread.of(model.decode_shares(key)).text(),
        f"{overhead * 1e3:.2f}",
        f"{overhead / point.concurrent * 1e6:.0f}",
    ]


def _limits_note(model: ModelRuns) -> str:
    limits, weights = model.limits, model.work.layer_weights + model.work.head_weights
    return (
        f"{model.name}: {weights / 1e6:.1f} M weights as {model.weights}, "
        f"{model.work.weight_bytes / 1e6:.0f} MB; limits measured: "
        f"{limits.bytes_per_second / 1e9:.1f} GB/s (read "
        f"{limits.read_bytes_per_second / 1e9:.1f}, copy {limits.copy_bytes_per_second / 1e9:.1f}),"
        f" {limits.matrix_flops_per_second / 1e9:.0f} GFLOP/s"
    )
