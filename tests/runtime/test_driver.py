"""The driver: nothing while idle, turns for all, nothing left after many launches."""

from __future__ import annotations

import gc
import resource
import threading
import time
from pathlib import Path

import pytest
import trio
import trio.testing

from pie_server.errors import GuestTrapped
from pie_server.runtime import InstanceLimits, Program, Runtime
from pie_server.runtime.driver import _TICKS_BEFORE_REST, Driver, _Ticker
from tests.runtime.conftest import Runner
from tests.runtime.fake_host import FakeHost

# What a leaked store holds at least; 200 of them would show clearly.
STORE_BYTES = 1 << 20


class Counter:
    """A runnable that asks for more turns."""

    def __init__(self, driver: Driver, turns: int, log: list[str], name: str) -> None:
        self.driver, self.turns, self.log, self.name = driver, turns, log, name
        self.error: Exception | None = None

    def step(self) -> None:
        self.log.append(self.name)
        self.turns -= 1
        if self.turns:
            self.driver.schedule(self)

    def crashed(self, error: Exception) -> None:
        self.error = error


class Crashing(Counter):
    def step(self) -> None:
        raise ValueError("a defect")


async def test_runnables_take_turns(nursery: trio.Nursery) -> None:
    driver = Driver(lambda: None)
    log: list[str] = []
    for name in "abc":
        driver.schedule(Counter(driver, 3, log, name))
    nursery.start_soon(driver.run)
    with trio.fail_after(5):
        await trio.testing.wait_all_tasks_blocked()
    assert "".join(log) == "abcabcabc"
    assert driver.turns == 9


async def test_crash_of_one_leaves_the_others(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Driver(lambda: None)
    log: list[str] = []
    crashing = Crashing(driver, 1, log, "x")
    driver.schedule(crashing)
    driver.schedule(Counter(driver, 1, log, "a"))
    nursery.start_soon(driver.run)
    with trio.fail_after(5):
        await trio.testing.wait_all_tasks_blocked()
    assert log == ["a"]
    assert str(crashing.error) == "a defect"
    assert "a defect" in caplog.text


async def test_ticker_rests_while_nobody_runs_and_wakes_with_the_next(
    nursery: trio.Nursery,
) -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    driver = Driver(tick)
    nursery.start_soon(driver.run)
    with trio.fail_after(30):
        for _ in range(2):
            before = ticks
            driver.schedule(Counter(driver, 1, [], "a"))
            while ticks == before:
                await trio.sleep(0.001)
            while driver._ticker._go.is_set():
                await trio.sleep(0.001)
    resting = ticks
    time.sleep(0.05)  # noqa: ASYNC251 - real time must pass for a ticker that did not rest
    assert ticks == resting


def test_ticker_does_not_rest_when_the_driver_begins_just_then() -> None:
    """A guest that ran without ticks would never be preempted and stop the whole server."""

    class BeginsAtClear(threading.Event):
        begun = 0

        def clear(self) -> None:
            if self.begun < 3:
                self.begun += 1
                ticker.keep_going()  # sees the flag still set
            super().clear()

    ticks = threading.Semaphore(0)
    ticker = _Ticker(ticks.release)
    ticker._go = BeginsAtClear()
    ticker.start()
    ticker.keep_going()
    for _ in range(4 * _TICKS_BEFORE_REST):
        assert ticks.acquire(timeout=10)
    ticker.stop()
    assert ticker._go.begun >= 3


async def test_ticker_thread_ends_with_the_driver() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Driver(lambda: None).run)
        await trio.testing.wait_all_tasks_blocked()
        assert "epoch-ticker" in {thread.name for thread in threading.enumerate()}
        nursery.cancel_scope.cancel()
    assert "epoch-ticker" not in {thread.name for thread in threading.enumerate()}


async def test_idle_guests_cost_no_turns(wasm: Runner) -> None:
    source = "from inferlet import session\nasync def main(i):\n    return await session.receive()"
    hosts = [FakeHost(wasm.nursery) for _ in range(20)]
    async with trio.open_nursery() as nursery:
        for host in hosts:
            nursery.start_soon(lambda host=host: wasm(source, host=host))
        with trio.fail_after(30):
            for host in hosts:
                await host.receiving.wait()
            await trio.testing.wait_all_tasks_blocked()
            turns = wasm.runtime.statistics().turns
            await trio.sleep(0.05)
        assert wasm.runtime.statistics().turns == turns
        nursery.cancel_scope.cancel()


async def test_two_hundred_launches_and_kills_leave_nothing(wasm: Runner) -> None:
    ends = Program.from_source("ends", "def main(input):\n    return 'x' * 1000")
    spins = Program.from_source("spins", "def main(input):\n    while True: pass")
    waits = Program.from_source(
        "waits", "from inferlet import sleep\nasync def main(i):\n    await sleep(3600)"
    )

    async def launch_and_kill(count: int) -> None:
        for _ in range(count):
            async with trio.open_nursery() as nursery:
                host = FakeHost(wasm.nursery)
                nursery.start_soon(lambda host=host: wasm(waits, host=host))
                nursery.start_soon(lambda: wasm(spins))
                assert await wasm(ends) == "x" * 1000
                await host.sleeping.wait()
                nursery.cancel_scope.cancel()
            wasm.hosts.clear()

    with trio.fail_after(120):
        await launch_and_kill(20)
        gc.collect()
        before = _resident_bytes()
        await launch_and_kill(67)
        gc.collect()
    statistics = wasm.runtime.statistics()
    assert statistics.live_stores == statistics.live_instances == 0
    assert _resident_bytes() - before < 67 * 3 * STORE_BYTES / 8


async def test_host_that_breaks_its_promise_ends_only_its_instance(
    wasm: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenHost(FakeHost):
        def submit(self, operations: object, mailbox: object) -> None:
            raise ValueError("submit must not raise")

    source = "from inferlet import runtime\ndef main(i):\n    return runtime.time()"
    with trio.fail_after(30):
        with pytest.raises(GuestTrapped, match="submit must not raise"):
            await wasm(source, host=BrokenHost(wasm.nursery))
        assert await wasm(source) == 1_700_000_000.0
    assert "an instance crashed" in caplog.text


async def test_value_that_is_no_json_fails_its_operation_only(
    wasm: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    class OddHost(FakeHost):
        def control_runtime_time(self, fields: object) -> object:  # type: ignore[override]
            return object()

    source = """
        from inferlet import runtime, OperationError
        def main(input):
            try:
                runtime.time()
            except OperationError as error:
                return [error.code, runtime.version()]
    """
    with trio.fail_after(30):
        result = await wasm(source, host=OddHost(wasm.nursery))
    assert result == ["internal_error", "0.0.0"]
    assert "is no JSON" in caplog.text


async def test_double_and_late_answers_are_dropped(
    wasm: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    class TwiceHost(FakeHost):
        def submit(self, operations, mailbox) -> None:  # type: ignore[no-untyped-def]
            super().submit(operations, mailbox)
            super().submit(operations, mailbox)

    source = (
        "from inferlet import runtime\ndef main(i):\n    return [runtime.time(), runtime.time()]"
    )
    with trio.fail_after(30):
        assert await wasm(source, host=TwiceHost(wasm.nursery)) == [1.7e9, 1.7e9]
    assert "answered twice" in caplog.text


async def test_runtime_that_does_not_run_refuses(built_runtime: Runtime) -> None:
    host = FakeHost()
    program = Program.from_source("x", "def main(i):\n    return 1")
    with pytest.raises(Exception, match="not running"):
        await built_runtime.run_instance(program, {}, host, InstanceLimits())
    assert host.closed == 1


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
