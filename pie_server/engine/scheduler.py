"""Decides what the device does next.

Owns the command queues (one a context) and lays out one batch at a time, whenever the device is
idle: no timers. Decode rows go first, prefill is cut into chunks that share the step with them, so
a long prompt delays a decode step by a bounded amount. Runs on the event loop; synchronous; never
touches a tensor.

When pages run out, in this order: cached prefixes that nobody uses are evicted; a command that
still finds no page waits, and nothing that came later is begun before it; after some steps contexts
that are not about to run give up their pages for it (their token logs stay and they are recomputed
later); when nothing at all can run, the youngest running ones do. Nothing is ever killed for pages.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVarTuple

from pie_server.engine.batch import Batch, Row, StepResult
from pie_server.engine.commands import Command, not_finite
from pie_server.errors import DeviceError, OperationCancelled, PagesExceeded, PieError
from pie_server.kv import Context, ContextState, PagePool, PrefixTree

_LOG = logging.getLogger(__name__)
Ts = TypeVarTuple("Ts")

# Long enough for a short generation to end and leave its pages; short beside a long one.
_PATIENCE_STEPS = 16


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """Bounds of one step.

    Attributes:
        prefill_tokens: Most prompt tokens in one step, so that decode latency stays bounded.
        rows: Most contexts in one step.
    """

    prefill_tokens: int = 512
    rows: int = 256


@dataclass(slots=True)
class SchedulerStatistics:
    """Counts since the start."""

    steps: int = 0
    rows: int = 0
    prefill_tokens: int = 0
    decode_tokens: int = 0
    dropped_contexts: int = 0
    dropped_pages: int = 0
    device_seconds: float = 0.0


@dataclass(slots=True)
class _Placement:
    """Where a command's row and readouts are in the batch."""

    command: Command
    start: int
    tokens: int
    samples: int
    distributions: int


