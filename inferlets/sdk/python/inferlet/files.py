"""Scratch files: in the server's memory, of this inferlet only, gone when it ends.

For what is too large to keep in the inferlet's own memory, or is handed on to the client.
"""

from __future__ import annotations

import base64

from inferlet._backend import control


def write(name: str, content: str | bytes) -> int:
    """Write a file, replacing what it held; returns its size in bytes.

    Raises:
        LimitExceeded: The inferlet's files are too many or too large.

    Example:
        >>> files.write("draft.md", text)
    """
    return int(control("files.write", name=name, **_content(content))["size"])


def append(name: str, content: str | bytes) -> int:
    """Lengthen a file, which need not exist; returns its size in bytes.

    Example:
        >>> files.append("steps.jsonl", json.dumps(step) + "\\n")
    """
    return int(control("files.write", name=name, append=True, **_content(content))["size"])


def read(name: str, start: int = 0, stop: int | None = None) -> bytes:
    """Bytes `start` to `stop` of a file.

    Raises:
        InvalidOperation: There is no such file.

    Example:
        >>> files.read("draft.md").decode()
    """
    parts = []
    while True:  # the server hands out 1 MiB at a time
        answer = control("files.read", name=name, start=start, stop=stop)
        encoded = answer.get("text_base64")
        part = str(answer["text"]).encode() if encoded is None else base64.b64decode(encoded)
        parts.append(part)
        start = int(answer["stop"])
        end = int(answer["size"]) if stop is None else min(stop, int(answer["size"]))
        if start >= end or not part:
            return b"".join(parts)


def names() -> list[str]:
    """Names of all files, in order.

    Example:
        >>> files.names()
    """
    return [str(item["name"]) for item in control("files.list")]


def delete(name: str) -> bool:
    """Forget a file; returns whether there was one.

    Example:
        >>> files.delete("draft.md")
    """
    return bool(control("files.delete", name=name))


def _content(content: str | bytes) -> dict[str, str]:
    if isinstance(content, str):
        return {"text": content}
    return {"base64": base64.b64encode(content).decode()}
