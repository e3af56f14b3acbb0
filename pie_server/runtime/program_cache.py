"""Keeps the uploaded programs that were used last in memory, within bounds.

Owns nothing on disk; whoever fills it can load a forgotten program again.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from pie_server.runtime.manifest import Program

# Manifests are small, but not nothing.
_PROGRAMS: Final = 1024
_SOURCE_BYTES: Final = 64 << 20


class ProgramCache:
    """Programs by any key.

    Args:
        programs: How many are kept.
        source_bytes: What their sources may take in memory together. The one used last is always
            kept.
    """

    def __init__(self, programs: int = _PROGRAMS, source_bytes: int = _SOURCE_BYTES) -> None:
        self._most_programs = programs
        self._most_bytes = source_bytes
        self._programs: OrderedDict[str, Program] = OrderedDict()
        self._bytes = 0

    @property
    def source_bytes(self) -> int:
        """What the sources take now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._programs)

    def get(self, key: str, load: Callable[[], Program]) -> Program:
        """The program of a key; loaded if it is not here."""
        if key not in self._programs:
            program = self._programs[key] = load()
            self._bytes += sys.getsizeof(program.source)
            self._forget()
        self._programs.move_to_end(key)
        return self._programs[key]

    def _forget(self) -> None:
        while len(self._programs) > 1 and (
            len(self._programs) > self._most_programs or self._bytes > self._most_bytes
        ):
            _, program = self._programs.popitem(last=False)
            self._bytes -= sys.getsizeof(program.source)
