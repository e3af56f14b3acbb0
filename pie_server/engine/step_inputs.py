"""What one step feeds the model, as tensors: made from a batch's rows, or from the step before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch

from pie_server.engine.attention import BatchLayout
from pie_server.engine.batch import Row
from pie_server.model.adapters import Adapter, AdapterRows
from pie_server.model.transfer import to_device


@dataclass(slots=True)
class StepInputs:
    """One step's tokens, and where they stand.

    Attributes:
        tokens: [tokens] of all rows, one after the other.
        positions: [tokens], of the rotary embedding.
        slots: [tokens] of the KV cache, to be written.
        layout: Where the rows lie.
        vectors: (index in `tokens`, [hidden]) of tokens that are given as embeddings.
        adapters: Which adapter each token passes through; None if none does.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    layout: BatchLayout
    vectors: list[tuple[int, torch.Tensor]]
    adapters: AdapterRows | None

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        page_size_tokens: int,
        adapters: Mapping[str, Adapter],
        device: torch.device,
    ) -> StepInputs:
        """The inputs of any rows."""
        tokens: list[int] = []
        positions: list[int] = []
        for row in rows:
            tokens += row.tokens
            positions += range(row.start, row.start + len(row.tokens))
        layout = BatchLayout(
            [len(row.tokens) for row in rows],
            [row.start + len(row.tokens) for row in rows],
            [row.pages for row in rows],
            page_size_tokens,
            device,
            {},
        )
        slots = _last_slots(layout)
        vectors: list[tuple[int, torch.Tensor]] = []
        chosen: AdapterRows | None = None
        if any(row.recipes or row.vectors for row in rows):
            vectors = _specialise(rows, layout, tokens, positions)
            chosen = _adapter_rows(rows, adapters, device)
        # One copy for all three: [3, tokens].
        fed, places, written = to_device([tokens, positions, slots], device).unbind()
        return cls(fed, places, written, layout, vectors, chosen)

    def following(self, tokens: torch.Tensor) -> StepInputs:
        """The next step, where each row feeds one token more, computed like the one before.

        Args:
            tokens: [rows], one a row.
        """
        layout = self.layout
        layout = BatchLayout(
            layout.query_lengths,
            [length + 1 for length in layout.kv_lengths],
            layout.pages,
            layout.page_size_tokens,
            layout.device,
            layout.hidden,
        )
        slots = to_device(_last_slots(layout), layout.device)
        return StepInputs(tokens, self.positions + 1, slots, layout, [], self.adapters)


def _last_slots(layout: BatchLayout) -> list[int]:
    """Slots of the tokens that the rows feed, which are the last ones they attend to."""
    size = layout.page_size_tokens
    return [
        pages[slot // size] * size + slot % size
        for pages, stop, length in zip(
            layout.pages, layout.kv_lengths, layout.query_lengths, strict=True
        )
        for slot in range(stop - length, stop)
    ]


def _adapter_rows(
    rows: Sequence[Row], adapters: Mapping[str, Adapter], device: torch.device
) -> AdapterRows | None:
    if not any(recipe.adapter for row in rows for _, _, recipe in row.recipes or ()):
        return None
    runs: list[tuple[Adapter | None, int]] = []
    for row in rows:
        at = 0
        for first, stop, recipe in row.recipes or ():
            adapter = adapters[recipe.adapter] if recipe.adapter else None
            runs += [(None, first - at), (adapter, stop - first)]
            at = stop
        runs.append((None, len(row.tokens) - at))
    return AdapterRows(runs, device)


def _specialise(
    rows: Sequence[Row], layout: BatchLayout, tokens: list[int], positions: list[int]
) -> list[tuple[int, torch.Tensor]]:
    """Brings what is not plain into the layout; returns (flat index, vector) of given vectors."""
    vectors: list[tuple[int, torch.Tensor]] = []
    base = 0
    for index, row in enumerate(rows):
        spans = []
        for first, stop, recipe in row.recipes or ():
            if recipe.hidden:
                spans.append((first, stop, recipe.hidden))
            if recipe.shift:
                for flat in range(base + first, base + stop):
                    positions[flat] += recipe.shift
        if spans:
            layout.hidden[index] = spans
        for offset, vector in row.vectors or ():
            tokens[base + offset] = 0
            vectors.append((base + offset, cast(torch.Tensor, vector)))
        base += len(row.tokens)
    return vectors
