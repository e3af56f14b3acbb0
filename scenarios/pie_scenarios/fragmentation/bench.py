"""`pie-server bench fragmentation`: every technique at once, over fragmented pages.

Mixed work (each row another technique) is compared with plain work (every row greedy) of the same
number of tokens, while others hold a growing share of the pool, a page here and a page there. The
reference is plain work over an empty pool, in the same round.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

import click
import trio
from rich.table import Table

from pie_scenarios.bench import bench_command, run_command
from pie_scenarios.chart import BarChart
from pie_scenarios.checkpoints import model_source
from pie_scenarios.engine_loop import open_engine, pages_for
from pie_scenarios.fragmentation.measure import MixShape, Run, letters_grammar, run_mix
from pie_scenarios.fragmentation.techniques import PLAIN, TECHNIQUES
from pie_scenarios.ratios import Spread
from pie_scenarios.report import Report, Ticker, figures_table, open_ticker
from pie_scenarios.rounds import Rounds, run_rounds
from pie_server.engine.engine import EngineSettings
from pie_server.model.loader import load_checkpoint

DESCRIPTION = "All techniques in one batch, over fragmented pages, against plain work"

_OCCUPIED = (0.0, 0.25, 0.75)  # shares of the pool
_WARM_UP = MixShape(rows=len(TECHNIQUES), prompt_tokens=32, output_tokens=4)


def main(arguments: list[str]) -> int:
    """Parses flags and runs."""
    return run_command("fragmentation", _command, arguments)


@bench_command(DESCRIPTION)
@click.option("--rows", default=64, help="Contexts that decode together.")
@click.option("--prompt", default=128, help="Prompt tokens.")
@click.option("--output", default=32, help="Output tokens.")
@click.option("--rounds", default=3, help="Rounds.")
@click.option("--each/--no-each", default=True, help="Measure each technique alone as well.")
@click.option("--model", default="embedded", help="embedded, 25m, 135m, 1b, or a directory.")
def _command(
    rows: int,
    prompt: int,
    output: int,
    rounds: int,
    each: bool,
    model: str,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    shape = MixShape(rows, prompt, output)
    mixes = _mixes(each)
    with open_ticker(rounds * len(mixes)) as ticker:
        results = trio.run(_measure, model, shape, mixes, rounds, ticker)
    report(results, shape, model).publish(json_file, plot_file)


def _mixes(each: bool) -> dict[str, tuple[list[str], float]]:
    """By side: the techniques, and how much of the pool is occupied."""
    mixes: dict[str, tuple[list[str], float]] = {}
    for occupied in _OCCUPIED:
        mixes[_plain(occupied)] = ([PLAIN], occupied)
        mixes[_mixed(occupied)] = (list(TECHNIQUES), occupied)
    if each:
        mixes |= {name: ([name], 0.0) for name in TECHNIQUES if name != PLAIN}
    return mixes


def _plain(occupied: float) -> str:
    return f"plain, {occupied:.0%} occupied"


def _mixed(occupied: float) -> str:
    return f"mixed, {occupied:.0%} occupied"


async def _measure(
    model: str,
    shape: MixShape,
    mixes: dict[str, tuple[list[str], float]],
    rounds: int,
    ticker: Ticker,
) -> Rounds[Run]:
    source = model_source(model, ticker.describe)
    checkpoint = load_checkpoint(source)
    # Forks hold on to the shared page that they copied, which is the page more of `pages_for`.
    tokens = max(shape.prompt_tokens + shape.output_tokens, 64)
    pages = pages_for(max(shape.rows, _WARM_UP.rows), tokens)
    pages = math.ceil(pages / (1 - max(_OCCUPIED)))
    async with open_engine(checkpoint, EngineSettings(pages=pages)) as engine:
        grammar = await letters_grammar(checkpoint, source)
        await run_mix(engine, grammar, list(TECHNIQUES), _WARM_UP, 0.0, seed=0)
        sides: dict[str, Callable[[], Awaitable[Run]]] = {
            side: partial(run_mix, engine, grammar, names, shape, occupied, seed=1)
            for side, (names, occupied) in mixes.items()
        }
        return await run_rounds(sides, rounds, ticker.begin)


def _ratios(results: Rounds[Run], side: str) -> list[float]:
    """A side's tokens per second over those of plain work on an empty pool, one a round."""
    return results.ratios(side, _plain(0.0), lambda run: run.tokens_per_second)


def headline_values(results: Rounds[Run]) -> dict[str, float]:
    """Mixed work where the gaps hurt it most."""
    return {"mixed_ratio": min(median(_ratios(results, _mixed(each))) for each in _OCCUPIED)}


def report(results: Rounds[Run], shape: MixShape, model: str) -> Report:
    """Tables, chart and figures."""
    chart = BarChart(
        "Tokens per second over plain work on an empty pool",
        "ratio",
        [f"{occupied:.0%} occupied" for occupied in _OCCUPIED],
        {
            "plain": [Spread.of(_ratios(results, _plain(each))) for each in _OCCUPIED],
            "mixed": [Spread.of(_ratios(results, _mixed(each))) for each in _OCCUPIED],
        },
    )
    figures: dict[str, object] = {
        "model": model,
        "shape": asdict(shape),
        "techniques": list(TECHNIQUES),
        "rounds": asdict(results),
        "ratios": {side: _ratios(results, side) for side in results.results},
    }
    return Report(
        "fragmentation", headline_values(results), figures, [_table(results, shape)], chart
    )


def _table(results: Rounds[Run], shape: MixShape) -> Table:
    table = figures_table(
        f"{shape.rows} rows of {shape.prompt_tokens} prompt and {shape.output_tokens} output "
        f"tokens; mixed: {len(TECHNIQUES)} techniques; median (range)",
        ("work", "tables\nfragmented", "tokens/s", "steps", "/ plain on a\nfresh pool"),
    )
    for side, runs in results.results.items():
        table.add_row(
            side,
            f"{median(run.fragmentation for run in runs):.0%}",
            f"{median(run.tokens_per_second for run in runs):.0f}",
            f"{median(run.steps for run in runs):.0f}",
            Spread.of(_ratios(results, side)).text(),
        )
    return table
