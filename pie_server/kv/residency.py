"""Where a context's KV is, and what it costs to have it elsewhere.

KV is *resident* (in pages of the pool), *offloaded* (a parcel in host memory) or *dropped* (to be
computed again from the token log). This module keeps the books and the estimates; it moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_RECENT = 0.2  # weight of the newest measurement in a moving average
_IDLE_SECONDS = 60.0  # when nothing says that a context will be used soon
_SOONEST_SECONDS = 0.001


@dataclass(eq=False, slots=True)
class Blob:
    """Pages in host memory. Filled by the device; shared by forks; immutable then.

    Attributes:
        data: Opaque here; None until the device has read the pages.
        failed: The step that was to read them failed, so there is nothing and never will be.
    """

    size_bytes: int
    data: object | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """The KV of an offloaded context.

    Attributes:
        length: Leading tokens whose KV it has.
        held: Which of the context's pages are in the blob, in its order; the others were holes.
    """

    blob: Blob
    length: int
    held: tuple[int, ...]

    def truncated(self, length: int) -> Parcel | None:
        """The parcel of the first `length` tokens; None if that is nothing."""
        if length >= self.length:
            return self
        return Parcel(self.blob, length, self.held) if length else None


@dataclass(slots=True)
class Average:
    """A moving average that begins with a guess.

    Attributes:
        value: The estimate.
        measured: Whether anything was measured yet.
    """

    value: float
    measured: bool = False

    def observe(self, value: float) -> None:
        """Takes one measurement in."""
        self.value = value if not self.measured else self.value + _RECENT * (value - self.value)
        self.measured = True


@dataclass(slots=True)
class Costs:
    """What it takes to bring KV back, learnt while running.

    Attributes:
        prefill_seconds: Of one token.
        move_seconds: Of one page, one way.
    """

    prefill_seconds: Average = field(default_factory=lambda: Average(1e-4))
    move_seconds: Average = field(default_factory=lambda: Average(2e-5))

    def recompute(self, tokens: int) -> float:
        """Seconds to compute the KV of `tokens` tokens again."""
        return tokens * self.prefill_seconds.value

    def move(self, pages: int) -> float:
        """Seconds to move `pages` pages out and in again."""
        return 2 * pages * self.move_seconds.value


@dataclass(slots=True)
class ToolTimes:
    """How long each tool usually takes."""

    _averages: dict[str, Average] = field(default_factory=dict)

    def observe(self, tool: str, seconds: float) -> None:
        """One call of `tool` took so long."""
        self._averages.setdefault(tool, Average(seconds)).observe(seconds)

    def expected_seconds(self, tool: str) -> float | None:
        """What a call of `tool` is likely to take; None if it was never seen."""
        average = self._averages.get(tool)
        return None if average is None else average.value

    def known(self) -> Mapping[str, float]:
        """All estimates, by tool."""
        return {tool: average.value for tool, average in self._averages.items()}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A context that waits, as the policy sees it.

    Attributes:
        tokens: With KV on the device.
        pages: That would be free if it went.
        parked: Its instance waits for a tool or for its client.
        returns_at: When it is expected back, or None.
        last_used: Step number; breaks ties.
        recomputable: Whether its KV can be dropped at all.
    """

    tokens: int
    pages: int
    parked: bool
    returns_at: float | None
    last_used: int
    recomputable: bool


def back_cost(candidate: Candidate, costs: Costs) -> float:
    """Seconds of the device that bringing it back will take, the cheaper way."""
    move = costs.move(candidate.pages)
    return min(move, costs.recompute(candidate.tokens)) if candidate.recomputable else move


def victims(candidates: Sequence[Candidate], costs: Costs, now: float) -> list[int]:
    """Indices of candidates, those first whose pages are cheapest to be without.

    The price is the expected seconds of work for each page and second of memory that is won. Those
    that nobody waits for go before those that are parked.
    """

    def price(index: int) -> tuple[bool, float, int]:
        one = candidates[index]
        if one.returns_at is None:
            away = _IDLE_SECONDS
        else:
            away = max(_SOONEST_SECONDS, one.returns_at - now)
        return one.parked, back_cost(one, costs) / (one.pages * away), one.last_used

    useful = (index for index, one in enumerate(candidates) if one.pages)
    return sorted(useful, key=price)
