"""The session journal: every event is on disk before any client sees it.

One writer task commits what has piled up since the last commit (group commit) and then makes it
visible in the logs; readers use a second connection. `SessionHub` owns the journal and is its only
caller besides the connections that read. It never drops an event: when the disk fails it keeps
trying, says so in `statistics`, and refuses more once its backlog is full.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from pie_server.errors import JournalError, Overloaded
from pie_server.sessions.event_log import EventLog, EventRecord
from pie_server.sessions.journal_file import EndRow, EventRow, JournalFile, SessionRow
from pie_server.sessions.limits import JournalLimits
from pie_server.wire import encode_json

LOGGER = logging.getLogger(__name__)
READ_THREADS = 4  # reads share one connection; more threads would only queue for it
CLEAN_SECONDS = 60.0
CLEAN_SESSIONS = 100  # per transaction, so that commits of live events wait only briefly


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """Figures since the start; `failure` is the last commit's error while it persists."""

    commits: int
    events: int
    backlog_events: int
    backlog_bytes: int
    failure: str | None


class Journal:
    """The journal of one server.

    Args:
        path: The SQLite file; created where missing.
        limits: Its bounds.
        retention_seconds: Age at which ended sessions are forgotten.
    """

    def __init__(
        self,
        path: Path,
        limits: JournalLimits | None = None,
        *,
        retention_seconds: float = float("inf"),
    ) -> None:
        self._path = path
        self._limits = limits or JournalLimits()
        self._retention_seconds = retention_seconds
        self._file: JournalFile | None = None
        self._next_key = 1
        self._opened: list[SessionRow] = []
        self._events: list[tuple[EventLog, EventRecord]] = []
        self._ended: list[tuple[EndRow, Callable[[], None]]] = []
        self._backlog_bytes = 0
        self._wake = trio.Event()
        self._quiet = trio.Event()
        self._quiet.set()
        self._stopping = False
        self._commits = 0
        self._stored_events = 0
        self._failure: str | None = None
        self._writing = trio.CapacityLimiter(1)
        self._reading = trio.CapacityLimiter(READ_THREADS)
        self._read_lock = trio.Lock()  # sqlite3 allows one thread at a time on a connection

    # --- writing ------------------------------------------------------------------------------

    def open_log(self, row: SessionRow, tail_bytes: int) -> EventLog:
        """Registers a new session (`row.key` is replaced) and returns its empty log."""
        file_row = row._replace(key=self._next_key)
        self._next_key += 1
        self._opened.append(file_row)
        self._notify()
        return EventLog(row.id, file_row.key, tail_bytes)

    def append(self, log: EventLog, record: EventRecord) -> None:
        """Queues an event that `log.append` made; `log.stored` is called once it is on disk."""
        self._events.append((log, record))
        self._backlog_bytes += record.cost_bytes
        self._notify()

    def end(self, log: EventLog, state: str, time: float, stored: Callable[[], None]) -> None:
        """Queues the end of a session whose last event has been appended, then calls `stored`."""
        self._ended.append((EndRow(state, time, log.last_seq, log.key), stored))
        self._notify()

    def check_room(self) -> None:
        """Refuses new work while the disk does not keep up.

        Raises:
            Overloaded: The backlog is full.
        """
        if self._backlog_bytes > self._limits.backlog_bytes:
            cause = f" ({self._failure})" if self._failure else ""
            raise Overloaded(
                f"The session journal is behind by {self._backlog_bytes} bytes{cause}.",
                hint="Try again shortly; if it lasts, look at the disk under the data directory.",
            )

    async def flush(self) -> None:
        """Returns once everything appended before the call is stored."""
        await self._quiet.wait()

    def stop(self) -> None:
        """Makes `run` store what is left, within `flush_seconds`, and return."""
        self._stopping = True
        self._wake.set()

    async def open(self) -> None:
        """Opens the file, if it is not open, and ends what a dead server left running.

        Raises:
            JournalError: Another server has it, it is damaged, or cannot be written.
        """
        if self._file is None:
            self._file = await trio.to_thread.run_sync(self._open, limiter=self._writing)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The writer task: opens the file, ends after `stop` (not by cancellation, see below).

        Raises:
            JournalError: The file cannot be opened.
        """
        # Sessions that are being cancelled still have last events to store: only `stop` ends this.
        with trio.CancelScope(shield=True) as scope:
            await self.open()
            try:
                task_status.started()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._clean)
                    await self._write_until_stopped(scope)
                    nursery.cancel_scope.cancel()
            finally:
                file, self._file = self._opened_file(), None
                with trio.CancelScope(shield=True):
                    async with self._read_lock:  # a read holds the connection for one page at most
                        file.close()

    async def _write_until_stopped(self, scope: trio.CancelScope) -> None:
        next_commit = trio.current_time()
        while True:
            await self._wake.wait()
            if self._stopping and scope.deadline == float("inf"):
                scope.deadline = trio.current_time() + self._limits.flush_seconds
            if self._opened or self._events or self._ended:
                if not self._stopping and trio.current_time() < next_commit:
                    await trio.sleep_until(next_commit)  # only when events come that fast
                next_commit = trio.current_time() + self._limits.commit_interval_seconds
                if not await self._commit():
                    await trio.sleep(self._limits.retry_seconds)
            if not (self._opened or self._events or self._ended):
                self._quiet.set()
                if self._stopping:
                    return
                self._wake = trio.Event()

    async def _commit(self) -> bool:
        """Stores one batch and publishes it; on failure everything stays queued."""
        file = self._opened_file()
        count = min(len(self._events), self._limits.commit_events)
        opened, batch = self._opened[:], self._events[:count]
        ended = self._ended[:] if count == len(self._events) else []
        rows: list[EventRow] = [(log.key, *record) for log, record in batch]
        try:
            await trio.to_thread.run_sync(
                file.write,
                opened,
                rows,
                [row for row, _ in ended],
                limiter=self._writing,
            )
        except JournalError as failure:
            if self._failure is None:
                LOGGER.error("%s Trying again.", failure)
            self._failure = failure.message
            return False
        if self._failure is not None:
            LOGGER.warning("The session journal is written again.")
        self._failure = None
        self._commits += 1
        self._stored_events += count
        del self._opened[: len(opened)], self._events[:count], self._ended[: len(ended)]
        self._publish(batch)
        for _, stored in ended:
            stored()
        return True

    def _publish(self, batch: Sequence[tuple[EventLog, EventRecord]]) -> None:
        news: dict[EventLog, tuple[int, int]] = {}
        for log, record in batch:
            _, size = news.get(log, (0, 0))
            cost = record.cost_bytes
            news[log] = (record.seq, size + cost)
            self._backlog_bytes -= cost
        for log, (seq, size) in news.items():
            log.stored(seq, size)

    def _notify(self) -> None:
        self._wake.set()
        if self._quiet.is_set():
            self._quiet = trio.Event()

    # --- reading ------------------------------------------------------------------------------

    async def read(self, log: EventLog, after: int, limit: int = 1000) -> list[EventRecord]:
        """Stored events of a session after `after`: up to `limit` and one page of bytes.

        Raises:
            JournalError: The file cannot be read.
        """
        async with self._read_lock:
            return await trio.to_thread.run_sync(
                self._opened_file().read,
                log.key,
                after,
                limit,
                self._limits.page_bytes,
                log.stored_seq,
                limiter=self._reading,
            )

    async def find(self, session: str) -> SessionRow | None:
        """A stored session, or None."""
        async with self._read_lock:
            return await trio.to_thread.run_sync(
                self._opened_file().session, session, limiter=self._reading
            )

    async def ended_sessions(self, tenant: str, limit: int) -> list[SessionRow]:
        """The newest ended sessions of a tenant."""
        async with self._read_lock:
            return await trio.to_thread.run_sync(
                self._opened_file().ended_sessions, tenant, limit, limiter=self._reading
            )

    def statistics(self) -> JournalStatistics:
        """Figures for `/v1/statistics` and readiness."""
        return JournalStatistics(
            self._commits,
            self._stored_events,
            len(self._events),
            self._backlog_bytes,
            self._failure,
        )

    # --- the file -----------------------------------------------------------------------------

    def _opened_file(self) -> JournalFile:
        if self._file is None:
            raise JournalError(
                "The session journal is closed.", hint="The server is starting or stopping."
            )
        return self._file

    def _open(self) -> JournalFile:
        file = JournalFile.open(self._path, self._limits.busy_seconds)
        try:
            self._next_key = file.next_key()
            self._close_interrupted(file)
        except BaseException:
            file.close()
            raise
        return file

    def _close_interrupted(self, file: JournalFile) -> None:
        """Ends the sessions of a server that died, so that their clients learn of it."""
        events: list[EventRow] = []
        ended: list[EndRow] = []
        error = {
            "code": "interrupted",
            "message": "The server stopped while this session was running.",
            "hint": "Everything up to here is complete; launch the inferlet again to go on.",
            "details": {},
        }
        done: dict[str, object] = {"status": "failed", "result": None, "usage": {}}
        done["reason"] = "interrupted"
        for row, last in file.unfinished():
            when = row.created
            if last:
                when = file.read(row.key, last - 1, 1, 1, last)[0].time
            events.append((row.key, last + 1, "error", when, encode_json(error)))
            events.append((row.key, last + 2, "done", when, encode_json(done)))
            ended.append(EndRow("failed", when, last + 2, row.key))
        if ended:
            LOGGER.warning("%d sessions were running when the server stopped.", len(ended))
            file.write([], events, ended)

    async def _clean(self) -> None:
        if self._retention_seconds == float("inf"):
            return
        while True:
            before = time.time() - self._retention_seconds
            count = 0
            try:
                count = await trio.to_thread.run_sync(
                    self._opened_file().delete_ended_before,
                    before,
                    CLEAN_SESSIONS,
                    limiter=self._writing,
                )
            except JournalError as failure:
                LOGGER.error("%s", failure)
            await trio.sleep(0 if count == CLEAN_SESSIONS else CLEAN_SECONDS)
