"""A WebSocket spoken byte by byte, to say what no client library would."""

from __future__ import annotations

import os
import struct

import trio

TEXT, CONTINUATION, CLOSE = 1, 0, 8


def client_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A masked WebSocket frame, as a client must send it."""
    head = bytes([opcode | (0x80 if final else 0)])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += b"\xfe" + struct.pack(">H", len(payload))
    else:
        head += b"\xff" + struct.pack(">Q", len(payload))
    mask = os.urandom(4)
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + body


def handshake(port: int, headers: str = "") -> bytes:
    """The request that makes a connection a WebSocket."""
    return (
        f"GET /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    ).encode()


async def upgrade(stream: trio.SocketStream, request: bytes) -> None:
    """Sends the request and reads the server's 101, and not a byte more."""
    await stream.send_all(request)
    head = b""
    while b"\r\n\r\n" not in head:
        data = await stream.receive_some(1)
        assert data, head
        head += data
    assert head.startswith(b"HTTP/1.1 101"), head
    assert b"permessage-deflate" not in head


async def read_until(stream: trio.SocketStream, words: bytes) -> bytes:
    """What arrives up to and with `words`."""
    data = b""
    while words not in data:
        chunk = await stream.receive_some()
        assert chunk, data
        data += chunk
    return data


async def read_to_end(stream: trio.SocketStream) -> bytes:
    """Everything that arrives until the server closes, gently or not."""
    data = b""
    try:
        while chunk := await stream.receive_some():
            data += chunk
    except trio.BrokenResourceError:
        pass
    return data


async def abort(stream: trio.SocketStream) -> None:
    """Vanishes: a reset instead of a close."""
    linger = struct.pack("ii", 1, 0)
    stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)
    await stream.aclose()
