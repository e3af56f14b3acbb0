"""Batching, waiting for pages, cancellation and failures, on a running engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import trio

from pie_server.engine.batch import Batch, StepResult
from pie_server.engine.commands import ForwardCommand, GenerateCommand
from pie_server.engine.policies import policy_named
from pie_server.engine.queues import CommandQueue, Priority
from pie_server.engine.sampling import SamplingParams
from pie_server.engine.scheduler import SchedulerLimits
from pie_server.errors import (
    ConfigurationError,
    ContextTooLong,
    DeviceError,
    OperationCancelled,
    PagesExceeded,
    PieError,
)

from .conftest import OpenEngine, Oracle, forward, generate


async def test_concurrent_generations_share_steps_and_give_the_same_tokens(
    open_engine: OpenEngine,
) -> None:
    prompts = [[i, i + 1, i + 2] * (i + 1) for i in range(8)]
    async with open_engine(pages=128) as engine:
        alone = [
            (await generate(engine, engine.create_context("a", prefix_reuse=False), p)).generated
            for p in prompts
        ]
    async with open_engine(pages=128) as engine:
        together: dict[int, list[int]] = {}

        async def one(number: int) -> None:
            command = await generate(engine, engine.create_context("a"), prompts[number])
            together[number] = command.generated

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(one, number)
        assert [together[i] for i in range(8)] == alone
        assert engine.scheduler.statistics.steps < 8 * 8 / 2


async def test_seeded_sampling_does_not_depend_on_the_batch(open_engine: OpenEngine) -> None:
    params = SamplingParams(temperature=1.0, top_p=0.9, seed=42)
    async with open_engine(pages=128) as engine:
        alone = await generate(engine, engine.create_context("a"), [9, 8, 7], params=params)
        results: list[list[int]] = []

        async def same() -> None:
            command = await generate(engine, engine.create_context("a"), [9, 8, 7], params=params)
            results.append(command.generated)

        async def other(seed: int) -> None:
            hot = SamplingParams(temperature=3.0, seed=seed)
            await generate(engine, engine.create_context("a"), [seed] * 30, params=hot)

        async with trio.open_nursery() as nursery:
            for seed in range(6):
                nursery.start_soon(other, seed)
            nursery.start_soon(same)
        assert results == [alone.generated]


async def test_equal_prefixes_are_computed_once(open_engine: OpenEngine) -> None:
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        prompt = list(range(40))
        await generate(engine, engine.create_context("a"), prompt, max_tokens=1)
        again = await generate(engine, engine.create_context("a"), prompt, max_tokens=1)
        assert again.reused_tokens == 36  # all full pages but the last token's
        foreign = await generate(engine, engine.create_context("b"), prompt, max_tokens=1)
        assert foreign.reused_tokens == 0


async def test_requests_wait_for_pages_and_all_complete(open_engine: OpenEngine) -> None:
    """Eight contexts of up to 9 pages in a pool of 12: they take turns and nothing is lost."""
    async with open_engine(pages=12, page_size_tokens=4, offload_bytes=0) as engine:
        expected = {
            i: (
                await generate(engine, engine.create_context("x"), [i] * 20, max_tokens=12)
            ).generated
            for i in range(1)
        }
        done: dict[int, list[int]] = {}

        async def one(number: int) -> None:
            context = engine.create_context("a")
            command = await generate(engine, context, [number] * 20, max_tokens=12)
            done[number] = command.generated
            engine.release(context)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for number in range(8):
                    nursery.start_soon(one, number)
        assert len(done) == 8
        assert done[0] == expected[0]
        assert 0 < engine.residency.statistics.dropped_contexts <= 16  # no to and fro


async def test_a_context_larger_than_the_pool_is_refused_and_others_go_on(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=4, page_size_tokens=4) as engine:
        other = engine.create_context("a")
        await generate(engine, other, [1, 2, 3], max_tokens=2)
        big = engine.create_context("a")
        with pytest.raises(PagesExceeded, match="only 4 in all"):
            await forward(engine, big, [1] * 40)
        engine.release(big)
        assert len((await generate(engine, other, [5], max_tokens=2)).generated) == 2


async def test_cancelling_frees_the_queue_and_keeps_the_context_usable(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=64) as engine:
        context = engine.create_context("a")
        outcome: list[PieError | None] = []
        started = trio.Event()
        ended = trio.Event()

        def on_token(_: int) -> bool:
            started.set()
            return False

        def on_done(_: GenerateCommand, error: PieError | None) -> None:
            outcome.append(error)
            ended.set()

        command = GenerateCommand(
            context,
            [1, 2, 3],
            params=SamplingParams(),
            max_tokens=10_000,
            stop_tokens=frozenset(),
            on_token=on_token,
            on_done=on_done,
        )
        engine.submit(command)
        with trio.fail_after(10):
            await started.wait()
            assert engine.scheduler.cancel(command)
            await ended.wait()
        assert isinstance(outcome[0], OperationCancelled)
        context.truncate(3)
        again = await generate(engine, context, [4], max_tokens=4)
        fresh = await generate(
            engine, engine.create_context("a", prefix_reuse=False), [1, 2, 3, 4], max_tokens=4
        )
        assert again.generated == fresh.generated


async def test_releasing_a_context_in_mid_step_frees_every_page(open_engine: OpenEngine) -> None:
    async with open_engine(pages=64) as engine:
        for _ in range(20):
            context = engine.create_context("a", prefix_reuse=False)
            ended = trio.Event()
            command = GenerateCommand(
                context,
                [1] * 50,
                params=SamplingParams(),
                max_tokens=1000,
                stop_tokens=frozenset(),
                on_token=None,
                on_done=lambda *_, ended=ended: ended.set(),
            )
            engine.submit(command)
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            engine.release(context)
            with trio.fail_after(10):
                await ended.wait()
            engine.check_integrity()
        assert engine.pool.free_pages == 64


async def test_a_failing_row_fails_alone(open_engine: OpenEngine) -> None:
    async with open_engine(pages=64) as engine:
        execute = engine.runner.execute

        def poisoned(batch: Batch) -> Iterator[StepResult]:
            if any(row.tokens[0] == 66 for row in batch.rows):
                raise DeviceError("poisoned")
            yield from execute(batch)

        engine._gpu_task._execute = poisoned
        failures: list[int] = []

        async def one(first: int) -> None:
            try:
                await forward(engine, engine.create_context("a"), [first, 1, 2])
            except DeviceError:
                failures.append(first)

        async with trio.open_nursery() as nursery:
            for first in (64, 65, 66, 67):
                nursery.start_soon(one, first)
        assert failures == [66]


async def test_long_prompts_are_cut_into_chunks(open_engine: OpenEngine) -> None:
    limits = SchedulerLimits(prefill_tokens=16)
    async with open_engine(pages=64, limits=limits) as engine:
        command = await generate(engine, engine.create_context("a"), [7] * 100, max_tokens=1)
        assert command.steps == 7


async def test_a_prompt_beyond_the_models_context_is_refused(open_engine: OpenEngine) -> None:
    async with open_engine(pages=64) as engine:
        with pytest.raises(ContextTooLong, match="512"):
            engine.room(513)


async def test_after_a_failed_step_equal_prompts_share_their_prefix_again(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        execute, failures = engine.runner.execute, [1]

        def once(batch: Batch) -> Iterator[StepResult]:
            if failures and len(batch.rows) == 2:
                failures.pop()
                raise DeviceError("once")
            yield from execute(batch)

        engine._gpu_task._execute = once
        results: list[list[int]] = []

        async def one() -> None:
            command = await generate(engine, engine.create_context("a"), list(range(20)))
            results.append(command.generated)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one)
            nursery.start_soon(one)
        assert not failures
        assert results[0] == results[1]


async def test_kv_behind_a_page_copy_that_never_ran_is_not_trusted(
    open_engine: OpenEngine, oracle: Oracle
) -> None:
    async with open_engine(pages=64) as engine:
        base = engine.create_context("a", prefix_reuse=False)
        await forward(engine, base, [7, 8, 9])
        fork = engine.fork(base)
        execute, failing = engine.runner.execute, [True]

        def fail(batch: Batch) -> Iterator[StepResult]:
            if failing and batch.prelude:
                failing.clear()
                trio.from_thread.run_sync(engine.scheduler.cancel_all, fork, trio_token=token)
                raise DeviceError("before the copies")
            yield from execute(batch)

        token = trio.lowlevel.current_trio_token()
        engine._gpu_task._execute = fail
        with pytest.raises(OperationCancelled):
            await forward(engine, fork, [11])
        fork.truncate(3)
        got = await forward(engine, fork, [12])
        expected = oracle([7, 8, 9, 12])[-1]
        torch.testing.assert_close(got[0], expected, atol=2e-5, rtol=1e-3)


async def test_a_large_prompt_is_served_although_idle_contexts_hold_the_pool(
    open_engine: OpenEngine,
) -> None:
    """Small agents come and go all the time; the large one must not wait for them for ever."""
    async with open_engine(pages=40, page_size_tokens=4, offload_bytes=0) as engine:
        for number in range(3):
            idle = engine.create_context("a", prefix_reuse=False)
            await forward(engine, idle, [number] * 40, [])
        large_done = trio.Event()
        served = 0

        async def small(seed: int) -> None:
            nonlocal served
            while not large_done.is_set():
                context = engine.create_context("a", prefix_reuse=False)
                await generate(engine, context, [seed] * 6, max_tokens=10)
                engine.release(context)
                served += 1

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(small, 50)
                nursery.start_soon(small, 60)
                large = engine.create_context("a", prefix_reuse=False)
                await forward(engine, large, [9] * 130, [])
                large_done.set()
        assert engine.residency.statistics.dropped_contexts > 0


async def test_no_failure_of_the_device_is_more_than_a_typed_error(
    open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine(pages=16) as engine:

        def broken(*_: object) -> object:
            raise AssertionError("a kernel's own check")

        with monkeypatch.context() as patch:
            patch.setattr(engine.runner.model, "forward", broken)
            with pytest.raises(DeviceError, match="a kernel's own check"):
                await forward(engine, engine.create_context("a"), [1, 2])
        await forward(engine, engine.create_context("a"), [1, 2])


async def test_logits_that_are_not_finite_fail_their_row_alone(
    open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine(pages=16) as engine:
        logits = engine.runner.model.logits

        def poisoned(hidden: torch.Tensor) -> torch.Tensor:
            found = logits(hidden)
            found[0] = float("nan")
            return found

        monkeypatch.setattr(engine.runner.model, "logits", poisoned)
        outcomes: list[str] = []

        async def one(seed: int) -> None:
            params = SamplingParams(temperature=1.0, seed=seed)
            try:
                await generate(
                    engine, engine.create_context("a"), [seed], max_tokens=1, params=params
                )
                outcomes.append("done")
            except DeviceError as error:
                outcomes.append(error.message)

        async with trio.open_nursery() as nursery:
            for seed in range(3):
                nursery.start_soon(one, seed)
        assert sorted(outcomes) == ["done", "done", "the model's logits are not finite"]


async def test_guests_that_step_token_by_token_share_steps_with_others(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=64) as engine:

        async def neighbour() -> None:
            with pytest.raises(OperationCancelled):
                await generate(engine, long, [5] * 4, max_tokens=500)

        async with trio.open_nursery() as nursery:
            long = engine.create_context("a")
            nursery.start_soon(neighbour)
            context = engine.create_context("a")
            await forward(engine, context, [3])
            before = engine.scheduler.statistics.steps
            for token in range(50):
                await forward(engine, context, [token], [])
            used = engine.scheduler.statistics.steps - before
            engine.release(long)
        assert used <= 60


async def test_a_queues_priority_decides_among_contexts(open_engine: OpenEngine) -> None:
    """In steps of one row the high queue's commands all run before the older low ones."""
    async with open_engine(pages=64, limits=SchedulerLimits(rows=1)) as engine:
        low, high = CommandQueue(Priority.LOW), CommandQueue(Priority.HIGH)
        order: list[str] = []
        done = trio.Event()

        def note(name: str) -> None:
            order.append(name)
            if len(order) == 6:
                done.set()

        for name, queue in (("low", low), ("high", high)):
            for _ in range(3):
                engine.submit(
                    ForwardCommand(
                        engine.create_context("a"),
                        [1, 2, 3],
                        asked=(),
                        on_done=lambda *_, name=name: note(name),
                        queue=queue,
                    )
                )
        with trio.fail_after(30):
            await done.wait()
        assert order == ["high"] * 3 + ["low"] * 3


