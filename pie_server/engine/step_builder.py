"""Forms one step: gives commands their pages and lays out their rows and tasks.

What a command needs comes in this order: a context that was moved away is brought back, a shared
prefix is adopted, pages are taken (evicting cached prefixes that nobody uses), and only then a row
or a task joins the batch. Without pages nothing has changed. Which commands, and in which order, is
the scheduler's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pie_server.engine.batch import Batch, Row
from pie_server.engine.commands import Command, TaskCommand
from pie_server.engine.decode_runs import plan_run
from pie_server.engine.residency import Residency
from pie_server.kv import PLAIN, Context, ContextState, PageCopy, PagePool, PrefixTree


@dataclass(slots=True)
class Placement:
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


@dataclass(frozen=True, slots=True)
class Memory:
    """Where KV can be, and how it gets there.

    Attributes:
        pool: The device's pages.
        prefixes: Pages that can be shared by content.
        residency: Brings back what was moved away.
        chunk_tokens: A prompt is cut at multiples of this and nowhere else, whatever else is in the
            step; None: wherever the step is full.
    """

    pool: PagePool
    prefixes: PrefixTree
    residency: Residency
    chunk_tokens: int | None = None

    def extend(self, context: Context, count: int) -> list[PageCopy] | None:
        """Takes pages for `count` more tokens, evicting cached prefixes if it must."""
        if context.table.has_room(count):
            return []
        needed = context.table.pages_needed(count)
        if needed > self.pool.free_pages:
            self.prefixes.evict(needed - self.pool.free_pages)
        return context.table.try_extend(count)


class StepBuilder:
    """One step while it is being formed.

    Args:
        number: Of the step.
        memory: Where its pages come from.
        is_busy: Whether commands of a context are queued.
        feed: Queues what computes the KV that a context lacks.
    """

    def __init__(
        self,
        number: int,
        memory: Memory,
        is_busy: Callable[[Context], bool],
        feed: Callable[[Context], None],
    ) -> None:
        self.batch = Batch(number)
        self.placements: list[Placement] = []
        self._memory = memory
        self._is_busy = is_busy
        self._feed = feed

    def add(self, command: Command, budget: int) -> int | None:
        """Adds the next tokens of a command, or its task.

        Args:
            command: The head of its queue.
            budget: Most tokens to feed, at least 1; chunks of a fixed size go beyond it.

        Returns:
            How many tokens it feeds (0 for a task, and for one that waits for others), or None if
            there are no pages for it.

        Raises:
            PieError: The command cannot be done.
        """
        if isinstance(command, TaskCommand):
            return self._add_task(command, budget)
        return self._add_row(command, budget)

    def plan_run(self) -> None:
        """If all of the step can go on without the loop, it may."""
        if any(placed.tokens != 1 or placed.readouts != 1 for placed in self.placements):
            return
        commands = [placed.command for placed in self.placements]
        self.batch.run = plan_run(self._memory.pool, self._memory.prefixes, commands)
        if self.batch.run is None:
            return
        for row, command in zip(self.batch.rows, commands, strict=True):
            if command.context.table.holes:  # otherwise it has the table's own list
                row.pages[:] = _pages(command.context)

    def _add_row(self, command: Command, budget: int) -> int | None:
        context = command.context
        if not command.begun:
            command.begin()
        if context.parcel is not None:
            # The token of the first readout must be computed, so it cannot come from elsewhere.
            end = min(len(context.tokens) - 1, command.first_readout)
            if not self._memory.residency.restore(self.batch, context, end):
                return None
        elif context.table.length == 0 and context.prefix_reuse:
            self._adopt_prefix(command)
        start = context.table.length
        chunk = self._memory.chunk_tokens
        count = min(context.missing_tokens, chunk - start % chunk if chunk else budget)
        copies = self._memory.extend(context, count)
        if copies is None:
            return None
        command.blocked_steps = 0
        context.state = ContextState.RUNNING
        batch = self.batch
        batch.prelude += copies
        readouts = command.readouts(start, start + count, batch.token_count)
        batch.rows.append(_row(context, start, count))
        batch.readouts += readouts
        batch.token_count += count
        trusted = self._sound_before(start) if copies else start
        self.placements.append(Placement(command, start, count, len(readouts), trusted))
        return count

    def _adopt_prefix(self, command: Command) -> None:
        context = command.context  # see `_add_row` for the end
        end = min(len(context.tokens) - 1, command.first_readout)
        plain = context.tokens[: context.plain_tokens(end)]
        pages = self._memory.prefixes.match(context.scope, plain)
        if pages:
            context.table.adopt(pages)
            command.reused_tokens = max(command.reused_tokens, context.table.length)

    def _add_task(self, command: TaskCommand, budget: int) -> int | None:
        """Adds a task, or first what its context has no KV for."""
        context = command.context
        if not command.begun:
            command.begin()
        for needed in (context, *command.reads):
            if needed.parcel is None or (needed is not context and self._is_busy(needed)):
                continue  # what is queued for it brings it back
            if not self._memory.residency.restore(self.batch, needed, len(needed.tokens)):
                return None
        if context.missing_tokens:
            return self._add_row(command, budget)
        if not all(map(self._is_readable, command.reads)):
            return 0  # it waits for something that is queued, not for pages
        copies = self._memory.extend(context, command.writes) if command.writes else []
        if copies is None:
            return None
        self.batch.prelude += copies
        start = context.table.length
        try:
            task = command.prepare()
        except Exception:
            context.table.truncate(start)
            raise
        self.batch.prelude.append(task)
        trusted = self._sound_before(start) if copies else start
        trusted = min(trusted, command.sound_tokens)
        self.placements.append(Placement(command, start, command.writes, 0, trusted, task=True))
        return 0

    def _is_readable(self, source: Context) -> bool:
        """Whether all KV of a context is there; if not, it will be computed."""
        if source.missing_tokens and not self._is_busy(source):
            self._feed(source)
        return source.missing_tokens == 0 or source.released

    def _sound_before(self, start: int) -> int:
        """Tokens before the page that the step copies before it writes into it."""
        return start - start % self._memory.pool.page_size_tokens


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
