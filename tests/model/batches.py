"""Runs a decoder on ragged batches over scattered pages, with attention as plain formulas."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch

from pie_server.model.adapters import Adapter, AdapterRows
from pie_server.model.decoder import Attention, Decoder
from pie_server.model.kv_cache import KvCache

Rows = Sequence[tuple[int, torch.Tensor]]


class PlainAttention:
    """Softmax attention of each row, written down from its definition.

    Args:
        rows: For each row, how many tokens it feeds and the KV slots of all its tokens so far.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def run(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        *,
        window_tokens: int | None = None,
        scale: float | None = None,
    ) -> torch.Tensor:
        output, start = torch.empty_like(query), 0
        group = query.shape[1] // keys.shape[1]
        for length, slots in self._rows:
            rows = slice(start, start + length)
            key = keys[slots].repeat_interleave(group, dim=1).float()  # [kv, heads, head_dim]
            value = values[slots].repeat_interleave(group, dim=1).float()
            scores = torch.einsum("qhd,khd->hqk", query[rows].float(), key)
            scores *= query.shape[-1] ** -0.5 if scale is None else scale
            seen = torch.arange(len(slots))
            own = torch.arange(len(slots) - length, len(slots))[:, None]
            hidden = seen > own
            if window_tokens is not None:
                hidden |= seen <= own - window_tokens
            weights = scores.masked_fill(hidden, -torch.inf).softmax(dim=-1)
            output[rows] = torch.einsum("hqk,khd->qhd", weights, value).to(query.dtype)
            start += length
        return output


class Sequences:
    """Several contexts of one model, each on pages of its own that lie anywhere.

    Args:
        model: What runs.
        cache: Where the pages are.
        count: Of the contexts.
        attention: Makes the plan of a batch from what `PlainAttention` takes.
    """

    def __init__(
        self,
        model: Decoder,
        cache: KvCache,
        count: int,
        attention: Callable[[Rows], Attention] | None = None,
    ) -> None:
        self.model = model
        self.cache = cache
        self._attention = attention or PlainAttention
        size = cache.page_size_tokens
        pages = list(range(len(cache.keys[0]) // size))
        random.Random(count).shuffle(pages)
        share = len(pages) // count
        self._slots = [
            torch.tensor([p * size + i for p in pages[n * share : (n + 1) * share]
                          for i in range(size)])
            for n in range(count)
        ]  # fmt: skip
        self._lengths = [0] * count

    def feed(
        self, *rows: tuple[int, list[int]], adapters: dict[int, Adapter] | None = None
    ) -> dict[int, torch.Tensor]:
        """One step: (sequence, tokens) of each row. Returns logits [tokens, vocab] by sequence."""
        tokens, positions, slots, plan = [], [], [], []
        for number, fed in rows:
            first, end = self._lengths[number], self._lengths[number] + len(fed)
            tokens += fed
            positions += range(first, end)
            slots.append(self._slots[number][first:end])
            plan.append((len(fed), self._slots[number][:end]))
            self._lengths[number] = end
        chosen = None
        if adapters is not None:
            chosen = AdapterRows(
                [(adapters.get(number), len(fed)) for number, fed in rows], self.model.device
            )
        with torch.inference_mode():
            hidden = self.model.forward(
                self.model.embed(torch.tensor(tokens)),
                torch.tensor(positions),
                torch.cat(slots),
                self.cache,
                self._attention(plan),
                chosen,
            )
            logits = self.model.logits(hidden)
        parts = torch.split(logits, [len(fed) for _, fed in rows])
        return {number: part for (number, _), part in zip(rows, parts, strict=True)}
