"""Decode steps over tensors that are filled in place, by a recording that does the work again.

A CUDA graph replays kernels; without CUDA the same class runs the same function once more. All the
rest (padding, sizes, binding, advancing, checking, giving up) is what runs on CUDA.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch

from pie_server.engine.attention.decode_tables import DecodeTables, padded_rows, padded_width
from pie_server.engine.batch import Row
from pie_server.engine.cuda_graphs import DecodeGraphs
from pie_server.engine.engine import Engine

from .conftest import OpenEngine, forward, generate
from .test_decode_runs import FILLS, Steps, generate_all, tokens_without_runs


class Again:
    """A recording that computes its work anew, into the tensor of the first time."""

    made = 0

    def __init__(self, work: Callable[[], torch.Tensor]) -> None:
        Again.made += 1
        self._work = work
        self.output = torch.empty_like(work())

    def replay(self) -> None:
        self.output.copy_(self._work())


class Wrong(Again):
    def replay(self) -> None:
        super().replay()
        self.output[0, 0] += 1e-3


class Broken(Again):
    def __init__(self, work: Callable[[], torch.Tensor]) -> None:
        raise RuntimeError("no graphs on this device")


def with_graphs(engine: Engine, record: type[Again] = Again) -> DecodeGraphs:
    runner = engine.runner
    scratch = engine.settings.pages  # the page behind those of the pool
    graphs = DecodeGraphs(runner.model, runner.cache, runner.attention, scratch, record)
    runner.graphs = graphs
    return graphs


@pytest.mark.parametrize("ahead", [False, True])
async def test_replayed_steps_choose_the_tokens_that_single_steps_choose(
    open_engine: OpenEngine, ahead: bool
) -> None:
    expected = await tokens_without_runs(open_engine)
    async with open_engine(pages=128) as engine:
        graphs = with_graphs(engine)
        engine.runner.ahead = ahead
        steps = Steps(engine)
        assert await generate_all(engine, FILLS) == expected
        assert graphs.replays > 10
        assert graphs.replays >= sum(count - 1 for count in steps.of_batches if count > 2) / 2
        assert not graphs.off


async def test_padded_rows_write_nowhere_but_on_the_page_of_nobody(open_engine: OpenEngine) -> None:
    async with open_engine(pages=16) as engine:
        graphs = with_graphs(engine)
        cache = engine.runner.cache
        for tensor in (*cache.keys, *cache.values):
            tensor.fill_(7.0)
        contexts = [engine.create_context("a", prefix_reuse=False) for _ in range(3)]
        for context in contexts:  # three rows: one of four is padding
            await forward(engine, context, [1, 2, 3], [])
        rows = [Row([4], 3, list(context.table.pages)) for context in contexts]
        before = [tensor.clone() for tensor in (*cache.keys, *cache.values)]
        with torch.inference_mode():
            run = graphs.begin(rows, 2)
            assert run is not None
            run.logits(torch.tensor([5, 6, 7]))
        size = cache.page_size_tokens
        written = {row.pages[0] * size + 4 for row in rows} | {16 * size}
        for old, new in zip(before, (*cache.keys, *cache.values), strict=True):
            changed = (old != new).flatten(1).any(dim=1).nonzero()[:, 0].tolist()
            assert set(changed) == written


async def test_a_recording_is_made_once_for_a_size(open_engine: OpenEngine) -> None:
    async with open_engine(pages=128) as engine:
        with_graphs(engine)
        Again.made = 0
        for _ in range(3):
            await generate(
                engine, engine.create_context("a", prefix_reuse=False), [1], max_tokens=9
            )
        assert Again.made == 1


@pytest.mark.parametrize("record", [Wrong, Broken])
async def test_graphs_that_fail_their_check_are_off_and_nothing_else_changes(
    open_engine: OpenEngine, record: type[Again], caplog: pytest.LogCaptureFixture
) -> None:
    expected = await tokens_without_runs(open_engine)
    caplog.set_level(logging.WARNING)
    async with open_engine(pages=128) as engine:
        graphs = with_graphs(engine, record)
        assert await generate_all(engine, FILLS) == expected
        assert graphs.off
        assert graphs.replays == 0
    warnings = [entry for entry in caplog.records if "without CUDA graphs" in entry.getMessage()]
    assert len(warnings) == 1


async def test_rows_that_hide_tokens_are_not_replayed(open_engine: OpenEngine) -> None:
    tokens: list[list[int]] = []
    for replayed in (False, True):
        async with open_engine(pages=64) as engine:
            graphs = with_graphs(engine)
            if not replayed:
                engine.runner.graphs = None
            context = engine.create_context("a", prefix_reuse=False)
            await forward(engine, context, list(range(30)), [])
            context.drop_range(4, 18)
            command = await generate(engine, context, [7], max_tokens=40)
            tokens.append(command.generated)
            assert graphs.replays == 0
    assert tokens[0] == tokens[1]


async def test_a_run_goes_on_in_wider_tables_when_its_contexts_outgrow_them(
    open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pie_server.engine.attention.decode_tables._SMALLEST_TOKENS", 32)
    tokens: list[list[int]] = []
    for replayed in (False, True):
        async with open_engine(pages=64) as engine:
            Again.made = 0
            graphs = with_graphs(engine)
            if not replayed:
                engine.runner.graphs = None
            context = engine.create_context("a", prefix_reuse=False)
            command = await generate(engine, context, list(range(20)), max_tokens=60)
            tokens.append(command.generated)
            assert Again.made == (2 if replayed else 0)
            assert not graphs.off
    assert tokens[0] == tokens[1]


def test_tables_are_padded_to_a_few_sizes_with_the_page_given() -> None:
    tables = DecodeTables.of([[3, 4], [5, 9, 9], [6]], [17, 20, 2], 16, torch.device("cpu"),
                             padding_page=99)  # fmt: skip
    assert tables.lengths.tolist() == [17, 20, 2, 1]
    assert tables.pages.shape == (4, 64)
    assert tables.pages[:, :3].tolist() == [[3, 4, 99], [5, 9, 9], [6, 99, 99], [99, 99, 99]]
    assert [padded_rows(n) for n in (1, 2, 3, 128, 129)] == [1, 2, 4, 128, 256]
    assert [padded_width(n, 16) for n in (1, 64, 65, 256, 257)] == [64, 64, 256, 256, 1024]
