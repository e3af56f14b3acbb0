"""`pie-server bench calls`: what one operation costs in each layer, as instances get more.

Control operations are answered at once; inference operations take part in a step, whose time inside
the model does not count. Headline: the dearest operation at the worst number of instances, with the
JSON on both sides of it and without the guest's own code.
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
from pie_scenarios.calls import control, inference
from pie_scenarios.calls.workload import (
    CONTROL,
    ENGINE,
    GUEST_CONTROL,
    HANDLER,
    INFERENCE,
    JSON,
    CallShape,
    control_program,
)
from pie_scenarios.chart import BarChart
from pie_scenarios.checkpoints import model_source
from pie_scenarios.engine_loop import open_engine, pages_for, watch_model
from pie_scenarios.ratios import Spread
from pie_scenarios.report import Report, Ticker, figures_table, open_ticker
from pie_scenarios.rounds import Rounds, run_rounds
from pie_scenarios.stopwatch import Stopwatch
from pie_scenarios.token_programs import PYTHON, TokenProgram, stepwise_programs
from pie_server.engine.engine import Engine, EngineSettings
from pie_server.model.loader import load_checkpoint
from pie_server.runtime import Registry, Runtime

DESCRIPTION = "Cost of one operation, control and inference, by layer and number of instances"

_PYTHON = f"{PYTHON} guest"


@dataclass(frozen=True, slots=True)
class Cell:
    """All operations in all layers at one number of instances; seconds an operation."""

    instances: int
    rounds: Rounds[float]


def main(arguments: list[str]) -> int:
    """Parses flags and runs."""
    return run_command("calls", _command, arguments)


@bench_command(DESCRIPTION)
@click.option("--instances", default="1,16,128,896", help="Numbers of instances.")
@click.option("--operations", default=512, help="Of all instances together, at least.")
@click.option("--each", default=4, help="Operations of every instance, at least.")
@click.option("--rounds", default=3, help="Rounds of each number.")
@click.option("--model", default="embedded", help="embedded, 25m, 135m, 1b, or a directory.")
def _command(
    instances: str,
    operations: int,
    each: int,
    rounds: int,
    model: str,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    shape, counts = CallShape(operations, each), integers(instances)
    programs, missing = stepwise_programs(Registry())
    guests = {f"{language} guest": program for language, program in programs.items()}
    sides = 2 * len(CONTROL) + 1 + 2 + len(guests)
    with open_ticker(rounds * len(counts) * sides) as ticker:
        cells = trio.run(_measure, model, shape, counts, rounds, guests, ticker)
    report(cells, shape, model, missing).publish(json_file, plot_file)


async def _measure(
    model: str,
    shape: CallShape,
    counts: list[int],
    rounds: int,
    guests: dict[str, TokenProgram],
    ticker: Ticker,
) -> list[Cell]:
    checkpoint = load_checkpoint(model_source(model, ticker.describe))
    pages = max(pages_for(count, 2 + shape.per_instance(count)) for count in [1, *counts])
    runtime = Runtime()
    await runtime.prepare(lambda step: ticker.describe(step.message))
    cells = []
    async with (
        trio.open_nursery() as nursery,
        open_engine(checkpoint, EngineSettings(pages=pages)) as engine,
    ):
        await nursery.start(runtime.run)
        watch = watch_model(engine)
        for side, run in _sides(engine, watch, runtime, CallShape(1, 1), guests, 1).items():
            ticker.describe(f"warming up: {side}")
            await run()
        for count in counts:
            sides = _sides(engine, watch, runtime, shape, guests, count)
            results = await run_rounds(sides, rounds, partial(_begin, ticker, count))
            cells.append(Cell(count, results))
        nursery.cancel_scope.cancel()
    return cells


def _begin(ticker: Ticker, count: int, side: str) -> None:
    ticker.begin(f"{count}: {side}")


def _sides(
    engine: Engine,
    watch: Stopwatch,
    runtime: Runtime,
    shape: CallShape,
    guests: dict[str, TokenProgram],
    count: int,
) -> dict[str, Callable[[], Awaitable[float]]]:
    sides: dict[str, Callable[[], Awaitable[float]]] = {}
    for name in CONTROL:
        sides[_side(name, HANDLER)] = partial(control.through_handler, engine, shape, name, count)
        sides[_side(name, JSON)] = partial(control.through_json, engine, shape, name, count)
    sides[_side(GUEST_CONTROL, _PYTHON)] = partial(
        control.through_guest, engine, runtime, shape, control_program(), count
    )
    sides[_side(INFERENCE, ENGINE)] = partial(inference.through_engine, engine, watch, shape, count)
    sides[_side(INFERENCE, JSON)] = partial(inference.through_json, engine, watch, shape, count)
    for guest, program in guests.items():
        sides[_side(INFERENCE, guest)] = partial(
            inference.through_guest, engine, watch, runtime, shape, program, count
        )
    return sides


def _side(operation: str, layer: str) -> str:
    return f"{operation}: {layer}"


def headline_values(cells: list[Cell]) -> dict[str, float]:
    """Microseconds of the dearest operation at the worst number of instances, with JSON."""

    def worst(operations: list[str]) -> float:
        sides = [_side(operation, JSON) for operation in operations]
        return max(median(cell.rounds.results[side]) for cell in cells for side in sides) * 1e6

    return {"control_us": worst(list(CONTROL)), "inference_us": worst([INFERENCE])}


def report(cells: list[Cell], shape: CallShape, model: str, notes: list[str]) -> Report:
    """Table, chart and figures."""
    sides = list(cells[0].rounds.results)
    chart = BarChart(
        "Time of an operation",
        "us",
        [str(cell.instances) for cell in cells],
        {side: [_microseconds(cell, side) for cell in cells] for side in sides if JSON in side},
    )
    figures: dict[str, object] = {
        "model": model,
        "shape": asdict(shape),
        "cells": [asdict(cell) for cell in cells],
    }
    return Report("calls", headline_values(cells), figures, [_table(cells, sides)], chart, notes)


def _table(cells: list[Cell], sides: list[str]) -> Table:
    table = figures_table(
        "Microseconds an operation, all instances at work; inference: outside the model; "
        "median (range)",
        ("operation: layer", *(f"{cell.instances} instances" for cell in cells)),
    )
    for side in sides:
        table.add_row(side, *(_microseconds(cell, side).text(1) for cell in cells))
    return table


def _microseconds(cell: Cell, side: str) -> Spread:
    return Spread.of(cell.rounds.figures(side, lambda seconds: seconds * 1e6))
