"""Masks of a whole batch, computed in worker threads while the forward pass runs.

`MaskFiller.start` takes the batch's samples before the pass, `PendingMasks.wait` gives their masks
after it. Between the two the states belong to the filler.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from llguidance import LLExecutor

from pie_server.engine.batch import Sample
from pie_server.engine.grammar import Matcher, empty_masks
from pie_server.errors import PieError


@dataclass(frozen=True, slots=True)
class Masks:
    """Which tokens the rows with a grammar may choose.

    Attributes:
        rows: Indices of those rows among the batch's samples.
        bits: [len(rows), words] int32 on the CPU, a bit a token.
        errors: By index among the samples; such a row's mask means nothing.
    """

    rows: list[int]
    bits: torch.Tensor
    errors: dict[int, PieError] = field(default_factory=dict)


class PendingMasks:
    """Masks under way."""

    def __init__(self, future: Future[Masks | None] | None) -> None:
        self._future = future

    def wait(self) -> Masks | None:
        """The masks, once they are there; None if no row has a grammar."""
        return self._future.result() if self._future is not None else None


class MaskFiller:
    """Computes masks beside the device's thread.

    Args:
        threads: How many masks are computed at once; by default half the cores.
    """

    def __init__(self, threads: int | None = None) -> None:
        threads = threads or max(1, (os.cpu_count() or 2) // 2)
        self._executor = LLExecutor(threads)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="masks")

    def start(self, samples: Sequence[Sample]) -> PendingMasks:
        """Begins, and returns at once; only rows with a grammar cost anything."""
        if not constrained_rows(samples):
            return PendingMasks(None)
        return PendingMasks(self._thread.submit(fill_masks, samples, self._executor))

    def close(self) -> None:
        """Ends the thread after what it is at."""
        self._thread.shutdown()


def constrained_rows(samples: Sequence[Sample]) -> list[int]:
    """Indices of the samples that have a grammar."""
    return [
        index
        for index, sample in enumerate(samples)
        if sample.state is not None and sample.state.matcher is not None
    ]


def fill_masks(samples: Sequence[Sample], executor: LLExecutor | None = None) -> Masks | None:
    """The masks of a batch; None if no row has a grammar.

    Args:
        samples: All of the batch.
        executor: Computes masks in parallel; without one they are computed in this thread.
    """
    rows = constrained_rows(samples)
    if not rows:
        return None
    matchers = [_matcher(samples[row]) for row in rows]
    masks = Masks(rows, empty_masks(len(rows), matchers[0].vocab_size))
    by_matcher: dict[int, list[int]] = {}
    for at, matcher in enumerate(matchers):
        by_matcher.setdefault(id(matcher), []).append(at)
    alone: list[tuple[Matcher, int]] = []
    for places in by_matcher.values():
        matcher, first = matchers[places[0]], samples[rows[places[0]]]
        if executor is not None and len(places) == 1 and not first.draft and not matcher.ended:
            alone.append((matcher, places[0]))
        else:
            _fill_drafted(matcher, [(samples[rows[at]].draft, at) for at in places], masks)
    if alone and executor is not None:
        _fill_in_parallel(alone, masks, executor)
    return masks


def _matcher(sample: Sample) -> Matcher:
    assert sample.state is not None
    assert sample.state.matcher is not None
    return sample.state.matcher


def _fill_in_parallel(
    alone: Sequence[tuple[Matcher, int]], masks: Masks, executor: LLExecutor
) -> None:
    count, words = masks.bits.shape
    executor.unsafe_compute_mask_ptr(
        [(matcher.inner, at) for matcher, at in alone], masks.bits.data_ptr(), words * 4, count
    )
    for matcher, at in alone:
        try:
            matcher.check()
        except PieError as error:
            masks.errors[masks.rows[at]] = error


def _fill_drafted(
    matcher: Matcher, drafts: list[tuple[tuple[int, ...], int]], masks: Masks
) -> None:
    """Walks the tree of one matcher's drafts, each branch once, and comes back to its root.

    Behind a token that the grammar refuses masks stay as they are: everything.
    """
    path: tuple[int, ...] = ()
    for draft, at in sorted(drafts):
        shared = _common_length(path, draft)
        matcher.rollback(len(path) - shared)
        path = draft[:shared]
        for token in draft[shared:]:
            if not matcher.accept(token):
                break
            path = (*path, token)
        if path == draft:
            try:
                matcher.fill_mask(masks.bits[at])
            except PieError as error:
                masks.errors[masks.rows[at]] = error
    matcher.rollback(len(path))


def _common_length(a: Sequence[int], b: Sequence[int]) -> int:
    length = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        length += 1
    return length
