"""Paged attention with torch alone: all rows on the CPU, rows with masks on every device.

Decode rows of similar context length run as one padded batch, which copies their KV together; rows
of very different length padded to the longest would mostly compute padding. Each prefill row runs
alone, and so does a decode row with a long context in neighbouring pages, which is read in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention

from pie_server.engine.attention.decode_tables import DecodeTables, TensorDecodePlan
from pie_server.engine.attention.interface import BatchLayout
from pie_server.model.transfer import to_device

_SMALLEST_BUCKET_BITS = 8  # contexts of up to 256 tokens share one bucket
# From this length on copying a row's KV costs more than a call for it: 8 rows of 512 tokens take
# 0.3 ms alone and as much together (float32, 4 x 32), 0.8 and 3 ms in bf16 (8 x 64).
_ALONE_TOKENS = 512


@dataclass(frozen=True, slots=True)
class _DecodeRows:
    tokens: torch.Tensor | None  # [rows] positions in the flat batch; None if all of it
    pages: torch.Tensor | slice  # [rows * width] pages, padded with page 0; a slice if neighbours
    page_size: int
    width: int  # pages a row
    mask: torch.Tensor  # [rows, 1, 1, width * page_size] true where there is KV to see


@dataclass(frozen=True, slots=True)
class _LoneRow:
    token: int  # position in the flat batch
    slots: slice
    mask: torch.Tensor | None  # [1, kv]; None when all of it is seen


@dataclass(frozen=True, slots=True)
class _PrefillRow:
    start: int  # in the flat batch
    length: int
    slots: torch.Tensor | slice  # [kv]; a slice if neighbours
    mask: torch.Tensor | None  # [length, kv]; None when plain causal


_Parts = tuple[list[_DecodeRows], list[_LoneRow], list[_PrefillRow]]


class TorchAttention:
    """Makes torch plans.

    Args:
        in_place: Read pages that are neighbours without a copy. A row's last bits may then depend
            on where its pages are.
    """

    name = "torch"

    def __init__(self, *, in_place: bool = True) -> None:
        self._in_place = in_place

    def plan(self, layout: BatchLayout) -> TorchPlan:
        """Index tensors and masks for one batch."""
        return TorchPlan(layout, range(len(layout.query_lengths)), in_place=self._in_place)

    def decode_plan(self, tables: DecodeTables) -> TensorDecodePlan:
        """See `AttentionBackend.decode_plan`."""
        return TensorDecodePlan(tables)


class TorchPlan:
    """Some rows of a batch as tensors, for each window that a layer asks for."""

    def __init__(self, layout: BatchLayout, rows: Iterable[int], *, in_place: bool = True) -> None:
        self._layout = layout
        self._in_place = in_place
        self._rows = list(rows)
        self._longest = max(layout.kv_lengths[row] for row in self._rows)
        self._parts: dict[int | None, _Parts] = {}

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
        decode, _, _ = self._parts_for(window_tokens)
        if len(decode) == 1 and decode[0].tokens is None:
            return _run_decode(decode[0], query, keys, values, scale)
        output = torch.empty_like(query)
        self.run_into(output, query, keys, values, window_tokens=window_tokens, scale=scale)
        return output

    def run_into(
        self,
        output: torch.Tensor,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        *,
        window_tokens: int | None,
        scale: float | None,
    ) -> None:
        """Like `run`, but writes the tokens of this plan's rows into `output` and no others."""
        decode, lone, prefill = self._parts_for(window_tokens)
        for rows in decode:
            tokens = slice(None) if rows.tokens is None else rows.tokens
            output[tokens] = _run_decode(rows, query[tokens], keys, values, scale)
        for one in lone:
            output[one.token] = _run_lone(one, query[one.token], keys, values, scale)
        for row in prefill:
            part = slice(row.start, row.start + row.length)
            output[part] = scaled_dot_product_attention(
                query[part].transpose(0, 1)[None],  # [1, query_heads, tokens, head_dim]
                keys[row.slots].transpose(0, 1)[None],
                values[row.slots].transpose(0, 1)[None],
                attn_mask=row.mask,
                is_causal=row.mask is None,
                scale=scale,
                enable_gqa=True,
            )[0].transpose(0, 1)

    def _parts_for(self, window_tokens: int | None) -> _Parts:
        if window_tokens is not None and window_tokens >= self._longest:
            window_tokens = None
        parts = self._parts.get(window_tokens)
        if parts is None:
            parts = self._parts[window_tokens] = self._lay_out(window_tokens)
        return parts

    def _lay_out(self, window: int | None) -> _Parts:
        layout, starts = self._layout, self._layout.starts()
        buckets: dict[int, list[int]] = {}
        lone: list[_LoneRow] = []
        prefill: list[int] = []
        for row in self._rows:
            if layout.query_lengths[row] > 1:
                prefill.append(row)
                continue
            seen = min(layout.kv_lengths[row], window or layout.kv_lengths[row])
            if self._in_place and seen >= _ALONE_TOKENS:
                alone = _lone_row(layout, row, starts[row], seen)
                if alone is not None:
                    lone.append(alone)
                    continue
            # At most half of a bucket is padding; short contexts are not worth splitting.
            width = max(_SMALLEST_BUCKET_BITS, (seen - 1).bit_length())
            buckets.setdefault(width, []).append(row)
        together = sum(map(len, buckets.values()))
        everything = len(buckets) == 1 and together == len(starts)
        decode = [
            self._decode_rows(rows, starts, window, everything=everything)
            for rows in buckets.values()
        ]
        return decode, lone, [self._prefill_row(row, starts[row], window) for row in prefill]

    def _decode_rows(
        self,
        rows: Sequence[int],
        starts: list[int],
        window: int | None,
        *,
        everything: bool,
    ) -> _DecodeRows:
        layout, size = self._layout, self._layout.page_size_tokens
        kv_lengths = [layout.kv_lengths[row] for row in rows]
        # Whole pages, so a window begins up to a page early and the mask cuts it.
        firsts = [max(0, length - window) // size if window else 0 for length in kv_lengths]
        width = max(-(-length // size) - f for length, f in zip(kv_lengths, firsts, strict=True))
        pages: list[int] = []
        for row, first in zip(rows, firsts, strict=True):
            own = layout.pages[row][first : first + width]
            pages += own
            pages += [0] * (width - len(own))
        ends = torch.tensor(
            [length - first * size for length, first in zip(kv_lengths, firsts, strict=True)]
        )
        columns = torch.arange(width * size)
        mask = columns < ends[:, None]
        if window:
            mask &= columns >= ends[:, None] - window
        for index, row in enumerate(rows):
            for _, _, ranges in layout.hidden.get(row, ()):
                for low, high in ranges:
                    begin = firsts[index] * size
                    mask[index, max(0, low - begin) : max(0, high - begin)] = False
            if row in layout.hidden:
                mask[index, ends[index] - 1] = True  # a token always sees itself
        return _DecodeRows(
            None if everything else to_device([starts[row] for row in rows], layout.device),
            (_neighbours(pages) if self._in_place else None) or to_device(pages, layout.device),
            size,
            width,
            to_device(mask[:, None, None, :], layout.device),
        )

    def _prefill_row(self, row: int, start: int, window: int | None) -> _PrefillRow:
        layout, size = self._layout, self._layout.page_size_tokens
        length, kv = layout.query_lengths[row], layout.kv_lengths[row]
        pages = layout.pages[row][: -(-kv // size)]
        run = _neighbours(pages) if self._in_place else None
        if run is not None:
            slots: torch.Tensor | slice = slice(run.start * size, run.start * size + kv)
        else:
            every = torch.tensor(pages)[:, None] * size + torch.arange(size)
            slots = to_device(every.view(-1)[:kv], layout.device)
        hidden = layout.hidden.get(row, ())
        if kv == length and not hidden and (window is None or window >= kv):
            return _PrefillRow(start, length, slots, None)
        mask = torch.ones(length, kv, dtype=torch.bool).tril(kv - length)
        if window is not None:
            mask = mask.triu(kv - length - window + 1)
        for first, stop, ranges in hidden:
            for low, high in ranges:
                mask[first:stop, low:high] = False
        if hidden:
            mask[range(length), range(kv - length, kv)] = True
        return _PrefillRow(start, length, slots, to_device(mask, layout.device))


def _run_decode(
    rows: _DecodeRows,
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scale: float | None,
) -> torch.Tensor:
    count, query_heads, head_dim = query.shape
    kv_heads = keys.shape[1]

    def gathered(cache: torch.Tensor) -> torch.Tensor:  # [rows, kv_heads, kv, head_dim]
        pages = cache.view(-1, rows.page_size * kv_heads * head_dim)
        found = (
            pages[rows.pages]
            if isinstance(rows.pages, slice)
            else pages.index_select(0, rows.pages)
        )
        return found.view(count, rows.width * rows.page_size, kv_heads, head_dim).transpose(1, 2)

    # The query heads that share a KV head stand as its query positions: no KV is repeated.
    attended = scaled_dot_product_attention(
        query.reshape(count, kv_heads, query_heads // kv_heads, head_dim),
        gathered(keys),
        gathered(values),
        attn_mask=rows.mask,
        scale=scale,
    )
    return attended.reshape(count, query_heads, head_dim)


def _lone_row(layout: BatchLayout, row: int, token: int, seen: int) -> _LoneRow | None:
    """A decode row that sees its last `seen` tokens; None if its pages are no neighbours."""
    size, kv = layout.page_size_tokens, layout.kv_lengths[row]
    begin = kv - seen
    pages = _neighbours(layout.pages[row][begin // size : -(-kv // size)])
    if pages is None:
        return None
    first = pages.start * size + begin % size
    mask: torch.Tensor | None = None
    for _, _, ranges in layout.hidden.get(row, ()):
        mask = torch.ones(1, seen, dtype=torch.bool) if mask is None else mask
        for low, high in ranges:
            mask[:, max(0, low - begin) : max(0, high - begin)] = False
    if mask is not None:
        mask[:, -1] = True
    slots = slice(first, first + seen)
    return _LoneRow(token, slots, None if mask is None else to_device(mask, layout.device))


def _run_lone(
    row: _LoneRow,
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scale: float | None,
) -> torch.Tensor:
    """[query_heads, head_dim] of one token."""
    query_heads, head_dim = query.shape
    kv_heads = keys.shape[1]
    attended = scaled_dot_product_attention(
        query.view(1, kv_heads, query_heads // kv_heads, head_dim),
        keys[row.slots].transpose(0, 1)[None],
        values[row.slots].transpose(0, 1)[None],
        attn_mask=row.mask,
        scale=scale,
    )
    return attended.view(query_heads, head_dim)


def _neighbours(pages: Sequence[int]) -> slice | None:
    """The pages as a slice, which is read in place, if they follow each other."""
    first, count = pages[0], len(pages)
    if pages[-1] - first != count - 1 or any(p != first + i for i, p in enumerate(pages)):
        return None
    return slice(first, first + count)
