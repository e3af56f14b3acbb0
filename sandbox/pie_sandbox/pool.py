"""A pool of warm, never-used workers and the leases on them, for any backend.

Owns every worker from its start to its removal. A worker serves one lease and is then thrown
away. Leases beyond the capacity wait in line. All state lives on the trio loop.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass, field, replace

import trio

from pie_sandbox.limits import MAX_CODE_BYTES
from pie_sandbox.sandbox import (
    ExecutionLimits,
    ExecutionResult,
    OnOutput,
    PoolStatistics,
)
from pie_sandbox.worker import Backend, Worker
from pie_server.errors import SandboxError, SandboxLost, SandboxUnavailable

JANITOR_SECONDS = 60.0
CLEANUP_SECONDS = 20.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0

logger = logging.getLogger(__name__)


class WarmPool:
    """Keeps `warm` workers ready and leases at most `capacity` at a time."""

    def __init__(self, backend: Backend, *, warm: int = 2, capacity: int = 16) -> None:
        self._backend = backend
        self._warm = warm
        self._capacity = capacity
        self._slots = trio.Semaphore(capacity)
        self._ready: deque[Worker] = deque()
        self._waiting: deque[_Waiter] = deque()
        self._workers: set[Worker] = set()
        self._starting = 0
        self._failures = 0
        self._retry_at = 0.0
        self._executions = self._started = self._lost = 0
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None

    @property
    def backend(self) -> str:
        """The name of the backend."""
        return self._backend.name

    def statistics(self) -> PoolStatistics:
        """Return a snapshot."""
        return PoolStatistics(
            backend=self.backend,
            ready=len(self._ready),
            starting=self._starting,
            leased=self._capacity - self._slots.value,
            waiting=len(self._waiting) + self._slots.statistics().tasks_waiting,
            capacity=self._capacity,
            executions=self._executions,
            started=self._started,
            lost=self._lost,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the pool filled until cancelled; then remove every worker, within a bound."""
        await self._remove_orphans()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._run_janitor)
                task_status.started()
                await self._fill(nursery)
        finally:
            self._nursery = None
            self._refuse_waiters()
            with trio.CancelScope(shield=True), trio.move_on_after(CLEANUP_SECONDS):
                async with trio.open_nursery() as nursery:
                    for worker in tuple(self._workers):
                        worker.close()
                        nursery.start_soon(self._discard, worker)

    async def lease(self, name: str) -> Lease:
        """Return a lease on a never-used worker; waits while all are leased.

        Raises:
            SandboxUnavailable: none can be started, or the pool does not run.
        """
        await self._slots.acquire()
        try:
            worker = await self.take()
        except BaseException:
            self._slots.release()
            raise
        logger.debug("%s leases %s", name, worker.name)
        return Lease(self, name, worker)

    async def take(self) -> Worker:
        """Return a living worker that nobody has used; for `Lease`."""
        while True:
            worker = await self._next_ready()
            if await self._lives(worker):
                return worker
            logger.warning("%s died before its first use; it is replaced", worker.name)
            self.drop(worker, lost=True)

    def drop(self, worker: Worker, *, lost: bool) -> None:
        """Close a worker and have it removed; for `Lease`."""
        worker.close()
        self._lost += lost
        if self._nursery is not None:
            self._nursery.start_soon(self._discard, worker)
        self._wake()

    def give_back(self, worker: Worker | None) -> None:
        """End a lease; for `Lease`."""
        if worker is not None:
            self.drop(worker, lost=False)
        self._slots.release()
        self._wake()

    def count_execution(self) -> None:
        """Count one execution; for `Lease`."""
        self._executions += 1

    async def _lives(self, worker: Worker) -> bool:
        try:
            return await worker.is_alive()
        except BaseException:
            self.drop(worker, lost=False)  # cancelled half-way: in doubt it is not used
            raise

    async def _next_ready(self) -> Worker:
        if self._nursery is None:
            raise _not_running()
        if self._ready:
            worker = self._ready.popleft()
            self._wake()
            return worker
        waiter = _Waiter()
        self._waiting.append(waiter)
        self._wake()
        try:
            await waiter.done.wait()
        except trio.Cancelled:
            if waiter.worker is not None:
                self._hand_out(waiter.worker)
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        if waiter.worker is None:
            raise waiter.error or _not_running()
        return waiter.worker

    async def _fill(self, nursery: trio.Nursery) -> None:
        while True:
            self._changed = trio.Event()
            healthy = trio.current_time() >= self._retry_at
            free = self._capacity - self.statistics().leased
            wanted = len(self._waiting) + (min(self._warm, free) if healthy else 0)
            for _ in range(wanted - len(self._ready) - self._starting):
                self._starting += 1
                nursery.start_soon(self._start_one)
            with trio.move_on_at(math.inf if healthy else self._retry_at):
                await self._changed.wait()

    async def _start_one(self) -> None:
        try:
            worker = await self._backend.start()
        except SandboxError as error:
            self._start_failed(error)
        except Exception as error:  # a barrier: one failed start must not end the server
            logger.exception("starting a sandbox failed")
            self._start_failed(SandboxUnavailable(f"a sandbox did not start: {error!r}"))
        else:
            self._failures = 0
            self._started += 1
            self._workers.add(worker)
            self._hand_out(worker)
        finally:
            self._starting -= 1
            self._wake()

    def _start_failed(self, error: SandboxError) -> None:
        pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures += 1
        self._retry_at = trio.current_time() + pause
        logger.warning("a sandbox did not start (next try in %.1f s): %s", pause, error)
        if self._waiting:
            self._waiting.popleft().finish(error=error)

    def _hand_out(self, worker: Worker) -> None:
        if self._waiting:
            self._waiting.popleft().finish(worker=worker)
        else:
            self._ready.append(worker)

    def _refuse_waiters(self) -> None:
        while self._waiting:
            self._waiting.popleft().finish(error=_not_running())

    async def _discard(self, worker: Worker) -> None:
        await self._backend.discard(worker)
        self._workers.discard(worker)

    async def _run_janitor(self) -> None:
        while True:
            await trio.sleep(JANITOR_SECONDS)
            await self._remove_orphans()

    async def _remove_orphans(self) -> None:
        try:
            count = await self._backend.remove_orphans()
        except SandboxError as error:
            logger.warning("orphans could not be looked for: %s", error)
        else:
            if count:
                logger.warning("removed %d sandboxes that nobody owned", count)

    def _wake(self) -> None:
        self._changed.set()


