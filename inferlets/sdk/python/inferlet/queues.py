"""Command queues: which of an inferlet's contexts go first, and waiting for all they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from inferlet._backend import control, operation
from inferlet._releasable import Releasable

if TYPE_CHECKING:
    pass

Priority: TypeAlias = Literal["low", "normal", "high"]


class Queue(Releasable):
    """A command queue. Contexts use it by `ctx.queue = queue`; without one they are "normal".

    Example:
        >>> background = Queue("low")
        >>> ctx.queue = background
        >>> background.priority = "high"  # also for what is queued already
    """

    __slots__ = ("_priority", "handle")

    def __init__(self, priority: Priority = "normal") -> None:
        self.handle = int(control("queue.create", priority=priority)["queue"])
        self._priority: Priority = priority

    @property
    def priority(self) -> Priority:
        """Its priority; can be set at any time.

        Example:
            >>> queue.priority = "high"
        """
        return self._priority

    @priority.setter
    def priority(self, priority: Priority) -> None:
        control("queue.set_priority", queue=self.handle, priority=priority)
        self._priority = priority

    async def synchronize(self) -> None:
        """Wait until everything that was submitted to it so far has ended.

        Example:
            >>> tasks = [spawn(branch.flush()) for branch in branches]
            >>> await sleep(0)
            >>> await queue.synchronize()
        """
        await operation("queue.synchronize", queue=self.handle)

    def release(self) -> None:
        """Forget it; contexts that use it keep it.

        Example:
            >>> queue.release()
        """
        control("queue.release", queue=self.handle)

    def __repr__(self) -> str:
        return f"Queue({self.handle}, {self._priority})"
