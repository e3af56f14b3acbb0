"""A container's stdin and stdout as a raw connection to the engine, owned by trio.

The docker SDK's attach socket cannot really be closed, and an attach connection that nobody reads
blocks kill, remove and inspect of its container until it is. So this is the HTTP upgrade by hand:
close it first, remove the container afterwards. Closing it also closes the container's stdin, at
which the supervisor exits.
"""

from __future__ import annotations

import struct
from types import TracebackType
from typing import Self

import trio

from pie_sandbox.guest.frames import READ_BYTES, Frames, FrameTooLarge
from pie_server.errors import SandboxLost, SandboxUnavailable

API_VERSION = "v1.40"
MAX_HEAD_BYTES = 16 << 10
MAX_FRAME_BYTES = 4 << 20
MAX_COMPLAINT_BYTES = 4 << 10
STDOUT, STDERR = 1, 2
MULTIPLEX_HEADER = struct.Struct(">BxxxI")


class AttachedStream:
    """Frames to and from the supervisor. One task at a time."""

    def __init__(self, stream: trio.SocketStream, first: bytes) -> None:
        self._stream = stream
        self._raw = bytearray(first)
        self._frames = Frames(MAX_FRAME_BYTES)
        self._left, self._kind = 0, STDOUT
        self.complaint = b""
        """The end of what the supervisor wrote to stderr: why it died, for the log."""

    async def send(self, frame: bytes) -> None:
        """Send one frame.

        Raises:
            SandboxLost: the container is gone.
        """
        try:
            await self._stream.send_all(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise self._lost() from error

    async def receive(self) -> bytes:
        """Return the next frame's body. A cancelled call loses nothing.

        Raises:
            SandboxLost: the container is gone, or sends what no supervisor sends.
        """
        try:
            while True:
                self._demultiplex()
                if (body := self._frames.take()) is not None:
                    return body
                data = await self._stream.receive_some(READ_BYTES)
                if not data:
                    raise self._lost()
                self._raw += data
        except FrameTooLarge as error:
            raise SandboxLost(f"the sandbox sent {error}") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise self._lost() from error

    def close(self) -> None:
        """Close the connection at once; idempotent."""
        self._stream.socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _demultiplex(self) -> None:
        while self._raw:
            if self._left == 0:
                if len(self._raw) < MULTIPLEX_HEADER.size:
                    return
                self._kind, self._left = MULTIPLEX_HEADER.unpack_from(self._raw)
                del self._raw[: MULTIPLEX_HEADER.size]
            payload = bytes(self._raw[: self._left])
            del self._raw[: len(payload)]
            self._left -= len(payload)
            if self._kind == STDOUT:
                self._frames.feed(payload)
            else:
                self.complaint = (self.complaint + payload)[-MAX_COMPLAINT_BYTES:]

    def _lost(self) -> SandboxLost:
        return SandboxLost(
            "the sandbox ended under the call; its variables are lost",
            hint="Run the code again: the session gets a fresh sandbox.",
        )


async def open_attach(socket_path: str, container: str) -> AttachedStream:
    """Attach to a created container, before it is started so that nothing is missed.

    Raises:
        SandboxUnavailable: the engine refuses.
    """
    try:
        stream = await trio.open_unix_socket(socket_path)
    except OSError as error:
        raise SandboxUnavailable(f"cannot connect to {socket_path}: {error}") from error
    head = b""
    try:
        await stream.send_all(
            f"POST /{API_VERSION}/containers/{container}/attach"
            "?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in head and len(head) < MAX_HEAD_BYTES:
            data = await stream.receive_some(READ_BYTES)
            if not data:
                break
            head += data
        status, _, first = head.partition(b"\r\n\r\n")
        if not status.startswith(b"HTTP/1.1 101"):
            line = status.split(b"\r\n")[0].decode(errors="replace")
            raise SandboxUnavailable(f"the Docker engine refused to attach: {line} {first!r}")
    except BaseException as error:
        stream.socket.close()
        if isinstance(error, trio.BrokenResourceError):
            raise SandboxUnavailable(f"the Docker engine went away: {error}") from error
        raise
    return AttachedStream(stream, first)
