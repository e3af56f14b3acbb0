from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from pie_server.errors import JournalError, Overloaded
from pie_server.sessions import EventLog, Journal, JournalLimits
from pie_server.sessions.journal_file import EndRow, JournalFile, SessionRow

ROOT = Path(__file__).parents[2]
ROW = SessionRow(
    key=0,
    id="s_1",
    tenant="t",
    inferlet="i",
    arguments=b"{}",
    native=False,
    detached=False,
    created=5.0,
    state="running",
    ended=None,
    last_seq=None,
)


@asynccontextmanager
async def open_journal(path: Path, limits: JournalLimits | None = None) -> AsyncIterator[Journal]:
    journal = Journal(path, limits)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            yield journal
            journal.stop()


def append(journal: Journal, log: EventLog, data: bytes = b"{}") -> None:
    journal.append(log, log.append("text", 1.0, data))


async def test_events_are_read_back_in_order_page_by_page(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "j", JournalLimits(page_bytes=3000)) as journal:
        log = journal.open_log(ROW, 0)
        for number in range(100):
            append(journal, log, b"%d" % number)
        await journal.flush()
        assert log.stored_seq == 100
        seen: list[bytes] = []
        while len(seen) < 100:
            page = await journal.read(log, len(seen))
            assert 0 < len(page) < 40
            seen += [record.data for record in page]
        assert seen == [b"%d" % number for number in range(100)]
        assert await journal.read(log, 100) == []


async def test_what_piles_up_during_a_commit_is_stored_by_the_next_one(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "j") as journal:
        logs = [journal.open_log(ROW._replace(id=str(n)), 0) for n in range(50)]
        for _ in range(40):
            for log in logs:
                append(journal, log)
            await trio.lowlevel.checkpoint()
        await journal.flush()
        figures = journal.statistics()
        assert figures.events == 2000
        assert figures.commits < 60
        assert figures.backlog_bytes == figures.backlog_events == 0


async def test_nothing_is_visible_before_it_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "j"
    async with open_journal(path) as journal:
        log = journal.open_log(ROW, 10_000)
        seen: list[tuple[int, int]] = []

        def look() -> None:
            with sqlite3.connect(path) as other:
                (count,) = other.execute("SELECT COUNT(*) FROM events").fetchone()
            other.close()
            seen.append((log.stored_seq, count))

        for seq in range(1, 30):
            append(journal, log)
            log.when_stored(seq, look)
            await trio.lowlevel.checkpoint()
        await journal.flush()
    assert len(seen) == 29
    assert all(visible <= count for visible, count in seen)


async def test_a_locked_file_delays_events_and_loses_none(tmp_path: Path) -> None:
    path = tmp_path / "j"
    limits = JournalLimits(busy_seconds=0.01, retry_seconds=0.01, backlog_bytes=2000)
    async with open_journal(path, limits) as journal:
        log = journal.open_log(ROW, 10_000)
        await journal.flush()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        append(journal, log, b"1")
        while journal.statistics().failure is None:
            await trio.sleep(0.005)
        assert "locked" in str(journal.statistics().failure)
        assert log.stored_seq == 0
        for _ in range(20):
            append(journal, log, b"x")
        with pytest.raises(Overloaded, match="locked"):
            journal.check_room()
        other.execute("ROLLBACK")
        other.close()
        await journal.flush()
        journal.check_room()
        assert log.stored_seq == 21
        assert journal.statistics().failure is None


async def test_a_second_server_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "j"):
        with pytest.raises(JournalError, match="in use by another server"):
            await Journal(tmp_path / "j").run()
    async with open_journal(tmp_path / "j"):
        pass  # the lock goes with the server


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:8192] = os.urandom(4096)
    path.write_bytes(data)


def rewrite(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(os.urandom(9000)), "not a database"),
        (damage, "damaged|malformed"),
        (lambda path: rewrite(path, "PRAGMA user_version = 99"), "newer version.*99"),
        (lambda path: rewrite(path, "PRAGMA application_id = 1"), "no session journal"),
    ],
)
async def test_a_file_that_is_no_sound_journal_is_a_typed_error(
    tmp_path: Path, change: object, message: str
) -> None:
    path = tmp_path / "j"
    async with open_journal(path) as journal:
        log = journal.open_log(ROW, 0)
        for _ in range(200):
            append(journal, log, b"x" * 500)
    assert callable(change)
    change(path)
    with pytest.raises(JournalError, match=message) as caught:
        await Journal(path).run()
    assert caught.value.hint


