"""Unread messages, in order and bounded, with a share for each sender.

The buffer behind topics, work queues and the talk between an inferlet and its children. A sender
that fills its share cannot take the room of others. Synchronous on the loop, but for `take`.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass

import trio


class Account:
    """What is unread of all senders of one tenant.

    Args:
        limit_bytes: The most that may be.

    Attributes:
        unread_bytes: In every inbox.
    """

    __slots__ = ("limit_bytes", "unread_bytes")

    def __init__(self, limit_bytes: float = math.inf) -> None:
        self.limit_bytes = limit_bytes
        self.unread_bytes = 0


class Sender:
    """Who sent a message; alive as long as a message of it is unread.

    Args:
        account: Its tenant's.
        limit_bytes: The most of it that may be unread.

    Attributes:
        unread_bytes: Of all its messages, in every inbox.
        queues: Work queues that exist because of it.
    """

    __slots__ = ("account", "limit_bytes", "queues", "unread_bytes")

    def __init__(self, account: Account | None = None, limit_bytes: float = math.inf) -> None:
        self.account = account or Account()
        self.limit_bytes = limit_bytes
        self.queues = 0
        self.unread_bytes = 0

    def has_room(self, size: int) -> bool:
        """Whether so many more of its bytes may be unread."""
        account = self.account
        return (
            self.unread_bytes + size <= self.limit_bytes
            and account.unread_bytes + size <= account.limit_bytes
        )

    def charge(self, size: int) -> None:
        """More of its bytes are unread, or fewer."""
        self.unread_bytes += size
        self.account.unread_bytes += size


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `text` is its JSON, encoded once for all who get it."""

    text: bytes
    sender: Sender


@dataclass(frozen=True, slots=True)
class InboxLimits:
    """Bounds of one inbox.

    Attributes:
        messages: Unread ones.
        share: Unread ones of one sender.
        bytes: Unread ones, as JSON.
    """

    messages: int
    share: int
    bytes: int


class Inbox:
    """Unread messages; each is taken once, by whoever has waited longest."""

    def __init__(self, limits: InboxLimits) -> None:
        self._limits = limits
        self._messages: deque[Message] = deque()
        self._shares: Counter[Sender] = Counter()
        self._bytes = 0
        self._parked = trio.lowlevel.ParkingLot()
        self._woken = 0  # takers that were told of a message and have not run yet: it is theirs
        self._closed = False

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def takers(self) -> int:
        """How many tasks wait for a message."""
        return len(self._parked) + self._woken

    def has_room(self, message: Message) -> bool:
        """Whether it takes this message now, and its sender may have another unread."""
        limits = self._limits
        return (
            not self._closed
            and len(self._messages) < limits.messages
            and self._shares[message.sender] < limits.share
            and self._bytes + len(message.text) <= limits.bytes
            and message.sender.has_room(len(message.text))
        )

    def put(self, message: Message) -> None:
        """Adds a message; `has_room` was true."""
        self._messages.append(message)
        self._shares[message.sender] += 1
        self._bytes += len(message.text)
        message.sender.charge(len(message.text))
        self._wake()

    async def take(self) -> Message | None:
        """The next message; None once it is closed and empty. A cancelled call takes none."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if len(self._messages) <= self._woken:
            if self._closed:
                return None
            await self._parked.park()
            self._woken -= 1
            try:
                await trio.lowlevel.checkpoint_if_cancelled()
            except trio.Cancelled:
                self._wake()  # its message is the next one's
                raise
            if not self._messages:
                return None
        return self._remove()

    def close(self) -> None:
        """Takes no more messages; what is unread can still be taken."""
        self._closed = True
        self._woken += len(self._parked)
        self._parked.unpark_all()

    def discard(self) -> None:
        """Closes it and forgets what is unread."""
        while self._messages:
            self._remove()
        self.close()

    def _wake(self) -> None:
        if self._parked and len(self._messages) > self._woken:
            self._woken += 1
            self._parked.unpark()

    def _remove(self) -> Message:
        message = self._messages.popleft()
        self._bytes -= len(message.text)
        self._shares[message.sender] -= 1
        if not self._shares[message.sender]:
            del self._shares[message.sender]
        message.sender.charge(-len(message.text))
        return message
