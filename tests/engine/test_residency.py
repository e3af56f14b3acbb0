"""Contexts whose pages went to host memory go on token for token, and come back in time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import trio

from pie_server.engine.batch import Batch, StepResult
from pie_server.engine.engine import Engine
from pie_server.engine.page_moves import PageMove
from pie_server.errors import DeviceError, PagesExceeded
from pie_server.kv import Context

from .conftest import OpenEngine, forward, generate

PROMPT = list(range(20))


async def filled(engine: Engine, first: int, tokens: int = 20) -> Context:
    context = engine.create_context("a", prefix_reuse=False)
    await forward(engine, context, [first + i for i in range(tokens)], [])
    return context


async def expected(open_engine: OpenEngine) -> list[int]:
    """What the first context would say without any pressure."""
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        context = await filled(engine, 0)
        return (await generate(engine, context, [7], max_tokens=8)).generated


async def test_an_offloaded_context_goes_on_as_if_it_had_never_left(
    open_engine: OpenEngine,
) -> None:
    wanted = await expected(open_engine)
    async with open_engine(pages=12, page_size_tokens=4) as engine:
        engine.residency.costs.prefill_seconds.value = 10.0  # moving is what pays
        first = await filled(engine, 0)
        second = await filled(engine, 100, 40)
        assert first.parcel is not None
        assert first.table.pages == []
        engine.check_integrity()
        steps = engine.scheduler.statistics.prefill_tokens
        engine.release(second)
        command = await generate(engine, first, [7], max_tokens=8)
        assert command.generated == wanted
        assert engine.scheduler.statistics.prefill_tokens == steps  # nothing was computed again
        statistics = engine.residency.statistics
        assert (statistics.offloaded_contexts, statistics.restored_contexts) == (1, 1)
        assert statistics.dropped_contexts == 0


async def test_without_host_memory_contexts_are_dropped_and_computed_again(
    open_engine: OpenEngine,
) -> None:
    wanted = await expected(open_engine)
    async with open_engine(pages=12, page_size_tokens=4, offload_bytes=0) as engine:
        first = await filled(engine, 0)
        engine.release(await filled(engine, 100, 40))
        assert first.parcel is None
        assert (await generate(engine, first, [7], max_tokens=8)).generated == wanted
        assert engine.residency.statistics.dropped_contexts == 1


async def test_forks_and_truncations_of_an_offloaded_context_are_its_equals(
    open_engine: OpenEngine,
) -> None:
    wanted = await expected(open_engine)
    async with open_engine(pages=12, page_size_tokens=4) as engine:
        engine.residency.costs.prefill_seconds.value = 10.0
        first = await filled(engine, 0, 30)
        engine.release(await filled(engine, 100, 40))
        fork = engine.fork(first)
        engine.release(first)
        assert fork.parcel is not None
        fork.truncate(20)
        assert (await generate(engine, fork, [7], max_tokens=8)).generated == wanted


async def test_a_context_is_back_before_its_tool_is(open_engine: OpenEngine) -> None:
    async with open_engine(pages=12, page_size_tokens=4) as engine:
        engine.residency.costs.prefill_seconds.value = 10.0
        first = await filled(engine, 0)
        engine.park(first, returns_in_seconds=0.3)
        engine.release(await filled(engine, 100, 40))
        assert first.parcel is not None
        with trio.fail_after(10):
            while first.parcel is not None:  # nobody submits anything
                await trio.sleep(0.01)
        assert first.table.length == 20
        assert engine.residency.statistics.restored_early == 1
        engine.resume(first)


async def test_a_pinned_context_is_moved_but_never_dropped(open_engine: OpenEngine) -> None:
    for host_bytes in (1 << 20, 0):
        async with open_engine(pages=12, page_size_tokens=4, offload_bytes=host_bytes) as engine:
            pinned = await filled(engine, 0)
            pinned.pinned = True
            if host_bytes:
                await filled(engine, 100, 40)
                assert pinned.parcel is not None
            else:
                with pytest.raises(PagesExceeded):
                    await filled(engine, 100, 40)
                assert pinned.table.length == 20


@pytest.mark.parametrize("failing_move", ["save", "restore"])
async def test_a_step_that_fails_while_kv_moves_costs_nothing_but_time(
    open_engine: OpenEngine, failing_move: str
) -> None:
    wanted = await expected(open_engine)
    async with open_engine(pages=12, page_size_tokens=4) as engine:
        engine.residency.costs.prefill_seconds.value = 10.0
        first = await filled(engine, 0)
        execute, failed = engine.runner.execute, []

        def once(batch: Batch) -> Iterator[StepResult]:
            saves = any(isinstance(e, PageMove) and e.entries is None for e in batch.prelude)
            restores = any(isinstance(e, PageMove) and e.entries for e in batch.prelude)
            if not failed and (saves if failing_move == "save" else restores):
                failed.append(batch.number)
                raise DeviceError("before anything was moved")
            yield from execute(batch)

        engine._gpu_task._execute = once
        with contextlib.suppress(DeviceError):  # a lone command is the one to blame
            engine.release(await filled(engine, 100, 40))
        for context in list(engine._contexts.values()):
            if context is not first:
                engine.release(context)
        with contextlib.suppress(DeviceError):
            await generate(engine, first, [7], max_tokens=8)
        first.truncate(20)
        assert failed
        assert (await generate(engine, first, [7], max_tokens=8)).generated == wanted


async def test_a_pinned_context_survives_a_failed_restore_and_is_lost_with_a_failed_save(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=12, page_size_tokens=4) as engine:
        first = await filled(engine, 0)
        first.pinned = True
        engine.release(await filled(engine, 100, 40))
        assert first.parcel is not None
        execute, failing = engine.runner.execute, [True]

        def once(batch: Batch) -> Iterator[StepResult]:
            if failing and batch.prelude:
                failing.clear()
                raise DeviceError("before anything was moved")
            yield from execute(batch)

        engine._gpu_task._execute = once
        with pytest.raises(DeviceError):
            await forward(engine, first, [7], [])
        assert first.parcel is not None
        first.truncate(20)
        await forward(engine, first, [7], [])
        failing.append(True)
        with contextlib.suppress(DeviceError):
            await filled(engine, 100, 40)
        assert first.lost
        with pytest.raises(DeviceError, match="copied KV was lost"):
            await forward(engine, first, [7], [])
        first.truncate(0)
        await forward(engine, first, [7], [])
