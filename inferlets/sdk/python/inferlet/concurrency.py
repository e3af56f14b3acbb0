"""Tasks inside one inferlet: `spawn`, `gather`, `sleep`, `timeout`.

The same in WebAssembly and natively. Tasks take turns at `await`s and never run in parallel, so
plain variables need no locks; what does run in parallel is the server's work on their operations.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

from inferlet import _backend

T = TypeVar("T")


class Task(Generic[T]):
    """A coroutine that runs on its own; await it for its result.

    Example:
        >>> search = spawn(tools.call("search_documents", {"query": "trio"}))
        >>> reply = await ctx.complete(Sampler.argmax(), max_tokens=64)
        >>> result = await search
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._backend = backend = _backend.current()
        self._ended = backend.event()
        self._watchers: list[_Watcher] = []
        self._value: Any = None
        self._error: BaseException | None = None
        self._done = False
        self._name = getattr(coroutine, "__qualname__", "task")
        self._handle = backend.spawn(coroutine, self._finish)

    @property
    def done(self) -> bool:
        """Whether it has returned, raised or been cancelled.

        Example:
            >>> if task.done: ...
        """
        return self._done

    def cancel(self) -> None:
        """Cancel it: its operation in flight is cancelled and its `finally` blocks run.

        Example:
            >>> task = spawn(sleep(60))
            >>> task.cancel()
        """
        self._handle.cancel()

    async def join(self) -> T:
        """Wait for the result; raises what the task raised (`TaskCancelled` if it was cancelled).

        Example:
            >>> await spawn(sleep(0.1)).join()
        """
        await self._ended.wait()
        error = self._seen_error()
        if error is not None:
            raise error
        return self._value  # type: ignore[no-any-return] # set before

    def __await__(self) -> Generator[Any, Any, T]:
        return self.join().__await__()

    def __repr__(self) -> str:
        return f"<Task {self._name} {'done' if self._done else 'running'}>"

    def _finish(self, value: object, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._backend.failures[self] = error
        elif error is not None:
            error = TaskCancelled(f"{self._name} was cancelled")
        self._value, self._error, self._done = value, error, True
        self._ended.set()
        for watcher in self._watchers:
            watcher.ended(self)

    def _seen_error(self) -> BaseException | None:
        self._backend.failures.pop(self, None)
        return self._error


class TaskCancelled(Exception):
    """Raised by `await task` when the task had been cancelled."""


class _Watcher:
    """Wakes a gather when all its tasks have ended or one has failed."""

    def __init__(self, tasks: list[Task[Any]], stop_at_failure: bool) -> None:
        self._left = sum(not task.done for task in tasks)
        self._stop_at_failure = stop_at_failure
        self._event = _backend.current().event()
        self.failed: Task[Any] | None = None
        for task in tasks:
            if not task.done:
                task._watchers.append(self)
            elif task._error is not None and self.failed is None:
                self.failed = task
        if not self._left or (self.failed and stop_at_failure):
            self._event.set()

    def ended(self, task: Task[Any]) -> None:
        self._left -= 1
        if task._error is not None and self.failed is None:
            self.failed = task
        if not self._left or (self.failed and self._stop_at_failure):
            self._event.set()

    async def wait(self) -> None:
        await self._event.wait()


def spawn(coroutine: Coroutine[Any, Any, T]) -> Task[T]:
    """Start a coroutine as a task of this inferlet. It ends at the latest with the inferlet.

    Example:
        >>> task = spawn(ctx.complete(Sampler.argmax(), max_tokens=32))
        >>> reply = await task
    """
    return Task(coroutine)


async def gather(*awaitables: Awaitable[Any], return_exceptions: bool = False) -> list[Any]:
    """Run all at once and return their results in order.

    If one raises, the others are cancelled, waited for, and the first error is raised. With
    `return_exceptions=True` all run to their end and errors stand in the list.

    Example:
        >>> branches = [ctx.fork() for _ in range(4)]
        >>> replies = await gather(*[b.complete(sampler, max_tokens=64) for b in branches])
    """
    tasks = [item if isinstance(item, Task) else spawn(_awaited(item)) for item in awaitables]
    watcher = _Watcher(tasks, stop_at_failure=not return_exceptions)
    try:
        await watcher.wait()
    finally:
        # Does nothing to those that have ended, which is all of them in the good case.
        for task in tasks:
            task.cancel()
    if watcher.failed is not None and not return_exceptions:
        await _Watcher(tasks, stop_at_failure=False).wait()
        errors = [task._seen_error() for task in tasks]
        first = errors[tasks.index(watcher.failed)]
        assert first is not None
        raise first
    return [task._seen_error() or task._value for task in tasks]


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def sleep(seconds: float) -> None:
    """Wait, while other tasks and other inferlets go on. `sleep(0)` lets other tasks run.

    Example:
        >>> await sleep(0.5)
    """
    if not math.isfinite(seconds):
        raise ValueError(f"cannot sleep for {seconds} seconds")
    await _backend.operation("runtime.sleep", seconds=max(0.0, float(seconds)))


def timeout(seconds: float) -> AbstractAsyncContextManager[object]:
    """Limit the time of a block: after `seconds` its await is cancelled and TimeoutError raised.

    Example:
        >>> try:
        ...     async with timeout(2.0):
        ...         result = await tools.call("python", {"code": code})
        ... except TimeoutError:
        ...     result = None
    """
    if not math.isfinite(seconds):
        raise ValueError(f"a timeout of {seconds} seconds means nothing; leave it out")
    return _backend.current().timeout(max(0.0, float(seconds)))
