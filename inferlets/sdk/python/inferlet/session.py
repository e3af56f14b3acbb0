"""Talk with the client that launched this inferlet."""

from __future__ import annotations

import base64
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


def send_file(
    data: bytes | str, name: str = "file", media_type: str = "application/octet-stream"
) -> None:
    """Send a file to the client, which gets it as an event `file`; up to about 750 kB.

    Example:
        >>> session.send_file(table.encode(), "results.csv", "text/csv")
    """
    if isinstance(data, str):
        data = data.encode()
    encoded = base64.b64encode(data).decode()
    control("session.send_file", name=name, media_type=media_type, base64=encoded)


class File(bytes):
    """A file that the client sent: its bytes, and what it is called.

    Example:
        >>> file = await session.receive_file()
        >>> text = file.decode()
        >>> file.name, file.media_type
    """

    name: str = ""
    media_type: str = ""


async def receive_file() -> File:
    """Wait for the client's next input, which must be a file.

    Raises:
        TypeError: It is a message; its text is in the error.

    Example:
        >>> document = (await session.receive_file()).decode()
    """
    value = await operation("session.receive")
    if not (isinstance(value, dict) and set(value) == {"file"}):
        raise TypeError(f"the client sent no file but {str(value)[:200]!r}")
    sent = value["file"]
    file = File(base64.b64decode(sent["base64"]))
    file.name, file.media_type = str(sent.get("name", "")), str(sent.get("media_type", ""))
    return file


async def receive() -> Any:
    """Wait for the client's next input: a string if it sent text, else the JSON value.

    Example:
        >>> answer = await session.receive()
    """
    value = await operation("session.receive")
    if isinstance(value, dict) and set(value) == {"text"}:
        return value["text"]
    return value
