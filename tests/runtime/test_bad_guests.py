"""Guests that misbehave harm only themselves: a typed error, nothing left behind."""

from __future__ import annotations

import time

import pytest
import trio
import trio.lowlevel

from pie_server.errors import (
    CpuLimitExceeded,
    GuestError,
    GuestProtocolError,
    GuestRaised,
    GuestTrapped,
    MemoryLimitExceeded,
)
from pie_server.runtime import InstanceLimits, JsonValue, Program, Runtime
from tests.runtime.conftest import Runner
from tests.runtime.fake_host import FakeHost, Fields

LIMITS = InstanceLimits(
    memory_bytes=64 << 20, cpu_seconds=0.5, operations_in_flight=64, operation_bytes=1 << 20
)
NEIGHBOUR = """
    from inferlet import gather, sleep, session
    async def main(input):
        total = 0
        for step in range(50):
            await gather(sleep(0), sleep(0))
            session.send(step)
            total += step
        return total
"""

BAD = {
    "spins": ("def main(input):\n    while True: pass", CpuLimitExceeded, "0.5 s of CPU"),
    "spins in a comprehension of C code": (
        "def main(input):\n    return sum(range(10**12))", CpuLimitExceeded, "CPU"),
    "spins at import": ("while True: pass", CpuLimitExceeded, "CPU"),
    "swallows errors": ("""
        from inferlet import sleep
        async def main(input):
            while True:
                try:
                    await sleep(0)
                except BaseException:
                    pass
        """, CpuLimitExceeded, "CPU"),
    "allocates": ("""
        def main(input):
            keep = []
            while True:
                keep.append(bytearray(1 << 20))
        """, MemoryLimitExceeded, "out of memory"),
    "allocates one huge block": (
        "def main(input):\n    return len(bytearray(1 << 30))", MemoryLimitExceeded, "line 2"),
    "recurses": (
        "def f(n):\n    return f(n + 1)\ndef main(input):\n    return f(0)",
        GuestRaised, "RecursionError"),
    "recurses without Python's limit": ("""
        import sys
        sys.setrecursionlimit(10**9)
        def f(n):
            return f(n + 1)
        def main(input):
            return f(0)
        """, GuestError, ""),
    "recurses in C code": ("""
        import sys
        sys.setrecursionlimit(10**9)
        def main(input):
            x = []
            for _ in range(10**6):
                x = [x]
            return repr(x)
        """, GuestError, ""),
    "floods operations": ("""
        import json
        from wit_world.imports import host
        def main(input):
            n = 0
            while True:
                ops = [{"id": n + i, "op": "runtime.time"} for i in range(100)]
                n += 100
                host.submit(json.dumps(ops))
        """, GuestProtocolError, "answers never fetched"),
    "submits too much": ("""
        from wit_world.imports import host
        def main(input):
            host.submit("[" + " " * (2 << 20) + "]")
            host.wait()
        """, GuestProtocolError, "1048576 are allowed"),
    "submits no JSON": ("""
        from wit_world.imports import host
        def main(input):
            host.submit("hello")
            host.wait()
        """, GuestProtocolError, "not a list of operations"),
    "submits no operations": ("""
        from wit_world.imports import host
        def main(input):
            host.submit('[{"op": "runtime.time"}]')
            host.wait()
        """, GuestProtocolError, "id"),
    "submits deep JSON": ("""
        from wit_world.imports import host
        def main(input):
            host.submit('[{"id": 1, "op": "x", "y": ' + "[" * 400_000 + "]" * 400_000 + "}]")
            host.wait()
        """, GuestProtocolError, "not a list"),
    "repeats an id": ("""
        from wit_world.imports import host
        def main(input):
            host.submit('[{"id": 1, "op": "runtime.sleep", "seconds": 9}]' )
            host.submit('[{"id": 1, "op": "runtime.sleep", "seconds": 9}]' )
            host.wait()
        """, GuestProtocolError, "in flight already"),
    "sleeps": (
        "import time\ndef main(input):\n    time.sleep(9)", GuestRaised, "await inferlet.sleep"),
    "sleeps through WASI": ("""
        import select
        def main(input):
            select.select([], [], [], 9)
        """, GuestTrapped, "await inferlet.sleep"),
    "raises from a finally": ("""
        async def main(input):
            try:
                raise ValueError("first")
            finally:
                raise KeyError("second")
        """, GuestRaised, "second"),
    "aborts": ("import os\ndef main(input):\n    os.abort()", GuestTrapped, ""),
    "exits hard": ("import os\ndef main(input):\n    os._exit(0)", GuestTrapped, ""),
}  # fmt: skip


class LargeHost(FakeHost):
    """A host with large answers."""

    def control_runtime_version(self, fields: Fields) -> JsonValue:
        return "x" * (9 << 20)


