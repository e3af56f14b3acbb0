"""Every error this system raises on purpose, in one tree.

    PieError                         internal_error        500
    ├── InvalidRequest               invalid_request       400   the client sent something malformed
    │   ├── InvalidArguments         invalid_arguments     400   arguments that do not fit a schema
    │   │   └── InvalidGrammar       invalid_grammar       400   cannot be compiled or followed
    │   ├── MalformedMessage         malformed_message     400   no message of the protocol
    │   ├── UnknownMessageType       unknown_message_type  400
    │   ├── MessageTooLarge          message_too_large     413
    │   ├── UnknownInferlet          unknown_inferlet      404
    │   ├── InvalidInferlet          invalid_inferlet      400   an upload that cannot be one
    │   ├── VersionExists            version_exists        409   versions never change
    │   ├── UndeclaredOperation      undeclared_operation  403   `needs` of the manifest lacks it
    │   ├── UnknownModel             unknown_model         404
    │   ├── UnknownSession           unknown_session       404
    │   ├── SessionEnded             session_ended         409
    │   ├── HttpForbidden            http_forbidden        403   an address that is not allowed
    │   ├── UnknownOperation         unknown_operation     400
    │   └── UnknownHandle            unknown_handle        404   no such handle, or not ours
    ├── LimitExceeded                limit_exceeded        429
    │   ├── ContextTooLong           context_too_long      400
    │   ├── PagesExceeded            pages_exceeded        429   more pages than allowed
    │   ├── OperationsExceeded       operations_exceeded   429   too many operations in flight
    │   ├── OutputExceeded           output_exceeded       429
    │   ├── InputQueueFull           input_queue_full      429
    │   ├── MessagesExceeded         messages_exceeded     429   too many messages nobody reads
    │   ├── ChildrenExceeded         children_exceeded     429   too many, or too deep
    │   ├── StoreExceeded            store_exceeded        429   more than a tenant may keep
    │   └── Overloaded               overloaded            503   the server refuses new work for now
    ├── GuestError                   guest_error           500   the inferlet itself failed
    │   ├── GuestRaised              guest_raised          500   an exception left the inferlet
    │   ├── GuestTrapped             guest_trapped         500   WebAssembly trap
    │   ├── GuestDeadlocked          guest_deadlocked      500   it waits for nothing
    │   ├── GuestProtocolError       guest_protocol_error  500   it broke the ABI
    │   ├── CpuLimitExceeded         cpu_limit_exceeded    429
    │   └── MemoryLimitExceeded      memory_limit_exceeded 429
    ├── ChildFailed                  child_failed          500   an inferlet that this one launched
    ├── OperationCancelled           cancelled             499
    ├── ModelError                   model_error           500
    │   ├── CheckpointError          checkpoint_error      500   a checkpoint that cannot be loaded
    │   └── TemplateError            template_error        400   the messages do not fit it
    ├── DeviceError                  device_error          500   a forward pass failed
    ├── SandboxError                 sandbox_error         500
    │   ├── SandboxUnavailable       sandbox_unavailable   503
    │   └── SandboxLost              sandbox_lost          500   the container died under the call
    ├── ConnectionLost               connection_lost       503   the client's connection ended
    ├── JournalError                 journal_error         503
    ├── StoreError                   store_error           503   the key-value store's disk
    ├── HttpError                    http_error            502   a request that got no answer
    ├── ConfigurationError           configuration_error   500
    └── ShuttingDown                 shutting_down         503

`message` and `hint` may be shown to clients and guests. What only the operator may see goes to the
log where the error is contained, never into these fields.
"""

from __future__ import annotations

from typing import ClassVar


