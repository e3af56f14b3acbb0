"""Things of the host that a guest holds by number: queues, tensors, grammars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from pie_server.errors import LimitExceeded, UnknownHandle

T = TypeVar("T")


class Handles(Generic[T]):
    """One kind of thing that one instance holds.

    Args:
        kind: What errors call it.
        most: How many it may hold at a time.
    """

    def __init__(self, kind: str, most: int) -> None:
        self._kind = kind
        self._most = most
        self._things: dict[int, T] = {}
        self._last = 0

    def check_room(self) -> None:
        """Refuses one too many. Raises LimitExceeded."""
        if len(self._things) >= self._most:
            raise LimitExceeded(
                f"this instance holds {self._most} {self._kind}s, the most it may",
                hint="Release some of them first.",
            )

    def add(self, thing: T) -> int:
        """Holds one more. Raises LimitExceeded."""
        self.check_room()
        self._last += 1
        self._things[self._last] = thing
        return self._last

    def get(self, handle: int) -> T:
        """The thing. Raises UnknownHandle for a number that is not held (any more)."""
        try:
            return self._things[handle]
        except KeyError:
            raise UnknownHandle(f"there is no {self._kind} {handle} in this instance") from None

    def release(self, handle: int) -> T:
        """Lets go of it. Raises UnknownHandle, so also for the second time."""
        thing = self.get(handle)
        del self._things[handle]
        return thing

    def clear(self) -> None:
        """Lets go of all."""
        self._things.clear()

    def __len__(self) -> int:
        return len(self._things)

    def items(self) -> list[tuple[int, T]]:
        """What is held now, with its numbers."""
        return list(self._things.items())

    def __iter__(self) -> Iterator[T]:
        return iter(self._things.values())
