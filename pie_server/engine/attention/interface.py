"""What an attention implementation is: a plan for each batch, run once for each layer.

Everything that depends on the layout alone (index tensors, masks) is computed once in `plan`, so
that a layer does nothing but read KV and multiply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """Where the rows of a ragged batch lie.

    Attributes:
        query_lengths: Tokens fed by each row.
        kv_lengths: Tokens each row attends to at its end, itself included.
        pages: Physical pages of each row, in order.
        page_size_tokens: Slots of a page.
        device: Where the tensors of this batch live.
    """

    query_lengths: list[int]
    kv_lengths: list[int]
    pages: list[list[int]]
    page_size_tokens: int
    device: torch.device


class AttentionPlan(Protocol):
    """Causal attention of one batch. Token i of a row sees the row's KV up to its own position."""

    def run(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """One layer.

        Args:
            query: [tokens, query_heads, head_dim], rows one after the other.
            keys: [slots, kv_heads, head_dim], this layer's whole cache.
            values: Like `keys`.

        Returns:
            [tokens, query_heads, head_dim].
        """
        ...


class AttentionBackend(Protocol):
    """Makes plans. One per model runner."""

    name: str

    def plan(self, layout: BatchLayout) -> AttentionPlan:
        """The plan for one batch."""
        ...
