"""Attention over pages of any layout, against a dense float64 computation."""

from __future__ import annotations

import random

import pytest
import torch

from pie_server.engine.attention import BatchLayout
from pie_server.engine.attention.torch import TorchAttention
from pie_server.engine.attention.xformers import XformersAttention

PAGE = 4
HEADS, KV_HEADS, DIM = 4, 2, 8
PAGES = 40


def random_layout(seed: int) -> BatchLayout:
    """Rows of mixed prefill and decode over scattered pages."""
    rng = random.Random(seed)
    free = list(range(1, PAGES))  # page 0 pads short tables
    rng.shuffle(free)
    queries, lengths, pages = [], [], []
    for _ in range(rng.randrange(1, 6)):
        length = rng.randrange(1, 24)
        query = rng.choice([1, 1, length, rng.randrange(1, length + 1)])
        queries.append(query)
        lengths.append(length)
        count = -(-length // PAGE) + rng.randrange(2)  # a page may be reserved ahead
        pages.append([free.pop() for _ in range(count)])
    return BatchLayout(queries, lengths, pages, PAGE, torch.device("cpu"))


def slot(layout: BatchLayout, row: int, position: int) -> int:
    return layout.pages[row][position // PAGE] * PAGE + position % PAGE


def dense(
    layout: BatchLayout, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    """One token at a time, in float64."""
    out, flat = [], 0
    for row, (count, length) in enumerate(
        zip(layout.query_lengths, layout.kv_lengths, strict=True)
    ):
        for offset in range(count):
            seen = [slot(layout, row, p) for p in range(length - count + offset + 1)]
            k = keys[seen].double().repeat_interleave(HEADS // KV_HEADS, 1)
            v = values[seen].double().repeat_interleave(HEADS // KV_HEADS, 1)
            scores = torch.einsum("hd,lhd->hl", query[flat].double(), k) / DIM**0.5
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


@pytest.mark.parametrize("seed", range(10))
def test_the_xformers_bias_lets_each_token_see_exactly_its_past(seed: int) -> None:
    """xformers has no operator for the CPU, but its biases can be written out there."""
    layout = random_layout(seed)
    bias = XformersAttention().plan(layout).bias
    logical = bias.block_tables.numel() * PAGE
    seen = bias.materialize((sum(layout.query_lengths), logical)) == 0  # [tokens, slots]
    flat = 0
    for row, (count, length) in enumerate(
        zip(layout.query_lengths, layout.kv_lengths, strict=True)
    ):
        for offset in range(count):
            past = {slot(layout, row, p) for p in range(length - count + offset + 1)}
            assert set(seen[flat].nonzero()[:, 0].tolist()) == past
            flat += 1
