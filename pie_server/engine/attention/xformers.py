"""Paged attention by xformers' memory-efficient kernels (CUDA).

The plain causal rows of a batch are one block-diagonal bias over paged keys; rows that need masks
(hidden tokens, a window shorter than the context) go through `TorchPlan` and leave them alone.
Grouped queries use xformers' five-dimensional layout [1, tokens, kv_heads, group, head_dim], in
which keys and values are expanded, not copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from xformers.ops import fmha
from xformers.ops.fmha.attn_bias import PagedBlockDiagonalCausalWithOffsetPaddedKeysMask

from pie_server.engine.attention.interface import BatchLayout
from pie_server.engine.attention.torch import TorchPlan


@dataclass(frozen=True, slots=True)
class _Parts:
    bias: PagedBlockDiagonalCausalWithOffsetPaddedKeysMask | None  # of the plain rows
    tokens: torch.Tensor | None  # [plain tokens] in the flat batch; None if all are plain
    masked: TorchPlan | None


class XformersAttention:
    """Makes xformers plans."""

    name = "xformers"

    def plan(self, layout: BatchLayout) -> XformersPlan:
        """The plan of one batch."""
        return XformersPlan(layout)


class XformersPlan:
    """One batch, for each window that a layer asks for."""

    def __init__(self, layout: BatchLayout) -> None:
        self._layout = layout
        self._parts: dict[tuple[int, ...], _Parts] = {}
        self._masked_rows: dict[int | None, tuple[int, ...]] = {}

    def run(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        *,
        window_tokens: int | None = None,
        scale: float | None = None,
    ) -> torch.Tensor:
        """See `AttentionPlan.run`."""
        parts = self.parts_for(window_tokens)
        if parts.masked is None:
            return _attend(query, keys, values, parts.bias, scale)
        output = torch.empty_like(query)
        if parts.tokens is not None:
            output[parts.tokens] = _attend(query[parts.tokens], keys, values, parts.bias, scale)
        parts.masked.run_into(output, query, keys, values, window_tokens=window_tokens, scale=scale)
        return output

    def parts_for(self, window_tokens: int | None = None) -> _Parts:
        """The rows that take the paged bias and those that take masks, under a window."""
        masked = self._masked_rows.get(window_tokens)
        if masked is None:
            longest = window_tokens or max(self._layout.kv_lengths)
            masked = self._masked_rows[window_tokens] = tuple(
                row
                for row, length in enumerate(self._layout.kv_lengths)
                if row in self._layout.hidden or length > longest
            )
        parts = self._parts.get(masked)
        if parts is None:
            parts = self._parts[masked] = _lay_out(self._layout, masked)
        return parts


def _lay_out(layout: BatchLayout, masked: Sequence[int]) -> _Parts:
    plain = sorted(set(range(len(layout.query_lengths))) - set(masked))
    if not masked:
        return _Parts(_bias(layout, plain), None, None)
    plan = TorchPlan(layout, masked)
    if not plain:
        return _Parts(None, None, plan)
    starts = layout.starts()
    tokens = [starts[row] + i for row in plain for i in range(layout.query_lengths[row])]
    return _Parts(_bias(layout, plain), torch.tensor(tokens, device=layout.device), plan)


def _bias(
    layout: BatchLayout, rows: Sequence[int]
) -> PagedBlockDiagonalCausalWithOffsetPaddedKeysMask:
    width = max(len(layout.pages[row]) for row in rows)
    tables = [layout.pages[row] + [0] * (width - len(layout.pages[row])) for row in rows]
    return PagedBlockDiagonalCausalWithOffsetPaddedKeysMask.from_seqlens(
        q_seqlen=[layout.query_lengths[row] for row in rows],
        kv_seqlen=[layout.kv_lengths[row] for row in rows],
        block_tables=torch.tensor(tables, dtype=torch.int32, device=layout.device),
        page_size=layout.page_size_tokens,
    )


def _attend(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    bias: PagedBlockDiagonalCausalWithOffsetPaddedKeysMask | None,
    scale: float | None,
) -> torch.Tensor:
    tokens, query_heads, head_dim = query.shape
    slots, kv_heads, _ = keys.shape
    group = query_heads // kv_heads
    kv_shape = (1, slots, kv_heads, group, head_dim)
    attended: torch.Tensor = fmha.memory_efficient_attention_forward(
        query.view(1, tokens, kv_heads, group, head_dim),
        keys[None, :, :, None].expand(kv_shape),
        values[None, :, :, None].expand(kv_shape),
        attn_bias=bias,
        scale=scale,
    )
    return attended.reshape(tokens, query_heads, head_dim)
