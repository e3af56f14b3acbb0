"""Paged attention by xformers' memory-efficient kernels (CUDA).

A batch has up to three parts, each with the kernel that is best for it:

- rows that feed one token: the split-K kernel, which reads pages where they lie;
- rows that feed several: a variable-length flash kernel. No kernel of a stock installation reads
  small pages for them, so each layer gathers their keys and values first: a copy of each, against
  the many times they are then read;
- rows that need masks (hidden tokens, a window shorter than the context): `TorchPlan`.

Where no kernel takes the shape or the dtype, torch does. The kernels are Triton's and those in
torch itself; xformers' own extension, which fits one version of CUDA only, need not load. Grouped
queries use xformers' five-dimensional layout [1, tokens, kv_heads, group, head_dim], in which keys
and values are expanded, not copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from xformers.ops import fmha
from xformers.ops.fmha import cutlass, flash, flash3, triton_splitk
from xformers.ops.fmha.attn_bias import (
    BlockDiagonalCausalFromBottomRightMask,
    PagedBlockDiagonalCausalWithOffsetPaddedKeysMask,
)

from pie_server.engine.attention.decode_tables import DecodeTables, TensorDecodePlan
from pie_server.engine.attention.interface import BatchLayout
from pie_server.engine.attention.torch import TorchPlan
from pie_server.model.transfer import to_device

_PREFILL_OPERATORS = (flash3.FwOp, flash.FwOp, cutlass.FwOp)  # the fastest first
# The one reason against these operators that is none: they do not call xformers' extension.
_EXTENSION_MISSING = "wasn't build with CUDA"
_BLOCK_TOKENS = (64, 32, 16)  # what the split-K kernel reads at a time; must divide a page
_PROGRAMS = 512  # thread blocks to aim at: a few for each of some hundred multiprocessors
_FEWEST_SPLIT_TOKENS = 128
_MOST_SPLITS = 64


class XformersAttention:
    """Makes xformers plans."""

    name = "xformers"

    def plan(self, layout: BatchLayout) -> XformersPlan:
        """The plan of one batch."""
        return XformersPlan(layout)

    def decode_plan(self, tables: DecodeTables) -> XformersDecodePlan:
        """See `AttentionBackend.decode_plan`."""
        return XformersDecodePlan(tables)


class XformersDecodePlan:
    """One token a row. Reads lengths and tables on the device, so a graph of it can be replayed."""

    def __init__(self, tables: DecodeTables) -> None:
        rows, width = tables.pages.shape
        self._tables = tables
        self._longest = width * tables.page_size_tokens
        self.bias = PagedBlockDiagonalCausalWithOffsetPaddedKeysMask.from_seqlens(
            q_seqlen=[1] * rows,
            kv_seqlen=[self._longest] * rows,
            block_tables=tables.pages,
            page_size=tables.page_size_tokens,
            device=tables.pages.device,
        )
        self.bias.k_seqinfo.seqlen = tables.lengths  # the real lengths, which may change in place
        self._operators: dict[tuple[object, ...], Any] = {}

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
        inputs = _inputs(query, keys, values, self.bias, scale)
        key = (query.dtype, query.shape, keys.shape[1])
        if key not in self._operators:
            self._operators[key] = self._operator(inputs, keys.shape[1])
        operator = self._operators[key]
        if operator is None or (window_tokens or self._longest) < self._longest:
            torch_plan = TensorDecodePlan(self._tables)
            return torch_plan.run(query, keys, values, window_tokens=window_tokens, scale=scale)
        return _attend(inputs, operator)

    def _operator(self, inputs: fmha.Inputs, kv_heads: int) -> Any:
        """The split-K operator for these inputs; None if it does not take them."""
        size = self._tables.page_size_tokens
        block = next((block for block in _BLOCK_TOKENS if size % block == 0), None)
        if block is None:
            return None
        splits = split_count(len(self._tables.lengths) * kv_heads, self._longest)
        operator = triton_splitk.FwOp.get_operator(splits, block_n=block)
        compiled = getattr(triton_splitk, "_fwd_kernel_splitK", None)
        return operator if compiled is not None and _takes(operator, inputs) else None


def split_count(programs: int, longest_tokens: int) -> int:
    """Into how many pieces contexts are split, so that few rows keep a whole device busy.

    Args:
        programs: Thread blocks without any splitting.
        longest_tokens: What a table has room for.
    """
    splits = 1
    while (
        splits * programs < _PROGRAMS
        and splits < _MOST_SPLITS
        and longest_tokens >= 2 * splits * _FEWEST_SPLIT_TOKENS
    ):
        splits *= 2
    return splits


@dataclass(frozen=True, slots=True)
class _Decode:
    tokens: torch.Tensor | None  # [rows] in the flat batch; None if they are all of it
    rows: int
    padded: int
    plan: XformersDecodePlan


@dataclass(frozen=True, slots=True)
class _Prefill:
    tokens: torch.Tensor | None  # [tokens] in the flat batch; None if they are all of it
    slots: torch.Tensor  # [kv] of all rows, one after the other
    bias: BlockDiagonalCausalFromBottomRightMask
    plan: TorchPlan  # where no operator takes the inputs


@dataclass(frozen=True, slots=True)
class Parts:
    """A batch's rows by the kernel that they take; None where there are none."""

    decode: _Decode | None
    prefill: _Prefill | None
    masked: TorchPlan | None


