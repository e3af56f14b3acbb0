"""The key-value store's SQLite file: schema, one transaction per batch of writes, reads.

Synchronous: `key_values.py` calls it from worker threads, the writer's connection from one thread
at a time and the reader's from another. Knows nothing of instances.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pie_server.database_file import DatabaseKind, prepare
from pie_server.errors import PieError, StoreError, StoreExceeded

BUSY_SECONDS = 2.0  # how long one transaction waits for another process's lock

# Versions come from one counter, so that no key ever has the same one twice, deleted or not.
_SCHEMA = """
CREATE TABLE entries (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
CREATE TABLE usage (tenant TEXT PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE counter (version INTEGER NOT NULL);
INSERT INTO counter VALUES (0);
"""
_KIND = DatabaseKind(
    what="key-value store",
    application_id=0x50494B31,  # "PIK1"
    schema_version=1,
    schema=_SCHEMA,
    error=StoreError,
)


class Entry(NamedTuple):
    """A key and what it holds; `value` is JSON."""

    key: str
    value: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Write:
    """One change.

    Attributes:
        value: JSON; None deletes the key.
        expected: The version the key must have, 0 if it must not exist; None: whatever it has.
    """

    tenant: str
    key: str
    value: bytes | None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a change.

    Attributes:
        done: Whether it was made; it is not if the key had not the expected version.
        version: The key's version now, 0 if it does not exist.
        existed: Whether the key existed before.
    """

    done: bool
    version: int
    existed: bool


class KeyValueFile:
    """An open store. Construct it with `open`.

    Args:
        writer: Makes changes.
        reader: Sees those that are committed.
        tenant_bytes: Keys and values of one tenant.
        tenant_entries: Keys of one tenant.
    """

    def __init__(
        self,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        tenant_bytes: int,
        tenant_entries: int,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._tenant_bytes = tenant_bytes
        self._tenant_entries = tenant_entries

    @classmethod
    def open(cls, path: Path, tenant_bytes: int, tenant_entries: int) -> KeyValueFile:
        """Opens or creates the file.

        Raises:
            StoreError: It is damaged, is no store, is of a newer version, or cannot be written.
        """
        connections: list[sqlite3.Connection] = []
        try:
            with _explained(f"open the key-value store {path}"):
                path.parent.mkdir(parents=True, exist_ok=True)
                connections.append(_connect(path))
                connections.append(_connect(path))
                prepare(connections[0], path, _KIND)
                connections[1].execute("PRAGMA query_only = ON")
            return cls(connections[0], connections[1], tenant_bytes, tenant_entries)
        except BaseException:
            for connection in connections:
                connection.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        for connection in (self._reader, self._writer):
            with suppress(sqlite3.Error):
                connection.close()

    def write(self, writes: Sequence[Write]) -> list[Written | PieError]:
        """Makes all changes durably, in order, or none.

        Returns:
            For each what became of it, or StoreExceeded if its tenant's part is full.

        Raises:
            StoreError: Nothing was changed.
        """
        with _explained("write to the key-value store"):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                outcomes = [self._apply(write) for write in writes]
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise
            return outcomes

    def _apply(self, write: Write) -> Written | PieError:
        execute = self._writer.execute
        place = (write.tenant, write.key)
        row = execute(
            "SELECT version, length(value) FROM entries WHERE tenant = ? AND key = ?", place
        ).fetchone()
        version, held = (0, 0) if row is None else row
        if write.expected is not None and write.expected != version:
            return Written(done=False, version=version, existed=row is not None)
        key_bytes = len(write.key.encode())
        if write.value is None:
            if row is not None:
                execute("DELETE FROM entries WHERE tenant = ? AND key = ?", place)
                self._charge(write.tenant, -1, -held - key_bytes)
            return Written(done=True, version=0, existed=row is not None)
        entries = int(row is None)
        size = len(write.value) - held + key_bytes * entries
        if (entries or size > 0) and (full := self._full(write.tenant, entries, size)):
            return full
        execute("UPDATE counter SET version = version + 1")
        (version,) = execute("SELECT version FROM counter").fetchone()
        execute("INSERT OR REPLACE INTO entries VALUES (?,?,?,?)", (*place, write.value, version))
        self._charge(write.tenant, entries, size)
        return Written(done=True, version=version, existed=row is not None)

    def _full(self, tenant: str, entries: int, size: int) -> StoreExceeded | None:
        row = self._writer.execute(
            "SELECT entries, bytes FROM usage WHERE tenant = ?", (tenant,)
        ).fetchone()
        used_entries, used_bytes = row or (0, 0)
        if used_entries + entries > self._tenant_entries:
            what, limit = "keys", self._tenant_entries
        elif used_bytes + size > self._tenant_bytes:
            what, limit = "bytes", self._tenant_bytes
        else:
            return None
        return StoreExceeded(
            f"this tenant's part of the key-value store may have {limit} {what}",
            details={f"limit_{what}": limit},
        )

    def _charge(self, tenant: str, entries: int, size: int) -> None:
        self._writer.execute(
            "INSERT INTO usage VALUES (?,?,?) ON CONFLICT (tenant) DO UPDATE"
            " SET entries = entries + excluded.entries, bytes = bytes + excluded.bytes",
            (tenant, entries, size),
        )

    def read(self, tenant: str, key: str) -> Entry | None:
        """What a key holds."""
        with _explained("read the key-value store"):
            row = self._reader.execute(
                "SELECT key, value, version FROM entries WHERE tenant = ? AND key = ?",
                (tenant, key),
            ).fetchone()
            return None if row is None else Entry(*row)

    def keys(self, tenant: str, prefix: str, after: str, limit: int) -> list[tuple[str, int]]:
        """Keys that begin with `prefix` and follow `after`, in order, with their versions."""
        with _explained("read the key-value store"):
            # Keys are ordered by code point, so those of a prefix lie together.
            end = _behind(prefix)
            rows = self._reader.execute(
                "SELECT key, version FROM entries WHERE tenant = ? AND key >= ? AND key > ?"
                + (" AND key < ?" if end else "")
                + " ORDER BY key LIMIT ?",
                (tenant, prefix, after, *([end] if end else []), limit),
            )
            return [(str(key), int(version)) for key, version in rows]


def _behind(prefix: str) -> str:
    """The first text behind all that begin with `prefix`; empty if there is none."""
    prefix = prefix.rstrip("\U0010ffff")
    if not prefix:
        return ""
    following = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if following == 0xD800 else following)  # no surrogates


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


@contextmanager
def _explained(action: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as failure:
        raise StoreError(
            f"Cannot {action}: {failure}.",
            hint="Check free space and permissions under the data directory.",
        ) from failure
