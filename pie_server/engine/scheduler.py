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

from pie_server.engine.batch import Batch, StepResult
from pie_server.engine.commands import Command, ForwardCommand, TaskCommand
from pie_server.engine.policies import BatchPolicy
from pie_server.engine.queues import CommandQueue, Priority
from pie_server.engine.residency import Residency
from pie_server.engine.step_builder import Memory, Placement, StepBuilder
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
    device_seconds: float = 0.0


class Scheduler:
    """The queues, and what of them goes into the next step.

    Args:
        pool: The device's pages.
        prefixes: Pages that can be shared by content.
        limits: Bounds of one step.
        wake: Called when there is new work.
        residency: Makes room and brings contexts back.
        policy: Whether to wait for more before a step.
        deterministic: Cut prompts at the same places whatever else there is to do, and have every
            step come back to the loop.
    """

    def __init__(
        self,
        pool: PagePool,
        prefixes: PrefixTree,
        residency: Residency,
        limits: SchedulerLimits,
        wake: Callable[[], None],
        policy: BatchPolicy,
        *,
        deterministic: bool = False,
    ) -> None:
        chunk = limits.prefill_tokens if deterministic else None
        self._memory = Memory(pool, prefixes, residency, chunk)
        self._deterministic = deterministic
        self.residency = residency
        self._limits = limits
        self._wake = wake
        self._policy = policy
        self._queues: dict[int, deque[Command]] = {}
        self._heads: list[Command] = []  # the runnable command of each queue, best first
        self._heads_sorted = True
        self._arrivals = 0
        self._in_flight: list[Placement] = []
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
        step = StepBuilder(self.statistics.steps + 1, self._memory, self.is_busy, self._feed)
        self.residency.restore_early(step.batch)
        while self._heads:
            if self._suspects:
                self._add_suspect(step)
            heads, blocked = len(self._heads), None
            if not step.placements:
                blocked = self._fill(step)
            if step.placements:
                self._plan_run(step)
                break
            if self._held_back:
                self._held_back.clear()
            elif blocked is not None:
                self._make_room(step.batch, blocked)
            elif heads == len(self._heads):
                break  # what there is waits for a task of its own
        self._in_flight = step.placements
        return None if step.batch.empty else step.batch

    def complete(self, batch: Batch, result: StepResult) -> int:
        """Hands out a step's results, in one synchronous loop. Returns how many commands ended."""
        self.statistics.steps += 1
        self.statistics.device_seconds += result.seconds
        wanted = [placed.tokens for placed in self._in_flight if not (placed.void or placed.task)]
        self.statistics.rows += len(wanted)
        self.statistics.decode_tokens += wanted.count(1)
        self.statistics.prefill_tokens += sum(wanted) - wanted.count(1)
        prefill = sum(len(row.tokens) for row in batch.rows if len(row.tokens) > 1)
        self.residency.step_done(result.seconds, prefill, batch.token_count - prefill)
        placements = self._in_flight
        if result.last:
            self._in_flight = []
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
            context.commit(placed.tokens)
            context.last_used = batch.number
            placed.start = placed.trusted = stop
            command.steps += 1
            error = self._contained(command.accept, answers)
            if (error is not None or command.finished) and self._is_head(command):
                self._end(command, error)
                ended += 1
        return ended

    def _complete_task(self, placed: Placement, result: object) -> int:
        command, context = placed.command, placed.command.context
        table = context.table
        assert isinstance(command, TaskCommand)
        if table.length != placed.start or not self._is_head(command):
            self._distrust(context, command.sound_tokens)  # cancelled while the step ran
            return 0
        context.commit(placed.tokens)
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

    def _fill(self, step: StepBuilder) -> Command | None:
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
            elif isinstance(command, TaskCommand) or (
                command.begun and command.context.missing_tokens == 1
            ):
                candidates += 1
                if self._add(step, command, budget) is None:
                    blocked = blocked or command
            elif wanted < budget:
                candidates += 1
                wanted += max(1, len(command.fill) if not command.begun else 1)
                prefill.append(command)
        for command in prefill:
            # Whoever comes before the first that found no pages may still go.
            if budget <= 0 or (blocked is not None and _rank(blocked) < _rank(command)):
                break
            used = self._add(step, command, budget)
            if used is None and (blocked is None or _rank(command) < _rank(blocked)):
                blocked = command
            budget -= used or 0
        if blocked is not None:
            self._wait_for_pages(step, blocked)
        return blocked

    def _add(self, step: StepBuilder, command: Command, budget: int) -> int | None:
        """As `StepBuilder.add`; a command that cannot be done ends here, and needs no pages."""
        try:
            return step.add(command, budget)
        except Exception as error:  # as in `_contained`: nothing of one instance ends the rest
            self._end(command, _typed(error))
            return 0

    def _feed(self, context: Context) -> None:
        self.submit(ForwardCommand(context, (), asked=(), on_done=lambda *_: None))

    def _plan_run(self, step: StepBuilder) -> None:
        """With all that is ready in the step, and nothing due soon, the device may go on alone."""
        if (
            self._policy.name == "adaptive"
            and not self._deterministic
            and len(step.placements) == len(self._heads)
            and self.residency.next_due() is None
        ):
            step.plan_run()

    def _wait_for_pages(self, step: StepBuilder, command: Command) -> None:
        """The first command without pages waits; if long, those who wait for others make room."""
        command.blocked_steps += 1
        if command.blocked_steps < _PATIENCE_STEPS or not step.placements:
            return  # with an empty step `_make_room` comes next
        if self.residency.make_room(step.batch, self._pages_wanted(command), self.is_busy):
            self._add(step, command, self._limits.prefill_tokens)

    def _add_suspect(self, step: StepBuilder) -> None:
        while self._suspects and not step.placements:
            command = self._suspects.popleft()
            if self._is_head(command):
                self._add(step, command, self._limits.prefill_tokens)

    def _make_room(self, batch: Batch, first: Command) -> None:
        """Nothing can run: take pages from those who can wait, for the first that needs some."""
        pool, wanted = self._memory.pool, self._pages_wanted(first)
        if pool.free_pages < wanted and self.residency.make_room(batch, wanted, self.is_busy):
            return
        for command in reversed(self._heads):
            if (
                command is not first
                and command.context.table.pages
                and self.residency.evict(batch, command.context, wanted)
            ):
                self._held_back.add(command)
            if pool.free_pages >= wanted:
                return
        self._end(
            first,
            PagesExceeded(
                f"the context needs {wanted} more pages, but the pool has only "
                f"{pool.total_pages} in all, and {pool.free_pages} that can be had",
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
                self._memory.prefixes.insert(context.scope, shared, context.table.pages)
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
