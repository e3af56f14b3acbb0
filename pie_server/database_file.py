"""Opens an SQLite file of ours: a new one gets its schema, an old one is checked."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pie_server.errors import PieError


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """One kind of file.

    Attributes:
        what: Its name in messages: "session journal".
        application_id: Tells it from any other SQLite file.
        schema_version: Written into new files; newer ones are refused.
        schema: SQL of a new file.
        error: What a file that cannot be used raises.
    """

    what: str
    application_id: int
    schema_version: int
    schema: str
    error: type[PieError]


def prepare(connection: sqlite3.Connection, path: Path, kind: DatabaseKind) -> None:
    """Brings a new file to the schema and checks an old one; commits are durable from then on.

    Raises:
        PieError: Of `kind.error`: it is another file, of a newer version, or damaged.
        sqlite3.DatabaseError: It cannot be read or written.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if tables and application != kind.application_id:
        raise kind.error(
            f"{path} is an SQLite file, but no {kind.what}.",
            hint="Give the server a data directory of its own.",
        )
    if version > kind.schema_version:
        raise kind.error(
            f"{path} was written by a newer version (schema {version}, this one knows"
            f" {kind.schema_version}).",
            hint="Start the newer version, or move the file away.",
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if not tables:
        connection.execute(f"PRAGMA application_id = {kind.application_id}")
        connection.executescript(
            f"BEGIN IMMEDIATE; {kind.schema} PRAGMA user_version = {kind.schema_version}; COMMIT;"
        )
    elif connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise kind.error(
            f"{path} is damaged.",
            hint=f"Move the file away to start with an empty {kind.what}; keep it for analysis.",
        )
