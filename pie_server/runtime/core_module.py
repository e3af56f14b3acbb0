"""Reads what a core WebAssembly module imports and exports, and nothing else of it.

The bytes may be anybody's: whatever is malformed ends in one typed error. Says nothing about the
module's code, which wasmtime validates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pie_server.errors import InvalidRequest

_HEADER: Final = b"\0asm\1\0\0\0"
_VALUE_TYPES: Final = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64"}
# References and vectors: inside a module they are fine, in a guest's border they have no place.
OTHER_TYPE: Final = "other"
_CUSTOM, _TYPES, _IMPORTS, _EXPORTS = 0, 1, 2, 7
_FUNCTION, _TABLE, _MEMORY, _GLOBAL = range(4)


@dataclass(frozen=True, slots=True)
class FunctionType:
    """Parameters and results as WebAssembly text names them."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoreModule:
    """The border of a module.

    Attributes:
        imports: By module and name; the type of a function, None for memories and the like.
        exports: Names.
    """

    imports: dict[tuple[str, str], FunctionType | None]
    exports: frozenset[str]


def read_module(wasm: bytes) -> CoreModule:
    """The imports and exports of a core module.

    Raises:
        InvalidRequest: The bytes are no core module.
    """
    if not wasm.startswith(_HEADER):
        raise InvalidRequest(
            "these bytes are no WebAssembly module.", hint="Build it with `pie-server build`."
        )
    try:
        return _read(_Reader(wasm, len(_HEADER)))
    except (IndexError, KeyError, UnicodeDecodeError):
        raise InvalidRequest("the WebAssembly module is malformed.") from None


def without_debug_sections(wasm: bytes) -> bytes:
    """The module without the megabytes that only debuggers read; names of functions stay.

    Raises:
        InvalidRequest: The bytes are no core module.
    """
    read_module(wasm)
    kept = [_HEADER]
    reader = _Reader(wasm, len(_HEADER))
    while reader.position < len(wasm):
        start = reader.position
        section = reader.byte()
        end = reader.number() + reader.position
        if section != _CUSTOM or not reader.name().startswith(".debug"):
            kept.append(wasm[start:end])
        reader.position = end
    return b"".join(kept)


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position

    def byte(self) -> int:
        self.position += 1
        return self.data[self.position - 1]

    def number(self) -> int:
        """Unsigned LEB128, at most 64 bits."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise IndexError

    def name(self) -> str:
        size = self.number()
        if size > len(self.data) - self.position:
            raise IndexError
        self.position += size
        return self.data[self.position - size : self.position].decode()

    def limits(self) -> None:
        flags = self.byte()
        self.number()
        if flags & 1:
            self.number()

    def value_types(self) -> tuple[str, ...]:
        return tuple(_VALUE_TYPES.get(self.byte(), OTHER_TYPE) for _ in range(self._count()))

    def _count(self) -> int:
        count = self.number()
        if count > len(self.data):
            raise IndexError
        return count


def _read(reader: _Reader) -> CoreModule:
    types: list[FunctionType | None] = []
    imports: dict[tuple[str, str], FunctionType | None] = {}
    exports: list[str] = []
    while reader.position < len(reader.data):
        section, size = reader.byte(), reader.number()
        end = reader.position + size
        if end > len(reader.data):
            raise IndexError
        body = _Reader(reader.data[:end], reader.position)
        if section == _TYPES:
            types = [_read_type(body) for _ in range(body.number())]
        elif section == _IMPORTS:
            for _ in range(body.number()):
                key = (body.name(), body.name())
                imports[key] = _read_import(body, types)
        elif section == _CUSTOM:
            body.name()
        elif section == _EXPORTS:
            for _ in range(body.number()):
                exports.append(body.name())
                body.byte()
                body.number()
        reader.position = end
    return CoreModule(imports, frozenset(exports))


def _read_type(reader: _Reader) -> FunctionType:
    if reader.byte() != 0x60:
        raise IndexError
    return FunctionType(reader.value_types(), reader.value_types())


def _read_import(reader: _Reader, types: list[FunctionType | None]) -> FunctionType | None:
    kind = reader.byte()
    if kind == _FUNCTION:
        return types[reader.number()]
    if kind == _TABLE:
        reader.byte()
        reader.limits()
    elif kind == _MEMORY:
        reader.limits()
    elif kind == _GLOBAL:
        reader.byte()
        reader.byte()
    else:
        raise IndexError
    return None