async def test_a_priority_changed_in_the_queue_counts_at_once(open_engine: OpenEngine) -> None:
    async with open_engine(pages=64, limits=SchedulerLimits(rows=1)) as engine:
        first, second = CommandQueue(), CommandQueue()
        order: list[str] = []
        done = trio.Event()
        second.synchronize(lambda: order.append("nothing to wait for"))
        for name, queue in (("first", first), ("second", second)):
            engine.submit(
                ForwardCommand(
                    engine.create_context("a"),
                    [1, 2, 3],
                    asked=(),
                    on_done=lambda *_, name=name: order.append(name),
                    queue=queue,
                )
            )
        engine.scheduler.set_priority(second, Priority.HIGH)
        first.synchronize(done.set)
        with trio.fail_after(30):
            await done.wait()
        assert order == ["nothing to wait for", "second", "first"]


@pytest.mark.parametrize("policy", ["adaptive", "eager", "k_only", "t_only"])
async def test_every_policy_gives_the_same_tokens(open_engine: OpenEngine, policy: str) -> None:
    async with open_engine(pages=64) as engine:
        alone = (await generate(engine, engine.create_context("a"), [9, 8], max_tokens=3)).generated
    async with open_engine(pages=64, policy=policy) as engine:
        results: list[list[int]] = []

        async def one() -> None:
            context = engine.create_context("a", prefix_reuse=False)
            results.append((await generate(engine, context, [9, 8], max_tokens=3)).generated)

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(one)
        assert results == [alone] * 3
        steps = engine.scheduler.statistics
        if policy == "eager":
            assert steps.steps == steps.rows == 9
        else:
            assert steps.steps < steps.rows


