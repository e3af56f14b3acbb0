"""The guest's timers: any number of sleeping tasks share a few `runtime.sleep` operations."""

from __future__ import annotations

import heapq
import time
from typing import Generic, TypeVar

T = TypeVar("T")

# Alarms that are set too late for a new timer stay set; more than this many are not worth it.
_MAX_ALARMS = 8
# Who would be woken this soon anyway is woken now.
_TOLERANCE_SECONDS = 0.0005


class Timer(Generic[T]):
    """One sleeper; `sleeper` is None once it has been woken otherwise."""

    __slots__ = ("deadline", "sleeper")

    def __init__(self, deadline: float, sleeper: T) -> None:
        self.deadline = deadline
        self.sleeper: T | None = sleeper

    def __lt__(self, other: Timer[T]) -> bool:
        return self.deadline < other.deadline


class Timers(Generic[T]):
    """Sleepers by deadline, and the alarms (operations of the host) that wake them."""

    def __init__(self) -> None:
        self._heap: list[Timer[T]] = []
        self.alarms: dict[int, float] = {}  # operation id -> deadline

    def add(self, seconds: float, sleeper: T) -> Timer[T]:
        """A timer that ends in `seconds`."""
        timer = Timer(time.monotonic() + seconds, sleeper)
        heapq.heappush(self._heap, timer)
        return timer

    def next_alarm(self) -> tuple[float, float] | None:
        """Deadline of an alarm that must be set now, and how many seconds from now that is."""
        while self._heap and self._heap[0].sleeper is None:
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        deadline = self._heap[0].deadline
        if any(alarm <= deadline for alarm in self.alarms.values()):
            return None
        return deadline, max(0.0, deadline - time.monotonic())

    def needless_alarms(self) -> list[int]:
        """Alarms to cancel: all if nobody sleeps, the latest if there are too many."""
        if not self._heap:
            return list(self.alarms)
        by_deadline = sorted(self.alarms, key=lambda alarm: self.alarms[alarm])
        return by_deadline[_MAX_ALARMS:]

    def ring(self, alarm: int) -> list[T]:
        """Those whom an alarm wakes: the host's clock decides for its own deadline, ours beyond."""
        deadline = max(self.alarms.pop(alarm), time.monotonic() + _TOLERANCE_SECONDS)
        woken = []
        while self._heap and (self._heap[0].sleeper is None or self._heap[0].deadline <= deadline):
            sleeper = heapq.heappop(self._heap).sleeper
            if sleeper is not None:
                woken.append(sleeper)
        return woken
