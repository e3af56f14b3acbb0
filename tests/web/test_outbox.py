"""What one connection still has to send, while its client changes its mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from pie_server.errors import JournalError
from pie_server.sessions import EventLog, EventRecord
from pie_server.web.outbox import Outbox


@dataclass
class SlowJournal:
    """Has one event of every session; a read waits until the test lets it end."""

    reading: trio.Event = field(default_factory=trio.Event)
    gate: trio.Event = field(default_factory=trio.Event)
    failures: int = 0

    async def read(self, log: EventLog, after: int) -> Sequence[EventRecord]:
        self.reading.set()
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise JournalError("the disk is gone")
        return [EventRecord(after + 1, "text", 0.0, f'{{"text": "{log.session}"}}'.encode())]


def stored(session: str) -> EventLog:
    """A log of one event, which only the journal has."""
    return EventLog(session, 1, 0, stored_seq=1, ended=True)


async def frame_of(outbox: Outbox, frames: list[bytes | None]) -> None:
    frames.append(await outbox.next_frame())


async def test_a_session_unfollowed_while_another_is_read_from_the_journal_is_left_out() -> None:
    journal, finished, frames = SlowJournal(), list[str](), list[bytes | None]()
    outbox = Outbox(journal, 1 << 20, 10, finished.append)  # type: ignore[arg-type]
    outbox.follow(stored("first"), 0)
    outbox.follow(stored("second"), 0)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(frame_of, outbox, frames)
            await journal.reading.wait()
            outbox.unfollow("second")
            journal.gate.set()
    (frame,) = frames
    assert frame is not None
    assert b'"first"' in frame
    assert b'"second"' not in frame
    assert finished == ["first"]


async def test_a_session_followed_anew_while_its_read_fails_is_still_followed() -> None:
    journal, frames = SlowJournal(failures=1), list[bytes | None]()
    outbox = Outbox(journal, 1 << 20, 10, lambda session: None)  # type: ignore[arg-type]
    outbox.follow(stored("one"), 0)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(frame_of, outbox, frames)
            await journal.reading.wait()
            outbox.unfollow("one")
            outbox.follow(stored("one"), 0)
            journal.gate.set()
    (frame,) = frames
    assert frame is not None
    assert b'"event"' in frame
    assert b'"error"' not in frame
