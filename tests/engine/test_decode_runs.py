"""Decode runs: the device goes on by itself, and nobody can tell but by the time it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
import trio

from pie_server.engine.batch import Batch, StepResult
from pie_server.engine.commands import GenerateCommand
from pie_server.engine.engine import Engine
from pie_server.engine.sampling import SamplingParams
from pie_server.errors import DeviceError, OperationCancelled, PieError
from pie_server.kv import Context

from .conftest import OpenEngine, Oracle, forward, generate

PARAMS = (
    SamplingParams(),
    SamplingParams(temperature=1.0, seed=7),
    SamplingParams(temperature=0.8, top_p=0.9, top_k=20, seed=8),
    SamplingParams(temperature=1.0, seed=9, repetition_penalty=1.3, frequency_penalty=0.5),
)


class Steps:
    """Counts batches and the steps that the device took for them."""

    def __init__(self, engine: Engine) -> None:
        self.of_batches: list[int] = []
        self._execute = engine.runner.execute
        engine._gpu_task._execute = self._counted

    def _counted(self, batch: Batch) -> Iterator[StepResult]:
        self.of_batches.append(0)
        for result in self._execute(batch):
            self.of_batches[-1] += 1
            yield result


async def generate_all(
    engine: Engine, fills: list[list[int]], *, max_tokens: int = 40
) -> list[list[int]]:
    results: dict[int, list[int]] = {}

    async def one(index: int) -> None:
        context = engine.create_context("a", prefix_reuse=False)
        params = PARAMS[index % len(PARAMS)]
        command = await penalised(engine, context, fills[index], params, max_tokens)
        results[index] = command.generated
        engine.release(context)

    async with trio.open_nursery() as nursery:
        for index in range(len(fills)):
            nursery.start_soon(one, index)
    return [results[index] for index in range(len(fills))]


async def penalised(
    engine: Engine,
    context: Context,
    fill: list[int],
    params: SamplingParams,
    max_tokens: int,
    on_token: Callable[[int], bool] | None = None,
) -> GenerateCommand:
    done = trio.Event()
    errors: list[PieError] = []

    def on_done(_: GenerateCommand, error: PieError | None) -> None:
        errors.extend([error] if error else [])
        done.set()

    command = GenerateCommand(
        context,
        fill,
        params=params,
        max_tokens=max_tokens,
        stop_tokens=frozenset(),
        on_token=on_token,
        on_done=on_done,
        vocab_size=engine.checkpoint.config.vocab_size,
    )
    engine.submit(command)
    with trio.fail_after(60):
        await done.wait()
    if errors:
        raise errors[0]
    return command


FILLS = [[i, i + 1, i + 2] * (i + 1) for i in range(8)]


async def tokens_without_runs(open_engine: OpenEngine) -> list[list[int]]:
    async with open_engine(pages=128, policy="eager") as engine:
        steps = Steps(engine)
        tokens = await generate_all(engine, FILLS)
        assert set(steps.of_batches) == {1}
        return tokens


@pytest.mark.parametrize("ahead", [False, True])
async def test_a_run_chooses_the_tokens_that_single_steps_choose(
    open_engine: OpenEngine, ahead: bool
) -> None:
    expected = await tokens_without_runs(open_engine)
    async with open_engine(pages=128) as engine:
        engine.runner.ahead = ahead
        steps = Steps(engine)
        assert await generate_all(engine, FILLS) == expected
        assert max(steps.of_batches) > 10
        assert engine.pool.free_pages == 128


@pytest.mark.parametrize("ahead", [False, True])
async def test_a_stop_token_ends_a_row_and_the_others_go_on(
    open_engine: OpenEngine, ahead: bool
) -> None:
    async with open_engine(pages=64) as engine:
        engine.runner.ahead = ahead
        whole = (
            await generate(engine, engine.create_context("a"), [5, 6], max_tokens=30)
        ).generated
        stop = whole[11]
        at = whole.index(stop)
        results: list[GenerateCommand] = []

        async def one(stops: frozenset[int]) -> None:
            context = engine.create_context("a")
            command = await generate(engine, context, [5, 6], max_tokens=30, stop_tokens=stops)
            results.append(command)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, frozenset({stop}))
            nursery.start_soon(one, frozenset())
        short, long = sorted(results, key=lambda command: len(command.generated))
        assert short.generated == whole[: at + 1]
        assert short.finish_reason == "stop"
        assert long.generated == whole
        assert len(short.context.tokens) == 2 + at + 1


@pytest.mark.parametrize("ahead", [False, True])
async def test_what_comes_behind_an_early_end_leaves_no_trace(
    open_engine: OpenEngine, oracle: Oracle, ahead: bool
) -> None:
    """The device may have taken steps that nobody wants by the time the loop sees a token."""
    async with open_engine(pages=64, page_size_tokens=4) as engine:
        engine.runner.ahead = ahead
        for length in range(1, 12):
            context = engine.create_context("a", prefix_reuse=False)
            seen: list[int] = []

            def enough(token: int, seen: list[int] = seen, length: int = length) -> bool:
                seen.append(token)
                return len(seen) == length

            command = await penalised(engine, context, [9, 8], PARAMS[1], 60, enough)
            assert command.generated == seen
            assert len(context.tokens) == 2 + length
            got = await forward(engine, context, [3, 4])
            expected = oracle([9, 8, *seen, 3, 4])
            torch.testing.assert_close(got[1], expected[-1], atol=2e-5, rtol=1e-3)
            engine.release(context)
        engine.check_integrity()


async def test_a_newcomer_does_not_wait_for_the_end_of_a_run(open_engine: OpenEngine) -> None:
    async with open_engine(pages=128) as engine:
        steps = Steps(engine)
        seen: list[int] = []
        submitted_at: list[int] = []
        first = engine.create_context("a")
        done = trio.Event()

        def newcomer(token: int) -> bool:
            seen.append(token)
            if len(seen) == 5:
                submitted_at.append(len(seen))
                nursery.start_soon(second)
            return False

        async def second() -> None:
            await generate(engine, engine.create_context("a"), [1, 2, 3], max_tokens=1)
            submitted_at.append(len(seen))
            done.set()

        async with trio.open_nursery() as nursery:
            await penalised(engine, first, [5, 6], PARAMS[0], 200, newcomer)
            await done.wait()
        begun, ended = submitted_at
        assert ended - begun < 30  # far from the run's end, and from the generation's
        assert len(steps.of_batches) > 3


async def test_cancelling_ends_a_run_and_frees_its_pages(open_engine: OpenEngine) -> None:
    async with open_engine(pages=64) as engine:
        context = engine.create_context("a", prefix_reuse=False)
        seen: list[int] = []

        def release(token: int) -> bool:
            seen.append(token)
            if len(seen) == 4:
                engine.release(context)
            return False

        with pytest.raises(OperationCancelled):
            await penalised(engine, context, [5, 6], PARAMS[0], 200, release)
        assert engine.pool.free_pages == 64
        assert len(seen) == 4
        await generate(engine, engine.create_context("a"), [1, 2, 3])


async def test_a_run_that_fails_on_the_way_goes_on_token_for_token(
    open_engine: OpenEngine,
) -> None:
    expected = await tokens_without_runs(open_engine)
    async with open_engine(pages=128) as engine:
        execute, failures = engine.runner.execute, [3, 5, 7]

        def failing(batch: Batch) -> Iterator[StepResult]:
            for number, result in enumerate(execute(batch)):
                if number and failures and number == failures[0] and len(batch.rows) > 1:
                    failures.pop(0)
                    raise DeviceError("on the way")
                yield replace(result, last=result.last)

        engine._gpu_task._execute = failing
        plain = [i for i in range(len(FILLS)) if i % len(PARAMS) < 3]
        results = await generate_all(engine, FILLS)
        # Penalties advance with the step that was lost, so only the others can be compared.
        assert [results[i] for i in plain] == [expected[i] for i in plain]
        assert not failures


async def test_without_free_pages_to_reserve_there_is_no_run_and_nothing_is_evicted(
    open_engine: OpenEngine,
) -> None:
    async with open_engine(pages=8, page_size_tokens=4) as engine:
        idle = engine.create_context("a", prefix_reuse=False)
        await forward(engine, idle, [1] * 12, [])
        command = await generate(
            engine, engine.create_context("a", prefix_reuse=False), [2, 3], max_tokens=18
        )
        assert len(command.generated) == 18
        assert idle.table.length == 12


async def test_dropped_ranges_stay_hidden_in_a_run(open_engine: OpenEngine) -> None:
    tokens: list[list[int]] = []
    for policy in ("eager", "adaptive"):
        async with open_engine(pages=64, page_size_tokens=4, policy=policy) as engine:
            steps = Steps(engine)
            context = engine.create_context("a", prefix_reuse=False)
            await forward(engine, context, list(range(30)), [])
            context.drop_range(4, 18)
            command = await generate(engine, context, [7], max_tokens=40)
            tokens.append(command.generated)
            assert (max(steps.of_batches) > 10) == (policy == "adaptive")
    assert tokens[0] == tokens[1]


async def test_cached_prefixes_make_way_for_a_run(open_engine: OpenEngine) -> None:
    async with open_engine(pages=24, page_size_tokens=4) as engine:
        for number in range(6):  # fills the pool with prefixes that nobody uses
            context = engine.create_context("a")
            await forward(engine, context, [number] * 16, [])
            engine.release(context)
        assert engine.pool.free_pages == 0
        steps = Steps(engine)
        await generate(engine, engine.create_context("a"), [99, 98], max_tokens=40)
        assert max(steps.of_batches) > 10