async def test_answers_are_weighed_until_they_are_fetched(wasm: Runner) -> None:
    with trio.fail_after(60):
        never_fetches = """
            from wit_world.imports import host
            def main(input):
                for n in range(20):
                    host.submit('[{"id": %d, "op": "runtime.version"}]' % n)
                while True:
                    pass
        """
        with pytest.raises(GuestProtocolError, match="67108864 bytes of answers wait"):
            await wasm(never_fetches, host=LargeHost(wasm.nursery), limits=LIMITS)
        fetches = """
            from inferlet import runtime
            def main(input):
                return sum(len(runtime.version()) for _ in range(8))
        """
        assert await wasm(fetches, host=LargeHost(wasm.nursery)) == 8 * (9 << 20)


@pytest.mark.parametrize("name", BAD)
async def test_bad_guest_harms_only_itself(wasm: Runner, name: str) -> None:
    source, expected, message = BAD[name]
    neighbour: list[JsonValue] = []

    async def run_neighbour() -> None:
        neighbour.append(await wasm(NEIGHBOUR))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_neighbour)
            with pytest.raises(expected) as caught:
                await wasm(source, limits=LIMITS)
    assert message in caught.value.message
    assert neighbour == [sum(range(50))]
    assert [host.closed for host in wasm.hosts] == [1, 1]


async def test_operations_above_the_limit_fail_and_can_be_caught(wasm: Runner) -> None:
    source = """
        import json
        from wit_world.imports import host
        def main(input):
            ops = [{"id": n, "op": "runtime.sleep", "seconds": 60} for n in range(70)]
            host.submit(json.dumps(ops))
            return sorted({c["error"]["code"] for c in json.loads(host.wait())})
    """
    with trio.fail_after(30):
        assert await wasm(source, limits=LIMITS) == ["operations_exceeded"]
    assert len(wasm.host.ops("runtime.sleep")) == 64


async def test_memory_freed_by_the_guest_can_be_used_again(wasm: Runner) -> None:
    source = """
        def main(input):
            for _ in range(50):
                block = bytearray(16 << 20)
                del block
            return "fine"
    """
    assert await wasm(source, limits=LIMITS) == "fine"


async def test_guest_can_catch_its_memory_error_and_go_on(wasm: Runner) -> None:
    source = """
        def main(input):
            try:
                bytearray(1 << 30)
            except MemoryError:
                return "caught"
    """
    assert await wasm(source, limits=LIMITS) == "caught"


async def test_cancelled_run_frees_a_spinning_guest(wasm: Runner) -> None:
    with trio.fail_after(30):
        with trio.move_on_after(0.1) as scope:
            await wasm("def main(input):\n    while True: pass")
        assert scope.cancelled_caught


async def test_cancelled_run_cancels_what_the_guest_waits_for(wasm: Runner) -> None:
    host = FakeHost(wasm.nursery)

    async def run() -> None:
        await wasm("from inferlet import sleep\nasync def main(i):\n    await sleep(60)", host=host)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await host.sleeping.wait()
            nursery.cancel_scope.cancel()
    assert host.closed == 1
    assert host.in_flight == {}


class BusyHost(FakeHost):
    """Works hard for its guest, on the loop."""

    def control_tokenizer_encode(self, fields: Fields) -> JsonValue:
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        return []


async def test_what_the_host_does_at_once_counts_as_the_guests_cpu_time(wasm: Runner) -> None:
    source = """
        from inferlet import Model
        def main(input):
            tokenizer = Model.load("fake").tokenizer()
            for _ in range(40):
                tokenizer.encode("much text")
            return "unpunished"
        """
    host = BusyHost()
    with pytest.raises(CpuLimitExceeded):
        await wasm(source, limits=LIMITS, host=host)
    assert 5 <= len(host.ops("tokenizer.encode")) <= 12


async def test_spinning_guests_share_the_processor_and_leave_the_loop_responsive(
    wasm: Runner,
) -> None:
    program = Program.from_source("spin", "def main(input):\n    while True: pass")
    limits = InstanceLimits(cpu_seconds=0.3)
    laps = 0

    async def watch() -> None:
        nonlocal laps
        while True:
            await trio.lowlevel.checkpoint()
            laps += 1

    async def spin() -> None:
        with pytest.raises(CpuLimitExceeded):
            await wasm(program, limits=limits)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            async with trio.open_nursery() as spinners:
                for _ in range(4):
                    spinners.start_soon(spin)
            nursery.cancel_scope.cancel()
    # 1.2 s of spinning in turns of at most a few milliseconds each.
    assert laps > 100


async def test_instances_end_when_the_runtime_stops(built_runtime: Runtime) -> None:
    ended: list[str] = []
    async with trio.open_nursery() as hosts, trio.open_nursery() as nursery:
        await nursery.start(built_runtime.run)
        host = FakeHost(hosts)

        async def run() -> None:
            program = Program.from_source(
                "test", "from inferlet import sleep\nasync def main(i):\n    await sleep(60)"
            )
            with trio.CancelScope(shield=True):
                try:
                    await built_runtime.run_instance(program, {}, host, InstanceLimits())
                except Exception as error:
                    ended.append(type(error).__name__)

        nursery.start_soon(run)
        with trio.fail_after(30):
            await host.sleeping.wait()
        nursery.cancel_scope.cancel()
    assert ended == ["ShuttingDown"]
    assert host.closed == 1
    assert built_runtime.statistics().live_stores == 0
