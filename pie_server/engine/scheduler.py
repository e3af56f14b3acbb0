"""Decides what the device does next.

Owns the command queues (one a context) and lays out one batch at a time, whenever the device is
idle: no timers. Higher priority goes first, then older. Decode rows come before prefill, which is
cut into chunks that share the step with them, so a long prompt delays a decode step by a bounded
amount. Runs on the event loop; synchronous; never touches a tensor.

When pages run out, in this order: cached prefixes that nobody uses are evicted; a command that
still finds no page waits, and nothing that came later is begun before it; after some steps contexts
that are not about to run give up their pages for it (see `residency`); when nothing at all can run,
the youngest running ones do. Nothing is ever killed for pages.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVarTuple

from pie_server.engine.batch import Batch, Row, StepResult
from pie_server.engine.commands import Command, ForwardCommand, TaskCommand
from pie_server.engine.decode_runs import plan_run
from pie_server.engine.policies import BatchPolicy
from pie_server.engine.queues import CommandQueue, Priority
from pie_server.engine.residency import Residency
from pie_server.errors import DeviceError, OperationCancelled, PagesExceeded, PieError
from pie_server.kv import PLAIN, Context, ContextState, PageCopy, PagePool, PrefixTree

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
    device_seconds: float = 0.0


@dataclass(slots=True)
class _Placement:
    """Where a command's row (or task) and readouts are in the batch.

    Attributes:
        trusted: Tokens whose KV is sound even if nothing of the step's prelude has run.
        void: Nothing that the device computes for it is taken in any more.
    """

    command: Command
    start: int
    tokens: int
    readouts: int
    trusted: int
    task: bool = False
    void: bool = False


class Scheduler:
    """The queues, and what of them goes into the next step.

    Args:
        pool: The device's pages.
        prefixes: Pages that can be shared by content.
        limits: Bounds of one step.
        wake: Called when there is new work.
        residency: Makes room and brings contexts back.
        policy: Whether to wait for more before a step.
    """

    def __init__(
        self,
        pool: PagePool,
        prefixes: PrefixTree,
        residency: Residency,
        limits: SchedulerLimits,
        wake: Callable[[], None],
        policy: BatchPolicy,
    ) -> None:
        self._pool = pool
        self._prefixes = prefixes
        self.residency = residency
        self._limits = limits
        self._wake = wake
        self._policy = policy
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
        command.submitted_at = time.monotonic()
        if command.queue is not None:
            command.queue.submitted(command)
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

    def set_priority(self, queue: CommandQueue, priority: Priority) -> None:
        """Changes what a queue's commands go before, those that are queued already included."""
        queue.priority = priority
        self._heads_sorted = False
        self._wake()

    def queue_length(self) -> int:
        """Commands that wait or run."""
        return sum(len(queue) for queue in self._queues.values())

    # -- the device's side -------------------------------------------------------------------

    def delay_seconds(self) -> float:
        """How long the policy wants the next step to wait; 0 under the adaptive one."""
        if not self._heads or not self._policy.patience_seconds:
            return 0.0
        oldest = min(command.submitted_at for command in self._heads)
        return self._policy.delay_seconds(len(self._heads), time.monotonic() - oldest)

    def idle_seconds(self) -> float:
        """How long there will be nothing to do unless something is submitted."""
        due = self.residency.next_due()
        return math.inf if due is None else due

    def next_batch(self) -> Batch | None:
        """Lays out the next step, or None if nothing can be done."""
        batch = Batch(self.statistics.steps + 1)
        self.residency.restore_early(batch)
        while self._heads:
            if self._suspects:
                self._add_suspect(batch)
            heads, blocked = len(self._heads), None
            if not self._in_flight:
                blocked = self._fill(batch)
            if self._in_flight:
                self._plan_run(batch)
                return batch
            if self._held_back:
                self._held_back.clear()
            elif blocked is not None:
                self._make_room(batch, blocked)
            elif heads == len(self._heads):
                break  # what there is waits for a task of its own
        return None if batch.empty else batch

    def complete(self, batch: Batch, result: StepResult) -> int:
        """Hands out a step's results, in one synchronous loop. Returns how many commands ended."""
        self.statistics.steps += 1
        self.statistics.rows += len(batch.rows)
        self.statistics.device_seconds += result.seconds
        prefill = sum(len(row.tokens) for row in batch.rows if len(row.tokens) > 1)
        self.residency.step_done(result.seconds, prefill, batch.token_count - prefill)
        placements = self._in_flight
        if result.last:
            self._in_flight = []
        else:
            self.statistics.decode_tokens += len(placements)  # of the step that is under way
        done = ended = tasks = 0
        for placed in placements:
            command, context = placed.command, placed.command.context
            answers = result.answers[done : done + placed.readouts]
            done += placed.readouts
            if placed.task:
                ended += self._complete_task(placed, result.task_results[tasks])
                tasks += 1
                continue
            start, stop = placed.start, placed.start + placed.tokens
            if placed.void or not self._is_head(command) or context.table.length != start:
                placed.void = True  # cancelled, or over, while the step ran
                continue
            context.table.commit(placed.tokens)
            context.last_used = batch.number
            placed.start = placed.trusted = stop
            command.steps += 1
            error = self._contained(command.accept, answers)
            if error is not None or command.finished:
                self._end(command, error)
                ended += 1
        return ended

    def _complete_task(self, placed: _Placement, result: object) -> int:
        command, context = placed.command, placed.command.context
        table = context.table
        assert isinstance(command, TaskCommand)
        if table.length != placed.start or not self._is_head(command):
            self._distrust(context, command.sound_tokens)  # cancelled while the step ran
            return 0
        table.commit(placed.tokens)
        command.steps += 1
        self._end(command, self._contained(command.accept_task, result))
        return 1

    def step_failed(self, batch: Batch, error: DeviceError) -> None:
        """The whole step failed: run its rows again one by one, and fail those that fail alone."""
        self.statistics.steps += 1
        self.residency.step_failed()
        placements, self._in_flight = self._in_flight, []
        alive = [p.command for p in placements if self._is_head(p.command)]
        for placed in placements:
            if not placed.void:
                self._distrust(placed.command.context, placed.trusted)
        if len(alive) == 1:
            self._end(alive[0], error)
        else:
            self._suspects.extend(alive)

    @staticmethod
    def _distrust(context: Context, sound: int) -> None:
        """Only the first `sound` tokens have KV that is what the log says; pages go back."""
        kept = min(context.table.length, sound)
        if context.pinned and kept < context.table.length:
            context.lost = True
        context.table.truncate(kept)

    # -- forming a batch ---------------------------------------------------------------------

    def _fill(self, batch: Batch) -> Command | None:
        """Adds what there are pages for; returns the first command there are none for."""
        if not self._heads_sorted:
            self._heads.sort(key=_rank)
            self._heads_sorted = True
        prefill: list[Command] = []
        blocked: Command | None = None
        budget, most = self._limits.prefill_tokens, self._limits.rows
        if self._policy.commands is not None:
            most = min(most, self._policy.commands)
        candidates = wanted = 0
        for command in self._heads[:]:
            if candidates == most:
                break
            if command in self._held_back:
                continue
            if command.context.lost:
                self._end(command, _lost())
            elif isinstance(command, TaskCommand):
                candidates += 1
                if not self._add_task(batch, command, budget):
                    blocked = blocked or command
            elif command.begun and command.context.missing_tokens == 1:
                candidates += 1
                if not self._add_row(batch, command, 1):
                    blocked = blocked or command
            elif wanted < budget:
                candidates += 1
                wanted += max(1, len(command.fill) if not command.begun else 1)
                prefill.append(command)
        for command in prefill:
            # Whoever comes before the first that found no pages may still go.
            if budget <= 0 or (blocked is not None and _rank(blocked) < _rank(command)):
                break
            used = self._add_row(batch, command, budget)
            budget -= used
            if not used and (blocked is None or _rank(command) < _rank(blocked)):
                blocked = command if self._is_head(command) else blocked
        if blocked is None or not self._is_head(blocked):
            return None
        self._wait_for_pages(batch, blocked)
        return blocked

    def _plan_run(self, batch: Batch) -> None:
        """If all that is ready can go on without the loop, it may."""
        placements = self._in_flight
        if (
            self._policy.name != "adaptive"
            or len(placements) < len(self._heads)
            or any(placed.tokens != 1 or placed.readouts != 1 for placed in placements)
            or self.residency.next_due() is not None
        ):
            return
        batch.run = plan_run(self._pool, [placed.command for placed in placements])
        if batch.run is not None:
            for row, placed in zip(batch.rows, placements, strict=True):
                if placed.command.context.table.holes:  # otherwise it has the table's own list
                    row.pages[:] = _pages(placed.command.context)

    def _wait_for_pages(self, batch: Batch, command: Command) -> None:
        """The first command without pages waits; if long, those who wait for others make room."""
        command.blocked_steps += 1
        if command.blocked_steps < _PATIENCE_STEPS or not self._in_flight:
            return  # with an empty step `_make_room` comes next
        if self.residency.make_room(batch, self._pages_wanted(command), self.is_busy):
            self._add(batch, command, self._limits.prefill_tokens)

    def _add(self, batch: Batch, command: Command, budget: int) -> None:
        if isinstance(command, TaskCommand):
            self._add_task(batch, command, budget)
        else:
            self._add_row(batch, command, budget)

    def _add_task(self, batch: Batch, command: TaskCommand, budget: int) -> bool:
        """Adds a task, or first what its context has no KV for; False if there are no pages."""
        context = command.context
        if not command.begun:
            command.begin()
        for needed in (context, *command.reads):
            if needed.parcel is None or (needed is not context and self.is_busy(needed)):
                continue  # what is queued for it brings it back
            if not self.residency.restore(batch, needed, len(needed.tokens)):
                return False
        if context.missing_tokens:
            return self._add_row(batch, command, budget) > 0
        if not all(map(self._is_readable, command.reads)):
            return True  # it waits for something that is queued, not for pages
        copies = self._extend(context, command.writes) if command.writes else []
        if copies is None:
            return False
        batch.prelude += copies
        start = context.table.length
        try:
            task = command.prepare()
        except Exception as error:  # as in `_contained`: nothing of one instance ends the rest
            context.table.truncate(start)
            self._end(command, _typed(error))
            return True
        batch.prelude.append(task)
        trusted = start - start % self._pool.page_size_tokens if copies else start
        trusted = min(trusted, command.sound_tokens)
        self._in_flight.append(_Placement(command, start, command.writes, 0, trusted, task=True))
        return True

    def _is_readable(self, source: Context) -> bool:
        """Whether all KV of a context is there; if not, it will be computed."""
        if source.missing_tokens and not self.is_busy(source):
            self.submit(ForwardCommand(source, (), asked=(), on_done=lambda *_: None))
        return source.missing_tokens == 0 or source.released

    def _extend(self, context: Context, count: int) -> list[PageCopy] | None:
        """Takes pages for `count` more tokens, evicting cached prefixes if it must."""
        if context.table.has_room(count):
            return []
        needed = context.table.pages_needed(count)
        if needed > self._pool.free_pages:
            self._prefixes.evict(needed - self._pool.free_pages)
        return context.table.try_extend(count)

    def _add_row(self, batch: Batch, command: Command, budget: int) -> int:
        """Adds the next tokens of a command; returns how many, 0 if there are no pages for it."""
        context = command.context
        if not command.begun and (failure := self._contained(command.begin)) is not None:
            self._end(command, failure)
            return 0
        if context.parcel is not None:
            # The token of the first readout must be computed, so it cannot come from elsewhere.
            end = min(len(context.tokens) - 1, command.first_readout)
            if not self.residency.restore(batch, context, end):
                return 0
        elif context.table.length == 0 and context.prefix_reuse:
            self._adopt_prefix(command)
        start = context.table.length
        count = min(context.missing_tokens, budget)
        copies = self._extend(context, count)
        if copies is None:
            return 0
        command.blocked_steps = 0
        context.state = ContextState.RUNNING
        batch.prelude += copies
        readouts = command.readouts(start, start + count, batch.token_count)
        batch.rows.append(_row(context, start, count))
        batch.readouts += readouts
        batch.token_count += count
        trusted = start - start % self._pool.page_size_tokens if copies else start
        self._in_flight.append(_Placement(command, start, count, len(readouts), trusted))
        if count == 1:
            self.statistics.decode_tokens += 1
        else:
            self.statistics.prefill_tokens += count
        return count

    def _adopt_prefix(self, command: Command) -> None:
        context = command.context  # see `_add_row` for the end
        end = min(len(context.tokens) - 1, command.first_readout)
        plain = context.tokens[: context.plain_tokens(end)]
        pages = self._prefixes.match(context.scope, plain)
        if pages:
            context.table.adopt(pages)
            command.reused_tokens = max(command.reused_tokens, context.table.length)

    def _add_suspect(self, batch: Batch) -> None:
        while self._suspects and not self._in_flight:
            command = self._suspects.popleft()
            if self._is_head(command):
                self._add(batch, command, self._limits.prefill_tokens)

    def _make_room(self, batch: Batch, first: Command) -> None:
        """Nothing can run: take pages from those who can wait, for the first that needs some."""
        wanted = self._pages_wanted(first)
        if self._pool.free_pages < wanted and self.residency.make_room(batch, wanted, self.is_busy):
            return
        for command in reversed(self._heads):
            if (
                command is not first
                and command.context.table.pages
                and self.residency.evict(batch, command.context, wanted)
            ):
                self._held_back.add(command)
            if self._pool.free_pages >= wanted:
                return
        self._end(
            first,
            PagesExceeded(
                f"the context needs {wanted} more pages, but the pool has only "
                f"{self._pool.total_pages} in all, and {self._pool.free_pages} that can be had",
                hint="Start the server with more --pages or use a shorter context.",
            ),
        )

    def _pages_wanted(self, command: Command) -> int:
        context = command.context
        missing = context.missing_tokens + (0 if command.begun else len(command.fill))
        if context.parcel is None:  # a parcel comes whole
            missing = min(missing, self._limits.prefill_tokens)
        wanted = 0
        if isinstance(command, TaskCommand):
            missing += command.writes
            away = [source for source in command.reads if source.parcel is not None]
            wanted = sum(source.table.pages_needed(source.missing_tokens) for source in away)
        return max(1, wanted + context.table.pages_needed(missing))

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
            context.table.truncate(context.table.length)  # what a run had reserved
        self._wake()
        if command.queue is not None:
            command.queue.ended(command)
        if not context.released:
            sound = error is None or isinstance(error, OperationCancelled)
            if context.prefix_reuse and not context.pinned and sound:
                shared = context.tokens[: context.shareable_tokens]
                self._prefixes.insert(context.scope, shared, context.table.pages)
            context.punch()
        if error is None:
            error = self._contained(command.complete)
        if error is not None:
            self._contained(command.fail, error)

    @staticmethod
    def _contained(call: Callable[[*Ts], PieError | None], *arguments: *Ts) -> PieError | None:
        """Runs what belongs to one instance: its failure ends its command and nothing else."""
        try:
            return call(*arguments)
        except Exception as error:  # the barrier of one command
            return _typed(error)


