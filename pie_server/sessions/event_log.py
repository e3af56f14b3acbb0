"""The events of one session: numbered without gaps, visible only once the journal has them.

Owned by its `Session` while that runs; connections follow it by cursor (`Follower`), so however
many clients read however slowly, one bounded tail is all that a log keeps. Older events are the
journal's. Everything here is synchronous and runs on the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

EVENT_OVERHEAD_BYTES = 128  # what an event costs beside its data, so that tiny ones count too


class EventRecord(NamedTuple):
    """One event; `data` is JSON, encoded once when the event was made."""

    seq: int
    kind: str
    time: float
    data: bytes

    @property
    def cost_bytes(self) -> int:
        """What the event counts for in every bound."""
        return len(self.data) + EVENT_OVERHEAD_BYTES


class Follower(Protocol):
    """Someone who wants to know when a log has news; must not do work in the call."""

    def news(self, log: EventLog) -> None:
        """More events are visible, or the log has ended."""


class EventLog:
    """A session's event log.

    Args:
        session: The session's id.
        key: The journal's number for the session.
        tail_bytes: How much of the visible events stays in memory.
        stored_seq: Last event already in the journal (an ended session that is read again).
        ended: No event will be added any more.
    """

    def __init__(
        self, session: str, key: int, tail_bytes: int, *, stored_seq: int = 0, ended: bool = False
    ) -> None:
        self.session = session
        self.key = key
        self.stored_seq = stored_seq
        self.last_seq = stored_seq
        self.ended = ended
        self.bytes_total = 0
        self.backlog_bytes = 0
        self._tail_bytes = tail_bytes
        self._records: list[EventRecord] = []
        self._records_bytes = 0
        self._followers: dict[Follower, None] = {}
        self._when_stored: list[tuple[int, Callable[[], None]]] = []

    @property
    def finished(self) -> bool:
        """Whether the last event has been made and stored."""
        return self.ended and self.stored_seq == self.last_seq

    def append(self, kind: str, time: float, data: bytes) -> EventRecord:
        """Numbers an event. It is visible after `stored`."""
        self.last_seq += 1
        record = EventRecord(self.last_seq, kind, time, data)
        self._records.append(record)
        cost = record.cost_bytes
        self._records_bytes += cost
        self.bytes_total += cost
        self.backlog_bytes += cost
        return record

    def stored(self, seq: int, size: int) -> None:
        """The journal has all events up to `seq`; the newest `size` bytes of them are new there."""
        self.stored_seq = seq
        self.backlog_bytes -= size
        if self._records_bytes > 2 * self._tail_bytes:
            self._trim()
        while self._when_stored and self._when_stored[0][0] <= seq:
            self._when_stored.pop(0)[1]()
        for follower in self._followers:
            follower.news(self)

    def when_stored(self, seq: int, action: Callable[[], None]) -> None:
        """Calls `action` once event `seq` is stored, before followers hear of it."""
        if seq <= self.stored_seq:
            action()
        else:
            self._when_stored.append((seq, action))

    def follow(self, follower: Follower) -> None:
        """Tells `follower` of news from now on."""
        self._followers[follower] = None

    def unfollow(self, follower: Follower) -> None:
        """Tells it no more; unknown followers are fine."""
        self._followers.pop(follower, None)

    def tail(self, after: int, max_bytes: int) -> Sequence[EventRecord] | None:
        """Visible events after `after`, at least one and then up to `max_bytes`.

        Returns:
            Records in order, empty when there are none, None when they are only in the journal.
        """
        if after >= self.stored_seq:
            return ()
        first = self.last_seq - len(self._records) + 1
        if after + 1 < first:
            return None
        start, stop = after + 1 - first, self.stored_seq - first + 1
        size = 0
        for index in range(start, stop):
            size += self._records[index].cost_bytes
            if size > max_bytes and index > start:
                return self._records[start:index]
        return self._records[start:stop]

    def _trim(self) -> None:
        """Drops stored records down to the tail, a whole tail at a time: cheap on average."""
        removable = len(self._records) - (self.last_seq - self.stored_seq)
        count = 0
        while count < removable and self._records_bytes > self._tail_bytes:
            self._records_bytes -= self._records[count].cost_bytes
            count += 1
        del self._records[:count]
