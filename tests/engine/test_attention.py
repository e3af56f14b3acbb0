"""Attention over pages of any layout, against a dense float64 computation."""

from __future__ import annotations

import random

import pytest
import torch

from pie_server.engine.attention.interface import BatchLayout, HiddenSpan
from pie_server.engine.attention.torch import TorchAttention
from pie_server.engine.attention.xformers import XformersAttention
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
    """A span for each token of a row; no token hides itself."""
    spans: list[HiddenSpan] = []
    for offset in range(query):
        own = length - query + offset
        ends = [sorted((rng.randrange(own + 1), rng.randrange(own + 1))) for _ in range(2)]
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
    return [slot(layout, row, at) for at in range(begin, own + 1) if at not in hidden]


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


@pytest.mark.parametrize("seed", range(10))
def test_the_xformers_bias_lets_each_token_see_exactly_its_past(seed: int) -> None:
    """xformers has no operator for the CPU, but its biases can be written out there."""
    layout = random_layout(seed)
    parts = XformersAttention().plan(layout).parts_for()
    assert parts.bias is not None
    assert parts.masked is None
    logical = parts.bias.block_tables.numel() * PAGE
    seen = parts.bias.materialize((sum(layout.query_lengths), logical)) == 0  # [tokens, slots]
    flat = 0
    for row, count in enumerate(layout.query_lengths):
        for offset in range(count):
            visible = set(seen[flat].nonzero()[:, 0].tolist())
            assert visible == set(sees(layout, row, offset, None))
            flat += 1


@pytest.mark.parametrize("seed", range(10))
def test_rows_with_masks_leave_the_paged_bias_of_the_others_as_it_is(seed: int) -> None:
    layout = random_layout(seed, hiding=True)
    plan = XformersAttention().plan(layout)
    for window in (None, 6):
        parts = plan.parts_for(window)
        longest = window or 1000
        plain = [
            row
            for row, length in enumerate(layout.kv_lengths)
            if row not in layout.hidden and length <= longest
        ]
        if not plain:
            assert parts.bias is None
            continue
        assert parts.bias is not None
        lengths = parts.bias.k_seqinfo.seqlen.tolist()
        assert lengths == [layout.kv_lengths[row] for row in plain]
