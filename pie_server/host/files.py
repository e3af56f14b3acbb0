"""Scratch files of one instance: in memory, bounded, gone with it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from pie_server.errors import InvalidArguments, LimitExceeded
from pie_server.host.encoding import bytes_of, text_or_base64
from pie_server.host.messaging import message_from
from pie_server.host.requests import Empty, FileRequest, ReadFile, SendFile, WriteFile
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

MAX_FILES = 256
MAX_BYTES = 8 << 20  # of all files of one instance
MAX_READ_BYTES = 1 << 20  # of one read: it becomes JSON in the guest's memory


class ScratchFiles:
    """An instance's files, by name. A name is only a name: there are no directories."""

    def __init__(self) -> None:
        self._files: dict[str, bytearray] = {}
        self._bytes = 0

    def write(self, name: str, data: bytes, *, append: bool) -> int:
        """Replaces or lengthens a file; returns its size. Raises LimitExceeded."""
        held = self._files.get(name)
        replaced = 0 if held is None or append else len(held)
        if self._bytes - replaced + len(data) > MAX_BYTES:
            raise LimitExceeded(
                f"the scratch files of this instance may have {MAX_BYTES} bytes",
                hint="Delete some of them, or send large results to the client.",
                details={"limit_bytes": MAX_BYTES},
            )
        if held is None:
            if len(self._files) >= MAX_FILES:
                raise LimitExceeded(f"this instance has {MAX_FILES} scratch files, the most it may")
            held = self._files[name] = bytearray()
        if not append:
            held.clear()
        held += data
        self._bytes += len(data) - replaced
        return len(held)

    def read(self, name: str) -> bytearray:
        """A file's content. Raises InvalidArguments if there is no such file."""
        try:
            return self._files[name]
        except KeyError:
            raise InvalidArguments(f"there is no file {name!r}") from None

    def delete(self, name: str) -> bool:
        """Forgets a file; whether there was one."""
        held = self._files.pop(name, None)
        if held is None:
            return False
        self._bytes -= len(held)
        return True

    def sizes(self) -> dict[str, int]:
        """All files, by name."""
        return {name: len(data) for name, data in sorted(self._files.items())}

    def clear(self) -> None:
        """Forgets all."""
        self._files.clear()
        self._bytes = 0


def write(host: InstanceHost, request: WriteFile) -> JsonValue:
    """Writes a scratch file, or appends to it; its size."""
    data = bytes_of(request.text, request.base64, "base64")
    return {"size": host.files.write(request.name, data, append=request.append)}


def read(host: InstanceHost, request: ReadFile) -> JsonValue:
    """Bytes `start..stop` of a scratch file as text or base64, at most 1 MiB, and its size."""
    content = host.files.read(request.name)
    stop = len(content) if request.stop is None else min(request.stop, len(content))
    part = bytes(content[request.start : min(stop, request.start + MAX_READ_BYTES)])
    return {"size": len(content), "stop": request.start + len(part), **text_or_base64(part, "text")}


def list_files(host: InstanceHost, _: Empty) -> JsonValue:
    """The scratch files and their sizes."""
    return [{"name": name, "size": size} for name, size in host.files.sizes().items()]


def delete(host: InstanceHost, request: FileRequest) -> JsonValue:
    """Forgets a scratch file; whether there was one."""
    return host.files.delete(request.name)


def send(host: InstanceHost, request: SendFile) -> JsonValue:
    """Sends a file to the client (a child: to its parent)."""
    data = bytes_of(request.text, request.base64, "base64")
    file: dict[str, JsonValue] = {
        "name": request.name,
        "media_type": request.media_type,
        "size": len(data),
        "base64": base64.b64encode(data).decode(),
    }
    if host.child is not None and not host.child.detached:
        host.child.tell_parent(message_from(host, {"file": file}))
    else:
        host.session.emit("file", file)
    return None
