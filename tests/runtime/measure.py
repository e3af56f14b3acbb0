"""Measures launches and round trips: `python -m tests.runtime.measure`. Not a test."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from pie_server.runtime import InstanceLimits, Program, Runtime, run_native
from tests.runtime.fake_host import FakeHost

LAUNCH = Program.from_source("launch", "def main(input):\n    return 1")
CONTROL = Program.from_source(
    "control",
    "from inferlet import runtime\n"
    "def main(input):\n    for _ in range(input['n']):\n        runtime.time()\n",
)
FLUSH = Program.from_source(
    "flush",
    "from inferlet import Context, Model\n"
    "async def main(input):\n    ctx = Context(Model.load('fake'))\n"
    "    for _ in range(input['n']):\n        await ctx.append([1]).flush()\n",
)
WAIT = Program.from_source(
    "wait", "from inferlet import session\nasync def main(input):\n    await session.receive()"
)


def private_mib() -> float:
    """Memory that is this process's alone; pages shared with the snapshot do not count."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def timed(body: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    await body()
    return time.perf_counter() - wall, time.process_time() - cpu


async def main() -> None:
    started = time.perf_counter()
    runtime = Runtime()
    await runtime.prepare()
    print(f"engine and cached interpreter: {(time.perf_counter() - started) * 1e3:.0f} ms")
    limits = InstanceLimits(cpu_seconds=600.0)
    async with trio.open_nursery() as nursery:
        await nursery.start(runtime.run)

        async def run(program: Program, n: int = 0, native: bool = False) -> None:
            function = run_native if native else runtime.run_instance
            await function(program, {"n": n}, FakeHost(nursery), limits)

        await run(LAUNCH)
        launches = [(await timed(lambda: run(LAUNCH)))[0] * 1e3 for _ in range(200)]
        launches.sort()
        print(
            f"launch to result, one at a time: median {statistics.median(launches):.1f} ms, "
            f"p99 {launches[197]:.1f} ms"
        )
        for name, program in (("control, synchronous", CONTROL), ("flush, asynchronous", FLUSH)):
            for guests in (1, 16, 128):
                for native in (False, True):
                    per_guest = 4000 // guests

                    async def together(
                        program: Program = program,
                        guests: int = guests,
                        n: int = per_guest,
                        native: bool = native,
                    ) -> None:
                        async with trio.open_nursery() as group:
                            for _ in range(guests):
                                group.start_soon(run, program, n, native)

                    base = await timed(lambda: together(n=0))
                    full = await timed(together)
                    operations = per_guest * guests
                    print(
                        f"{name}, {guests:3} guests, {'native' if native else 'wasm'}: "
                        f"{(full[1] - base[1]) / operations * 1e6:.0f} us CPU, "
                        f"{(full[0] - base[0]) / operations * 1e6:.0f} us wall a round trip"
                    )
        before, stamp = private_mib(), time.perf_counter()
        async with trio.open_nursery() as group:
            hosts = [FakeHost(nursery) for _ in range(200)]
            for host in hosts:
                group.start_soon(runtime.run_instance, WAIT, {}, host, limits)
            for host in hosts:
                await host.receiving.wait()
            seconds = time.perf_counter() - stamp
            print(
                f"200 guests launched together and waiting: {seconds:.2f} s, "
                f"{(private_mib() - before) / 200:.2f} MiB of private memory each"
            )
            idle = time.process_time()
            await trio.sleep(2)
            print(f"their idle CPU: {(time.process_time() - idle) / 2 * 100:.2f} % of a core")
            group.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
