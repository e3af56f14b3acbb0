"""The one task that runs guests.

Owns the queue of runnable instances and the epoch ticker. Takes them in turn, yields to trio every
few milliseconds, and sleeps when nobody is runnable. Never waits for an instance.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import trio

# How long guests may run before the rest of the server gets its turn.
_SLICE_SECONDS: Final = 0.003
# A guest that computes is preempted after one to two ticks.
_TICK_SECONDS: Final = 0.002
# The ticker goes on for a while after the last guest ran: starting it costs a thread switch,
# which most bursts of work are shorter than.
_TICKS_BEFORE_REST: Final = 25

_log = logging.getLogger(__name__)


class Runnable(Protocol):
    """What the driver runs; see `Instance`."""

    def step(self) -> None:
        """Run for one turn."""

    def crashed(self, error: Exception) -> None:
        """Told when `step` raised, which is a defect of ours."""


class Driver:
    """Runs runnable guests in turn.

    Args:
        tick: Advances the engine's epoch; called from the ticker's thread.
    """

    def __init__(self, tick: Callable[[], None]) -> None:
        self._ticker = _Ticker(tick)
        self._runnable: deque[Runnable] = deque()
        self._wake = trio.Event()
        self.turns = 0

    def schedule(self, runnable: Runnable) -> None:
        """Give it a turn after those who wait already. Call it from the loop's thread."""
        self._runnable.append(runnable)
        self._wake.set()

    async def run(self) -> None:
        """Service body: runs until cancelled."""
        self._ticker.start()
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                self._ticker.keep_going()
                await self._run_all()
        finally:
            self._ticker.stop()

    async def _run_all(self) -> None:
        slice_end = time.perf_counter() + _SLICE_SECONDS
        while self._runnable:
            runnable = self._runnable.popleft()
            self.turns += 1
            try:
                runnable.step()
            except Exception as error:  # the barrier of one instance
                _log.exception("an instance crashed")
                runnable.crashed(error)
            if time.perf_counter() >= slice_end:
                await trio.lowlevel.checkpoint()
                self._ticker.keep_going()
                slice_end = time.perf_counter() + _SLICE_SECONDS


class _Ticker:
    """A thread that advances the epoch while guests run, and sleeps while none does.

    It must never rest while a guest runs, who would then never be preempted. So each variable has
    one writer: the driver counts its requests, and the thread rests only after it has seen the
    same count for a number of ticks, and looks once more after it has lain down.
    """

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._go = threading.Event()
        self._requests = 0
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="epoch-ticker", daemon=True)
        self._thread.start()

    def keep_going(self) -> None:
        self._requests += 1
        if not self._go.is_set():
            self._go.set()

    def stop(self) -> None:
        self._stopping = True
        self._go.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        seen = ticks = 0
        while not self._stopping:
            self._go.wait()
            time.sleep(_TICK_SECONDS)
            self._tick()
            ticks = ticks + 1 if self._requests == seen else 0
            seen = self._requests if not ticks else seen
            if ticks >= _TICKS_BEFORE_REST:
                self._go.clear()
                if self._requests != seen or self._stopping:
                    self._go.set()
