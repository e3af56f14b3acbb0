"""`pie-server bench NAME`: the list of benchmarks, and what all of them share.

Each benchmark is a module with `DESCRIPTION` and `main(arguments) -> int`, runs with no further
arguments in a few minutes, and ends with one line `headline: key=value ...`.
"""

from __future__ import annotations

import importlib

import click

from pie_server.errors import InvalidRequest

BENCHMARKS = {"agents": "pie_scenarios.agents.bench"}


def run_benchmark(name: str | None, arguments: list[str]) -> int:
    """Runs one benchmark, or lists them all.

    Raises:
        InvalidRequest: There is no benchmark of this name.
    """
    if name is None:
        for known, module in BENCHMARKS.items():
            click.echo(f"{known:<12} {importlib.import_module(module).DESCRIPTION}")
        return 0
    if name not in BENCHMARKS:
        raise InvalidRequest(
            f"there is no benchmark {name!r}", hint=f"There are: {', '.join(BENCHMARKS)}."
        )
    status: int = importlib.import_module(BENCHMARKS[name]).main(arguments)
    return status


def headline(**values: float) -> str:
    """The last line of every benchmark, for programs to read."""
    return "headline: " + " ".join(f"{name}={value:.3f}" for name, value in values.items())
