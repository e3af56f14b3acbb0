"""Inferlets that this one launches: `runtime.launch` returns a `Child`."""

from __future__ import annotations

from typing import Any

from inferlet._backend import control, operation
from inferlet.errors import ChildFailed, OperationCancelled, OperationError


class Child:
    """A launched inferlet. It ends with this one, unless it is detached.

    What it sends with `session.send` is received here, and what is sent to it arrives at its
    `session.receive`: to the child this inferlet is the client.

    Attributes:
        name: Its name within the session, for logs.

    Example:
        >>> child = runtime.launch("react", {"question": "What is 3 * 14?"})
        >>> answer = await child.join()
    """

    __slots__ = ("_error", "_handle", "_joined", "_result", "name")

    def __init__(self, handle: int, name: str) -> None:
        self._handle = handle
        self._joined = False
        self._result: Any = None
        self._error: OperationError | None = None
        self.name = name

    async def join(self) -> Any:
        """Wait until it has ended and return its result; it can be joined again.

        Raises:
            ChildFailed: It failed; `details["error"]` is its own error.
            OperationCancelled: It was cancelled.

        Example:
            >>> results = await gather(*[child.join() for child in children])
        """
        if not self._joined:
            try:
                self._result = await operation("child.join", child=self._handle)
            except (ChildFailed, OperationCancelled) as error:
                self._error = error
            # The server may forget a child that has been joined.
            self._joined = True
        if self._error is not None:
            raise self._error
        return self._result

    def cancel(self) -> bool:
        """End it now, with all it runs; returns whether it was running.

        Example:
            >>> child.cancel()
        """
        return bool(control("child.cancel", child=self._handle))

    def detach(self) -> None:
        """Let it go on when this inferlet ends, until the session ends; forget it here.

        Example:
            >>> runtime.launch("clean-up", {}).detach()
        """
        control("child.detach", child=self._handle)

    def send(self, message: Any) -> None:
        """Send it a message, which its `session.receive` returns.

        Example:
            >>> child.send({"task": "summarize", "text": text})
        """
        control("child.send", child=self._handle, message=message)

    async def receive(self) -> Any | None:
        """Wait for what it sends next; None once it has ended and all is received.

        Example:
            >>> draft = await child.receive()
        """
        answer = await self._next()
        return None if answer is None else answer["message"]

    @property
    def state(self) -> str:
        """How it stands: "running", "completed", "failed" or "cancelled".

        Example:
            >>> child.state
        """
        return str(control("child.info", child=self._handle)["state"])

    async def _next(self) -> dict[str, Any] | None:
        answer: dict[str, Any] | None = await operation("child.receive", child=self._handle)
        return answer

    def __aiter__(self) -> Child:
        return self

    async def __anext__(self) -> Any:
        answer = await self._next()
        if answer is None:
            raise StopAsyncIteration
        return answer["message"]

    def __repr__(self) -> str:
        return f"<Child {self.name}>"