async def test_a_directory_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="Cannot open") as caught:
        await Journal(tmp_path / "file" / "j").run()
    assert "data directory" in caught.value.hint


WRITER = """
import sys, trio
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from pie_server.sessions import Journal
from pie_server.sessions.journal_file import EndRow, JournalFile, SessionRow
async def main():
    journal = Journal(Path(sys.argv[1]))
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        logs = [journal.open_log(SessionRow(0, f"s_{n}", "t", "i", b"", 0, 0, 1.0, "running",
                                            None, None), 0) for n in range(8)]
        while True:
            for log in logs:
                record = log.append("text", 1.0, b"%d" % (log.last_seq + 1))
                journal.append(log, record)
                line = f"{log.session} {record.seq}\\n".encode()
                log.when_stored(record.seq, lambda line=line: sys.stdout.buffer.write(line))
            sys.stdout.buffer.flush()
            await trio.sleep(0.001)
            while logs[0].last_seq - logs[0].stored_seq > 500:
                sys.stdout.buffer.flush()
                await trio.sleep(0.001)
trio.run(main)
"""


@pytest.mark.parametrize("lines", [1, 500, 20_000])
async def test_kill_9_loses_no_acknowledged_event(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "j"
    with trio.fail_after(60):
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", WRITER, str(path), str(ROOT)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        output = b""
        async with process.stdout:
            while output.count(b"\n") < lines:
                output += await process.stdout.receive_some()
            process.send_signal(signal.SIGKILL)
            await process.wait()
            while chunk := await process.stdout.receive_some():
                output += chunk
    acknowledged: dict[str, int] = {}
    for line in output.decode().splitlines(keepends=True):
        if line.endswith("\n"):
            session, seq = line.split()
            assert int(seq) == acknowledged.get(session, 0) + 1
            acknowledged[session] = int(seq)
    async with open_journal(path) as journal:
        for session, last in acknowledged.items():
            row = await journal.find(session)
            assert row is not None
            assert row.last_seq is not None
            assert row.state == "failed"  # it was running: ended at this start
            log = EventLog(session, row.key, 0, stored_seq=row.last_seq, ended=True)
            records = []
            while len(records) < row.last_seq:
                records += await journal.read(log, len(records))
            assert [record.seq for record in records] == list(range(1, row.last_seq + 1))
            assert row.last_seq >= last + 2
            texts, (error, done) = records[:-2], records[-2:]
            assert all(record.data == b"%d" % record.seq for record in texts)
            assert b"interrupted" in error.data
            assert done.kind == "done"


def test_only_sessions_that_ended_long_ago_are_deleted(tmp_path: Path) -> None:
    file = JournalFile.open(tmp_path / "j", 1.0)
    rows = [ROW._replace(key=key, id=str(key)) for key in (1, 2, 3)]
    file.write(
        rows,
        [(key, 1, "text", 1.0, b"{}") for key in (1, 2, 3)],
        [EndRow("completed", 10.0, 1, 1), EndRow("completed", 20.0, 1, 2)],
    )
    assert file.delete_ended_before(15.0, 100) == 1
    assert file.session("1") is None
    assert file.read(1, 0, 10, 10, 10) == []
    assert file.session("2") is not None
    assert len(file.read(3, 0, 10, 10, 10)) == 1
    assert [row.id for row, _ in file.unfinished()] == ["3"]
    assert file.next_key() == 4
    file.close()


async def test_a_start_forgets_what_is_older_than_the_retention(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "j") as journal:
        for name, end in (("old", 1000.0), ("new", time.time())):
            log = journal.open_log(ROW._replace(id=name), 0)
            append(journal, log)
            journal.end(log, "completed", end, lambda: None)
    journal = Journal(tmp_path / "j", retention_seconds=3600.0)
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            while await journal.find("old") is not None:
                await trio.sleep(0.01)
            assert await journal.find("new") is not None
            journal.stop()
