"""Decode steps as CUDA graphs: embedding, forward pass and logits of a step in one launch.

While a decode run goes on, only tokens and lengths change from step to step, and they stay on the
device. A graph is captured for a number of rows and a width of page tables, over tensors that are
filled in place; rows that are missing are padded and work on a page that nobody else has. Sampling
stays outside.

A graph is used only after its logits were equal, bit for bit, to those of the same work launched
one by one. If they are not, or if anything fails, graphs are off from then on, with one warning:
steps then run as they would without this module.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from pie_server.engine.attention import AttentionBackend
from pie_server.engine.attention.decode_tables import DecodeTables, padded_rows, padded_width
from pie_server.engine.batch import Row
from pie_server.model.decoder import Decoder
from pie_server.model.kv_cache import KvCache

_LOG = logging.getLogger(__name__)

MOST_ROWS = 256
_MOST_GRAPHS = 24  # each keeps its logits: up to 128 MiB with 256 rows of 128,000 tokens


class Recording(Protocol):
    """Work that can be done again with whatever its input tensors hold by then.

    Attributes:
        output: What it writes, at each replay into the same tensor.
    """

    output: torch.Tensor

    def replay(self) -> None:
        """Does it again, behind what was launched before."""
        ...


class CudaRecording:
    """A CUDA graph.

    Args:
        work: Launches kernels and returns what they compute; ran at least once before.
    """

    def __init__(self, work: Callable[[], torch.Tensor]) -> None:
        self._graph = torch.cuda.CUDAGraph()
        # Other threads have other devices, or other models of this one, and go on meanwhile.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self.output = work()

    def replay(self) -> None:
        """See `Recording`."""
        self._graph.replay()


class DecodeGraphs:
    """The graphs of one model. Used by the device's thread alone.

    Args:
        model: What the steps run.
        cache: Its KV, with a page that the pool does not know of.
        attention: Makes the plans.
        scratch_page: That page.
        record: Makes a recording; a CUDA graph by default.

    Attributes:
        off: Whether graphs were given up.
        replays: How many steps were replayed.
    """

    def __init__(
        self,
        model: Decoder,
        cache: KvCache,
        attention: AttentionBackend,
        scratch_page: int,
        record: Callable[[Callable[[], torch.Tensor]], Recording] = CudaRecording,
    ) -> None:
        self.off = model.config.mixture is not None  # the host asks which experts were chosen
        self.replays = 0
        self._model = model
        self._cache = cache
        self._attention = attention
        self._scratch_page = scratch_page
        self._record = record
        self._captured: OrderedDict[tuple[int, int], _CapturedStep] = OrderedDict()

    def begin(self, rows: Sequence[Row], steps: int) -> GraphRun | None:
        """Prepares steps in which each row feeds one token more.

        Args:
            rows: The step before the first of them; one token each.
            steps: How many at most. The rows have the pages for them.

        Returns:
            None if these rows have to be run without graphs.
        """
        if self.off or not self._suited(rows, steps):
            return None
        size, longest = self._cache.page_size_tokens, max(row.start for row in rows) + 1
        captured: dict[int, _CapturedStep] = {}
        try:
            for step in range(1, steps + 1):
                width = padded_width(-(-(longest + step) // size), size)
                if width not in captured:
                    lengths = [row.start + 1 + step for row in rows]
                    captured[width] = self._step(rows, lengths, width)
        except Exception as error:  # the barrier: without graphs everything still works
            self._give_up(f"{type(error).__name__}: {error}")
        return None if self.off else GraphRun(self, list(captured.values()), rows)

    def _suited(self, rows: Sequence[Row], steps: int) -> bool:
        if len(rows) > MOST_ROWS or any(row.recipes or row.vectors for row in rows):
            return False
        longest = max(row.start for row in rows) + 1 + steps
        windows = [options.window_tokens for options in self._model.config.layer_options]
        return all(window is None or window >= longest for window in windows)

    def _step(self, rows: Sequence[Row], lengths: list[int], width: int) -> _CapturedStep:
        """The captured step for so many rows and such tables, captured first if need be."""
        key = padded_rows(len(rows)), width
        if key not in self._captured:
            step = _CapturedStep(*key, self._model, self._cache, self._attention)
            # With the rows' own pages. The slots that are written are written again by their steps.
            step.bind(self.tables(rows, lengths))
            if not step.capture(self._record):
                self._give_up("the logits of one differ from those without it")
            while len(self._captured) >= _MOST_GRAPHS:
                self._captured.popitem(last=False)
            self._captured[key] = step
        self._captured.move_to_end(key)
        return self._captured[key]

    def tables(self, rows: Sequence[Row], lengths: list[int]) -> DecodeTables:
        """Where the rows are, on the device."""
        return DecodeTables.of(
            [row.pages for row in rows],
            lengths,
            self._cache.page_size_tokens,
            self._model.device,
            padding_page=self._scratch_page,
        )

    def _give_up(self, reason: str) -> None:
        self.off = True
        self._captured.clear()
        _LOG.warning("decode steps go on without CUDA graphs: %s", reason)


class GraphRun:
    """The steps of one decode run.

    Args:
        graphs: Where they come from.
        captured: The narrowest tables first.
        rows: The step before the first.
    """

    def __init__(
        self, graphs: DecodeGraphs, captured: list[_CapturedStep], rows: Sequence[Row]
    ) -> None:
        self._graphs = graphs
        self._captured = captured
        self._rows = rows
        self._longest = max(row.start for row in rows) + 1
        self._steps = 0
        self._bound: _CapturedStep | None = None

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """The next step.

        Args:
            tokens: [rows], on the device, which may still be at choosing them.

        Returns:
            [rows, vocab] float32; the next step overwrites it.
        """
        self._steps += 1
        longest = self._longest + self._steps
        step = next(step for step in self._captured if step.slots >= longest)
        if step is self._bound:
            step.advance(len(self._rows))
        else:
            lengths = [row.start + 1 + self._steps for row in self._rows]
            step.bind(self._graphs.tables(self._rows, lengths))
            self._bound = step
        self._graphs.replays += 1
        return step.replay(tokens)


class _CapturedStep:
    """One graph and the tensors that it reads.

    Attributes:
        slots: Longest context that the tables have room for.
    """

    def __init__(
        self, rows: int, width: int, model: Decoder, cache: KvCache, attention: AttentionBackend
    ) -> None:
        size = cache.page_size_tokens
        self.slots = width * size
        self._model = model
        self._cache = cache
        self._tokens = torch.zeros(rows, dtype=torch.int64, device=model.device)
        flat = torch.zeros(rows * (1 + width), dtype=torch.int32, device=model.device)
        self._tables = DecodeTables.over(flat, rows, size)
        self._plan = attention.decode_plan(self._tables)
        self._recording: Recording | None = None

    def bind(self, tables: DecodeTables) -> None:
        """Fills in where the rows are at the next step."""
        self._tables.flat.copy_(tables.flat)
        self._tokens.zero_()  # padded rows that feed the same write the same

    def advance(self, rows: int) -> None:
        """Each row is one token longer."""
        self._tables.lengths[:rows].add_(1)

    def capture(self, record: Callable[[Callable[[], torch.Tensor]], Recording]) -> bool:
        """Makes the recording; returns whether it computes what the work itself does."""
        expected = self._work()  # first, so that kernels are compiled and loaded
        self._recording = record(self._work)
        self._recording.replay()
        found = self._recording.output
        # As bits: a model whose logits are not finite is no fault of the graph's.
        return torch.equal(found.view(torch.int32), expected.view(torch.int32))

    def replay(self, tokens: torch.Tensor) -> torch.Tensor:
        """[rows, vocab] logits of the rows that are not padding."""
        assert self._recording is not None
        self._tokens[: len(tokens)].copy_(tokens)
        self._recording.replay()
        return self._recording.output[: len(tokens)]

    def _work(self) -> torch.Tensor:
        """[rows, vocab]: a step over the tensors. Nothing in it waits for the device."""
        size = self._tables.page_size_tokens
        positions = self._tables.lengths.long() - 1
        pages = self._tables.pages.gather(1, (positions // size)[:, None])[:, 0]
        slots = pages.long() * size + positions % size
        hidden = self._model.forward(
            self._model.embed(self._tokens), positions, slots, self._cache, self._plan
        )
        return self._model.logits(hidden)