class XformersPlan:
    """One batch, for each window that a layer asks for."""

    def __init__(self, layout: BatchLayout) -> None:
        self._layout = layout
        self._parts: dict[tuple[int, ...], Parts] = {}
        self._masked_rows: dict[int | None, tuple[int, ...]] = {}
        self._operators: dict[tuple[object, ...], Any] = {}

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
        if parts.decode is not None and parts.decode.tokens is None:
            return _run_decode(parts.decode, query, keys, values, scale)
        output = torch.empty_like(query)
        if parts.decode is not None:
            tokens = parts.decode.tokens
            output[tokens] = _run_decode(parts.decode, query[tokens], keys, values, scale)
        if parts.prefill is not None:
            self._run_prefill(parts.prefill, output, query, keys, values, scale)
        if parts.masked is not None:
            parts.masked.run_into(
                output, query, keys, values, window_tokens=window_tokens, scale=scale
            )
        return output

    def parts_for(self, window_tokens: int | None = None) -> Parts:
        """The batch's parts under a window."""
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

    def _run_prefill(
        self,
        part: _Prefill,
        output: torch.Tensor,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        scale: float | None,
    ) -> None:
        tokens = slice(None) if part.tokens is None else part.tokens
        key = (query.dtype, query.shape[1:], keys.shape[1])
        if key not in self._operators:
            # The kinds and shapes decide, not the content: one slot of each stands for all.
            one = BlockDiagonalCausalFromBottomRightMask.from_seqlens([1], [1], device=query.device)
            inputs = _inputs(query[:1], keys[:1], values[:1], one, scale)
            self._operators[key] = next(
                (op for op in _PREFILL_OPERATORS if _takes(op, inputs)), None
            )
        operator = self._operators[key]
        if operator is None:
            part.plan.run_into(output, query, keys, values, window_tokens=None, scale=scale)
            return
        gathered = keys.index_select(0, part.slots), values.index_select(0, part.slots)
        output[tokens] = _attend(_inputs(query[tokens], *gathered, part.bias, scale), operator)


def _lay_out(layout: BatchLayout, masked: Sequence[int]) -> Parts:
    plain = [row for row in range(len(layout.query_lengths)) if row not in set(masked)]
    decode = [row for row in plain if layout.query_lengths[row] == 1]
    prefill = [row for row in plain if layout.query_lengths[row] > 1]
    return Parts(
        _decode(layout, decode) if decode else None,
        _prefill(layout, prefill) if prefill else None,
        TorchPlan(layout, masked) if masked else None,
    )


def _decode(layout: BatchLayout, rows: Sequence[int]) -> _Decode:
    tables = DecodeTables.of(
        [layout.pages[row] for row in rows],
        [layout.kv_lengths[row] for row in rows],
        layout.page_size_tokens,
        layout.device,
    )
    padded = len(tables.lengths)
    return _Decode(_tokens(layout, rows), len(rows), padded, XformersDecodePlan(tables))


def _prefill(layout: BatchLayout, rows: Sequence[int]) -> _Prefill:
    size = layout.page_size_tokens
    lengths = [layout.kv_lengths[row] for row in rows]
    slots = [
        (torch.tensor(layout.pages[row])[:, None] * size + torch.arange(size)).flatten()[:length]
        for row, length in zip(rows, lengths, strict=True)
    ]
    bias = BlockDiagonalCausalFromBottomRightMask.from_seqlens(
        [layout.query_lengths[row] for row in rows], lengths, device=layout.device
    )
    return _Prefill(
        _tokens(layout, rows),
        to_device(torch.cat(slots), layout.device),
        bias,
        TorchPlan(layout, rows),
    )


def _tokens(layout: BatchLayout, rows: Sequence[int]) -> torch.Tensor | None:
    """Where the rows' tokens are in the flat batch; None if it has no others."""
    if len(rows) == len(layout.query_lengths):
        return None
    starts = layout.starts()
    tokens = [starts[row] + i for row in rows for i in range(layout.query_lengths[row])]
    return to_device(tokens, layout.device)


def _run_decode(
    part: _Decode,
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scale: float | None,
) -> torch.Tensor:
    if part.padded > part.rows:
        padding = query.new_zeros(part.padded - part.rows, *query.shape[1:])
        query = torch.cat((query, padding))
    return part.plan.run(query, keys, values, scale=scale)[: part.rows]


def _inputs(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    bias: object,
    scale: float | None,
) -> fmha.Inputs:
    tokens, query_heads, head_dim = query.shape
    slots, kv_heads, _ = keys.shape
    group = query_heads // kv_heads
    kv_shape = (1, slots, kv_heads, group, head_dim)
    return fmha.Inputs(
        query.view(1, tokens, kv_heads, group, head_dim),
        keys[None, :, :, None].expand(kv_shape),
        values[None, :, :, None].expand(kv_shape),
        attn_bias=bias,
        scale=scale,
    )


def _takes(operator: Any, inputs: fmha.Inputs) -> bool:
    """Whether an operator is there and runs on such inputs."""
    reasons = operator.not_supported_reasons(inputs)
    return operator.is_available() and all(_EXTENSION_MISSING in reason for reason in reasons)


def _attend(inputs: fmha.Inputs, operator: Any) -> torch.Tensor:
    """[tokens, query_heads, head_dim]."""
    # `memory_efficient_attention_forward` would check again, each time, what `_takes` has checked.
    attended: torch.Tensor = operator.apply(inputs, needs_gradient=False)[0]
    _, tokens, kv_heads, group, head_dim = inputs.query.shape
    return attended.reshape(tokens, kv_heads * group, head_dim)
