"""Measures launches and round trips: `python -m tests.runtime.measure [LANGUAGE ...]`. Not a test.

One line for each language: launch to result of a guest that does nothing, one at a time; cost of a
forward pass (an asynchronous round trip) at several numbers of guests; private memory of a guest
that waits.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from pie_server.runtime import InstanceLimits, JsonValue, Program, Runtime, run_native
from tests.runtime.fake_host import FakeHost

GUESTS = Path(__file__).parents[1] / "inferlets" / "guests"
LANGUAGES = ("native", "python", "javascript", "rust", "c", "cpp")
GUEST_COUNTS = (1, 16, 128)
ROUND_TRIPS = 4000
LAUNCHES = 200
WAITING = 200
LIMITS = InstanceLimits(cpu_seconds=600.0)


def program_of(language: str) -> Program:
    name = "python" if language == "native" else language
    return Program.from_directory(GUESTS / f"conformance-{name}")


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


class Measurement:
    """All figures of one language."""

    def __init__(self, language: str, runtime: Runtime, nursery: trio.Nursery) -> None:
        self._program = program_of(language)
        self._native = language == "native"
        self._runtime = runtime
        self._nursery = nursery
        self.language = language

    async def run(self, arguments: JsonValue, host: FakeHost | None = None) -> JsonValue:
        function = run_native if self._native else self._runtime.run_instance
        return await function(self._program, arguments, host or FakeHost(self._nursery), LIMITS)

    async def launches_ms(self) -> list[float]:
        async def launch() -> None:
            await self.run({"case": "echo", "value": 1})

        await launch()
        return sorted([(await timed(launch))[0] * 1e3 for _ in range(LAUNCHES)])

    async def round_trip_us(self, guests: int) -> tuple[float, float]:
        """CPU and wall time of one forward pass, launches subtracted."""

        async def together(count: int) -> None:
            async with trio.open_nursery() as group:
                for _ in range(guests):
                    group.start_soon(self.run, {"case": "generates", "count": count})

        each = ROUND_TRIPS // guests
        base = await timed(lambda: together(1))
        full = await timed(lambda: together(each + 1))
        total = each * guests
        return (full[1] - base[1]) / total * 1e6, (full[0] - base[0]) / total * 1e6

    async def waiting_mib(self) -> float:
        before = private_mib()
        async with trio.open_nursery() as group:
            hosts = [FakeHost(self._nursery) for _ in range(WAITING)]
            for host in hosts:
                group.start_soon(self.run, {"case": "talk"}, host)
            for host in hosts:
                await host.receiving.wait()
            used = (private_mib() - before) / WAITING
            group.cancel_scope.cancel()
        return used


async def row(one: Measurement) -> str:
    launches = await one.launches_ms()
    trips = [await one.round_trip_us(guests) for guests in GUEST_COUNTS]
    cells = " ".join(f"{cpu:7.0f} /{wall:5.0f}" for cpu, wall in trips)
    return (
        f"{one.language:<11} {statistics.median(launches):7.2f} {launches[-2]:7.2f} {cells} "
        f"{await one.waiting_mib():8.2f}"
    )


async def main() -> None:
    languages = sys.argv[1:] or list(LANGUAGES)
    runtime = Runtime()
    async with trio.open_nursery() as nursery:
        await nursery.start(runtime.run)
        measurements = [Measurement(language, runtime, nursery) for language in languages]
        counts = " ".join(f"{guests:8} guests" for guests in GUEST_COUNTS)
        print("CPU / wall of a round trip; launch to result in ms; MiB of a guest that waits")
        print(f"{'':<11} {'launch':>7} {'p99':>7} {counts}      MiB")
        for one in measurements:
            print(await row(one), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
