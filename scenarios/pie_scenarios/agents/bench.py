"""`pie-server bench agents`: agents beside the model against agents driven by a client.

One server process serves all sides in turn, on the same engine; this process is the client. Within
a repetition the sides run one after the other, in an order that alternates; ratios are taken within
a repetition, so that what slows the whole machine does not count.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import click
import trio
from rich.table import Table

from pie_scenarios.agents.workload import (
    AgentResult,
    AgentShape,
    client_agent,
    inferlet_agent,
)
from pie_scenarios.bench import bench_command, integers, run_command
from pie_scenarios.chart import BarChart
from pie_scenarios.ratios import Spread, geometric_mean, ratios
from pie_scenarios.report import Report, figures_table, open_ticker
from pie_scenarios.server_process import open_server
from pie_server.client import Client, open_client
from pie_server.errors import PieError

DESCRIPTION = "N agents with tools: inferlets in the server against a client that drives them"

Agent = Callable[[Client, AgentShape, random.Random, int], Awaitable[AgentResult]]

SIDES: dict[str, Agent] = {
    "inferlet": inferlet_agent,
    "client": partial(client_agent, prefix_reuse=True),
    "client, no reuse": partial(client_agent, prefix_reuse=False),
}
_STRONGEST = "client"
_RUN_SECONDS = 600.0
# The client's completions run natively, so that its side pays no launch of a WebAssembly guest.
_SERVER_FLAGS = ("--pages", "8192", "--sandbox", "off", "--allow-native")


@dataclass(frozen=True, slots=True)
class Run:
    """One side, once."""

    agents_per_second: float
    latency_seconds: float  # median over agents


@dataclass(slots=True)
class Cell:
    """One point of the grid: all repetitions of all sides."""

    agents: int
    tool_milliseconds: int
    runs: dict[str, list[Run]] = field(default_factory=lambda: {side: [] for side in SIDES})
    orders: list[list[str]] = field(default_factory=list)  # of the sides, one a repetition

    def throughput_ratios(self, other: str) -> list[float]:
        """Inferlet over `other`, one a repetition."""
        return ratios(
            (run.agents_per_second for run in self.runs["inferlet"]),
            (run.agents_per_second for run in self.runs[other]),
        )

    def latency_ratios(self, other: str) -> list[float]:
        """`other` over inferlet, one a repetition."""
        return ratios(
            (run.latency_seconds for run in self.runs[other]),
            (run.latency_seconds for run in self.runs["inferlet"]),
        )


def main(arguments: list[str]) -> int:
    """Parses flags and runs."""
    return run_command("agents", _command, arguments)


@bench_command(DESCRIPTION)
@click.option("--agents", default="1,8,32,128", help="Numbers of agents.")
@click.option("--tools-ms", default="0,50,100", help="Tool times.")
@click.option("--rounds", default=8, help="Tool round trips of each agent.")
@click.option("--round-trip-ms", default=0.0, help="Network distance of the client.")
@click.option("--repeats", default=2, help="Repetitions of each point.")
@click.option("--model", default="embedded", help="Model or directory.")
def _command(
    agents: str,
    tools_ms: str,
    rounds: int,
    round_trip_ms: float,
    repeats: int,
    model: str,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    cells = [
        Cell(count, int(milliseconds))
        for count in integers(agents)
        for milliseconds in tools_ms.split(",")
    ]
    shape = AgentShape(rounds=rounds, round_trip_seconds=round_trip_ms / 1000)
    trio.run(_measure, cells, shape, repeats, model)
    Report(
        "agents",
        {
            "throughput_ratio": _overall(cells, Cell.throughput_ratios),
            "latency_ratio": _overall(cells, Cell.latency_ratios),
        },
        {"shape": asdict(shape), "model": model, "cells": [asdict(cell) for cell in cells]},
        [_table(cells, shape, repeats)],
        _chart(cells),
    ).publish(json_file, plot_file)


async def _measure(cells: list[Cell], shape: AgentShape, repeats: int, model: str) -> None:
    steps = repeats * len(cells) * len(SIDES)
    with open_ticker(steps, "starting the server") as ticker:
        async with (
            open_server("--model", model, *_SERVER_FLAGS) as server,
            open_client(server.url) as client,
        ):
            vocabulary = server.vocabulary
            for agent in SIDES.values():  # warm up: first launches, lazy imports
                await _run_side(client, agent, 2, replace(shape, rounds=1), vocabulary, 0)
            for cell in cells:
                cell_shape = replace(shape, tool_seconds=cell.tool_milliseconds / 1000)
                for repeat in range(repeats):
                    order = list(SIDES) if repeat % 2 == 0 else list(SIDES)[::-1]
                    cell.orders.append(order)
                    for number, side in enumerate(order):
                        ticker.begin(
                            f"{cell.agents} agents, {cell.tool_milliseconds} ms tools: {side}"
                        )
                        seed = hash((cell.agents, cell.tool_milliseconds, repeat, number))
                        run = await _run_side(
                            client, SIDES[side], cell.agents, cell_shape, vocabulary, seed
                        )
                        cell.runs[side].append(run)


async def _run_side(
    client: Client, agent: Agent, count: int, shape: AgentShape, vocabulary: int, seed: int
) -> Run:
    results: list[AgentResult] = []
    started = trio.current_time()

    async def one(number: int) -> None:
        rng = random.Random(f"{seed}-{number}")
        results.append(await agent(client, shape, rng, vocabulary))

    with trio.fail_after(_RUN_SECONDS):
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(one, number)
    seconds = trio.current_time() - started
    for result in results:
        done = (result.generated_tokens, result.context_tokens)
        if done != (shape.rounds * shape.generate_tokens, shape.context_tokens):
            raise PieError(f"an agent did other work than it should: {done} of {shape}")
    return Run(count / seconds, statistics.median(result.seconds for result in results))


def _table(cells: list[Cell], shape: AgentShape, repeats: int) -> Table:
    table = figures_table(
        f"{shape.rounds} rounds of {shape.generate_tokens} tokens generated and "
        f"{shape.append_tokens} appended; median of {repeats}, (min-max) of the ratios",
        (
            "agents",
            "tool\nms",
            "inferlet\nagents/s",
            "client\nagents/s",
            "no reuse\nagents/s",
            "throughput\n/ client",
            "throughput\n/ no reuse",
            "latency\nclient /",
        ),
    )
    for cell in cells:
        rates = [
            f"{statistics.median(run.agents_per_second for run in cell.runs[side]):.2f}"
            for side in SIDES
        ]
        table.add_row(
            str(cell.agents),
            str(cell.tool_milliseconds),
            *rates,
            Spread.of(cell.throughput_ratios(_STRONGEST)).text(),
            Spread.of(cell.throughput_ratios("client, no reuse")).text(),
            Spread.of(cell.latency_ratios(_STRONGEST)).text(),
        )
    return table


def _chart(cells: list[Cell]) -> BarChart:
    return BarChart(
        "Agents per second, inferlet over client",
        "ratio",
        [f"{cell.agents} x {cell.tool_milliseconds} ms" for cell in cells],
        {
            side: [Spread.of(cell.throughput_ratios(side)) for cell in cells]
            for side in SIDES
            if side != "inferlet"
        },
    )


def _overall(cells: list[Cell], ratios: Callable[[Cell, str], list[float]]) -> float:
    """Geometric mean over the grid, against the strongest other side."""
    medians = [statistics.median(ratios(cell, _STRONGEST)) for cell in cells]
    return geometric_mean(medians)
