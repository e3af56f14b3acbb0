"""Commands that move the KV of single tokens: copies, and what is left of a draft tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pie_server.engine.batch import DeviceTask
from pie_server.engine.commands import TaskCommand
from pie_server.engine.device_tasks import CopySlots
from pie_server.engine.queues import CommandQueue
from pie_server.errors import InvalidRequest, PieError
from pie_server.kv import Context

Done = Callable[[object, PieError | None], None]


class CopyCommand(TaskCommand):
    """Copies the KV of `source`'s tokens behind the target's last token.

    The copies keep the positions and the surroundings that they were computed with, so the target
    cannot be computed again from its log: it is pinned, and leaves the pool for host memory only.
    (Whoever generates from it without feeding a token has its last token computed anew.)
    """

    def __init__(
        self,
        source: Context,
        tokens: Sequence[int],
        target: Context,
        on_done: Done,
        queue: CommandQueue | None = None,
    ) -> None:
        super().__init__(target, on_done, queue)
        self._source = source
        self._tokens = tokens
        self._copied: list[int] = []
        source.readers += 1

    @property
    def reads(self) -> Sequence[Context]:
        return (self._source,)

    @property
    def writes(self) -> int:
        return len(self._tokens)

    def prepare(self) -> DeviceTask:
        source, target = self._source, self.context
        if max(self._tokens) >= len(source.tokens):
            raise InvalidRequest("the source of the copy was truncated or released meanwhile")
        try:
            slots = source.table.slots(self._tokens)
        except ValueError as error:
            raise InvalidRequest(f"the copy failed: {error}, it was dropped") from None
        self._copied = [source.tokens[token] for token in self._tokens]
        return CopySlots(slots, target.table.reserved_slots(len(slots)))

    def accept_task(self, result: object) -> None:
        super().accept_task(result)
        target, vectors = self.context, self._source.vectors
        own = [token for token in self._copied if token < 0]
        numbered = iter(range(len(own)))
        fill = [token if token >= 0 else -1 - next(numbered) for token in self._copied]
        if own:
            fill = target.adopt_vectors(fill, [vectors[-1 - token] for token in own])
        target.append(fill)
        target.pinned = True

    def fail(self, error: PieError) -> None:
        self._source.readers -= 1
        super().fail(error)

    def complete(self) -> None:
        self._source.readers -= 1
        super().complete()


class KeepCommand(TaskCommand):
    """Removes all tokens behind the first `length` but `kept`, which stay in this order.

    What is left of a draft tree once a path of it was accepted.
    """

    def __init__(
        self,
        context: Context,
        length: int,
        kept: Sequence[int],
        on_done: Done,
        queue: CommandQueue | None = None,
    ) -> None:
        super().__init__(context, on_done, queue)
        self._length = length
        self._kept = kept

    @property
    def sound_tokens(self) -> int:
        return self._length

    def prepare(self) -> DeviceTask:
        context, length = self.context, self._length
        if context.table.is_shared(length, len(context.tokens)):
            raise InvalidRequest(
                "tokens that a fork or the prefix cache shares cannot be rearranged",
                hint="Keep first and fork then; or create the context with prefix_reuse off.",
            )
        try:
            targets = range(length, length + len(self._kept))
            return CopySlots(context.table.slots(self._kept), context.table.slots(targets))
        except ValueError as error:
            raise InvalidRequest(f"keep failed: {error}, it was dropped") from None

    def accept_task(self, result: object) -> None:
        super().accept_task(result)
        self.context.keep(self._length, self._kept)


class DeviceCommand(TaskCommand):
    """A task that belongs to no context."""

    def __init__(
        self, nobody: Context, task: DeviceTask, on_done: Done, queue: CommandQueue | None = None
    ) -> None:
        super().__init__(nobody, on_done, queue)
        self._task = task

    def prepare(self) -> DeviceTask:
        return self._task
