"""Talk with the client that launched this inferlet."""

from __future__ import annotations

import json
from typing import Any

from inferlet._backend import control, operation


def send(message: Any) -> None:
    """Send a message: a string arrives as text, anything else as JSON.

    Example:
        >>> session.send("thinking...")
        >>> session.send({"step": 3, "score": 0.8})
    """
    if not isinstance(message, str):
        # Objects JSON does not know become their str(), as in Pie.
        message = json.loads(json.dumps(message, default=str))
    control("session.send", message=message)


async def receive() -> Any:
    """Wait for the client's next input: a string if it sent text, else the JSON value.

    Example:
        >>> answer = await session.receive()
    """
    value = await operation("session.receive")
    if isinstance(value, dict) and set(value) == {"text"}:
        return value["text"]
    return value
