"""Runs the sides of a comparison in rounds: each side once a round, in an order that alternates.

Knows nothing of what a side does. A side never runs beside another one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pie_scenarios.ratios import ratios

T = TypeVar("T")


@dataclass(slots=True)
class Rounds(Generic[T]):
    """All results of all sides.

    Attributes:
        results: By side, one a round.
        orders: In which order the sides ran, one a round.
    """

    results: dict[str, list[T]]
    orders: list[list[str]] = field(default_factory=list)

    def figures(self, side: str, figure: Callable[[T], float]) -> list[float]:
        """One figure of a side, one a round."""
        return [figure(result) for result in self.results[side]]

    def ratios(self, above: str, below: str, figure: Callable[[T], float]) -> list[float]:
        """A figure of one side over that of another, one a round."""
        return ratios(self.figures(above, figure), self.figures(below, figure))


async def run_rounds(
    sides: Mapping[str, Callable[[], Awaitable[T]]],
    count: int,
    on_side: Callable[[str], None] = lambda side: None,
) -> Rounds[T]:
    """Runs every side `count` times.

    Args:
        sides: What to run, by name.
        count: Number of rounds.
        on_side: Told the name of each side before it runs.
    """
    rounds: Rounds[T] = Rounds({side: [] for side in sides})
    for number in range(count):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        rounds.orders.append(order)
        for side in order:
            on_side(side)
            rounds.results[side].append(await sides[side]())
    return rounds
