"""What the SDK needs from whoever runs the inferlet.

Two implementations: `_scheduler` inside the WebAssembly guest, and the server's native runner.
Everything else in the SDK goes through the three functions at the end and never asks which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
Fields: TypeAlias = dict[str, Any]

# Told once when a task ends: its value, or its error.
Outcome: TypeAlias = Callable[[object, BaseException | None], None]


class TaskHandle(Protocol):
    """A running coroutine, as a backend sees it."""

    def cancel(self) -> None:
        """Raise a cancellation inside it at its next await. Does nothing when it has ended."""


class EventHandle(Protocol):
    """A one-shot flag that tasks can wait for."""

    def set(self) -> None:
        """Wake all that wait."""

    async def wait(self) -> object:
        """Return when it is set."""


class Backend(Protocol):
    """Runs operations and tasks of one instance.

    Attributes:
        failures: Tasks that failed and whose error nobody has seen yet.
    """

    failures: dict[object, Exception]

    async def operation(self, fields: Fields) -> Any:
        """Run an operation; other tasks of the inferlet go on meanwhile."""

    def control(self, fields: Fields) -> Any:
        """Run a control operation and return its value at once."""

    def spawn(self, coroutine: Coroutine[Any, Any, object], outcome: Outcome) -> TaskHandle:
        """Start a task."""

    def event(self) -> EventHandle:
        """A new event."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Cancel the body after `seconds` and raise TimeoutError."""


_current: ContextVar[Backend] = ContextVar("inferlet_backend")


def current() -> Backend:
    """The backend of the running inferlet.

    Raises:
        RuntimeError: Called outside an inferlet.
    """
    try:
        return _current.get()
    except LookupError:
        raise RuntimeError(
            "the inferlet SDK works inside a running inferlet only: start it with "
            "`pie-server run NAME` (or `--native` to debug it)"
        ) from None


async def operation(name: str, /, **fields: Any) -> Any:
    """Run one operation of the server and return its value.

    Raises:
        OperationError: The server answered with an error.
    """
    return await current().operation({"op": name, **fields})


def control(name: str, /, **fields: Any) -> Any:
    """Run one control operation (one that needs no device) without awaiting.

    Raises:
        OperationError: The server answered with an error.
    """
    return current().control({"op": name, **fields})
