"""What, besides the token itself, went into a token's KV.

Most tokens are *plain*: they stand at the position of their slot, see every token before them and
pass through no adapter. Where a guest asked for something else, the log remembers it, so that KV
that was dropped can be computed again exactly as it was, and so that prefixes are shared only where
they are plain. Knows nothing of pages.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Ranges = tuple[tuple[int, int], ...]
"""Half-open ranges of slots, sorted, disjoint and not empty."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the KV of a token is computed.

    Attributes:
        hidden: Earlier slots that the token does not see.
        shift: Its rotary position less its slot.
        adapter: Name of the adapter it passes through, or None.
    """

    hidden: Ranges = ()
    shift: int = 0
    adapter: str | None = None


PLAIN = Recipe()


class RecipeLog:
    """The recipes of a token log, run by run."""

    __slots__ = ("_recipes", "_starts")

    def __init__(self) -> None:
        # Run i holds from _starts[i] to the next start; before the first run all is plain.
        self._starts: list[int] = []
        self._recipes: list[Recipe] = []

    @property
    def first_special(self) -> int | None:
        """The first token that is not plain, or None."""
        return self._starts[0] if self._starts else None

    def append(self, first: int, recipe: Recipe) -> None:
        """From token `first`, the present end of the log, tokens have this recipe."""
        if recipe == (self._recipes[-1] if self._recipes else PLAIN):
            return
        if self._starts and self._starts[-1] == first:
            self._starts.pop()
            self._recipes.pop()
            self.append(first, recipe)
            return
        self._starts.append(first)
        self._recipes.append(recipe)

    def runs(self, start: int, stop: int) -> Iterator[tuple[int, int, Recipe]]:
        """The recipes of tokens `start..stop` as (first, end, recipe), in order."""
        index = bisect_right(self._starts, start) - 1
        while start < stop:
            recipe = self._recipes[index] if index >= 0 else PLAIN
            index += 1
            end = min(stop, self._starts[index]) if index < len(self._starts) else stop
            yield start, end, recipe
            start = end

    def change(self, start: int, stop: int, changed: Callable[[Recipe], Recipe]) -> None:
        """Replaces the recipes of tokens `start..stop`, which are the last ones of the log."""
        runs = [(first, changed(recipe)) for first, _, recipe in self.runs(start, stop)]
        if runs:
            self.truncate(start)
        for first, recipe in runs:
            self.append(first, recipe)

    def range_count(self) -> int:
        """Hidden ranges in all runs together: what the log costs in memory."""
        return sum(len(recipe.hidden) for recipe in self._recipes)

    def truncate(self, length: int) -> None:
        """Forgets the recipes of tokens from `length` on."""
        while self._starts and self._starts[-1] >= length:
            self._starts.pop()
            self._recipes.pop()

    def copy(self) -> RecipeLog:
        """An independent log with the same runs."""
        other = RecipeLog()
        other._starts, other._recipes = self._starts.copy(), self._recipes.copy()
        return other


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sorts ranges and joins those that touch; empty ones vanish."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if start >= stop:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return tuple(joined)


def difference(ranges: Ranges, start: int, stop: int) -> Ranges:
    """`ranges` without the slots `start..stop`."""
    left: list[tuple[int, int]] = []
    for low, high in ranges:
        left += [(low, min(high, start)), (max(low, stop), high)]
    return union(left)


def clipped(ranges: Ranges, stop: int) -> Ranges:
    """The part of `ranges` below `stop`."""
    if not ranges or ranges[-1][1] <= stop:
        return ranges
    return tuple((low, min(high, stop)) for low, high in ranges if low < stop)


def hidden_from_visible(visible: Iterable[tuple[int, int]], slot: int) -> Ranges:
    """The slots before `slot` that none of the `visible` ranges covers."""
    hidden: list[tuple[int, int]] = []
    end = 0
    for low, high in union(visible):
        hidden.append((end, min(low, slot)))
        end = high
    hidden.append((end, slot))
    return tuple((low, high) for low, high in hidden if low < high)
