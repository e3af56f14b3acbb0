"""The arithmetic of benchmarks: ratios within one round, their spread, and means of ratios.

Pure functions; knows nothing of what was measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some repetitions and the range they fell into."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 2) -> str:
        """For a table cell: `1.02 (0.99-1.06)`."""
        low, high = f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"
        return f"{self.median:.{digits}f} ({low}-{high})"


def ratios(numerators: Iterable[float], denominators: Iterable[float]) -> list[float]:
    """One ratio a round, so that what slows the whole machine in a round does not count."""
    return [above / below for above, below in zip(numerators, denominators, strict=True)]


def geometric_mean(values: Sequence[float]) -> float:
    """The mean of ratios: twice as fast here and half as fast there is no difference."""
    return math.exp(statistics.mean(math.log(value) for value in values))
