"""What is freed by `release`, and so by `with`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Releasable:
    """Base of handles: leaving a `with` block releases them."""

    __slots__ = ()

    def release(self) -> None:
        """Free it."""
        raise TypeError(f"{type(self).__name__} does not say how it is released")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