def _typed(error: Exception) -> PieError:
    """What the owner of a command is told; what nobody expected goes to the log."""
    if isinstance(error, PieError):
        return error
    _LOG.error("a command failed in a way that nobody expected", exc_info=error)
    return DeviceError("the operation failed inside the server; its log explains it")


def _lost() -> DeviceError:
    return DeviceError(
        "the context's copied KV was lost when a step failed",
        hint="Release the context and build it again.",
    )


def _rank(command: Command) -> tuple[int, int]:
    priority = Priority.NORMAL if command.queue is None else command.queue.priority
    return -priority, command.arrival


def _row(context: Context, start: int, count: int) -> Row:
    """The next `count` tokens of a context, with what is special about them."""
    stop, special = start + count, context.recipes.first_special
    tokens = context.tokens[start:stop]
    recipes, vectors = None, None
    if special is not None and special < stop:
        recipes = [
            (first - start, end - start, recipe)
            for first, end, recipe in context.recipes.runs(start, stop)
            if recipe != PLAIN
        ]
    if context.vectors:
        given = ((offset, token) for offset, token in enumerate(tokens) if token < 0)
        vectors = [(offset, context.vectors[-1 - token]) for offset, token in given]
    return Row(tokens, start, _pages(context), recipes or None, vectors or None)


def _pages(context: Context) -> list[int]:
    """The context's pages for the device; what stands for a hole is never looked at."""
    table = context.table
    return [max(0, page) for page in table.pages] if table.holes else table.pages
