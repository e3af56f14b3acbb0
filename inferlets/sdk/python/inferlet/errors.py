"""What a failed operation raises inside an inferlet.

    OperationError
    ├── InvalidOperation      malformed, unknown handle or name, arguments that do not fit
    ├── LimitExceeded         pages, operations, output, an overloaded server
    │   └── ContextTooLong    more tokens than the model's context holds
    ├── ChildFailed           an inferlet that this one launched failed
    ├── OperationCancelled    cancelled by the inferlet itself or by the server
    └── ServerFault           the model, the device or the sandbox failed

`Deadlock` is no operation's error: the inferlet waits for something that can never happen.
"""

from __future__ import annotations

from typing import Any


class OperationError(Exception):
    """An operation failed. The inferlet may catch it and go on.

    Attributes:
        code: Stable name for programs, such as "context_too_long".
        message: What went wrong.
        hint: What to do about it, perhaps empty.
        details: Facts for programs (positions, limits, ids).
        operation: Name of the operation that failed.

    Example:
        >>> try:
        ...     await ctx.complete(Sampler.argmax(), max_tokens=10_000)
        ... except ContextTooLong as error:
        ...     ctx.truncate(error.details.get("excess", 256))
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        details: dict[str, Any] | None = None,
        operation: str = "",
    ) -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint
        self.details = details or {}
        self.operation = operation

    def __str__(self) -> str:
        where = f"{self.operation}: " if self.operation else ""
        return f"{where}{self.message} {self.hint}".rstrip() + f" [{self.code}]"


class InvalidOperation(OperationError):
    """The request itself is wrong; sending it again will not help."""


class LimitExceeded(OperationError):
    """A limit of this instance, its tenant or the server is reached."""


class ContextTooLong(LimitExceeded):
    """The context would be longer than the model allows."""


class ChildFailed(OperationError):
    """A launched inferlet failed; `details["error"]` is its own error."""


class OperationCancelled(OperationError):
    """The operation was cancelled before it ended."""


class ServerFault(OperationError):
    """The server could not do it; the request was fine."""


class Deadlock(RuntimeError):
    """Every task of the inferlet waits and nothing is left that could wake one."""


_INVALID = {"message_too_large", "http_forbidden"}
_LIMITS = {
    "limit_exceeded",
    "pages_exceeded",
    "operations_exceeded",
    "output_exceeded",
    "overloaded",
    "input_queue_full",
    "messages_exceeded",
    "children_exceeded",
    "store_exceeded",
}
_FAULTS = {
    "internal_error",
    "model_error",
    "checkpoint_error",
    "device_error",
    "sandbox_error",
    "sandbox_unavailable",
    "sandbox_lost",
    "configuration_error",
    "shutting_down",
    "store_error",
    "http_error",
}


def error_from_wire(error: dict[str, Any], operation: str) -> OperationError:
    """The exception for a completion's error object."""
    code = str(error.get("code", "internal_error"))
    kind: type[OperationError]
    if code == "context_too_long":
        kind = ContextTooLong
    elif code in _LIMITS:
        kind = LimitExceeded
    elif code == "child_failed":
        kind = ChildFailed
    elif code == "cancelled":
        kind = OperationCancelled
    elif code in _FAULTS:
        kind = ServerFault
    elif code.startswith(("invalid_", "unknown_")) or code in _INVALID:
        kind = InvalidOperation
    else:
        kind = OperationError
    details = error.get("details")
    return kind(
        code,
        str(error.get("message", "")),
        str(error.get("hint", "")),
        details if isinstance(details, dict) else None,
        operation,
    )
