"""The journal's SQLite file: schema, one transaction per batch, reads.

Synchronous: `journal.py` calls it from worker threads, the writer's connection from one thread at a
time and the reader's from another. Owns the file and the lock beside it; decides nothing about
sessions.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pie_server.database_file import DatabaseKind, prepare
from pie_server.errors import JournalError
from pie_server.sessions.event_log import EventRecord

_SCHEMA = """
CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    inferlet TEXT NOT NULL,
    arguments BLOB NOT NULL,
    native INTEGER NOT NULL,
    detached INTEGER NOT NULL,
    created REAL NOT NULL,
    state TEXT NOT NULL,
    ended REAL,
    last_seq INTEGER
);
CREATE INDEX sessions_by_tenant ON sessions (tenant, created);
CREATE INDEX sessions_by_end ON sessions (ended);
CREATE TABLE events (
    session INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    time REAL NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (session, seq)
) WITHOUT ROWID;
"""
_KIND = DatabaseKind(
    what="session journal",
    application_id=0x50494A31,  # "PIJ1"
    schema_version=1,
    schema=_SCHEMA,
    error=JournalError,
)


class SessionRow(NamedTuple):
    """A session as it is stored; `ended` and `last_seq` are None while it runs."""

    key: int
    id: str
    tenant: str
    inferlet: str
    arguments: bytes
    native: bool
    detached: bool
    created: float
    state: str
    ended: float | None
    last_seq: int | None


class EndRow(NamedTuple):
    """How a session ended."""

    state: str
    ended: float
    last_seq: int
    key: int


EventRow = tuple[int, int, str, float, bytes]
"""Session key, then the fields of an `EventRecord`."""


class JournalFile:
    """An open journal. Construct it with `open`."""

    def __init__(self, writer: sqlite3.Connection, reader: sqlite3.Connection, lock: int) -> None:
        self._writer = writer
        self._reader = reader
        self._lock = lock

    @classmethod
    def open(cls, path: Path, busy_seconds: float) -> JournalFile:
        """Opens or creates the file and takes its lock.

        Raises:
            JournalError: Another server has it, it is damaged, is no journal, is of a newer
                version, or cannot be written.
        """
        lock = _take_lock(path)
        connections: list[sqlite3.Connection] = []
        try:
            with _explained(f"open the session journal {path}"):
                connections.append(_connect(path, busy_seconds))
                connections.append(_connect(path, busy_seconds))
                prepare(connections[0], path, _KIND)
                connections[1].execute("PRAGMA query_only = ON")
            return cls(connections[0], connections[1], lock)
        except BaseException:
            for connection in connections:
                connection.close()
            os.close(lock)
            raise

    def close(self) -> None:
        """Closes the file and releases its lock."""
        with suppress(sqlite3.Error):
            self._reader.close()
        with suppress(sqlite3.Error):
            self._writer.close()
        os.close(self._lock)

    def write(
        self,
        opened: Sequence[SessionRow],
        events: Sequence[EventRow],
        ended: Sequence[EndRow],
    ) -> None:
        """Stores all of it durably, or none.

        Raises:
            JournalError: Nothing was stored.
        """
        writer = self._writer
        with _explained("write to the session journal"):
            writer.execute("BEGIN IMMEDIATE")
            try:
                writer.executemany("INSERT INTO sessions VALUES (?,?,?,?,?,?,?,?,?,?,?)", opened)
                writer.executemany("INSERT INTO events VALUES (?,?,?,?,?)", events)
                writer.executemany(
                    "UPDATE sessions SET state = ?, ended = ?, last_seq = ? WHERE key = ?", ended
                )
                writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    writer.execute("ROLLBACK")
                raise

    def next_key(self) -> int:
        """A session key that was never used in this file."""
        with _explained("read the session journal"):
            row = self._writer.execute("SELECT COALESCE(MAX(key), 0) + 1 FROM sessions").fetchone()
            return int(row[0])

    def unfinished(self) -> list[tuple[SessionRow, int]]:
        """Sessions without an end, each with its last stored seq."""
        with _explained("read the session journal"):
            rows = self._writer.execute(
                "SELECT *, (SELECT COALESCE(MAX(seq), 0) FROM events WHERE session = key)"
                " FROM sessions WHERE ended IS NULL"
            )
            return [(_session_row(row), int(row[11])) for row in rows]

    def delete_ended_before(self, time: float, limit: int) -> int:
        """Forgets at most `limit` sessions that ended before `time`; returns how many."""
        with _explained("clean the session journal"):
            keys = self._writer.execute(
                "SELECT key FROM sessions WHERE ended < ? LIMIT ?", (time, limit)
            ).fetchall()
            if keys:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    self._writer.executemany("DELETE FROM events WHERE session = ?", keys)
                    self._writer.executemany("DELETE FROM sessions WHERE key = ?", keys)
                    self._writer.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        self._writer.execute("ROLLBACK")
                    raise
            return len(keys)

    def read(
        self, key: int, after: int, limit: int, max_bytes: int, until: int
    ) -> list[EventRecord]:
        """Events after `after` up to `until`: at most `limit`, at least one, then `max_bytes`."""
        records: list[EventRecord] = []
        size = 0
        with _explained("read the session journal"):
            rows = self._reader.execute(
                "SELECT seq, kind, time, data FROM events"
                " WHERE session = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (key, after, until, limit),
            )
            for row in rows:
                record = EventRecord(*row)
                size += record.cost_bytes
                if records and size > max_bytes:
                    break
                records.append(record)
        return records

    def session(self, identifier: str) -> SessionRow | None:
        """One session, running or ended."""
        with _explained("read the session journal"):
            row = self._reader.execute(
                "SELECT * FROM sessions WHERE id = ?", (identifier,)
            ).fetchone()
            return None if row is None else _session_row(row)

    def ended_sessions(self, tenant: str, limit: int) -> list[SessionRow]:
        """The newest ended sessions of a tenant, newest first."""
        with _explained("read the session journal"):
            rows = self._reader.execute(
                "SELECT * FROM sessions WHERE tenant = ? AND ended IS NOT NULL"
                " ORDER BY created DESC LIMIT ?",
                (tenant, limit),
            )
            return [_session_row(row) for row in rows]


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )


def _session_row(row: Sequence[object]) -> SessionRow:
    fields = SessionRow(*row[:11])  # type: ignore[arg-type] # columns in this order
    return fields._replace(native=bool(fields.native), detached=bool(fields.detached))


@contextmanager
def _explained(action: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as failure:
        text = str(failure)
        if isinstance(failure, sqlite3.OperationalError):
            hint = "Check free space and permissions, and that no other program has it open."
        else:
            hint = "Move the file away to start with an empty journal, and keep it for analysis."
        raise JournalError(f"Cannot {action}: {text}.", hint=hint) from failure


def _take_lock(path: Path) -> int:
    lock_path = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        raise JournalError(
            f"Cannot open {lock_path}: {failure.strerror}.",
            hint="Choose a data directory that the server may write to.",
        ) from failure
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise JournalError(
            f"The session journal {path} is in use by another server.",
            hint="Stop that one, or give this one a data directory of its own.",
        ) from None
    return lock