class Scheduler:
    """The queues and the batch forming policy (adaptive: everything ready, as soon as it can run).

    Args:
        pool: The device's pages.
        prefixes: Pages that can be shared by content.
        contexts: All live contexts, those that wait for nothing included.
        limits: Bounds of one step.
        wake: Called when there is new work.
    """

    def __init__(
        self,
        pool: PagePool,
        prefixes: PrefixTree,
        contexts: Callable[[], Iterable[Context]],
        limits: SchedulerLimits,
        wake: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._prefixes = prefixes
        self._contexts = contexts
        self._limits = limits
        self._wake = wake
        self._queues: dict[int, deque[Command]] = {}
        self._heads: list[Command] = []  # the runnable command of each queue, best first
        self._heads_sorted = True
        self._arrivals = 0
        self._in_flight: list[_Placement] = []
        self._suspects: deque[Command] = deque()
        # Commands that had to give their pages up. They wait until another one ends: begun again
        # at once, they would take the pages that they were just made to leave.
        self._held_back: set[Command] = set()
        self.statistics = SchedulerStatistics()

    # -- the host's side ---------------------------------------------------------------------

    def submit(self, command: Command) -> None:
        """Appends a command to its context's queue."""
        self._arrivals += 1
        command.arrival = self._arrivals
        queue = self._queues.setdefault(command.context.identifier, deque())
        queue.append(command)
        if len(queue) == 1:
            self._make_head(command)
        self._wake()

    def is_busy(self, context: Context) -> bool:
        """Whether commands of this context are queued or running."""
        return context.identifier in self._queues

    def cancel(self, command: Command) -> bool:
        """Ends a command early: it fails with `OperationCancelled`.

        A row of it that is on the device now runs to the end of its step and is not accepted.
        Returns whether the command was still there.
        """
        queue = self._queues.get(command.context.identifier)
        if queue is None or command not in queue:
            return False
        self._end(command, OperationCancelled("the operation was cancelled"))
        return True

    def cancel_all(self, context: Context) -> None:
        """Cancels every command of a context, youngest first."""
        for command in reversed(list(self._queues.get(context.identifier, ()))):
            self.cancel(command)

    def queue_length(self) -> int:
        """Commands that wait or run."""
        return sum(len(queue) for queue in self._queues.values())

    # -- the device's side -------------------------------------------------------------------

    def next_batch(self) -> Batch | None:
        """Lays out the next step, or None if nothing can be done."""
        while self._heads:
            batch = Batch(self.statistics.steps + 1)
            if self._suspects:
                self._add_suspect(batch)
            if not batch.rows:
                self._fill(batch)
            if batch.rows:
                return batch
            if self._held_back:
                self._held_back.clear()
            else:
                self._make_room()
        return None

    def complete(self, batch: Batch, result: StepResult) -> int:
        """Hands out a step's results, in one synchronous loop. Returns how many commands ended."""
        self.statistics.steps += 1
        self.statistics.rows += len(batch.rows)
        self.statistics.device_seconds += result.seconds
        placements, self._in_flight = self._in_flight, []
        sample = distribution = ended = 0
        for placed in placements:
            command, context = placed.command, placed.command.context
            samples = result.samples[sample : sample + placed.samples]
            tops = result.distributions[distribution : distribution + placed.distributions]
            sample += placed.samples
            distribution += placed.distributions
            stop = placed.start + placed.tokens
            if context.table.length != placed.start or len(context.tokens) < stop:
                continue  # cancelled, and then truncated or released, while the step ran
            context.table.commit(placed.tokens)
            context.last_used = batch.number
            if not self._is_head(command):
                continue  # cancelled while the step ran; the KV it computed is valid all the same
            command.steps += 1
            error = not_finite(samples) or self._contained(command.accept, samples, tops)
            if error is not None or command.finished:
                self._end(command, error)
                ended += 1
        return ended

    def step_failed(self, batch: Batch, error: DeviceError) -> None:
        """The whole step failed: run its rows again one by one, and fail those that fail alone."""
        self.statistics.steps += 1
        placements, self._in_flight = self._in_flight, []
        alive = [p.command for p in placements if self._is_head(p.command)]
        for placed in placements:
            table = placed.command.context.table
            # A page copy may not have run: then KV is unknown where the token log is not. Otherwise
            # only what was reserved for this step goes back.
            table.truncate(0 if batch.copies else table.length)
        if len(alive) == 1:
            self._end(alive[0], error)
        else:
            self._suspects.extend(alive)

    # -- forming a batch ---------------------------------------------------------------------

    def _fill(self, batch: Batch) -> None:
        if not self._heads_sorted:
            self._heads.sort(key=lambda command: command.arrival)
            self._heads_sorted = True
        prefill: list[Command] = []
        blocked: Command | None = None
        for command in self._heads:
            if len(batch.rows) == self._limits.rows:
                return
            if command in self._held_back:
                continue
            if not command.begun or command.context.missing_tokens > 1:
                prefill.append(command)
            elif not self._add_row(batch, command, 1):
                blocked = blocked or command
        budget = self._limits.prefill_tokens
        for command in prefill:
            if blocked is not None or budget <= 0 or len(batch.rows) == self._limits.rows:
                break
            used = self._add_row(batch, command, budget)
            budget -= used
            blocked = None if used else command
        if blocked is not None:
            self._wait_for_pages(batch, blocked)

    def _wait_for_pages(self, batch: Batch, command: Command) -> None:
        """The first command without pages waits; if long, those who wait for others make room."""
        command.blocked_steps += 1
        if command.blocked_steps < _PATIENCE_STEPS or not batch.rows:
            return  # with an empty batch `_make_room` comes next
        wanted = self._pages_wanted(command)
        for context in self._waiting_contexts():
            if self._pool.free_pages >= wanted:
                break
            self._drop(context, wanted)
        if self._pool.free_pages >= wanted:
            self._add_row(batch, command, self._limits.prefill_tokens)

    def _add_row(self, batch: Batch, command: Command, budget: int) -> int:
        """Adds the next tokens of a command; returns how many, 0 if there are no pages for it."""
        context = command.context
        if not command.begun:
            command.begin()
        if context.table.length == 0 and context.prefix_reuse:
            self._adopt_prefix(command)
        start = context.table.length
        count = min(context.missing_tokens, budget)
        needed = context.table.pages_needed(count)
        if needed > self._pool.free_pages:
            self._prefixes.evict(needed - self._pool.free_pages)
        copies = context.table.try_extend(count)
        if copies is None:
            return 0
        command.blocked_steps = 0
        context.state = ContextState.RUNNING
        stop, base = start + count, batch.token_count
        samples = command.samples(start, stop, base)
        distributions = command.distributions(start, stop, base)
        batch.copies += copies
        batch.rows.append(Row(context.tokens[start:stop], start, list(context.table.pages)))
        batch.samples += samples
        batch.distributions += distributions
        batch.token_count += count
        self._in_flight.append(_Placement(command, start, count, len(samples), len(distributions)))
        if count == 1:
            self.statistics.decode_tokens += 1
        else:
            self.statistics.prefill_tokens += count
        return count

    def _adopt_prefix(self, command: Command) -> None:
        # The token of the first readout must be computed, so it cannot come from the tree.
        context = command.context
        end = min(len(context.tokens) - 1, command.first_readout)
        pages = self._prefixes.match(context.scope, context.tokens[:end])
        if pages:
            context.table.adopt(pages)
            command.reused_tokens = max(command.reused_tokens, context.table.length)

    def _add_suspect(self, batch: Batch) -> None:
        while self._suspects and not batch.rows:
            command = self._suspects.popleft()
            if self._is_head(command):
                self._add_row(batch, command, self._limits.prefill_tokens)

    def _make_room(self) -> None:
        """Nothing can run: take pages from those who can wait, for the first in line."""
        first = self._heads[0]
        wanted = self._pages_wanted(first)
        for context in self._waiting_contexts():
            self._drop(context, wanted)
            if self._pool.free_pages >= wanted:
                return
        for command in reversed(self._heads[1:]):
            if command.context.table.pages:
                self._drop(command.context, wanted)
                self._held_back.add(command)
            if self._pool.free_pages >= wanted:
                return
        self._end(
            first,
            PagesExceeded(
                f"the context needs {wanted} more pages, but the pool has only "
                f"{self._pool.total_pages} in all",
                hint="Start the server with more --pages or use a shorter context.",
            ),
        )

    def _pages_wanted(self, command: Command) -> int:
        context = command.context
        return context.table.pages_needed(min(context.missing_tokens, self._limits.prefill_tokens))

    def _waiting_contexts(self) -> list[Context]:
        """Contexts with pages and without commands: idle ones first, then those with a tool."""
        waiting = (
            c for c in self._contexts() if c.table.pages and c.identifier not in self._queues
        )
        return sorted(waiting, key=lambda c: (c.state is ContextState.PARKED, c.last_used))

    def _drop(self, context: Context, wanted: int) -> None:
        self.statistics.dropped_contexts += 1
        self.statistics.dropped_pages += context.drop()
        self._prefixes.evict(wanted - self._pool.free_pages)

    # -- queues ------------------------------------------------------------------------------

    def _make_head(self, command: Command) -> None:
        self._heads.append(command)
        self._heads_sorted = False

    def _is_head(self, command: Command) -> bool:
        queue = self._queues.get(command.context.identifier)
        return queue is not None and queue[0] is command

    def _end(self, command: Command, error: PieError | None) -> None:
        context = command.context
        self._held_back.clear()
        queue = self._queues[context.identifier]
        was_head = queue[0] is command
        queue.remove(command)
        if was_head:
            self._heads.remove(command)
            context.state = ContextState.IDLE
            if queue:
                self._make_head(queue[0])
        if not queue:
            del self._queues[context.identifier]
        if context.prefix_reuse and not context.released:
            computed = context.table.length
            self._prefixes.insert(context.scope, context.tokens[:computed], context.table.pages)
        if error is None:
            self._contained(command.complete)
        else:
            self._contained(command.fail, error)

    @staticmethod
    def _contained(call: Callable[[*Ts], None], *arguments: *Ts) -> PieError | None:
        """Runs what belongs to one instance: its failure ends its command and nothing else."""
        try:
            call(*arguments)
        except PieError as error:
            return error
        except Exception:  # the barrier of one command
            _LOG.exception("a command's owner failed")
            return DeviceError("the result could not be handed out; the server's log explains it")
        return None
