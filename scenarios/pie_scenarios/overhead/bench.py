"""`pie-server bench overhead`: time per output token with and without an inferlet in between.

Sides: the engine's own closed loop; `generate`, one operation of a WebAssembly inferlet; and guests
that ask for each token themselves, in every language whose program is installed. All run in this
process on one engine, in rounds; ratios are to the engine's own loop in the same round. The clock
runs from the moment all completions are ready to begin until the last token has been answered; what
a guest costs at its beginning and at its end is not in the ratios, the latter has its own column.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import click
import trio
from rich.table import Table

from pie_scenarios.bench import bench_command, integers, run_command
from pie_scenarios.chart import BarChart
from pie_scenarios.checkpoints import model_source
from pie_scenarios.engine_loop import open_engine, pages_for
from pie_scenarios.overhead.measure import Bench, Run
from pie_scenarios.overhead.workload import (
    ENGINE,
    HEADLINE_KEYS,
    CompletionShape,
    inferlet_sides,
)
from pie_scenarios.ratios import Spread, geometric_mean
from pie_scenarios.report import Report, Ticker, figures_table, open_ticker
from pie_scenarios.rounds import Rounds, run_rounds
from pie_scenarios.token_programs import TokenProgram
from pie_server.engine.engine import EngineSettings
from pie_server.model.loader import load_checkpoint
from pie_server.runtime import Registry, Runtime

DESCRIPTION = "Time per output token: engine alone, `generate`, and token by token per language"

_WARM_UP = 2


@dataclass(slots=True)
class Cell:
    """All sides at one number of completions."""

    concurrent: int
    rounds: Rounds[Run]
    sampling_seconds: float

    def ratios(self, side: str) -> list[float]:
        """Time per token of a side over the engine's own loop, one a round."""
        return self.rounds.ratios(side, ENGINE, lambda run: run.token_seconds)


def main(arguments: list[str]) -> int:
    """Parses flags and runs."""
    return run_command("overhead", _command, arguments)


@bench_command(DESCRIPTION)
@click.option("--concurrency", default="1,8,32,128", help="Completions at once.")
@click.option("--prompt", default=16, help="Prompt tokens.")
@click.option("--output", default=64, help="Output tokens.")
@click.option("--rounds", default=5, help="Rounds of each number.")
@click.option("--model", default="embedded", help="embedded, 25m, 135m, 1b, or a directory.")
def _command(
    concurrency: str,
    prompt: int,
    output: int,
    rounds: int,
    model: str,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    shape, counts = CompletionShape(prompt, output), integers(concurrency)
    inferlets, missing = inferlet_sides(Registry())
    with open_ticker(rounds * len(counts) * (len(inferlets) + 1)) as ticker:
        cells = trio.run(partial(_measure, model, shape, counts, rounds, inferlets, ticker))
    report(cells, shape, model, missing).publish(json_file, plot_file)


async def _measure(
    model: str,
    shape: CompletionShape,
    counts: list[int],
    rounds: int,
    inferlets: dict[str, TokenProgram],
    ticker: Ticker,
) -> list[Cell]:
    checkpoint = load_checkpoint(model_source(model, ticker.describe))
    pages = pages_for(max([*counts, _WARM_UP]), shape.prompt_tokens + shape.output_tokens)
    runtime = Runtime()
    await runtime.prepare(lambda step: ticker.describe(step.message))
    cells = []
    async with (
        trio.open_nursery() as nursery,
        open_engine(checkpoint, EngineSettings(pages=pages)) as engine,
    ):
        await nursery.start(runtime.run)
        bench = Bench(engine, runtime, shape)
        for side, run in _sides(bench, inferlets, _WARM_UP).items():
            ticker.describe(f"warming up: {side}")
            await run()
        for count in counts:
            results = await run_rounds(
                _sides(bench, inferlets, count),
                rounds,
                partial(_begin, ticker, count),
            )
            cells.append(Cell(count, results, bench.sampling_seconds(count)))
        nursery.cancel_scope.cancel()
    return cells


def _begin(ticker: Ticker, count: int, side: str) -> None:
    ticker.begin(f"{count} completions: {side}")


def _sides(
    bench: Bench, inferlets: dict[str, TokenProgram], count: int
) -> dict[str, Callable[[], Awaitable[Run]]]:
    sides: dict[str, Callable[[], Awaitable[Run]]] = {
        ENGINE: partial(bench.run_engine, count, seed=count)
    }
    for side, program in inferlets.items():
        sides[side] = partial(bench.run_inferlets, program, count, seed=count)
    return sides


def headline_values(cells: list[Cell]) -> dict[str, float]:
    """Of each side: the geometric mean over the numbers of completions of the median ratios."""
    return {
        key: geometric_mean([median(cell.ratios(side)) for cell in cells])
        for side, key in HEADLINE_KEYS.items()
        if side in cells[0].rounds.results
    }


def report(cells: list[Cell], shape: CompletionShape, model: str, notes: list[str]) -> Report:
    """Tables, chart and figures."""
    sides = [side for side in cells[0].rounds.results if side != ENGINE]
    chart = BarChart(
        "Time per output token over the engine's own loop",
        "ratio",
        [str(cell.concurrent) for cell in cells],
        {side: [Spread.of(cell.ratios(side)) for cell in cells] for side in sides},
    )
    figures: dict[str, object] = {
        "model": model,
        "shape": asdict(shape),
        "cells": [
            {**asdict(cell), "ratios": {side: cell.ratios(side) for side in sides}}
            for cell in cells
        ],
    }
    return Report(
        "overhead",
        headline_values(cells),
        figures,
        [_ratio_table(cells, sides), _breakdown_table(cells)],
        chart,
        notes,
    )


def _ratio_table(cells: list[Cell], sides: list[str]) -> Table:
    table = figures_table(
        "Time per output token: the engine's own loop, and the others as ratios to it; "
        "median (range)",
        ("completions", "engine ms", *sides),
    )
    for cell in cells:
        own = Spread.of(cell.rounds.figures(ENGINE, lambda run: run.token_seconds * 1e3))
        ratios = [Spread.of(cell.ratios(side)).text(3) for side in sides]
        table.add_row(str(cell.concurrent), own.text(), *ratios)
    return table


def _breakdown_table(cells: list[Cell]) -> Table:
    table = figures_table(
        "Where a token's time goes: medians in ms a token; ending: ms a completion, once. The "
        "device's thread and the loop run side by side, so the parts need not add up; sampling was "
        "measured alone",
        ("completions", "side", "time", "model", "sampling", "rest of\ndevice", "scheduler",
         "handing\nout", "host", "guest,\ncrossing", "ending"),
    )  # fmt: skip
    for cell in cells:
        for side, runs in cell.rounds.results.items():
            parts = [f"{milliseconds:.3f}" for milliseconds in _parts(runs, cell.sampling_seconds)]
            table.add_row(str(cell.concurrent), side, *parts)
    return table


def _parts(runs: list[Run], sampling_seconds: float) -> list[float]:
    def each(seconds: Callable[[Run], float]) -> float:
        return median(seconds(run) / run.output_tokens * 1e3 for run in runs)

    sampling = sampling_seconds * 1e3
    return [
        each(lambda run: run.seconds),
        each(lambda run: run.model_seconds),
        sampling,
        each(lambda run: run.device_seconds - run.model_seconds) - sampling,
        each(lambda run: run.scheduler_cpu_seconds),
        each(lambda run: run.results_cpu_seconds),
        each(lambda run: run.host_cpu_seconds),
        each(lambda run: run.guest_cpu_seconds),
        median(run.ending_seconds / run.completions * 1e3 for run in runs),
    ]
