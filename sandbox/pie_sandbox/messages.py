"""What guests send, checked: everything that comes out of a sandbox may be forged."""

from __future__ import annotations

from typing import Literal

import msgspec

from pie_sandbox.guest.frames import pack
from pie_server.errors import SandboxLost


class CellOutcome(msgspec.Struct, frozen=True):
    """What `guest/cell.py` says about a cell."""

    ok: bool
    value: str | None
    exception: str | None
    traceback: str | None
    limit: Literal["time", "memory", "output", "cancelled"] | None


class Done(CellOutcome, frozen=True):
    """What the supervisor adds to it."""

    state_lost: bool
    truncated: bool
    seconds: float


class SupervisorMessage(msgspec.Struct, frozen=True):
    """One frame of the supervisor; exactly one thing is set besides `id`."""

    id: int | None = None
    stdout: str = ""
    stderr: str = ""
    done: Done | None = None
    ready: bool = False
    pong: int | None = None


_message = msgspec.json.Decoder(SupervisorMessage)
_outcome = msgspec.json.Decoder(CellOutcome)


def parse_message(body: bytes) -> SupervisorMessage:
    """Decode a frame of the supervisor.

    Raises:
        SandboxLost: no supervisor of ours sends this.
    """
    try:
        return _message.decode(body)
    except msgspec.MsgspecError as error:
        raise SandboxLost(f"the sandbox sent something malformed: {error}") from error


def parse_outcome(text: str) -> CellOutcome:
    """Decode the result of a cell in the WebAssembly guest.

    Raises:
        SandboxLost: no guest of ours returns this.
    """
    try:
        return _outcome.decode(text)
    except msgspec.MsgspecError as error:
        raise SandboxLost(f"the sandbox returned something malformed: {error}") from error


def execute_request(number: int, code: str, seconds: float, output_bytes: int) -> bytes:
    """Return the frame that runs a cell."""
    return pack({"id": number, "code": code, "seconds": seconds, "output_bytes": output_bytes})
