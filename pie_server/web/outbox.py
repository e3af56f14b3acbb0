"""What is still to be sent to one client: its answers, and a cursor into each followed session.

Nothing is queued per event: a session's log says that there is news, and `next_frame` reads the log
when the client takes the next frame, coalescing whatever has piled up. So a slow client costs one
cursor per session. Used by the tasks of `web/sessions.py`; never touches a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from pie_server.errors import JournalError, PieError
from pie_server.sessions import EventLog, EventRecord, Journal
from pie_server.wire import encode_error, encode_event, join

SESSION_BYTES = 64 * 1024  # of one session per frame, so that a loud one lets the others through


@dataclass(slots=True)
class _Cursor:
    log: EventLog
    after: int
    preface: bytes | None


class Outbox:
    """The outgoing side of one connection; a `Follower` of the logs it reads.

    Args:
        journal: For events that are no longer in memory.
        frame_bytes: Events in one frame, roughly.
        pending_replies: Unread answers before `overflowed` is set and further ones are dropped.
        finished: Called with a session's id after its last event was handed out.
    """

    def __init__(
        self,
        journal: Journal,
        frame_bytes: int,
        pending_replies: int,
        finished: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._frame_bytes = frame_bytes
        self._pending_replies = pending_replies
        self._finished = finished
        self._replies: list[bytes] = []
        self._cursors: dict[str, _Cursor] = {}
        self._ready: dict[str, None] = {}
        self._wake = trio.Event()
        self._finishing = False
        self.overflowed = False

    def reply(self, message: bytes) -> None:
        """Queues an answer; answers overtake events. Dropped when the client reads none."""
        if len(self._replies) >= self._pending_replies:
            self.overflowed = True
        else:
            self._replies.append(message)
            self._wake.set()

    def finish(self) -> None:
        """Makes `next_frame` return None once everything visible has been handed out."""
        self._finishing = True
        self._wake.set()

    def follow(self, log: EventLog, after: int, preface: bytes | None = None) -> None:
        """Sends the log's events after `after`, and `preface` once, just before the first.

        Following it again moves the cursor.
        """
        self._cursors[log.session] = _Cursor(log, after, preface)
        log.follow(self)
        self.news(log)

    def unfollow(self, session: str) -> None:
        """Sends no more of it; unknown sessions are fine."""
        cursor = self._cursors.pop(session, None)
        if cursor is not None:
            cursor.log.unfollow(self)
            self._ready.pop(session, None)

    def news(self, log: EventLog) -> None:
        """A log has more events (see `Follower`)."""
        cursor = self._cursors.get(log.session)
        if cursor is not None and (cursor.after < log.stored_seq or log.finished):
            self._ready[log.session] = None
            self._wake.set()

    def close(self) -> None:
        """Follows nothing any more."""
        for session in list(self._cursors):
            self.unfollow(session)

    async def next_frame(self) -> bytes | None:
        """Waits for something to send and returns one frame of it. Always a checkpoint."""
        while True:
            await self._wake.wait()
            messages, self._replies = self._replies, []
            size = sum(map(len, messages))
            for session in list(self._ready):
                if size > self._frame_bytes:
                    break
                if session in self._ready:  # unfollowed while another one's journal was read?
                    size += await self._collect(session, messages)
            if messages:
                if not self._replies and not self._ready and not self._finishing:
                    self._wake = trio.Event()
                return join(messages)
            if self._finishing and not self._ready:
                return None
            if not self._replies and not self._ready and not self._finishing:
                self._wake = trio.Event()

    async def _collect(self, session: str, messages: list[bytes]) -> int:
        """Adds a session's next events; it stays ready, behind the others, while it has more."""
        cursor = self._cursors[session]
        log = cursor.log
        self._ready.pop(session)
        try:
            records: Sequence[EventRecord] | None = log.tail(cursor.after, SESSION_BYTES)
            if records is None:
                records = await self._journal.read(log, cursor.after)
        except JournalError as error:
            if self._cursors.get(session) is cursor:
                self.unfollow(session)
                messages.append(encode_error(_unreadable(session, error)))
            return 0
        if self._cursors.get(session) is not cursor:  # changed while the journal was read
            return 0
        size = self._add(cursor, records, messages)
        if cursor.after < log.stored_seq:
            self._ready[session] = None
        elif log.finished:
            self.unfollow(session)
            self._finished(session)
        return size

    def _add(self, cursor: _Cursor, records: Sequence[EventRecord], messages: list[bytes]) -> int:
        if cursor.preface is not None and records:
            messages.append(cursor.preface)
            cursor.preface = None
        session, size = cursor.log.session.encode(), 0
        for seq, kind, time, data in records:
            message = encode_event(session, seq, kind.encode(), time, data)
            messages.append(message)
            size += len(message)
        if records:
            cursor.after = records[-1].seq
        return size


def _unreadable(session: str, error: JournalError) -> PieError:
    return JournalError(
        f"The events of session {session} cannot be read now: {error.message}",
        hint="Attach again from the last `seq` you have.",
        details={"session": session},
    )
