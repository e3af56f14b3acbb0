"""Paged attention with torch alone, for devices without xformers operators (the CPU).

Decode rows of similar context length run as one padded batch; each prefill row runs alone. Rows of
very different length padded to the longest would mostly compute padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention

from pie_server.engine.attention.interface import BatchLayout

_SMALLEST_BUCKET_BITS = 8  # contexts of up to 256 tokens share one bucket


@dataclass(frozen=True, slots=True)
class _DecodeRows:
    tokens: torch.Tensor | None  # [rows] positions in the flat batch; None if all of it
    slots: torch.Tensor  # [rows * longest] KV slots, padded with slot 0
    longest: int
    mask: torch.Tensor  # [rows, 1, 1, longest] true where there is KV


@dataclass(frozen=True, slots=True)
class _PrefillRow:
    start: int  # in the flat batch
    length: int
    slots: torch.Tensor  # [kv]
    mask: torch.Tensor | None  # [length, kv]; None when plain causal


class TorchAttention:
    """Makes torch plans."""

    name = "torch"

    def plan(self, layout: BatchLayout) -> TorchPlan:
        """Index tensors and masks for one batch."""
        starts, total = [], 0
        for length in layout.query_lengths:
            starts.append(total)
            total += length
        decode = [i for i, length in enumerate(layout.query_lengths) if length == 1]
        prefill = [i for i, length in enumerate(layout.query_lengths) if length > 1]
        buckets: dict[int, list[int]] = {}
        for row in decode:
            # At most half of a bucket is padding; short contexts are not worth splitting.
            width = max(_SMALLEST_BUCKET_BITS, (layout.kv_lengths[row] - 1).bit_length())
            buckets.setdefault(width, []).append(row)
        everything = len(buckets) == 1 and not prefill
        return TorchPlan(
            [
                _decode_rows(layout, rows, starts, everything=everything)
                for rows in buckets.values()
            ],
            [_prefill_row(layout, i, starts[i]) for i in prefill],
        )


class TorchPlan:
    """One batch's layout as tensors."""

    def __init__(self, decode: list[_DecodeRows], prefill: list[_PrefillRow]) -> None:
        self._decode = decode
        self._prefill = prefill

    def run(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """See `AttentionPlan.run`."""
        output = torch.empty_like(query)
        for rows in self._decode:
            if rows.tokens is None:
                return self._run_decode(rows, query, keys, values)
            output[rows.tokens] = self._run_decode(rows, query[rows.tokens], keys, values)
        for row in self._prefill:
            part = slice(row.start, row.start + row.length)
            output[part] = scaled_dot_product_attention(
                query[part].transpose(0, 1)[None],  # [1, query_heads, tokens, head_dim]
                keys[row.slots].transpose(0, 1)[None],
                values[row.slots].transpose(0, 1)[None],
                attn_mask=row.mask,
                is_causal=row.mask is None,
                enable_gqa=True,
            )[0].transpose(0, 1)
        return output

    @staticmethod
    def _run_decode(
        rows: _DecodeRows, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        count, query_heads, head_dim = query.shape
        kv_heads = keys.shape[1]
        gathered = (count, rows.longest, kv_heads, head_dim)
        # The query heads that share a KV head stand as its query positions: no KV is repeated.
        attended = scaled_dot_product_attention(
            query.view(count, kv_heads, query_heads // kv_heads, head_dim),
            keys.index_select(0, rows.slots).view(gathered).transpose(1, 2),
            values.index_select(0, rows.slots).view(gathered).transpose(1, 2),
            attn_mask=rows.mask,
        )
        return attended.reshape(count, query_heads, head_dim)


def _decode_rows(
    layout: BatchLayout, rows: list[int], starts: list[int], *, everything: bool
) -> _DecodeRows:
    size = layout.page_size_tokens
    lengths = torch.tensor([layout.kv_lengths[i] for i in rows])
    longest = int(lengths.max())
    width = -(-longest // size)
    padded = [layout.pages[i][:width] + [0] * (width - len(layout.pages[i])) for i in rows]
    slots = (torch.tensor(padded)[:, :, None] * size + torch.arange(size)).view(len(rows), -1)
    mask = torch.arange(longest) < lengths[:, None]
    return _DecodeRows(
        None if everything else torch.tensor([starts[i] for i in rows], device=layout.device),
        slots[:, :longest].reshape(-1).to(layout.device),
        longest,
        mask[:, None, None, :].to(layout.device),
    )


def _prefill_row(layout: BatchLayout, row: int, start: int) -> _PrefillRow:
    size, length, kv = layout.page_size_tokens, layout.query_lengths[row], layout.kv_lengths[row]
    pages = torch.tensor(layout.pages[row][: -(-kv // size)])
    slots = (pages[:, None] * size + torch.arange(size)).view(-1)[:kv].to(layout.device)
    if kv == length:
        return _PrefillRow(start, length, slots, None)
    mask = torch.ones(length, kv, dtype=torch.bool).tril(kv - length)
    return _PrefillRow(start, length, slots, mask.to(layout.device))
