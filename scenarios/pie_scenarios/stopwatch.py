"""Times the methods of living objects, without a change to what they do.

For benchmarks that ask where the time goes. Attached before the objects are used; each method must
be called from one thread only.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Stopwatch:
    """Seconds and calls by label.

    Args:
        clock: `time.perf_counter` for what waits or runs elsewhere, `time.thread_time` for what
            shares its thread with others.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)

    def attach(self, owner: object, method: str, label: str) -> None:
        """Counts every call of `owner.method` under `label`; labels may be shared."""
        setattr(owner, method, self.timed(getattr(owner, method), label))

    def timed(self, call: Callable[P, R], label: str) -> Callable[P, R]:
        """A function that does what `call` does and is counted."""
        clock, seconds, calls = self._clock, self.seconds, self.calls

        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            started = clock()
            try:
                return call(*args, **kwargs)
            finally:
                seconds[label] += clock() - started
                calls[label] += 1

        return run

    def reset(self) -> None:
        """Forgets everything counted so far."""
        self.seconds.clear()
        self.calls.clear()
