"""Executes batches on the device: page copies and tasks, forward pass, readouts.

Runs in the device's one worker thread and owns the model and the KV tensors. Knows nothing of
contexts, queues or guests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, cast

import torch

from pie_server.engine.attention import attention_for
from pie_server.engine.batch import Batch, DecodeRun, DeviceTask, Row, Sample, StepResult
from pie_server.engine.cuda_graphs import DecodeGraphs
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


class DecodeSteps(Protocol):
    """The steps of a decode run behind its first one."""

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """[rows, vocab] of the next step, where each row feeds one of `tokens`, [rows]."""
        ...


class ModelRunner:
    """One model on one device.

    Args:
        model: The loaded weights.
        pages: Number of physical KV pages to allocate.
        page_size_tokens: Slots of a page.
        deterministic: Each row of a step has a forward pass of its own, so that its bits do not
            depend on the others: kernels add up in another order for another number of rows.

    Attributes:
        ahead: Whether a step of a decode run is launched before the tokens of the one before have
            been read. Of use where the device works on its own.
        graphs: Replays the steps of decode runs; None where there are no graphs.
    """

    def __init__(
        self, model: Decoder, pages: int, page_size_tokens: int, *, deterministic: bool = False
    ) -> None:
        self.model = model
        self._deterministic = deterministic
        self.attention = attention_for(model.device, in_place=not deterministic)
        self.adapters: dict[str, Adapter] = {}
        self.ahead = model.device.type != "cpu"
        self._masks = MaskFiller()
        # One page more than the pool knows of, which padded rows of graphs write on.
        self.cache = KvCache(
            model.config, pages + 1, page_size_tokens, dtype=model.dtype, device=model.device
        )
        self.graphs: DecodeGraphs | None = None
        if model.device.type == "cuda":
            self.graphs = DecodeGraphs(model, self.cache, self.attention, scratch_page=pages)

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
            answers = read_out(self._logits, self._hidden(batch.rows), batch.readouts, masks)
        return StepResult(answers, results, time.perf_counter() - started)

    def _hidden(self, rows: Sequence[Row]) -> torch.Tensor:
        """[tokens, hidden] of any rows."""
        if self._deterministic:
            return torch.cat([self._forward(self._inputs([row])) for row in rows])
        return self._forward(self._inputs(rows))

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[rows, vocab] float32."""
        if self._deterministic:
            return torch.cat([self.model.logits(row[None]) for row in hidden])
        return self.model.logits(hidden)

    def _run(self, batch: Batch, run: DecodeRun) -> Iterator[StepResult]:
        """Steps of one token a row, until a row has to stop or the loop has other work."""
        started = time.perf_counter()
        samples = cast(list[Sample], batch.readouts)
        ahead = self.ahead and not constrained_rows(samples)  # a grammar reads each token
        self._prelude(batch.prelude)
        inputs = self._inputs(batch.rows)
        choice = self._choose(samples, lambda: self._launch(inputs))
        decoding: DecodeSteps | None = None  # made when there is a second step
        for step in range(1, run.steps + 1):
            following: Choice | None = None
            if ahead and step < run.steps and not run.interrupted:
                decoding = decoding or self._decode_steps(batch, run)
                try:
                    following = self._choose_next(batch, step, decoding, choice)
                except Exception:  # what was chosen before is sound, and penalties count it already
                    yield StepResult(list(choice.read()), [], time.perf_counter() - started, False)
                    raise
            answers = choice.read()
            if any(a.token in stop for a, stop in zip(answers, run.stop_tokens, strict=True)):
                run.interrupted = True
            last = following is None and (step == run.steps or run.interrupted)
            now = time.perf_counter()
            yield StepResult(list(answers), [], now - started, last)
            if last:
                return
            started = now
            decoding = decoding or self._decode_steps(batch, run)
            choice = following or self._choose_next(batch, step, decoding, choice)

    def _decode_steps(self, batch: Batch, run: DecodeRun) -> DecodeSteps:
        # Tokens of the batch may be special where those that follow are not.
        rows = [
            Row([0], row.start, row.pages, None if recipe == PLAIN else [(0, 1, recipe)])
            for row, recipe in zip(batch.rows, run.recipes, strict=True)
        ]
        graphed = self.graphs.begin(rows, run.steps - 1) if self.graphs is not None else None
        return graphed or _LaunchedSteps(self._launch, self._inputs(rows))

    def _choose_next(
        self, batch: Batch, step: int, decoding: DecodeSteps, choice: Choice
    ) -> Choice:
        """The step after the `step`-th of a run; its tokens are not read yet."""
        samples = [
            sample
            if sample.params.greedy
            else replace(sample, uniform=uniform(sample.params.seed, row.start + step))
            for sample, row in zip(cast(list[Sample], batch.readouts), batch.rows, strict=True)
        ]
        return self._choose(samples, lambda: decoding.logits(choice.tokens))

    def _choose(self, samples: Sequence[Sample], logits: Callable[[], torch.Tensor]) -> Choice:
        """One step of one token a row; the chosen tokens stay on the device."""
        masks = self._masks.start(samples)
        return choose(logits(), samples, masks.wait())

    def _launch(self, inputs: StepInputs) -> torch.Tensor:
        """[tokens, vocab] of a step of one token a row."""
        return self.model.logits(self._forward(inputs))

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


class _LaunchedSteps:
    """Steps whose kernels are launched one by one, for rows of any kind."""

    def __init__(self, launch: Callable[[StepInputs], torch.Tensor], inputs: StepInputs) -> None:
        self._launch = launch
        self._inputs = inputs

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """See `DecodeSteps`."""
        self._inputs = self._inputs.following(tokens)
        return self._launch(self._inputs)
