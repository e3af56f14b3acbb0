"""Paged attention by xformers' memory-efficient kernels (CUDA).

A batch is one block-diagonal bias over paged keys. Grouped queries use xformers' five-dimensional
layout [1, tokens, kv_heads, group, head_dim], in which keys and values are expanded, not copied.
"""

from __future__ import annotations

import torch
from xformers.ops import fmha
from xformers.ops.fmha.attn_bias import PagedBlockDiagonalCausalWithOffsetPaddedKeysMask

from pie_server.engine.attention.interface import BatchLayout


class XformersAttention:
    """Makes xformers plans."""

    name = "xformers"

    def plan(self, layout: BatchLayout) -> XformersPlan:
        """The paged bias of one batch."""
        width = max(len(pages) for pages in layout.pages)
        tables = [pages + [0] * (width - len(pages)) for pages in layout.pages]
        bias = PagedBlockDiagonalCausalWithOffsetPaddedKeysMask.from_seqlens(
            q_seqlen=layout.query_lengths,
            kv_seqlen=layout.kv_lengths,
            block_tables=torch.tensor(tables, dtype=torch.int32, device=layout.device),
            page_size=layout.page_size_tokens,
        )
        return XformersPlan(bias)


class XformersPlan:
    """One batch's bias."""

    def __init__(self, bias: PagedBlockDiagonalCausalWithOffsetPaddedKeysMask) -> None:
        self.bias = bias

    def run(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """See `AttentionPlan.run`."""
        tokens, query_heads, head_dim = query.shape
        slots, kv_heads, _ = keys.shape
        group = query_heads // kv_heads
        kv_shape = (1, slots, kv_heads, group, head_dim)
        attended: torch.Tensor = fmha.memory_efficient_attention_forward(
            query.view(1, tokens, kv_heads, group, head_dim),
            keys[None, :, :, None].expand(kv_shape),
            values[None, :, :, None].expand(kv_shape),
            attn_bias=self.bias,
        )
        return attended.reshape(tokens, query_heads, head_dim)
