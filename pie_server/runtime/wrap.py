"""Makes a component of the world `pie:inferlet/program` out of a core WebAssembly module.

For languages whose compilers make core modules (Rust, C, C++, and our JavaScript interpreter). Pure
text and bytes: the component around the module is written in WebAssembly text, assembled with an
empty module in its place, and the real one is spliced in. Never runs or compiles anything.

The module imports `submit` and `wait` as below, and exports `memory`, `cabi_realloc`, `run` and, if
it needs one, `_initialize`. It may import a monotonic clock and random numbers. What it imports of
WASI preview 1, such as files, is there and answers ENOSYS; every other import is refused.
"""

from __future__ import annotations

from typing import Final

import wasmtime

from pie_server.errors import InvalidRequest
from pie_server.runtime.core_module import (
    OTHER_TYPE,
    CoreModule,
    FunctionType,
    read_module,
    without_debug_sections,
)

HOST: Final = "pie:inferlet/host@1.0.0"
_PREVIEW_1: Final = "wasi_snapshot_preview1"
_ENOSYS: Final = 52

# Host functions that need no memory of the guest: import name, function, WIT type of the result.
_PLAIN: Final = {
    "wasi:clocks/monotonic-clock@0.2.0": ("now", "u64"),
    "wasi:random/random@0.2.0": ("get-random-u64", "u64"),
}
_NEEDED_EXPORTS: Final = ("memory", "cabi_realloc", "run")
_COMPONENT_HEADER: Final = b"\0asm\x0d\0\1\0"
_MODULE_SECTION: Final = 1

# `submit` and `wait` need the guest's memory, and the guest needs them to be instantiated. So it
# gets functions that call through a table, which is filled when its memory is there.
_COMPONENT: Final = """(component
  (import "{host}" (instance $host
    (export "submit" (func (param "operations" string)))
    (export "wait" (func (result string)))))
  {plain_imports}
  (core module $m)
  (core module $shim
    (table (export "t") 2 2 funcref)
    (type $submit (func (param i32 i32))) (type $wait (func (param i32)))
    (func (export "submit") (param i32 i32)
      (call_indirect (type $submit) (local.get 0) (local.get 1) (i32.const 0)))
    (func (export "wait") (param i32)
      (call_indirect (type $wait) (local.get 0) (i32.const 1))))
  (core module $fill
    (import "" "t" (table 2 2 funcref))
    (import "" "submit" (func $submit (param i32 i32)))
    (import "" "wait" (func $wait (param i32)))
    (elem (i32.const 0) func $submit $wait))
  {stubs}
  (core instance $shims (instantiate $shim))
  (core instance $guest (instantiate $m
    (with "{host}" (instance
      (export "submit" (func $shims "submit"))
      (export "wait" (func $shims "wait"))))
    {arguments}))
  (alias core export $guest "memory" (core memory $memory))
  (alias core export $guest "cabi_realloc" (core func $realloc))
  (core func $submit (canon lower (func $host "submit") (memory $memory) (realloc $realloc)))
  (core func $wait (canon lower (func $host "wait") (memory $memory) (realloc $realloc)))
  (core instance (instantiate $fill (with "" (instance
    (export "t" (table $shims "t"))
    (export "submit" (func $submit))
    (export "wait" (func $wait))))))
  {initialize}
  (func (export "run") (param "source" string) (param "arguments" string)
    (result (result string (error string)))
    (canon lift (core func $guest "run") (memory $memory) (realloc $realloc)))
)"""
_INITIALIZE: Final = """(core module $start (import "" "i" (func $i)) (start $i))
  (core instance (instantiate $start (with "" (instance
    (export "i" (func $guest "_initialize"))))))"""


def is_component(wasm: bytes) -> bool:
    """Whether these bytes are a component already."""
    return wasm.startswith(_COMPONENT_HEADER)


def wrap(core: bytes) -> bytes:
    """The component around a core module.

    Raises:
        InvalidRequest: It is no core module, or its imports or exports are not those of a guest.
    """
    module = read_module(core)
    _check_exports(module)
    return _splice(bytes(wasmtime.wat2wasm(_text(module))), without_debug_sections(core))


def _check_exports(module: CoreModule) -> None:
    lacking = [name for name in _NEEDED_EXPORTS if name not in module.exports]
    if lacking:
        raise InvalidRequest(
            f"the module does not export {', '.join(lacking)}.",
            hint="Build it with the SDK of its language; see docs/inferlets.md.",
        )


def _text(module: CoreModule) -> str:
    plain: list[str] = []
    arguments: list[str] = []
    stubs: list[str] = []
    for (namespace, name), kind in module.imports.items():
        if namespace == HOST and name in ("submit", "wait"):
            continue
        if _PLAIN.get(namespace, ("",))[0] == name:
            label = f"$plain{len(plain)}"
            plain.append(_plain_import(namespace, label))
            arguments.append(
                f'(with "{namespace}" (instance (export "{name}" (func {label}_lowered))))'
            )
        elif namespace == _PREVIEW_1 and kind is not None:
            stubs.append(_stub(name, kind))
        else:
            raise InvalidRequest(
                f"the module imports {namespace[:80]!r} {name[:80]!r}, which there is not.",
                hint="An inferlet reaches the world through its SDK only.",
            )
    if stubs:
        arguments.append(f'(with "{_PREVIEW_1}" (instance $preview1))')
    return _COMPONENT.format(
        host=HOST,
        plain_imports="\n  ".join(plain),
        stubs=_stub_module(stubs) if stubs else "",
        arguments="\n    ".join(arguments),
        initialize=_INITIALIZE if "_initialize" in module.exports else "",
    )


def _plain_import(namespace: str, label: str) -> str:
    name, result = _PLAIN[namespace]
    return (
        f'(import "{namespace}" (instance {label} (export "{name}" (func (result {result})))))\n'
        f'  (core func {label}_lowered (canon lower (func {label} "{name}")))'
    )


def _stub(name: str, kind: FunctionType) -> str:
    known = OTHER_TYPE not in (*kind.parameters, *kind.results)
    if not known or not name.isascii() or not name.replace("_", "").isalnum():
        raise InvalidRequest(f"the module imports {name[:80]!r}, which is no function of WASI.")
    parameters = f"(param {' '.join(kind.parameters)})" if kind.parameters else ""
    if kind.results == ("i32",):
        return f'(func (export "{name}") {parameters} (result i32) (i32.const {_ENOSYS}))'
    results = f"(result {' '.join(kind.results)})" if kind.results else ""
    return f'(func (export "{name}") {parameters} {results} unreachable)'


def _stub_module(stubs: list[str]) -> str:
    functions = "\n    ".join(stubs)
    return (
        f"(core module $stubs\n    {functions})\n  (core instance $preview1 (instantiate $stubs))"
    )


def _splice(component: bytes, core: bytes) -> bytes:
    """The component with its first core module, which is empty, replaced by `core`."""
    start = len(_COMPONENT_HEADER)
    while component[start] != _MODULE_SECTION:
        size, body = _read_size(component, start + 1)
        start = body + size
    size, body = _read_size(component, start + 1)
    section = bytes([_MODULE_SECTION]) + _encode_size(len(core)) + core
    return component[:start] + section + component[body + size :]


def _read_size(data: bytes, position: int) -> tuple[int, int]:
    """A LEB128 number that our own assembler wrote, and where it ends."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _encode_size(size: int) -> bytes:
    encoded = bytearray()
    while size >= 0x80:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*encoded, size])
