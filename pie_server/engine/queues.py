"""Command queues as guests see them: a priority and a place to wait for all work given to it.

Commands of one context always run in their order; a queue says what goes first among contexts.
Synchronous, on the event loop.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field


class Priority(enum.IntEnum):
    """Higher goes first; within a priority, older."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(eq=False, slots=True)
class CommandQueue:
    """A group of commands.

    Attributes:
        priority: Change it through `Scheduler.set_priority`, which sorts what is queued already.
    """

    priority: Priority = Priority.NORMAL
    _pending: set[object] = field(default_factory=set)
    _waiting: list[tuple[set[object], Callable[[], None]]] = field(default_factory=list)

    def submitted(self, command: object) -> None:
        """A command of this queue was given to the scheduler."""
        self._pending.add(command)

    def ended(self, command: object) -> None:
        """A command of this queue is done, failed or cancelled."""
        self._pending.discard(command)
        if not self._waiting:
            return
        for left, _ in self._waiting:
            left.discard(command)
        done = [call for left, call in self._waiting if not left]
        self._waiting = [entry for entry in self._waiting if entry[0]]
        for call in done:
            call()

    def synchronize(self, on_done: Callable[[], None]) -> None:
        """Calls `on_done` when every command submitted so far has ended (at once if all have)."""
        if self._pending:
            self._waiting.append((set(self._pending), on_done))
        else:
            on_done()

    def forget(self, on_done: Callable[[], None]) -> None:
        """Nobody waits with `on_done` any more."""
        self._waiting = [entry for entry in self._waiting if entry[1] != on_done]
