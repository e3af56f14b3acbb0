"""`pie-server bench NAME`: the list of benchmarks, and how each of them is started.

Each benchmark is a module with `DESCRIPTION` and `main(arguments) -> int`, runs with no further
arguments in a few minutes, and ends with one line `headline: key=value ...`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pie_server.errors import InvalidRequest

BENCHMARKS = {
    "agents": "pie_scenarios.agents.bench",
    "overhead": "pie_scenarios.overhead.bench",
    "batching": "pie_scenarios.batching.bench",
    "calls": "pie_scenarios.calls.bench",
    "fragmentation": "pie_scenarios.fragmentation.bench",
    "throughput": "pie_scenarios.throughput.bench",
}

_F = TypeVar("_F", bound=Callable[..., Any])


def run_benchmark(name: str | None, arguments: list[str]) -> int:
    """Runs one benchmark, or lists them all.

    Raises:
        InvalidRequest: There is no benchmark of this name.
    """
    if name is None:
        for known, module in BENCHMARKS.items():
            click.echo(f"{known:<14} {importlib.import_module(module).DESCRIPTION}")
        return 0
    if name not in BENCHMARKS:
        raise InvalidRequest(
            f"there is no benchmark {name!r}", hint=f"There are: {', '.join(BENCHMARKS)}."
        )
    status: int = importlib.import_module(BENCHMARKS[name]).main(arguments)
    return status


def run_command(name: str, command: click.Command, arguments: list[str]) -> int:
    """Parses a benchmark's flags and runs it; the body of every `main`."""
    command.main(arguments, prog_name=f"pie-server bench {name}", standalone_mode=False)
    return 0


def bench_command(description: str) -> Callable[[_F], click.Command]:
    """Makes a click command with the flags every benchmark has: `--json` and `--plot`."""

    def decorate(function: _F) -> click.Command:
        file = click.Path(dir_okay=False, path_type=Path)
        function = click.option("--plot", "plot_file", type=file, help="Write a chart (SVG).")(
            function
        )
        function = click.option("--json", "json_file", type=file, help="Write all figures.")(
            function
        )
        settings = {"help_option_names": ["-h", "--help"], "show_default": True}
        return click.command(context_settings=settings, help=description)(function)

    return decorate


def integers(text: str) -> list[int]:
    """The value of a flag such as `1,8,32`.

    Raises:
        click.BadParameter: One of them is no positive number.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{text!r} must be positive numbers with commas between them")
    return [int(part) for part in parts]
