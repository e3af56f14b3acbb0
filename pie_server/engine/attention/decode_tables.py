"""Decode rows as two tensors, lengths and page tables, in a few sizes only.

Kernels are compiled, and graphs captured, for each size. So rows and tables are padded: a row that
is none attends to one slot of a page that belongs to nobody, or whose content does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from pie_server.model.transfer import to_device

_SMALLEST_TOKENS = 1024
_GROWTH_BITS = 2  # each size of a table is four times the one before


def padded_rows(rows: int) -> int:
    """The size for so many rows: the next power of two."""
    return 1 << (rows - 1).bit_length()


def padded_width(pages: int, page_size_tokens: int) -> int:
    """The size of a table, in pages, for so many: 1,024 tokens, 4,096, 16,384 ..."""
    width = -(-_SMALLEST_TOKENS // page_size_tokens)
    while width < pages:
        width <<= _GROWTH_BITS
    return width


@dataclass(frozen=True, slots=True)
class DecodeTables:
    """Where the rows of a step of one token a row lie. Both tensors are views of `flat`.

    Attributes:
        flat: int32, lengths before tables: what one copy fills.
        lengths: [rows] tokens that each row attends to, its own included.
        pages: [rows, width] of each row, in order.
        page_size_tokens: Slots of a page.
    """

    flat: torch.Tensor
    lengths: torch.Tensor
    pages: torch.Tensor
    page_size_tokens: int

    @classmethod
    def over(cls, flat: torch.Tensor, rows: int, page_size_tokens: int) -> DecodeTables:
        """Tables in a tensor that somebody else fills."""
        return cls(flat, flat[:rows], flat[rows:].view(rows, -1), page_size_tokens)

    @classmethod
    def of(
        cls,
        pages: Sequence[Sequence[int]],
        lengths: Sequence[int],
        page_size_tokens: int,
        device: torch.device,
        *,
        padding_page: int = 0,
    ) -> DecodeTables:
        """Tables of these rows, padded to the next sizes.

        The sizes follow from the lengths, not from pages that are there for later, so that a
        row's result does not depend on how many those are.
        """
        rows = padded_rows(len(pages))
        width = padded_width(-(-max(lengths) // page_size_tokens), page_size_tokens)
        numbers = np.full(rows * (1 + width), padding_page, dtype=np.int32)
        numbers[: len(lengths)], numbers[len(lengths) : rows] = lengths, 1
        table = numbers[rows:].reshape(rows, width)
        for row, own in enumerate(pages):
            table[row, : len(own)] = own[:width]
        return cls.over(to_device(torch.from_numpy(numbers), device), rows, page_size_tokens)


class TensorDecodePlan:
    """Attention of decode rows with torch alone, which never asks the host for a length.

    Reads whole tables, padding too: for where no kernel can do better, and for windows.
    """

    def __init__(self, tables: DecodeTables) -> None:
        self._tables = tables

    def run(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        *,
        window_tokens: int | None = None,
        scale: float | None = None,
    ) -> torch.Tensor:
        """See `AttentionPlan.run`; `query` has all rows of the tables, padding included."""
        pages, size = self._tables.pages, self._tables.page_size_tokens
        rows, query_heads, head_dim = query.shape
        kv_heads, slots = keys.shape[1], pages.shape[1] * size

        def gathered(cache: torch.Tensor) -> torch.Tensor:  # [rows, kv_heads, slots, head_dim]
            paged = cache.view(-1, size * kv_heads * head_dim)
            found = paged.index_select(0, pages.flatten())
            return found.view(rows, slots, kv_heads, head_dim).transpose(1, 2)

        columns = torch.arange(slots, device=query.device)
        ends = self._tables.lengths[:, None]
        mask = columns < ends
        if window_tokens is not None:
            mask &= columns >= ends - window_tokens
        attended = scaled_dot_product_attention(
            query.reshape(rows, kv_heads, query_heads // kv_heads, head_dim),
            gathered(keys),
            gathered(values),
            attn_mask=mask[:, None, None],
            scale=scale,
        )
        return attended.reshape(rows, query_heads, head_dim)
