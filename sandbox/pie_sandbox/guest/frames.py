"""Frames between the host, the supervisor and the interpreter: 4-byte length, then JSON.

Used on both sides. A length is checked before anything is allocated for it, because whoever sends
may be hostile.
"""

from __future__ import annotations

import json
import os
import struct

HEADER = struct.Struct(">I")
READ_BYTES = 1 << 16


class FrameTooLarge(ValueError):
    """The other side announced more bytes than it may send."""


def pack(message: dict[str, object]) -> bytes:
    """Return `message` as one frame."""
    body = json.dumps(message).encode()
    return HEADER.pack(len(body)) + body


def write(fd: int, message: dict[str, object]) -> None:
    """Write one frame completely to a blocking descriptor."""
    rest = memoryview(pack(message))
    while rest:
        rest = rest[os.write(fd, rest) :]


class Frames:
    """Cuts a byte stream into frame bodies of at most `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        self._buffer += data

    def take(self) -> bytes | None:
        """Return the next complete body, or None.

        Raises:
            FrameTooLarge: the next frame announces more than the limit.
        """
        if len(self._buffer) < HEADER.size:
            return None
        (size,) = HEADER.unpack_from(self._buffer)
        if size > self._limit_bytes:
            raise FrameTooLarge(f"a frame of {size} bytes, at most {self._limit_bytes} are allowed")
        end = HEADER.size + size
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[HEADER.size : end])
        del self._buffer[:end]
        return body

    def read(self, fd: int) -> dict[str, object] | None:
        """Return the next message from a blocking descriptor; None when it has ended."""
        while (body := self.take()) is None:
            data = os.read(fd, READ_BYTES)
            if not data:
                return None
            self.feed(data)
        message = json.loads(body)
        return message if isinstance(message, dict) else None
