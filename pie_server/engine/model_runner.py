"""Executes batches on the device: page copies, forward pass, sampling.

Runs in the device's one worker thread and owns the model and the KV tensors. Knows nothing of
contexts, queues or guests.
"""

from __future__ import annotations

import time

import torch

from pie_server.engine.attention import BatchLayout, attention_for
from pie_server.engine.batch import Batch, StepResult
from pie_server.engine.sampler import sample, top_tokens
from pie_server.errors import DeviceError
from pie_server.model.llama import KvCache, Llama


class ModelRunner:
    """One model on one device.

    Args:
        model: The loaded weights.
        pages: Number of physical KV pages to allocate.
        page_size_tokens: Slots of a page.
    """

    def __init__(self, model: Llama, pages: int, page_size_tokens: int) -> None:
        self.model = model
        self.attention = attention_for(model.device)
        self.cache = KvCache(
            model.config, pages, page_size_tokens, dtype=model.dtype, device=model.device
        )

    @torch.inference_mode()
    def execute(self, batch: Batch) -> StepResult:
        """Runs one step.

        Raises:
            DeviceError: The forward pass failed or gave logits that are not finite.
        """
        started = time.perf_counter()
        try:
            if batch.copies:
                self.cache.copy_pages(
                    [copy.source for copy in batch.copies], [copy.target for copy in batch.copies]
                )
            hidden = self._forward(batch)
            samples, distributions = [], []
            if batch.samples:
                logits = self._logits(hidden, [request.index for request in batch.samples])
                samples = sample(logits, batch.samples)
            if batch.distributions:
                logits = self._logits(hidden, [request.index for request in batch.distributions])
                distributions = top_tokens(logits, [d.top_k for d in batch.distributions])
        except Exception as error:  # the barrier of the device: kernels raise anything
            raise DeviceError(f"the forward pass of step {batch.number} failed: {error}") from error
        return StepResult(samples, distributions, time.perf_counter() - started)

    def _forward(self, batch: Batch) -> torch.Tensor:
        device, size = self.model.device, self.cache.page_size_tokens
        rows = batch.rows
        lengths = [len(row.tokens) for row in rows]
        kv_lengths = [row.start + len(row.tokens) for row in rows]
        tokens = torch.tensor([token for row in rows for token in row.tokens], device=device)
        positions, slots = [], []
        for row, end in zip(rows, kv_lengths, strict=True):
            for position in range(row.start, end):
                positions.append(position)
                slots.append(row.pages[position // size] * size + position % size)
        layout = BatchLayout(lengths, kv_lengths, [row.pages for row in rows], size, device)
        return self.model.forward(
            tokens,
            torch.tensor(positions, device=device),
            torch.tensor(slots, device=device),
            self.cache,
            self.attention.plan(layout),
        )

    def _logits(self, hidden: torch.Tensor, indices: list[int]) -> torch.Tensor:
        return self.model.logits(hidden[indices])
