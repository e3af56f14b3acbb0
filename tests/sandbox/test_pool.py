"""The pool's own promises, on a backend whose workers are made of nothing."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from pie_sandbox import ExecutionLimits, ExecutionResult
from pie_sandbox.pool import JANITOR_SECONDS, WarmPool
from pie_sandbox.sandbox import OnOutput, Progress
from pie_sandbox.worker import Worker
from pie_server.errors import SandboxLost, SandboxUnavailable

LIMITS = ExecutionLimits()


class FakeWorker:
    """Answers with its own name; `fate` makes it die."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False
        self.alive = True

    async def execute(
        self, code: str, limits: ExecutionLimits, on_output: OnOutput
    ) -> ExecutionResult:
        await trio.lowlevel.checkpoint()
        if code == "die":
            self.close()
            raise SandboxLost("it died")
        if code == "wait":
            await trio.sleep_forever()
        return ExecutionResult("", "", self.name, True, None, 0.0, False, None, "fake")

    async def is_alive(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self.alive

    def close(self) -> None:
        self.closed = True


class FakeBackend:
    """Counts; `failing` makes starts fail."""

    name = "fake"

    def __init__(self, start_seconds: float = 0.1) -> None:
        self.started: list[FakeWorker] = []
        self.discarded: list[str] = []
        self.janitor_rounds = 0
        self.attempts: list[float] = []
        self.failing = False
        self.start_seconds = start_seconds

    async def prepare(self, progress: Progress) -> None:
        await trio.lowlevel.checkpoint()

    async def start(self) -> Worker:
        self.attempts.append(trio.current_time())
        await trio.sleep(self.start_seconds)
        if self.failing:
            raise SandboxUnavailable("the engine is on fire")
        self.started.append(FakeWorker(f"worker-{len(self.started)}"))
        return self.started[-1]

    async def discard(self, worker: Worker) -> None:
        worker.close()
        await trio.sleep(0.05)
        self.discarded.append(worker.name)

    async def remove_orphans(self) -> int:
        await trio.lowlevel.checkpoint()
        self.janitor_rounds += 1
        return 0


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


async def test_a_pool_keeps_warm_workers_and_no_more(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = WarmPool(backend, warm=2, capacity=4)
    await nursery.start(pool.run)
    await trio.sleep(5)
    assert pool.statistics().ready == len(backend.started) == 2
    lease = await pool.lease("a")
    await trio.sleep(5)
    assert (pool.statistics().ready, pool.statistics().leased) == (2, 1)
    await lease.aclose()
    await trio.sleep(5)
    assert backend.discarded == ["worker-0"]
    assert pool.statistics().leased == 0


async def test_warm_workers_are_not_kept_beyond_what_can_be_leased(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = WarmPool(backend, warm=2, capacity=2)
    await nursery.start(pool.run)
    leases = [await pool.lease(str(number)) for number in range(2)]
    await trio.sleep(5)
    assert len({(await lease.execute("1", LIMITS)).value for lease in leases}) == 2
    assert len(backend.started) - len(backend.discarded) <= 4


async def test_no_worker_serves_two_leases(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = WarmPool(backend, warm=1, capacity=3)
    await nursery.start(pool.run)
    seen: list[str | None] = []

    async def use() -> None:
        lease = await pool.lease("x")
        seen.append((await lease.execute("1", LIMITS)).value)
        await lease.aclose()

    async with trio.open_nursery() as users:
        for _ in range(20):
            users.start_soon(use)
    assert len(set(seen)) == len(seen) == 20


async def test_a_lease_that_waits_learns_why_no_sandbox_starts(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    backend.failing = True
    pool = WarmPool(backend, warm=0, capacity=1)
    await nursery.start(pool.run)
    for _ in range(2):
        with pytest.raises(SandboxUnavailable, match="on fire"):
            await pool.lease("x")
    backend.failing = False
    lease = await pool.lease("x")
    assert (await lease.execute("1", LIMITS)).ok


async def test_failing_starts_are_tried_again_ever_more_slowly(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    backend.failing = True
    pool = WarmPool(backend, warm=1, capacity=1)
    await nursery.start(pool.run)
    await trio.sleep(120)
    gaps = [b - a for a, b in zip(backend.attempts, backend.attempts[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert gaps[0] < 1
    assert gaps[-1] == pytest.approx(30, abs=1)
    backend.failing = False
    await trio.sleep(60)
    assert pool.statistics().ready == 1


async def test_a_worker_that_died_in_the_pool_is_passed_over(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = WarmPool(backend, warm=2, capacity=2)
    await nursery.start(pool.run)
    await trio.sleep(1)
    backend.started[0].alive = False
    lease = await pool.lease("x")
    assert (await lease.execute("1", LIMITS)).value == "worker-1"
    await trio.sleep(1)
    assert backend.discarded == ["worker-0"]
    assert pool.statistics().lost == 1


async def test_a_lease_gets_a_new_worker_after_its_own_died_and_says_so(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = WarmPool(backend, warm=1, capacity=1)
    await nursery.start(pool.run)
    lease = await pool.lease("x")
    with pytest.raises(SandboxLost):
        await lease.execute("die", LIMITS)
    result = await lease.execute("1", LIMITS)
    assert (result.value, result.state_lost) == ("worker-1", True)
    assert not (await lease.execute("1", LIMITS)).state_lost


async def test_cancelled_waiting_loses_neither_slot_nor_worker(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = WarmPool(backend, warm=0, capacity=2)
    await nursery.start(pool.run)
    for seconds in (0.05, 0.0999, 0.1, 0.1001):
        with trio.move_on_after(seconds):
            lease = await pool.lease("impatient")
            await lease.aclose()
        await trio.sleep(1)
        assert pool.statistics().leased == 0
    both = [await pool.lease(str(number)) for number in range(2)]
    assert pool.statistics().leased == len(both) == 2


async def test_the_end_of_the_pool_discards_every_worker_and_wakes_who_waits(
    backend: FakeBackend, autojump_clock: trio.testing.MockClock
) -> None:
    pool = WarmPool(backend, warm=2, capacity=2)
    backend.start_seconds = 1
    refused = trio.Event()

    async def wait_in_vain() -> None:
        with pytest.raises(SandboxUnavailable):
            await pool.lease("x")
        refused.set()

    async with trio.open_nursery() as outer:
        async with trio.open_nursery() as nursery:
            await nursery.start(pool.run)
            leases = [await pool.lease(str(number)) for number in range(1)]
            backend.start_seconds = 1_000
            await trio.sleep(2)
            await pool.lease("takes the warm one")
            await leases[0].aclose()
            outer.start_soon(wait_in_vain)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        await refused.wait()
    assert sorted(backend.discarded) == sorted(worker.name for worker in backend.started)
    with pytest.raises(SandboxUnavailable, match="not running"):
        await WarmPool(backend).lease("x")


async def test_the_janitor_looks_for_orphans_at_start_and_then_regularly(
    backend: FakeBackend, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    pool = WarmPool(backend, warm=0)
    await nursery.start(pool.run)
    assert backend.janitor_rounds == 1
    await trio.sleep(JANITOR_SECONDS * 3 + 1)
    assert backend.janitor_rounds == 4