class PieError(Exception):
    """Base of all errors with a wire code.

    Args:
        message: What went wrong, with the offending value where that is safe to repeat.
        hint: What to do about it.
        details: JSON-compatible facts for programs (positions, limits, ids).
    """

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    default_hint: ClassVar[str] = ""

    def __init__(
        self, message: str, *, hint: str = "", details: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.details: dict[str, object] = details or {}

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip() if self.hint else self.message

    def to_wire(self) -> dict[str, object]:
        """The JSON object that guests and clients receive."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "details": self.details,
        }


class InvalidRequest(PieError):
    code = "invalid_request"
    http_status = 400


class InvalidArguments(InvalidRequest):
    code = "invalid_arguments"


class InvalidGrammar(InvalidArguments):
    """A grammar that cannot be compiled or followed.

    `details` says where: `line` and `column`, `position` in a regular expression, `path` in a
    schema.
    """

    code = "invalid_grammar"


class MessageTooLarge(InvalidRequest):
    code = "message_too_large"
    http_status = 413


class UnknownInferlet(InvalidRequest):
    code = "unknown_inferlet"
    http_status = 404


class InvalidInferlet(InvalidRequest):
    """An uploaded inferlet is refused; the message has the file, the line or the reason."""

    code = "invalid_inferlet"


class VersionExists(InvalidRequest):
    code = "version_exists"
    http_status = 409


class UndeclaredOperation(InvalidRequest):
    """An inferlet called what its manifest does not name in `needs`."""

    code = "undeclared_operation"
    http_status = 403


class UnknownModel(InvalidRequest):
    code = "unknown_model"
    http_status = 404


class UnknownSession(InvalidRequest):
    code = "unknown_session"
    http_status = 404


class UnknownOperation(InvalidRequest):
    code = "unknown_operation"


class UnknownHandle(InvalidRequest):
    code = "unknown_handle"
    http_status = 404


class LimitExceeded(PieError):
    code = "limit_exceeded"
    http_status = 429


class ContextTooLong(LimitExceeded):
    code = "context_too_long"
    http_status = 400


class PagesExceeded(LimitExceeded):
    code = "pages_exceeded"


class OperationsExceeded(LimitExceeded):
    code = "operations_exceeded"


class OutputExceeded(LimitExceeded):
    code = "output_exceeded"


class Overloaded(LimitExceeded):
    code = "overloaded"
    http_status = 503


class GuestError(PieError):
    code = "guest_error"


class GuestRaised(GuestError):
    """An exception left the inferlet's `main`; `details["traceback"]` has its own source lines."""

    code = "guest_raised"


class GuestTrapped(GuestError):
    code = "guest_trapped"


class CpuLimitExceeded(GuestError):
    code = "cpu_limit_exceeded"
    http_status = 429


class MemoryLimitExceeded(GuestError):
    code = "memory_limit_exceeded"
    http_status = 429


class OperationCancelled(PieError):
    code = "cancelled"
    http_status = 499


class ModelError(PieError):
    code = "model_error"


class CheckpointError(ModelError):
    code = "checkpoint_error"


class TemplateError(ModelError):
    code = "template_error"
    http_status = 400


class DeviceError(PieError):
    code = "device_error"


class SandboxError(PieError):
    code = "sandbox_error"


class SandboxUnavailable(SandboxError):
    code = "sandbox_unavailable"
    http_status = 503


class SandboxLost(SandboxError):
    code = "sandbox_lost"


class ConfigurationError(PieError):
    code = "configuration_error"


class ShuttingDown(PieError):
    code = "shutting_down"
    http_status = 503


# --- wire protocol and sessions -----------------------------------------------------------------


class MalformedMessage(InvalidRequest):
    """A frame that is not one well-formed message of the protocol; `details["reason"]` says why."""

    code = "malformed_message"
    default_hint = "See docs/protocol.md for every message with an example."


class UnknownMessageType(InvalidRequest):
    code = "unknown_message_type"
    default_hint = "See docs/protocol.md for every message with an example."


class SessionEnded(InvalidRequest):
    """The session exists but has ended, so it takes no more input."""

    code = "session_ended"
    http_status = 409
    default_hint = "Launch a new session; the old one's events can still be read with `attach`."


class InputQueueFull(LimitExceeded):
    code = "input_queue_full"
    default_hint = "Wait until the inferlet has received what was sent before, then send again."


class ConnectionLost(PieError):
    """The client's connection to the server ended; sessions can be attached to from a new one."""

    code = "connection_lost"
    http_status = 503
    default_hint = "Connect again and attach with the last `seq` that was received."


class JournalError(PieError):
    """The session journal cannot be opened, read or written."""

    code = "journal_error"
    http_status = 503


# The runtime's own: ways for a guest to end that none of the classes above names.


class GuestDeadlocked(GuestError):
    """The inferlet waits, and nothing is left that could wake it."""

    code = "guest_deadlocked"
    default_hint = "Start an operation, or set the event, that the waiting task depends on."


class GuestProtocolError(GuestError):
    """The inferlet broke the ABI: a submit that is too large or is not a list of operations."""

    code = "guest_protocol_error"
    default_hint = "Use the SDK instead of calling submit() and wait() directly."


# Beyond inference: messages, children, the key-value store, HTTP.


class MessagesExceeded(LimitExceeded):
    """Nobody reads as fast as this instance sends; nothing was sent."""

    code = "messages_exceeded"
    default_hint = "Send less, or wait until what was sent before has been read."


class ChildrenExceeded(LimitExceeded):
    """A session runs as many inferlets as it may, or they launch each other too deeply."""

    code = "children_exceeded"


class StoreExceeded(LimitExceeded):
    """The tenant's part of the key-value store is full, or one value is too large."""

    code = "store_exceeded"
    default_hint = "Delete what is not needed any more."


class ChildFailed(PieError):
    """A launched inferlet failed; `details["error"]` is its own error, as its client would see."""

    code = "child_failed"


class StoreError(PieError):
    """The key-value store cannot be opened, read or written."""

    code = "store_error"
    http_status = 503


class HttpForbidden(InvalidRequest):
    """The server's settings do not allow a request to this address."""

    code = "http_forbidden"
    http_status = 403
    default_hint = "The operator lists what inferlets may reach in the setting `http_allow`."


class HttpError(PieError):
    """An HTTP request got no answer: no connection, too slow, too large, broken."""

    code = "http_error"
    http_status = 502
