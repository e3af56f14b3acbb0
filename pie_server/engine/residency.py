"""Makes room when pages run out, and brings contexts back.

In this order: cached prefixes that nobody uses are evicted; contexts that wait for their tool,
their client or nothing at all are moved to host memory or, where that is cheaper or there is no
room, dropped and computed again later. What goes first is decided by expected cost
(`kv.residency`). Works on the batch that is being laid out; its prelude runs in order, so a page
may be saved by one entry and written by the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pie_server.engine.batch import Batch
from pie_server.engine.page_moves import PageMove
from pie_server.kv import Context, ContextState, PagePool, PrefixTree
from pie_server.kv.residency import (
    Blob,
    Candidate,
    Costs,
    Parcel,
    ToolTimes,
    victims,
)

_EARLY_SECONDS = 0.005  # a restore is to be over before its tool is, not at the same moment


@dataclass(slots=True)
class ResidencyStatistics:
    """Counts since the start."""

    offloaded_contexts: int = 0
    offloaded_pages: int = 0
    restored_contexts: int = 0
    restored_early: int = 0
    dropped_contexts: int = 0
    dropped_pages: int = 0


class Residency:
    """The residency states of all contexts of one engine.

    Args:
        pool: The device's pages.
        prefixes: Pages that can be shared by content.
        contexts: All live contexts.
        page_bytes: Size of one page in all layers.
        host_bytes: Most host memory for parcels; 0 drops instead.
        recompute: Whether KV may be dropped and computed again.
    """

    def __init__(
        self,
        pool: PagePool,
        prefixes: PrefixTree,
        contexts: Callable[[], Iterable[Context]],
        page_bytes: int,
        host_bytes: int,
        *,
        recompute: bool = True,
    ) -> None:
        self._pool = pool
        self._prefixes = prefixes
        self._contexts = contexts
        self._page_bytes = page_bytes
        self._host_bytes = host_bytes
        self._recompute = recompute
        self._moves: list[PageMove] = []  # of the batch under way
        self._saved: list[Context] = []  # likewise
        self._restored: list[tuple[Context, Parcel]] = []
        self.costs = Costs()
        self.tool_times = ToolTimes()
        self.statistics = ResidencyStatistics()

    # -- making room -------------------------------------------------------------------------

    def make_room(self, batch: Batch, wanted: int, busy: Callable[[Context], bool]) -> bool:
        """Takes pages from contexts that wait until `wanted` are free. Returns whether they are."""
        waiting = [c for c in self._contexts() if c.table.pages and not c.readers and not busy(c)]
        candidates = [self._candidate(context) for context in waiting]
        for index in victims(candidates, self.costs, time.monotonic()):
            if self._pool.free_pages >= wanted:
                break
            self.evict(batch, waiting[index], wanted)
        return self._pool.free_pages >= wanted

    def evict(self, batch: Batch, context: Context, wanted: int) -> bool:
        """Moves one context out or drops it; False if it can do neither."""
        if context.readers:
            return False
        if context.parcel is not None:  # it was on its way back
            context.drop()
            return True
        candidate = self._candidate(context)
        pinned = context.pinned or not self._recompute
        size = len(context.table.held_pages()) * self._page_bytes
        cheaper = self.costs.move(candidate.pages) < self.costs.recompute(candidate.tokens)
        fits = size + self._parcel_bytes() <= self._host_bytes
        if fits and (cheaper or pinned):
            self._offload(batch, context, size)
        elif pinned:
            return False
        else:
            self.statistics.dropped_contexts += 1
            self.statistics.dropped_pages += context.drop()
        self._prefixes.evict(wanted - self._pool.free_pages)
        return True

    def _offload(self, batch: Batch, context: Context, size_bytes: int) -> None:
        table, blob = context.table, Blob(size_bytes)
        length = table.length
        table.truncate(length)  # what was reserved behind it has nothing to be saved
        pages = list(table.held_pages())
        held = tuple(index for index, page in enumerate(table.pages) if page >= 0)
        self._record(batch, PageMove(blob, pages))
        self.statistics.offloaded_contexts += 1
        self.statistics.offloaded_pages += len(pages)
        context.drop()
        context.parcel = Parcel(blob, length, held)
        self._saved.append(context)

    def _candidate(self, context: Context) -> Candidate:
        freed = sum(1 for page in context.table.held_pages() if self._pool.references(page) == 1)
        return Candidate(
            context.table.length,
            # A page that only the prefix tree shares can be evicted from there afterwards.
            freed or len(context.table.held_pages()),
            context.state is ContextState.PARKED,
            context.returns_at,
            context.last_used,
            self._recompute and not context.pinned,
        )

    def _parcel_bytes(self) -> int:
        blobs = {c.parcel.blob for c in self._contexts() if c.parcel is not None}
        return sum(blob.size_bytes for blob in blobs)

    # -- bringing back -----------------------------------------------------------------------

    def restore(self, batch: Batch, context: Context, end: int) -> bool:
        """Brings the KV of the first `end` tokens back, or what the parcel has of it.

        Returns False if there are no pages for it; it can be tried again.
        """
        parcel = context.parcel
        assert parcel is not None
        if parcel.blob.failed:
            _give_up(context)
            return True
        table, size = context.table, self._pool.page_size_tokens
        length = min(parcel.length, end)
        if not table.pages and context.prefix_reuse and not context.pinned:
            plain = context.tokens[: context.plain_tokens(length)]
            if pages := self._prefixes.match(context.scope, plain):
                table.adopt(pages)
        first = table.length // size
        missing = length - table.length
        if missing > 0:
            needed = table.pages_needed(missing)
            if needed > self._pool.free_pages:
                self._prefixes.evict(needed - self._pool.free_pages)
            if table.try_extend(missing) is None:
                return False
            entries = [
                i for i, index in enumerate(parcel.held) if first <= index < len(table.pages)
            ]
            targets = [table.pages[parcel.held[i]] for i in entries]
            self._record(batch, PageMove(parcel.blob, targets, entries))
            table.commit(missing)
        context.parcel = None
        context.punch()
        self._restored.append((context, parcel))
        self.statistics.restored_contexts += 1
        return True

    def restore_early(self, batch: Batch) -> None:
        """Brings contexts back whose tool is about to return, as far as there are free pages."""
        now = time.monotonic()
        for context in self._away():
            assert context.parcel is not None
            if self._due_at(context) <= now:
                pages = len(context.parcel.held)
                context.returns_at = None  # once is enough
                if pages <= self._pool.free_pages and self.restore(
                    batch, context, len(context.tokens)
                ):
                    self.statistics.restored_early += 1

    def next_due(self) -> float | None:
        """Seconds until a context should be brought back early; None if none should."""
        due = min(map(self._due_at, self._away()), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def _away(self) -> list[Context]:
        if not self.statistics.offloaded_contexts:
            return []
        return [
            c
            for c in self._contexts()
            if c.parcel is not None and c.returns_at is not None and c.state is ContextState.PARKED
        ]

    def _due_at(self, context: Context) -> float:
        assert context.parcel is not None
        assert context.returns_at is not None
        pages = len(context.parcel.held)
        return context.returns_at - self.costs.move(pages) - _EARLY_SECONDS

    # -- the step's end ------------------------------------------------------------------------

    def step_done(self, seconds: float, prefill_tokens: int, decode_tokens: int) -> None:
        """Learns from a step that ran."""
        moving = sum(move.seconds for move in self._moves)
        for move in self._moves:
            self.costs.move_seconds.observe(move.seconds / len(move.pages) if move.pages else 0.0)
        if prefill_tokens > decode_tokens:
            each = (seconds - moving) / (prefill_tokens + decode_tokens)
            self.costs.prefill_seconds.observe(each)
        self._forget_step()

    def step_failed(self) -> None:
        """What was to be restored stays in its parcel; what was to be saved is lost."""
        for context, parcel in self._restored:
            if not context.released:
                context.table.truncate(0)
                context.parcel = parcel.truncated(len(context.tokens))
        for move in self._moves:
            if move.entries is None:
                move.blob.failed = True
        for context in self._saved:
            if context.parcel is not None and context.parcel.blob.failed:
                _give_up(context)
        self._forget_step()

    def _forget_step(self) -> None:
        self._moves.clear()
        self._saved.clear()
        self._restored.clear()

    def _record(self, batch: Batch, move: PageMove) -> None:
        batch.prelude.append(move)
        self._moves.append(move)


def _give_up(context: Context) -> None:
    """The KV of a parcel is gone: it is computed again, or the context is of no use any more."""
    context.parcel = None
    context.lost = context.pinned
