"""Executes batches on the device: page copies and tasks, forward pass, readouts.

Runs in the device's one worker thread and owns the model and the KV tensors. Knows nothing of
contexts, queues or guests.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import torch

from pie_server.engine.attention import attention_for
from pie_server.engine.batch import Batch, DecodeRun, DeviceTask, Row, Sample, StepResult
from pie_server.engine.grammar_masks import MaskFiller, constrained_rows
from pie_server.engine.page_moves import PageMove
from pie_server.engine.readouts import read_out
from pie_server.engine.sampler import Choice, choose
from pie_server.engine.sampling import uniform
from pie_server.engine.step_inputs import StepInputs
from pie_server.errors import DeviceError
from pie_server.kv import PLAIN, PageCopy
from pie_server.model.adapters import Adapter
from pie_server.model.decoder import Decoder
from pie_server.model.kv_cache import KvCache


class ModelRunner:
    """One model on one device.

    Args:
        model: The loaded weights.
        pages: Number of physical KV pages to allocate.
        page_size_tokens: Slots of a page.

    Attributes:
        ahead: Whether a step of a decode run is launched before the tokens of the one before have
            been read. Of use where the device works on its own.
    """

    def __init__(self, model: Decoder, pages: int, page_size_tokens: int) -> None:
        self.model = model
        self.attention = attention_for(model.device)
        self.adapters: dict[str, Adapter] = {}
        self.ahead = model.device.type != "cpu"
        self._masks = MaskFiller()
        self.cache = KvCache(
            model.config, pages, page_size_tokens, dtype=model.dtype, device=model.device
        )

    def close(self) -> None:
        """Ends the thread that follows grammars."""
        self._masks.close()

    @torch.inference_mode()
    def execute(self, batch: Batch) -> Iterator[StepResult]:
        """Runs one step, and those of its decode run if it has one; yields their results.

        Raises:
            DeviceError: A step failed; which of its rows or tasks is at fault is not known.
        """
        try:
            if batch.run is None:
                yield self._step(batch)
            else:
                yield from self._run(batch, batch.run)
        except Exception as error:  # the barrier of the device: kernels raise anything
            raise DeviceError(f"step {batch.number} failed: {error}") from error

    def _step(self, batch: Batch) -> StepResult:
        started = time.perf_counter()
        results = self._prelude(batch.prelude)
        answers = []
        if batch.rows:
            # Grammars are followed while the forward pass runs.
            masks = self._masks.start([r for r in batch.readouts if type(r) is Sample])
            hidden = self._forward(self._inputs(batch.rows))
            answers = read_out(self.model, hidden, batch.readouts, masks)
        return StepResult(answers, results, time.perf_counter() - started)

    def _run(self, batch: Batch, run: DecodeRun) -> Iterator[StepResult]:
        """Steps of one token a row, until a row has to stop or the loop has other work."""
        started = time.perf_counter()
        samples = cast(list[Sample], batch.readouts)
        ahead = self.ahead and not constrained_rows(samples)  # a grammar reads each token
        self._prelude(batch.prelude)
        inputs = self._inputs(batch.rows)
        choice = self._choose(inputs, samples)
        for step in range(1, run.steps + 1):
            following: tuple[StepInputs, Choice] | None = None
            if ahead and step < run.steps and not run.interrupted:
                following = self._choose_next(batch, run, step, inputs, choice)
            answers = choice.read()
            if any(a.token in stop for a, stop in zip(answers, run.stop_tokens, strict=True)):
                run.interrupted = True
            last = following is None and (step == run.steps or run.interrupted)
            now = time.perf_counter()
            yield StepResult(list(answers), [], now - started, last)
            if last:
                return
            started = now
            inputs, choice = following or self._choose_next(batch, run, step, inputs, choice)

    def _choose_next(
        self, batch: Batch, run: DecodeRun, step: int, inputs: StepInputs, choice: Choice
    ) -> tuple[StepInputs, Choice]:
        """The step after the `step`-th of a run; its tokens are not read yet."""
        if step == 1:  # tokens of the batch may be special where those that follow are not
            rows = [
                Row([0], row.start, row.pages, None if recipe == PLAIN else [(0, 1, recipe)])
                for row, recipe in zip(batch.rows, run.recipes, strict=True)
            ]
            inputs = self._inputs(rows)
        inputs = inputs.following(choice.tokens)
        samples = [
            sample
            if sample.params.greedy
            else replace(sample, uniform=uniform(sample.params.seed, row.start + step))
            for sample, row in zip(cast(list[Sample], batch.readouts), batch.rows, strict=True)
        ]
        return inputs, self._choose(inputs, samples)

    def _choose(self, inputs: StepInputs, samples: Sequence[Sample]) -> Choice:
        """One step of one token a row; the chosen tokens stay on the device."""
        masks = self._masks.start(samples)
        logits = self.model.logits(self._forward(inputs))
        return choose(logits, samples, masks.wait())

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

    def _inputs(self, rows: Sequence[Row]) -> StepInputs:
        size = self.cache.page_size_tokens
        return StepInputs.of(rows, size, self.adapters, self.model.device)

    def _forward(self, inputs: StepInputs) -> torch.Tensor:
        """[tokens, hidden] of all rows, one after the other."""
        embedded = self.model.embed(inputs.tokens)
        for index, vector in inputs.vectors:
            embedded[index] = vector
        return self.model.forward(
            embedded,
            inputs.positions,
            inputs.slots,
            self.cache,
            self.attention.plan(inputs.layout),
            inputs.adapters,
        )
