"""What an attention implementation is: a plan for each batch, run once for each layer.

Everything that depends on the layout alone (index tensors, masks) is computed once per batch and
window, so that a layer does nothing but read KV and multiply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from pie_server.engine.attention.decode_tables import DecodeTables
from pie_server.kv.recipe import Ranges

HiddenSpan = tuple[int, int, Ranges]
"""(first, stop, ranges): tokens first..stop of a row do not see these slots of its context."""


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """Where the rows of a ragged batch lie.

    Attributes:
        query_lengths: Tokens fed by each row.
        kv_lengths: Tokens each row attends to at its end, itself included.
        pages: Physical pages of each row, in order. Pages whose tokens nobody sees may be any.
        page_size_tokens: Slots of a page.
        device: Where the tensors of this batch live.
        hidden: What tokens do not see, by row; rows that are missing here hide nothing. A token
            always sees itself.
    """

    query_lengths: list[int]
    kv_lengths: list[int]
    pages: list[list[int]]
    page_size_tokens: int
    device: torch.device
    hidden: dict[int, Sequence[HiddenSpan]]

    def starts(self) -> list[int]:
        """Where each row's tokens begin in the flat batch."""
        starts, total = [], 0
        for length in self.query_lengths:
            starts.append(total)
            total += length
        return starts


class AttentionPlan(Protocol):
    """Attention of one batch. Token i of a row sees the row's KV up to its own, less the hidden."""

    def run(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        *,
        window_tokens: int | None = None,
        scale: float | None = None,
    ) -> torch.Tensor:
        """One layer.

        Args:
            query: [tokens, query_heads, head_dim], rows one after the other.
            keys: [slots, kv_heads, head_dim], this layer's whole cache.
            values: Like `keys`.
            window_tokens: A token sees only this many tokens, itself included; None: all.
            scale: What scores are multiplied by; None: head_dim ** -0.5.

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

    def decode_plan(self, tables: DecodeTables) -> AttentionPlan:
        """The plan for steps of one token a row, hiding nothing.

        It reads lengths and pages when it runs, on the device, so `tables` may be filled anew
        between two runs.
        """
        ...
