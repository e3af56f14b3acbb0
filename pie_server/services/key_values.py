"""The key-value store: what a tenant's inferlets keep beyond their sessions and the server's life.

One writer task commits what has piled up since the last commit, and answers each change once it is
on disk; a read sees every change that was answered before it began. Values are JSON texts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import outcome
import trio

from pie_server.errors import Overloaded, PieError, StoreError, StoreExceeded
from pie_server.services.key_value_file import Entry, KeyValueFile, Write, Written

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Bounds of the store.

    Attributes:
        value_bytes: One value as JSON.
        tenant_bytes: Keys and values of one tenant.
        tenant_entries: Keys of one tenant.
        backlog_bytes: Changes of all tenants that are not on disk yet; more are refused.
        tenant_backlog_bytes: The same of one tenant, so that it cannot shut the others out.
        batch: Changes of one transaction, so that none takes long.
        flush_seconds: Bound of the last commit when the server stops.
    """

    value_bytes: int = MIB
    tenant_bytes: int = 64 * MIB
    tenant_entries: int = 100_000
    backlog_bytes: int = 32 * MIB
    tenant_backlog_bytes: int = 4 * MIB
    batch: int = 1000
    flush_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """Figures since the start, and what waits now."""

    commits: int
    changes: int
    failed_commits: int
    backlog_bytes: int


class _Pending:
    """A change on its way to the disk, and the task that waits for it."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.size = len(write.key) + len(write.value or b"")
        self.done = trio.Event()
        self.outcome: outcome.Outcome[Written] | None = None

    def finish(self, result: outcome.Outcome[Written]) -> None:
        self.outcome = result
        self.done.set()


class KeyValueStore:
    """The store of one server. A service: `run` is started once in the server's nursery.

    Args:
        path: The SQLite file; created where missing.
        limits: Its bounds.
    """

    def __init__(self, path: Path, limits: StoreLimits | None = None) -> None:
        self.limits = limits or StoreLimits()
        self._path = path
        self._file: KeyValueFile | None = None
        self._pending: list[_Pending] = []
        self._backlog: Counter[str] = Counter()  # bytes of what is pending, by tenant
        self._commits = self._changes = self._failed = 0
        self._wake = trio.Event()
        self._writing = trio.CapacityLimiter(1)
        self._reading = trio.CapacityLimiter(1)  # sqlite3: one thread at a time on a connection

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until cancelled; then stores what was accepted.

        Raises:
            StoreError: The file cannot be opened.
        """
        limits = self.limits
        self._file = file = await trio.to_thread.run_sync(
            KeyValueFile.open,
            self._path,
            limits.tenant_bytes,
            limits.tenant_entries,
            limiter=self._writing,
        )
        try:
            task_status.started()
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                while self._pending:
                    await self._commit(file)
        finally:
            self._file = None
            with trio.CancelScope(shield=True, deadline=trio.current_time() + limits.flush_seconds):
                while self._pending:
                    await self._commit(file)
                async with self._reading:  # a read under way has the other connection
                    file.close()

    # -- what instances ask --------------------------------------------------------------------

    async def get(self, tenant: str, key: str) -> Entry | None:
        """What a key holds. Raises StoreError."""
        file = self._opened()
        return await trio.to_thread.run_sync(file.read, tenant, key, limiter=self._reading)

    async def keys(self, tenant: str, prefix: str, after: str, limit: int) -> list[tuple[str, int]]:
        """Keys with a prefix that follow `after`, and their versions. Raises StoreError."""
        file = self._opened()
        return await trio.to_thread.run_sync(
            file.keys, tenant, prefix, after, limit, limiter=self._reading
        )

    async def put(
        self, tenant: str, key: str, value: bytes, expected: int | None = None
    ) -> Written:
        """Sets a key; with `expected` only if it has that version (0: does not exist).

        A cancelled call may have taken effect.

        Raises:
            StoreExceeded: The value is too large, or the tenant's part is full.
            Overloaded: The disk does not keep up.
            StoreError: It cannot be written.
        """
        if len(value) > self.limits.value_bytes:
            raise StoreExceeded(
                f"this value has {len(value)} bytes; one may have {self.limits.value_bytes}",
                hint="Split it over several keys.",
                details={"limit_bytes": self.limits.value_bytes},
            )
        return await self._write(Write(tenant, key, value, expected))

    async def delete(self, tenant: str, key: str, expected: int | None = None) -> Written:
        """Forgets a key; with `expected` only if it has that version. Raises as `put`."""
        return await self._write(Write(tenant, key, None, expected))

    def statistics(self) -> StoreStatistics:
        """Figures for `/v1/statistics`."""
        return StoreStatistics(self._commits, self._changes, self._failed, self._backlog.total())

    # -- the writer ----------------------------------------------------------------------------

    async def _write(self, write: Write) -> Written:
        self._opened()
        pending = _Pending(write)
        limits, backlog = self.limits, self._backlog
        if (
            backlog[write.tenant] + pending.size > limits.tenant_backlog_bytes
            or backlog.total() + pending.size > limits.backlog_bytes
        ):
            raise Overloaded(
                f"{backlog[write.tenant]} bytes of this tenant wait to be stored",
                hint="Wait for some of the changes before making more.",
            )
        self._pending.append(pending)
        backlog[write.tenant] += pending.size
        self._wake.set()
        await pending.done.wait()
        assert pending.outcome is not None
        return pending.outcome.unwrap()

    async def _commit(self, file: KeyValueFile) -> None:
        batch = self._pending[: self.limits.batch]
        results: list[outcome.Outcome[Written]]
        try:
            written = await trio.to_thread.run_sync(
                file.write, [pending.write for pending in batch], limiter=self._writing
            )
        except StoreError as error:  # each of them is told; the next batch tries again
            results = [outcome.Error(_again(error)) for _ in batch]
            self._failed += 1
        else:
            self._commits += 1
            self._changes += len(batch)
            results = [_outcome_of(each) for each in written]
        del self._pending[: len(batch)]
        for pending, result in zip(batch, results, strict=True):
            self._backlog[pending.write.tenant] -= pending.size
            pending.finish(result)
        self._backlog = +self._backlog  # without those that have nothing waiting

    def _opened(self) -> KeyValueFile:
        if self._file is None:
            raise StoreError(
                "The key-value store is closed.", hint="The server is starting or stopping."
            )
        return self._file


def _outcome_of(written: Written | PieError) -> outcome.Outcome[Written]:
    if isinstance(written, PieError):
        return outcome.Error(written)
    return outcome.Value(written)


def _again(error: StoreError) -> StoreError:
    """An error of its own for each who waits: one exception must not be raised twice."""
    return StoreError(error.message, hint=error.hint)
