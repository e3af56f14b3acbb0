"""Lets `asyncio.run` work in the WebAssembly guest, where there are no sockets and no threads.

The stock event loop wakes itself through a socket pair. This one only runs callbacks and waits,
on the host, for the next timer.
"""

from __future__ import annotations

import asyncio
from asyncio import base_events
from collections.abc import Callable


class _Selector:
    """Waits for time to pass: there is nothing else to wait for."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def select(self, timeout: float | None) -> list[object]:
        """Sleep until the next timer."""
        if timeout is None:
            raise RuntimeError("deadlock: every task waits and no timer is set")
        if timeout > 0:
            self._sleep(timeout)
        return []


class TimerEventLoop(base_events.BaseEventLoop):
    """An event loop with callbacks and timers only."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        super().__init__()
        self._selector = _Selector(sleep)

    def _process_events(self, event_list: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def install_event_loop_policy(sleep: Callable[[float], None]) -> None:
    """Make `asyncio.run` use `TimerEventLoop`."""

    def new_event_loop() -> TimerEventLoop:
        return TimerEventLoop(sleep)

    asyncio.events.new_event_loop = new_event_loop
    asyncio.runners.events.new_event_loop = new_event_loop  # type: ignore[attr-defined]
    asyncio.new_event_loop = new_event_loop
