"""How a benchmark shows itself: progress, tables, files, and the headline as the last line.

One `Report` a benchmark. Knows nothing of what was measured.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from pie_scenarios.chart import BarChart

_WIDE = Console(width=1000)


class Ticker:
    """A progress bar that its owner moves."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._begun = False

    def begin(self, description: str) -> None:
        """The next step begins, so the one before it is done."""
        if self._begun:
            self._progress.advance(self._task)
        self._begun = True
        self._progress.update(self._task, description=description)

    def describe(self, description: str) -> None:
        """Says what happens before the first step, or within one."""
        self._progress.update(self._task, description=description)


@contextmanager
def open_ticker(steps: int, description: str = "starting") -> Iterator[Ticker]:
    """Shows a progress bar of `steps` steps; it is full when the block ends without an error."""
    progress = Progress(
        TextColumn("{task.description:<38}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )
    with progress:
        task = progress.add_task(description, total=steps)
        yield Ticker(progress, task)
        progress.update(task, completed=steps)


@dataclass(slots=True)
class Report:
    """What a benchmark found.

    Attributes:
        name: Of the benchmark.
        headline: Key figures, in their order.
        figures: Everything measured, JSON-compatible.
        tables: For the terminal.
        chart: For `--plot`.
        notes: Lines below the tables.
    """

    name: str
    headline: dict[str, float]
    figures: dict[str, object]
    tables: list[Table]
    chart: BarChart
    notes: list[str] = field(default_factory=list)

    def publish(self, json_file: Path | None = None, plot_file: Path | None = None) -> None:
        """Prints tables, notes and headline; writes the files that were asked for."""
        # Wider than some terminals rather than cut: the figures are what one came for.
        console = Console(width=max(Console().width, *map(_natural_width, self.tables)))
        for table in self.tables:
            console.print(table)
        for note in self.notes:
            console.print(note, highlight=False)
        if json_file is not None:
            raw = {
                "benchmark": self.name,
                "machine": machine(),
                "headline": self.headline,
                **self.figures,
            }
            json_file.write_text(json.dumps(raw, indent=1))
        if plot_file is not None:
            plot_file.write_text(self.chart.svg())
        console.print(headline(**self.headline), highlight=False, soft_wrap=True)


def headline(**values: float) -> str:
    """The last line of every benchmark, for programs to read."""
    return " ".join(["headline:", *(f"{name}={value:.3f}" for name, value in values.items())])


def figures_table(title: str, columns: Sequence[str]) -> Table:
    """An empty table whose columns hold figures."""
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _natural_width(table: Table) -> int:
    return Measurement.get(_WIDE, _WIDE.options, table).maximum


def machine() -> dict[str, object]:
    """What the figures depend on besides the code."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
