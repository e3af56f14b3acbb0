"""Messages between inferlets of one tenant: topics that reach all, work queues that reach one.

Messages are strings or any other JSON. Nothing waits for a reader: `broadcast` and `push` raise
`LimitExceeded` when too much of what was sent before is still unread.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from inferlet._backend import control, operation


def push(topic: str, message: Any) -> None:
    """Append a message to a work queue, where it stays until somebody pulls it.

    Example:
        >>> messaging.push("pages", {"url": "https://example.org"})
    """
    control("messaging.push", topic=topic, message=message)


async def pull(topic: str) -> Any:
    """Wait for the next message of a work queue; each message goes to one inferlet only.

    Example:
        >>> job = await messaging.pull("pages")
    """
    return (await operation("messaging.pull", topic=topic))["message"]


def broadcast(topic: str, message: Any) -> int:
    """Send a message to all who are subscribed now; returns how many got it.

    A subscriber that has too much unread misses it, which `Subscription.missed` tells it. If there
    are subscribers and all of them miss it, `LimitExceeded` is raised.

    Example:
        >>> messaging.broadcast("news", "the index is ready")
    """
    return int(control("messaging.broadcast", topic=topic, message=message)["delivered"])


def subscribe(topic: str) -> Subscription:
    """Join a topic: messages that are broadcast from now on.

    Example:
        >>> with messaging.subscribe("news") as news:
        ...     async for message in news:
        ...         print(message)
    """
    return Subscription(int(control("messaging.subscribe", topic=topic)["subscription"]))


class Subscription:
    """A place at a topic; `with` leaves it at the end.

    Attributes:
        missed: Messages that found no room since the last one that was received.

    Example:
        >>> news = messaging.subscribe("news")
        >>> first = await news.next()
    """

    __slots__ = ("_handle", "missed")

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle
        self.missed = 0

    async def next(self) -> Any | None:
        """Wait for the next message; None once it is unsubscribed.

        Example:
            >>> message = await news.next()
        """
        answer = await self._next()
        return None if answer is None else answer["message"]

    def unsubscribe(self) -> None:
        """Leave the topic; what is unread is forgotten. The second time nothing happens.

        Example:
            >>> news.unsubscribe()
        """
        if self._handle is not None:
            handle, self._handle = self._handle, None
            control("messaging.unsubscribe", subscription=handle)

    async def _next(self) -> dict[str, Any] | None:
        if self._handle is None:
            return None
        answer: dict[str, Any] | None = await operation(
            "messaging.receive", subscription=self._handle
        )
        self.missed = 0 if answer is None else int(answer["missed"])
        return answer

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unsubscribe()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Any:
        answer = await self._next()
        if answer is None:
            raise StopAsyncIteration
        return answer["message"]