def test_policies_wait_as_long_as_they_say() -> None:
    assert policy_named("adaptive").delay_seconds(1, 0.0) == 0
    assert policy_named("eager").delay_seconds(1, 0.0) == 0
    k_only = policy_named("k_only", k=4)
    assert k_only.delay_seconds(4, 0.0) == 0
    assert k_only.delay_seconds(3, 0.25) == 0.75
    t_only = policy_named("t_only", t_seconds=0.01)
    assert t_only.delay_seconds(500, 0.004) == pytest.approx(0.006)
    assert t_only.delay_seconds(1, 0.02) == 0
    with pytest.raises(ConfigurationError, match="no batching policy"):
        policy_named("sometimes")


async def test_an_early_row_without_pages_does_not_stop_a_prompt_of_higher_priority(
    open_engine: OpenEngine,
) -> None:
    """A generation at the end of its page, in a full pool, beside a prompt that comes first."""
    async with open_engine(pages=8, page_size_tokens=4, offload_bytes=0) as engine:
        low, high = CommandQueue(Priority.LOW), CommandQueue(Priority.HIGH)
        ended: list[str] = []
        done = trio.Event()

        def end(name: str) -> None:
            ended.append(name)
            if len(ended) == 2:
                done.set()

        def on_token(_: int) -> bool:
            if len(slow.generated) == 2:
                engine.submit(
                    ForwardCommand(
                        engine.create_context("a", prefix_reuse=False),
                        [9] * 20,
                        asked=(),
                        on_done=lambda *_: end("prompt"),
                        queue=high,
                    )
                )
            return False

        slow = GenerateCommand(
            engine.create_context("a", prefix_reuse=False),
            [1] * 14,
            params=SamplingParams(),
            max_tokens=12,
            stop_tokens=frozenset(),
            on_token=on_token,
            on_done=lambda *_: end("generation"),
            queue=low,
        )
        engine.submit(slow)
        with trio.fail_after(20):
            await done.wait()
        assert sorted(ended) == ["generation", "prompt"]
        assert len(slow.generated) == 12


async def test_a_callback_that_raises_ends_its_own_command_with_an_error(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=16) as engine:
        seen: list[PieError | None] = []
        done = trio.Event()

        def on_done(_: ForwardCommand, error: PieError | None) -> None:
            seen.append(error)
            if error is None:
                raise RuntimeError("the owner is broken")
            done.set()

        engine.submit(ForwardCommand(engine.create_context("a"), [1, 2], asked=(), on_done=on_done))
        with trio.fail_after(20):
            await done.wait()
        assert isinstance(seen[1], DeviceError)
        await generate(engine, engine.create_context("a"), [1], max_tokens=1)
