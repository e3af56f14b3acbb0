"""`pie-server bench batching`: the batching policies against each other, on the same inferlets.

Each policy gets an engine of its own; the inferlets, the runtime and the checkpoint are shared, and
the policies take turns within a round.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

import click
import trio
from rich.table import Table

from pie_scenarios.batching.measure import InferletsShape, Run, run_policy
from pie_scenarios.bench import bench_command, run_command
from pie_scenarios.chart import BarChart
from pie_scenarios.checkpoints import model_source
from pie_scenarios.ratios import Spread
from pie_scenarios.report import Report, Ticker, figures_table, open_ticker
from pie_scenarios.rounds import Rounds, run_rounds
from pie_scenarios.token_programs import PYTHON, TokenProgram, stepwise_programs
from pie_server.engine.policies import POLICY_NAMES, PolicyName
from pie_server.errors import InvalidRequest
from pie_server.model.loader import load_checkpoint
from pie_server.runtime import Registry, Runtime

DESCRIPTION = "The policies eager, k_only, t_only and adaptive at many token-by-token inferlets"

_ADAPTIVE: PolicyName = "adaptive"
_EAGER: PolicyName = "eager"
_WARM_UP = InferletsShape(2, 8, 2)


def main(arguments: list[str]) -> int:
    """Parses flags and runs."""
    return run_command("batching", _command, arguments)


@bench_command(DESCRIPTION)
@click.option("--inferlets", default=128, help="Inferlets at once.")
@click.option("--prompt", default=64, help="Tokens of the longest prompt.")
@click.option("--output", default=16, help="Output tokens.")
@click.option("--rounds", default=3, help="Rounds.")
@click.option("--language", default=PYTHON, help="Language of the inferlets.")
@click.option("--model", default="embedded", help="embedded, 25m, 135m, 1b, or a directory.")
def _command(
    inferlets: int,
    prompt: int,
    output: int,
    rounds: int,
    language: str,
    model: str,
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    shape = InferletsShape(inferlets, prompt, output)
    program = _program(language)
    with open_ticker(rounds * len(POLICY_NAMES)) as ticker:
        results = trio.run(_measure, model, program, shape, rounds, ticker)
    report(results, shape, model, language).publish(json_file, plot_file)


def _program(language: str) -> TokenProgram:
    found, missing = stepwise_programs(Registry())
    if language not in found:
        raise InvalidRequest(
            f"there is no token-by-token inferlet in {language!r}",
            hint="; ".join([f"There are: {', '.join(found)}", *missing]),
        )
    return found[language]


async def _measure(
    model: str, program: TokenProgram, shape: InferletsShape, rounds: int, ticker: Ticker
) -> Rounds[Run]:
    checkpoint = load_checkpoint(model_source(model, ticker.describe))
    runtime = Runtime()
    await runtime.prepare(lambda step: ticker.describe(step.message))
    async with trio.open_nursery() as nursery:
        await nursery.start(runtime.run)
        await run_policy(checkpoint, runtime, program, _WARM_UP, _ADAPTIVE, seed=0)
        sides: dict[str, Callable[[], Awaitable[Run]]] = {
            policy: partial(run_policy, checkpoint, runtime, program, shape, policy, seed=1)
            for policy in POLICY_NAMES
        }
        results = await run_rounds(sides, rounds, ticker.begin)
        nursery.cancel_scope.cancel()
    return results


def _ratios(results: Rounds[Run], above: str, below: str) -> list[float]:
    return results.ratios(above, below, lambda run: run.tokens_per_second)


def best_other(results: Rounds[Run]) -> str:
    """The policy with the highest median throughput besides the adaptive one."""
    return max(
        (policy for policy in results.results if policy != _ADAPTIVE),
        key=lambda policy: median(run.tokens_per_second for run in results.results[policy]),
    )


def headline_values(results: Rounds[Run]) -> dict[str, float]:
    """The adaptive policy's throughput over that of others, within rounds."""
    other = best_other(results)
    return {
        "adaptive_over_eager": median(_ratios(results, _ADAPTIVE, _EAGER)),
        "adaptive_over_best_other": median(_ratios(results, _ADAPTIVE, other)),
    }


def report(results: Rounds[Run], shape: InferletsShape, model: str, language: str) -> Report:
    """Table, chart and figures."""
    ratios = {policy: _ratios(results, policy, _EAGER) for policy in results.results}
    chart = BarChart(
        "Tokens per second over the eager policy",
        "ratio",
        list(ratios),
        {"throughput": [Spread.of(values) for values in ratios.values()]},
    )
    figures: dict[str, object] = {
        "model": model,
        "language": language,
        "shape": asdict(shape),
        "rounds": asdict(results),
        "over_eager": ratios,
        "best_other": best_other(results),
    }
    return Report("batching", headline_values(results), figures, [_table(results, shape)], chart)


def _table(results: Rounds[Run], shape: InferletsShape) -> Table:
    table = figures_table(
        f"{shape.inferlets} inferlets, {shape.output_tokens} tokens each, token by token; "
        "median (range)",
        ("policy", "tokens/s", "rows\na step", "/ eager"),
    )
    for policy, runs in results.results.items():
        table.add_row(
            policy,
            Spread.of([run.tokens_per_second for run in runs]).text(0),
            f"{median(run.rows_per_step for run in runs):.1f}",
            Spread.of(_ratios(results, policy, _EAGER)).text(),
        )
    return table
