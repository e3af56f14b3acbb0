"""The KV cache of a context: its length, and everything that changes what is in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from inferlet._backend import control, operation
from inferlet.adapter import Adapter
from inferlet.errors import OperationError
from inferlet.fillers import Fillers, Segment
from inferlet.queues import Queue

if TYPE_CHECKING:
    from inferlet.model import Model

# With these codes the server has refused an operation before it changed anything.
_REFUSALS = {
    "context_too_long",
    "invalid_arguments",
    "invalid_request",
    "message_too_large",
    "operations_exceeded",
    "pages_exceeded",
    "template_error",
}


class CachedTokens(Fillers):
    """The part of a context that is on the device. Nothing here touches what is only noted."""

    __slots__ = ("_adapter", "_fed_through", "_length", "_model", "_queue", "handle")

    handle: int
    _model: Model
    # Tokens in the KV cache; None while an operation may change it, and after one that was
    # cancelled or failed half-way: then the server is asked.
    _length: int | None
    # Name of the adapter that it should be fed through, and of the one the server feeds it through.
    _adapter: str | None
    _fed_through: str | None
    _queue: Queue | None

    @property
    def model(self) -> Model:
        """Its model.

        Example:
            >>> ctx.model.name
        """
        return self._model

    @property
    def page_size(self) -> int:
        """Tokens in one KV page.

        Example:
            >>> ctx.seq_len // ctx.page_size
        """
        return self._model.page_size

    @property
    def seq_len(self) -> int:
        """Tokens in the KV cache; what is buffered does not count.

        Example:
            >>> before = ctx.seq_len
        """
        if self._length is None:
            return int(self.info()["tokens"])
        return self._length

    def buffer(self) -> list[int]:
        """Tokens of what is noted and not yet sent.

        Example:
            >>> len(ctx.user("hello").buffer())
        """
        if not self._pending:
            return []
        return list(control("context.render", context=self.handle, fill=self._pending))

    def info(self) -> dict[str, Any]:
        """What the server knows of it: tokens, pages, shared_pages, state.

        Example:
            >>> ctx.info()["pages"]
        """
        return dict(control("context.info", context=self.handle))

    def truncate(self, n: int) -> None:
        """Drop the last `n` tokens of the KV cache. Exact for any `n`.

        Example:
            >>> length = ctx.seq_len
            >>> reply = await ctx.complete(sampler, max_tokens=16)
            >>> ctx.truncate(ctx.seq_len - length)  # as if it had never been said
        """
        length = self.seq_len
        if not 0 <= n <= length:
            raise ValueError(f"cannot drop {n} of {length} tokens")
        if n:
            control("context.truncate", context=self.handle, length=length - n)
            self._grew(length - n)

    def mask(self, start: int, stop: int) -> None:
        """Hide tokens `start..stop` from everything that is fed later.

        Example:
            >>> ctx.mask(0, 16)
        """
        control("context.mask", context=self.handle, start=start, stop=stop)

    def unmask(self, start: int, stop: int) -> None:
        """Show tokens `start..stop` again.

        Example:
            >>> ctx.unmask(0, 16)
        """
        control("context.mask", context=self.handle, start=start, stop=stop, visible=True)

    def drop(self, start: int, stop: int) -> int:
        """Hide tokens `start..stop` for good and free the pages that hold nothing else.

        The tokens behind them keep their indices.

        Returns:
            Pages that the context still holds.

        Example:
            >>> ctx.drop(4, ctx.seq_len - 64)  # attention sink: the first 4 and the last 64 stay
        """
        done = control("context.drop", context=self.handle, start=start, stop=stop)
        return int(done["pages"])

    async def keep(self, length: int, tokens: Iterable[int]) -> None:
        """Of what lies behind the first `length` tokens keep only some, in this order.

        Args:
            length: So many at the beginning stay as they are.
            tokens: Indices of those that stay behind them: the accepted path of a tree.

        Example:
            >>> await ctx.keep(n, [n + 1, n + 3])
        """
        done = await self._change("context.keep", length=length, tokens=list(tokens))
        self._grew(int(done["tokens"]))

    async def copy_from(self, source: CachedTokens, tokens: Iterable[int]) -> None:
        """Append the KV of tokens of another context of the same model, without computing it.

        Args:
            source: Whose tokens.
            tokens: Their indices in it.

        Example:
            >>> await ctx.copy_from(other, range(16, 32))
        """
        done = await self._change("context.copy", source=source.handle, tokens=list(tokens))
        self._grew(int(done["tokens"]))

    def set_adapter(self, adapter: Adapter | str | None) -> None:
        """Feed everything from now on through an adapter, or through none.

        A context that was opened by name begins with the adapter it was saved with.

        Example:
            >>> ctx.set_adapter("formal")
        """
        name = adapter.name if isinstance(adapter, Adapter) else adapter
        control("context.set_adapter", context=self.handle, adapter=name)
        self._adapter = self._fed_through = name

    @property
    def queue(self) -> Queue | None:
        """Its command queue, None for normal priority; can be set. A fork begins without one.

        Example:
            >>> ctx.queue = Queue("high")
        """
        return self._queue

    @queue.setter
    def queue(self, queue: Queue | None) -> None:
        handle = None if queue is None else queue.handle
        control("context.set_queue", context=self.handle, queue=handle)
        self._queue = queue

    def release(self) -> None:
        """Free its pages now. It cannot be used afterwards.

        Example:
            >>> for branch in losers:
            ...     branch.release()
        """
        control("context.release", context=self.handle)
        self._pending, self._length = [], 0

    async def _run(
        self, name: str, fill: list[Segment], *, adapter: Adapter | None = None, **fields: Any
    ) -> dict[str, Any]:
        """One operation that appends `fill`, as `_change` has it.

        Args:
            adapter: What to feed it through instead of the context's own adapter.
        """
        wanted = self._adapter if adapter is None else adapter.name
        return await self._change(name, through=wanted, fill=fill, **fields)

    async def _change(
        self, name: str, *, through: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """One operation that changes the length. Its caller says by `_grew` what came of it."""
        sealed, self._sealed, self._length = self._sealed, False, None
        try:
            if "fill" in fields:
                self._feed_through(through)
            done = await operation(name, context=self.handle, **fields)
        except OperationError as error:
            if error.code in _REFUSALS:
                self._sealed = sealed
            raise
        finally:
            self._length = None
        return dict(done)

    def _feed_through(self, adapter: str | None) -> None:
        if adapter != self._fed_through:
            control("context.set_adapter", context=self.handle, adapter=adapter)
            self._fed_through = adapter

    async def _run_pending(self, name: str, *more: Segment, **fields: Any) -> dict[str, Any]:
        """One operation that appends what is noted; noted again if the server refuses it."""
        pending, self._pending = self._pending, []
        try:
            return await self._run(name, [*pending, *more], **fields)
        except OperationError as error:
            if error.code in _REFUSALS:
                self._pending = [*pending, *self._pending]
            raise

    def _grew(self, length: int, *, sealed: bool = False) -> None:
        self._length, self._sealed = length, sealed