class Lease:
    """A session's sandbox: keeps one worker, replaces it when it dies."""

    def __init__(self, pool: WarmPool, name: str, worker: Worker) -> None:
        self._pool = pool
        self._name = name
        self._worker: Worker | None = worker
        self._closed = False
        self._state_lost = False
        # Invariant: at most one cell runs in the worker.
        self._turn = trio.Lock()

    @property
    def backend(self) -> str:
        """The name of the backend."""
        return self._pool.backend

    async def execute(
        self, code: str, limits: ExecutionLimits, on_output: OnOutput | None = None
    ) -> ExecutionResult:
        """See `Sandbox.execute`."""
        if (refusal := _refusal(code)) is not None:
            return ExecutionResult("", "", None, False, refusal, 0.0, False, None, self.backend)
        async with self._turn:
            worker = await self._living_worker()
            self._pool.count_execution()
            lost_before, self._state_lost = self._state_lost, True  # until the call says otherwise
            try:
                result = await worker.execute(code, limits, on_output or _ignore)
            except SandboxLost:
                logger.warning("%s of %s died under a call", worker.name, self._name)
                raise
            finally:
                self._drop_if_closed()
            self._state_lost = False
            return replace(result, state_lost=result.state_lost or lost_before)

    async def aclose(self) -> None:
        """See `Sandbox.aclose`."""
        if not self._closed:
            self._closed = True
            worker, self._worker = self._worker, None
            self._pool.give_back(worker)
        await trio.lowlevel.checkpoint()

    async def _living_worker(self) -> Worker:
        if self._closed:
            raise SandboxUnavailable("this sandbox lease is closed", hint="Lease another one.")
        if self._worker is None:
            worker = await self._pool.take()
            if self._closed:
                self._pool.drop(worker, lost=False)
                raise SandboxUnavailable("this sandbox lease was closed meanwhile")
            self._worker = worker
        return self._worker

    def _drop_if_closed(self) -> None:
        if self._worker is not None and self._worker.closed:
            self._pool.drop(self._worker, lost=True)
            self._worker = None


@dataclass(slots=True, eq=False)
class _Waiter:
    done: trio.Event = field(default_factory=trio.Event)
    worker: Worker | None = None
    error: SandboxError | None = None

    def finish(self, *, worker: Worker | None = None, error: SandboxError | None = None) -> None:
        self.worker, self.error = worker, error
        self.done.set()


def _not_running() -> SandboxUnavailable:
    return SandboxUnavailable(
        "the sandbox pool is not running", hint="Start it: await nursery.start(pool.run)"
    )


def _refusal(code: str) -> str | None:
    try:
        size = len(code.encode())
    except UnicodeEncodeError:
        return "ValueError: the code is not valid Unicode"
    if size > MAX_CODE_BYTES:
        return f"ValueError: the code has {size} bytes, at most {MAX_CODE_BYTES} are allowed"
    return None


def _ignore(text: str) -> None:
    pass
