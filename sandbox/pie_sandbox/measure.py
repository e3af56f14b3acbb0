"""Measures a backend on this machine: `python -m pie_sandbox.measure docker|wasm`."""

from __future__ import annotations

import functools
import statistics
import sys
import time
from pathlib import Path

import platformdirs
import trio

from pie_sandbox.choose import SandboxSettings, open_pool
from pie_sandbox.sandbox import ExecutionLimits, Sandbox, SandboxPool

LEASES, CELLS, KILLS = 40, 1000, 20
LIMITS = ExecutionLimits(seconds=30)
SPIN = "import time\nprint('on', flush=True)\nwhile True: pass"


async def measure(backend: str) -> None:
    """Print medians and 99th percentiles."""
    cache = Path(platformdirs.user_cache_dir("trio-pie-server"))
    pool = await open_pool(SandboxSettings(backend, cache, warm=1), print)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        leases, sandbox = await _leases(pool)
        cells = await _cells(sandbox)
        kills = await _kills(sandbox)
        nursery.cancel_scope.cancel()
    for name, times in (("lease", leases), ("cell", cells), ("kill on cancel", kills)):
        print(f"{pool.backend} {name:15} {_figures(times)}")
    print(
        f"headline: warm_exec_ms={_median_ms(cells):.2f} lease_ms={_median_ms(leases):.2f}"
        f" kill_seconds={_median_ms(kills) / 1000:.4f}"
    )


async def _leases(pool: SandboxPool) -> tuple[list[float], Sandbox]:
    """From a pool that has had time to fill; the last lease is kept."""
    times: list[float] = []
    while True:
        while pool.statistics().ready == 0:  # noqa: ASYNC110 - the pool announces nothing
            await trio.sleep(0.02)
        started = time.perf_counter()
        lease = await pool.lease("measure")
        times.append(time.perf_counter() - started)
        if len(times) == LEASES:
            return times, lease
        await lease.aclose()


async def _cells(sandbox: Sandbox) -> list[float]:
    """`x += 1` in a warm interpreter, as its caller sees it."""
    await sandbox.execute("x = 0", LIMITS)
    times: list[float] = []
    for _ in range(CELLS):
        started = time.perf_counter()
        await sandbox.execute("x += 1", LIMITS)
        times.append(time.perf_counter() - started)
    return times


async def _kills(sandbox: Sandbox) -> list[float]:
    """From a cancellation until every process is dead and reaped (or the instance is ended)."""
    times: list[float] = []
    for _ in range(KILLS):
        started = 0.0
        with trio.CancelScope() as scope:

            def cancel(_text: str, scope: trio.CancelScope = scope) -> None:
                nonlocal started
                if not started:
                    started = time.perf_counter()
                scope.cancel()

            await sandbox.execute(SPIN, LIMITS, cancel)
        times.append(time.perf_counter() - started)
    return times


def _median_ms(times: list[float]) -> float:
    return statistics.median(times) * 1000


def _figures(times: list[float]) -> str:
    p99 = sorted(times)[int(len(times) * 0.99) - 1] * 1000
    return f"median {_median_ms(times):8.2f} ms   p99 {p99:8.2f} ms   (n={len(times)})"


if __name__ == "__main__":
    trio.run(functools.partial(measure, sys.argv[1] if len(sys.argv) > 1 else "auto"))
