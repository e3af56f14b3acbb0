"""Bytes in operations: text where they are UTF-8, base64 where they are not."""

from __future__ import annotations

import base64
import binascii

from pie_server.errors import InvalidArguments
from pie_server.runtime.port import JsonValue


def bytes_of(text: str | None, encoded: str | None, argument: str) -> bytes:
    """Bytes that were given as text or as base64. Raises InvalidArguments."""
    if text is not None and encoded is not None:
        raise InvalidArguments(f"{argument}: give either this or the text, not both")
    try:
        if encoded is None:
            return (text or "").encode()
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArguments(f"{argument}: {error}") from None


def text_or_base64(data: bytes, name: str) -> dict[str, JsonValue]:
    """Bytes for a guest: text where it is UTF-8, else base64 under the name with `_base64`."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}
