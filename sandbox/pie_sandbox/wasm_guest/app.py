"""The WebAssembly sandbox's Python program: a namespace that lives as long as its instance.

Guest code: compiled into one component together with CPython. What a cell may import must be
imported here, because the component has no files: only modules loaded into the snapshot exist.
"""

from __future__ import annotations

import io
import json
import random
import sys
import time

import wit_world

from pie_sandbox.guest import cell
from pie_sandbox.wasm_guest import modules as modules
from pie_sandbox.wasm_guest.event_loop import install_event_loop_policy

VALUE_CHARACTERS = 20_000
FLUSH_CHARACTERS = 8_192


class HostStream(io.TextIOBase):
    """A line-buffered text stream that ends at the host."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._parts: list[str] = []
        self._length = 0

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What a program may ask for."""
        return "utf-8"

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Keep `text` until its line ends."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._parts.append(text)
        self._length += len(text)
        if "\n" in text or self._length > FLUSH_CHARACTERS:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        text, self._parts, self._length = "".join(self._parts), [], 0
        if text:
            wit_world.write(self._name, text.encode("utf-8", "backslashreplace").decode())


class Guest:
    """What the first call sets up and the later ones find again."""

    namespace: dict[str, object] | None = None
    number = 0


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]
    """The component's exports."""

    def execute(self, code: str) -> str:
        """Run one cell."""
        if Guest.namespace is None:
            Guest.namespace = cell.new_namespace()
            random.seed()  # the snapshot would repeat itself
            time.sleep = _sleep  # type: ignore[assignment]
            install_event_loop_policy(_sleep)
        Guest.number += 1
        streams = HostStream("stdout"), HostStream("stderr")
        sys.stdout, sys.stderr = streams
        sys.stdin = io.StringIO()
        result = cell.run_cell(code, Guest.namespace, Guest.number, VALUE_CHARACTERS)
        for stream in streams:
            stream.flush()
        return json.dumps(result)


def _sleep(seconds: float, /) -> None:
    """Stand in for `time.sleep`, which would block the host's thread beyond its reach."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    wit_world.sleep(float(seconds))
