"""Attention over pages of any layout, against a dense float64 computation."""

from __future__ import annotations

import importlib
import random

import pytest
import torch

from pie_server.engine.attention.decode_tables import DecodeTables
from pie_server.engine.attention.interface import BatchLayout, HiddenSpan
from pie_server.engine.attention.torch import TorchAttention
from pie_server.engine.attention.xformers import Parts, XformersAttention, split_count
from pie_server.kv.recipe import union

PAGE = 4
HEADS, KV_HEADS, DIM = 4, 2, 8
PAGES = 40


def random_layout(seed: int, *, hiding: bool = False) -> BatchLayout:
    """Rows of mixed prefill and decode over scattered pages, some with hidden tokens."""
    rng = random.Random(seed)
    free = list(range(1, PAGES))  # page 0 pads short tables
    rng.shuffle(free)
    queries, lengths, pages = [], [], []
    hidden: dict[int, list[HiddenSpan]] = {}
    for _ in range(rng.randrange(1, 6)):
        length = rng.randrange(1, 24)
        query = rng.choice([1, 1, length, rng.randrange(1, length + 1)])
        if hiding and rng.random() < 0.6:
            hidden[len(queries)] = random_spans(rng, query, length)
        queries.append(query)
        lengths.append(length)
        count = -(-length // PAGE) + rng.randrange(2)  # a page may be reserved ahead
        if rng.random() < 0.4:  # neighbours, which are read in place
            free.sort(reverse=True)
        pages.append([free.pop() for _ in range(count)])
        rng.shuffle(free)
    return BatchLayout(queries, lengths, pages, PAGE, torch.device("cpu"), hidden)


def random_spans(rng: random.Random, query: int, length: int) -> list[HiddenSpan]:
    """A span for each token of a row."""
    spans: list[HiddenSpan] = []
    for offset in range(query):
        own = length - query + offset
        ends = [sorted((rng.randrange(own + 1), rng.randrange(own + 1))) for _ in range(2)]
        if rng.random() < 0.2:
            ends.append([0, own + 1])  # itself too, as far as that goes
        spans.append((offset, offset + 1, union((low, high) for low, high in ends)))
    return spans


def sees(layout: BatchLayout, row: int, offset: int, window: int | None) -> list[int]:
    """The slots that a token may attend to, by the definition."""
    own = layout.kv_lengths[row] - layout.query_lengths[row] + offset
    hidden = {
        at
        for first, stop, ranges in layout.hidden.get(row, ())
        if first <= offset < stop
        for low, high in ranges
        for at in range(low, high)
    }
    begin = 0 if window is None else max(0, own - window + 1)
    return [slot(layout, row, at) for at in range(begin, own + 1) if at == own or at not in hidden]


def slot(layout: BatchLayout, row: int, position: int) -> int:
    return layout.pages[row][position // PAGE] * PAGE + position % PAGE


def dense(
    layout: BatchLayout,
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    window: int | None = None,
    scale: float = DIM**-0.5,
) -> torch.Tensor:
    """One token at a time, in float64."""
    out, flat = [], 0
    for row, count in enumerate(layout.query_lengths):
        for offset in range(count):
            seen = sees(layout, row, offset, window)
            k = keys[seen].double().repeat_interleave(HEADS // KV_HEADS, 1)
            v = values[seen].double().repeat_interleave(HEADS // KV_HEADS, 1)
            scores = torch.einsum("hd,lhd->hl", query[flat].double(), k) * scale
            out.append(torch.einsum("hl,lhd->hd", scores.softmax(-1), v))
            flat += 1
    return torch.stack(out)


@pytest.mark.parametrize("seed", range(25))
def test_torch_attention_equals_the_dense_computation(seed: int) -> None:
    layout = random_layout(seed)
    torch.manual_seed(seed)
    query = torch.randn(sum(layout.query_lengths), HEADS, DIM)
    keys, values = torch.randn(2, PAGES * PAGE, KV_HEADS, DIM).unbind()
    got = TorchAttention().plan(layout).run(query, keys, values)
    torch.testing.assert_close(got.double(), dense(layout, query, keys, values), atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(40))
def test_hidden_tokens_windows_and_scales_equal_the_dense_computation(seed: int) -> None:
    layout = random_layout(seed, hiding=True)
    torch.manual_seed(seed)
    query = torch.randn(sum(layout.query_lengths), HEADS, DIM)
    keys, values = torch.randn(2, PAGES * PAGE, KV_HEADS, DIM).unbind()
    plan = TorchAttention().plan(layout)
    for window, scale in ((None, 0.2), (1, 0.3), (5, 0.1), (9, 0.4), (1000, 0.2)):
        got = plan.run(query, keys, values, window_tokens=window, scale=scale)
        expected = dense(layout, query, keys, values, window, scale)
        torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=0)


def check_parts(layout: BatchLayout, parts: Parts, plain: list[int]) -> None:
    """What the kernels are told of the rows without masks is exactly what these rows see."""
    starts, queries = layout.starts(), layout.query_lengths
    decode = [row for row in plain if queries[row] == 1]
    prefill = [row for row in plain if queries[row] > 1]
    assert (parts.decode is None) == (not decode)
    assert (parts.prefill is None) == (not prefill)
    if parts.decode is not None:
        bias = parts.decode.plan.bias
        lengths, pages = bias.k_seqinfo.seqlen.tolist(), bias.block_tables.tolist()
        assert bias.q_seqinfo.seqstart.tolist() == list(range(len(lengths) + 1))
        assert bias.k_seqinfo.padding == len(pages[0]) * PAGE
        for at, row in enumerate(decode):
            seen = [pages[at][i // PAGE] * PAGE + i % PAGE for i in range(lengths[at])]
            assert seen == sees(layout, row, 0, None)
        assert lengths[len(decode) :] == [1] * (len(lengths) - len(decode))
        if parts.decode.tokens is not None:
            assert parts.decode.tokens.tolist() == [starts[row] for row in decode]
    if parts.prefill is not None:
        slots = parts.prefill.slots
        count = sum(queries[row] for row in prefill)
        visible = parts.prefill.bias.materialize((count, len(slots))) == 0  # [tokens, slots]
        places = [(row, offset) for row in prefill for offset in range(queries[row])]
        for token, (row, offset) in zip(visible, places, strict=True):
            assert slots[token].tolist() == sees(layout, row, offset, None)
        if parts.prefill.tokens is not None:
            tokens = [starts[row] + offset for row, offset in places]
            assert parts.prefill.tokens.tolist() == tokens


@pytest.mark.parametrize("seed", range(20))
def test_xformers_kernels_are_told_exactly_what_each_token_sees(seed: int) -> None:
    """xformers has no operator for the CPU, but its biases can be written out there."""
    layout = random_layout(seed)
    parts = XformersAttention().plan(layout).parts_for()
    assert parts.masked is None
    check_parts(layout, parts, list(range(len(layout.query_lengths))))


@pytest.mark.parametrize("seed", range(20))
def test_rows_with_masks_leave_the_kernels_of_the_others_as_they_are(seed: int) -> None:
    layout = random_layout(seed, hiding=True)
    plan = XformersAttention().plan(layout)
    for window in (None, 6):
        longest = window or 1000
        plain = [
            row
            for row, length in enumerate(layout.kv_lengths)
            if row not in layout.hidden and length <= longest
        ]
        parts = plan.parts_for(window)
        assert (parts.masked is None) == (len(plain) == len(layout.query_lengths))
        check_parts(layout, parts, plain)


@pytest.mark.parametrize("seed", range(20))
def test_xformers_plans_fall_back_on_torch_where_no_operator_takes_the_inputs(seed: int) -> None:
    layout = random_layout(seed, hiding=True)
    torch.manual_seed(seed)
    query = torch.randn(sum(layout.query_lengths), HEADS, DIM)
    keys, values = torch.randn(2, PAGES * PAGE, KV_HEADS, DIM).unbind()
    plan = XformersAttention().plan(layout)
    for window, scale in ((None, 0.2), (5, 0.1), (1000, 0.2)):
        got = plan.run(query, keys, values, window_tokens=window, scale=scale)
        expected = dense(layout, query, keys, values, window, scale)
        torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", [TorchAttention, XformersAttention])
def test_a_decode_plan_follows_tables_that_are_filled_anew(
    backend: type[TorchAttention | XformersAttention],
) -> None:
    rng = random.Random(3)
    keys, values = torch.randn(2, PAGES * PAGE, KV_HEADS, DIM).unbind()
    query = torch.randn(4, HEADS, DIM)
    tables = DecodeTables.over(torch.zeros(4 * (1 + 256), dtype=torch.int32), 4, PAGE)
    plan = backend().decode_plan(tables)
    for _ in range(4):
        lengths = [rng.randrange(1, 24) for _ in range(3)]
        pages = [rng.sample(range(PAGES), 6) for _ in lengths]
        tables.flat.copy_(DecodeTables.of(pages, lengths, PAGE, torch.device("cpu")).flat)
        layout = BatchLayout([1] * 3, lengths, pages, PAGE, torch.device("cpu"), {})
        for window in (None, 5):
            got = plan.run(query, keys, values, window_tokens=window)[:3]
            expected = dense(layout, query, keys, values, window)
            torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=0)


def test_contexts_are_split_until_a_device_is_busy() -> None:
    assert split_count(8, 1024) == 8  # no piece shorter than 128 tokens
    assert split_count(8, 1 << 20) == 64
    assert split_count(256, 4096) == 2
    assert split_count(2048, 4096) == 1


@pytest.mark.parametrize("seed", range(30))
def test_contexts_in_neighbouring_pages_are_read_in_place_and_give_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("pie_server.engine.attention.torch")
    monkeypatch.setattr(module, "_ALONE_TOKENS", 3)
    layout = random_layout(seed, hiding=seed % 2 == 0)
    torch.manual_seed(seed)
    query = torch.randn(sum(layout.query_lengths), HEADS, DIM)
    keys, values = torch.randn(2, PAGES * PAGE, KV_HEADS, DIM).unbind()
    in_place, copied = TorchAttention().plan(layout), TorchAttention(in_place=False).plan(layout)
    for window in (None, 5, 9):
        expected = dense(layout, query, keys, values, window)
        for plan in (in_place, copied):
            got = plan.run(query, keys, values, window_tokens=window)
            torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=0)
