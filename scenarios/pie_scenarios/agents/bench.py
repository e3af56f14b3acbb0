"""`pie-server bench agents`: agents beside the model against agents driven by a client.

One server process serves all sides in turn, on the same engine; this process is the client. Within
a repetition the sides run one after the other, in an order that alternates; ratios are taken within
a repetition, so that what slows the whole machine does not count.
"""

from __future__ import annotations

import json
import math
import random
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import click
import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pie_scenarios.agents.workload import (
    AgentResult,
    AgentShape,
    client_agent,
    inferlet_agent,
)
from pie_scenarios.bench import headline
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
_TABLE_WIDTH = 116
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
        pairs = zip(self.runs["inferlet"], self.runs[other], strict=True)
        return [mine.agents_per_second / theirs.agents_per_second for mine, theirs in pairs]

    def latency_ratios(self, other: str) -> list[float]:
        """`other` over inferlet, one a repetition."""
        pairs = zip(self.runs["inferlet"], self.runs[other], strict=True)
        return [theirs.latency_seconds / mine.latency_seconds for mine, theirs in pairs]


def main(arguments: list[str]) -> int:
    """Parses flags and runs."""
    _command.main(arguments, prog_name="pie-server bench agents", standalone_mode=False)
    return 0


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=DESCRIPTION)
@click.option("--agents", default="1,8,32,128", show_default=True, help="Numbers of agents.")
@click.option("--tools-ms", default="0,50,100", show_default=True, help="Tool times.")
@click.option("--rounds", default=8, show_default=True, help="Tool round trips of each agent.")
@click.option(
    "--round-trip-ms", default=0.0, show_default=True, help="Network distance of the client."
)
@click.option("--repeats", default=2, show_default=True, help="Repetitions of each point.")
@click.option("--model", default="embedded", show_default=True, help="Model or directory.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures.")
def _command(
    agents: str,
    tools_ms: str,
    rounds: int,
    round_trip_ms: float,
    repeats: int,
    model: str,
    json_file: Path | None,
) -> None:
    cells = [
        Cell(int(count), int(milliseconds))
        for count in agents.split(",")
        for milliseconds in tools_ms.split(",")
    ]
    shape = AgentShape(rounds=rounds, round_trip_seconds=round_trip_ms / 1000)
    trio.run(_measure, cells, shape, repeats, model)
    # Wider than some terminals rather than cut: the figures are what one came for.
    console = Console(width=max(Console().width, _TABLE_WIDTH))
    console.print(_table(cells, shape, repeats))
    if json_file is not None:
        raw = {"shape": asdict(shape), "model": model, "cells": [asdict(cell) for cell in cells]}
        json_file.write_text(json.dumps(raw, indent=1))
    console.print(
        headline(
            throughput_ratio=_overall(cells, Cell.throughput_ratios),
            latency_ratio=_overall(cells, Cell.latency_ratios),
        ),
        highlight=False,
    )


async def _measure(cells: list[Cell], shape: AgentShape, repeats: int, model: str) -> None:
    progress = Progress(
        TextColumn("{task.description:<38}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )
    steps = repeats * len(cells) * len(SIDES)
    with progress:
        task = progress.add_task("starting the server", total=steps)
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
                        progress.update(
                            task,
                            description=f"{cell.agents} agents, "
                            f"{cell.tool_milliseconds} ms tools: {side}",
                        )
                        seed = hash((cell.agents, cell.tool_milliseconds, repeat, number))
                        run = await _run_side(
                            client, SIDES[side], cell.agents, cell_shape, vocabulary, seed
                        )
                        cell.runs[side].append(run)
                        progress.advance(task)


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
    table = Table(
        title=f"{shape.rounds} rounds of {shape.generate_tokens} tokens generated and "
        f"{shape.append_tokens} appended; median of {repeats}, (min-max) of the ratios"
    )
    for name in (
        "agents",
        "tool\nms",
        "inferlet\nagents/s",
        "client\nagents/s",
        "no reuse\nagents/s",
        "throughput\n/ client",
        "throughput\n/ no reuse",
        "latency\nclient /",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for cell in cells:
        rates = [
            f"{statistics.median(run.agents_per_second for run in cell.runs[side]):.2f}"
            for side in SIDES
        ]
        table.add_row(
            str(cell.agents),
            str(cell.tool_milliseconds),
            *rates,
            _spread(cell.throughput_ratios(_STRONGEST)),
            _spread(cell.throughput_ratios("client, no reuse")),
            _spread(cell.latency_ratios(_STRONGEST)),
        )
    return table


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def _overall(cells: list[Cell], ratios: Callable[[Cell, str], list[float]]) -> float:
    """Geometric mean over the grid, against the strongest other side."""
    medians = [statistics.median(ratios(cell, _STRONGEST)) for cell in cells]
    return math.exp(statistics.mean(math.log(value) for value in medians))
