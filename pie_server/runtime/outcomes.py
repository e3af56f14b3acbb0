"""What the end of a guest means: its result, or the typed error to raise. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pie_server.errors import (
    GuestDeadlocked,
    GuestError,
    GuestRaised,
    GuestTrapped,
    MemoryLimitExceeded,
    OutputExceeded,
    PieError,
)
from pie_server.runtime.fibers import Returned
from pie_server.runtime.port import InstanceLimits, JsonValue

_MESSAGE_CHARACTERS = 2_000
_TRACEBACK_CHARACTERS = 20_000


def result_of(returned: Returned, limits: InstanceLimits) -> JsonValue:
    """The value that a guest's `run` returned.

    Raises:
        GuestError: It returned an error.
        OutputExceeded: The result is larger than the limit.
    """
    if not returned.ok:
        try:
            described = json.loads(returned.text)
        except ValueError:
            described = {"message": returned.text}
        raise error_of_guest(described if isinstance(described, dict) else {})
    check_output(returned.text, limits)
    try:
        return json.loads(returned.text)  # type: ignore[no-any-return] # JSON
    except ValueError as error:
        raise GuestTrapped(f"the inferlet's result is not JSON: {error}") from None


def check_output(text: str, limits: InstanceLimits) -> None:
    """Check the size of a result.

    Raises:
        OutputExceeded: It is larger than the limit.
    """
    if len(text.encode()) > limits.output_bytes:
        raise OutputExceeded(
            f"the inferlet's result has {len(text.encode())} bytes; "
            f"{limits.output_bytes} are allowed.",
            hint="Send large results in parts with session.send, or save them.",
        )


def error_of_guest(described: dict[str, Any]) -> GuestError:
    """The error for an exception that left the guest; `described` as in `inferlet._program`."""
    name = str(described.get("exception") or "Exception")
    message = str(described.get("message") or "")[:_MESSAGE_CHARACTERS]
    details: dict[str, object] = {
        "exception": name,
        "line": described.get("line"),
        "traceback": str(described.get("traceback") or "")[-_TRACEBACK_CHARACTERS:],
    }
    if isinstance(described.get("operation"), dict):
        details["operation"] = described["operation"]
    line = f" (line {described['line']})" if isinstance(described.get("line"), int) else ""
    if name == "Deadlock":
        return GuestDeadlocked(message + line, details=details)
    if name == "MemoryError":
        return MemoryLimitExceeded(
            f"the inferlet ran out of memory{line}.",
            hint="Keep less at a time, or ask for a higher limit.",
            details=details,
        )
    text = f"{name}: {message}" if message else name
    return GuestRaised(text + line, details=details)


def error_of_trap(message: str, last_words: Mapping[str, object] | None = None) -> PieError:
    """The error for a WebAssembly trap.

    Args:
        message: wasmtime's, with the guest's stack.
        last_words: The operation `fail`, if the guest said before why it would trap.
    """
    described = (last_words or {}).get("error")
    if isinstance(described, dict):
        error = error_of_guest(described)
        error.details["trap"] = message[:_TRACEBACK_CHARACTERS]
        return error
    lowered = message.lower()
    reason = _reason(message)
    details: dict[str, object] = {"trap": message[:_TRACEBACK_CHARACTERS]}
    if "would stop every other inferlet" in lowered:
        return GuestTrapped(f"the inferlet made a blocking call: {reason}", details=details)
    if "call stack exhausted" in lowered:
        return GuestTrapped(
            "the inferlet's call stack is exhausted.",
            hint="Its recursion is too deep: use a loop with a list as the stack.",
            details=details,
        )
    if "memory minimum size" in lowered or "memory limit" in lowered:
        return MemoryLimitExceeded(
            f"the inferlet needs more memory than it may have: {reason}", details=details
        )
    return GuestTrapped(f"the inferlet trapped: {reason}", details=details)


def _reason(message: str) -> str:
    """The causes in wasmtime's text, without the stack."""
    lines = [line.strip() for line in message.splitlines()]
    if "Caused by:" in lines:
        causes = [line for line in lines[lines.index("Caused by:") + 1 :] if line]
        return " ".join(causes[-2:])[:_MESSAGE_CHARACTERS]
    return (lines[0] if lines else "unknown reason")[:_MESSAGE_CHARACTERS]
