"""Executes batches on the device: page copies and tasks, forward pass, readouts.

Runs in the device's one worker thread and owns the model and the KV tensors. Knows nothing of
contexts, queues or guests.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

import torch

from pie_server.engine.attention import BatchLayout, attention_for
from pie_server.engine.batch import Batch, DeviceTask, Row, Sample, StepResult
from pie_server.engine.grammar_masks import MaskFiller
from pie_server.engine.page_moves import PageMove
from pie_server.engine.readouts import read_out
from pie_server.errors import DeviceError
from pie_server.kv import PageCopy
from pie_server.model.adapters import Adapter, AdapterRows
from pie_server.model.decoder import Decoder
from pie_server.model.kv_cache import KvCache


class ModelRunner:
    """One model on one device.

    Args:
        model: The loaded weights.
        pages: Number of physical KV pages to allocate.
        page_size_tokens: Slots of a page.
    """

    def __init__(self, model: Decoder, pages: int, page_size_tokens: int) -> None:
        self.model = model
        self.attention = attention_for(model.device)
        self.adapters: dict[str, Adapter] = {}
        self._masks = MaskFiller()
        self.cache = KvCache(
            model.config, pages, page_size_tokens, dtype=model.dtype, device=model.device
        )

    def close(self) -> None:
        """Ends the thread that follows grammars."""
        self._masks.close()

    @torch.inference_mode()
    def execute(self, batch: Batch) -> StepResult:
        """Runs one step.

        Raises:
            DeviceError: Something of it failed; which row or task is not known.
        """
        started = time.perf_counter()
        try:
            results = self._prelude(batch.prelude)
            answers = []
            if batch.rows:
                # Grammars are followed while the forward pass runs.
                masks = self._masks.start([r for r in batch.readouts if type(r) is Sample])
                answers = read_out(self.model, self._forward(batch.rows), batch.readouts, masks)
        except Exception as error:  # the barrier of the device: kernels raise anything
            raise DeviceError(f"step {batch.number} failed: {error}") from error
        return StepResult(answers, results, time.perf_counter() - started)

    def _prelude(self, prelude: Sequence[PageCopy | PageMove | DeviceTask]) -> list[object]:
        """Runs it in order; returns the tasks' results."""
        results: list[object] = []
        copies: list[PageCopy] = []  # as many in a row as there are run at once
        for entry in prelude:
            if isinstance(entry, PageCopy):
                copies.append(entry)
                continue
            self._copy(copies)
            if isinstance(entry, PageMove):
                entry.run(self.cache)
            else:
                results.append(entry.run(self.model, self.cache))
        self._copy(copies)
        return results

    def _copy(self, copies: list[PageCopy]) -> None:
        if copies:
            self.cache.copy_pages([c.source for c in copies], [c.target for c in copies])
            copies.clear()

    def _forward(self, rows: Sequence[Row]) -> torch.Tensor:
        """[tokens, hidden] of all rows, one after the other."""
        device, size = self.model.device, self.cache.page_size_tokens
        tokens: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        for row in rows:
            tokens += row.tokens
            positions += range(row.start, row.start + len(row.tokens))
            slots += [
                row.pages[slot // size] * size + slot % size
                for slot in range(row.start, row.start + len(row.tokens))
            ]
        layout = BatchLayout(
            [len(row.tokens) for row in rows],
            [row.start + len(row.tokens) for row in rows],
            [row.pages for row in rows],
            size,
            device,
            {},
        )
        vectors: list[tuple[int, torch.Tensor]] = []
        adapters: AdapterRows | None = None
        if any(row.recipes or row.vectors for row in rows):
            vectors = _specialise(rows, layout, tokens, positions)
            adapters = self._adapter_rows(rows)
        embedded = self.model.embed(torch.tensor(tokens, device=device))
        for index, vector in vectors:
            embedded[index] = vector
        return self.model.forward(
            embedded,
            torch.tensor(positions, device=device),
            torch.tensor(slots, device=device),
            self.cache,
            self.attention.plan(layout),
            adapters,
        )

    def _adapter_rows(self, rows: Sequence[Row]) -> AdapterRows | None:
        """Which adapter each token passes through; None if none does."""
        if not any(recipe.adapter for row in rows for _, _, recipe in row.recipes or ()):
            return None
        runs: list[tuple[Adapter | None, int]] = []
        for row in rows:
            at = 0
            for first, stop, recipe in row.recipes or ():
                adapter = self.adapters[recipe.adapter] if recipe.adapter else None
                runs += [(None, first - at), (adapter, stop - first)]
                at = stop
            runs.append((None, len(row.tokens) - at))
        return AdapterRows(runs, self.model.device)


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
