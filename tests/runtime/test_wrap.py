"""Components around core modules, and what is refused before wasmtime ever sees it."""

from __future__ import annotations

import contextlib

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from pie_server.errors import InvalidRequest
from pie_server.runtime.core_module import FunctionType, read_module, without_debug_sections
from pie_server.runtime.fibers import FiberEngine
from pie_server.runtime.wrap import HOST, is_component, wrap

EXPORTS = """
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "run") (param i32 i32 i32 i32) (result i32) unreachable)
"""
SUBMIT = f'(import "{HOST}" "submit" (func (param i32 i32)))'
WAIT = f'(import "{HOST}" "wait" (func (param i32)))'


def module(*parts: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {' '.join(parts)})"))


@pytest.fixture(scope="module")
def engine() -> FiberEngine:
    return FiberEngine()


@pytest.mark.parametrize(
    "parts",
    [
        [EXPORTS],
        [SUBMIT, WAIT, EXPORTS],
        [WAIT, EXPORTS, '(func (export "_initialize"))'],
        [
            '(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func (result i64)))',
            '(import "wasi:random/random@0.2.0" "get-random-u64" (func (result i64)))',
            EXPORTS,
        ],
        [
            '(import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))',
            '(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))',
            SUBMIT,
            EXPORTS,
        ],
    ],
    ids=["nothing", "host", "initialize", "clock and random", "preview 1"],
)
def test_guest_becomes_a_component_that_compiles(engine: FiberEngine, parts: list[str]) -> None:
    component = wrap(module(*parts))
    assert is_component(component)
    assert engine.compile(component)


def test_memory_of_the_guest_is_not_touched_by_the_wrapping() -> None:
    core = module(EXPORTS, '(data (i32.const 0) "payload of the guest")')
    assert core in wrap(core)


@pytest.mark.parametrize(
    ("core", "message"),
    [
        (b"", "no WebAssembly module"),
        (b"\x7fELF", "no WebAssembly module"),
        (module(), "does not export memory, cabi_realloc, run"),
        (module(EXPORTS, '(memory (export "other") 1)').replace(b"run", b"fun"), "export run"),
        (module('(import "env" "system" (func))', EXPORTS), "'env' 'system'"),
        (module('(import "wasi:clocks/monotonic-clock@0.2.0" "nu" (func))', EXPORTS), "'nu'"),
        (module(f'(import "{HOST}" "fork" (func))', EXPORTS), "'fork'"),
        (
            module('(import "wasi_snapshot_preview1" "m" (memory 1))', EXPORTS.replace(
                '(memory (export "memory") 1)', '(export "memory" (memory 0))')),
            "'m'",
        ),
        (
            module('(import "wasi_snapshot_preview1" "f\\22) unreachable" (func))', EXPORTS),
            "no function of WASI",
        ),
        (
            module('(import "wasi_snapshot_preview1" "v" (func (param externref)))', EXPORTS),
            "no function of WASI",
        ),
        (module(SUBMIT, EXPORTS)[:20], "malformed"),
    ],
    ids=range(11),
)  # fmt: skip
def test_module_that_is_no_guest_is_refused(core: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        wrap(core)


def test_component_with_a_wrong_border_does_not_compile(engine: FiberEngine) -> None:
    core = module(EXPORTS.replace('"run") (param i32 i32 i32 i32)', '"run") (param i64)'))
    with pytest.raises(ValueError, match="lowered parameter types"):
        engine.compile(wrap(core))


def test_debug_sections_go_and_names_stay() -> None:
    core = module('(func $visible (export "f"))')
    debug = b"\0\x0c\x0a.debug_str!"
    assert without_debug_sections(core + debug) == core
    assert b"visible" in core


def test_imports_are_read_with_their_types() -> None:
    core = module(
        '(import "a" "f" (func (param i32 i64) (result f64)))',
        '(import "a" "t" (table 1 funcref))',
        '(import "a" "m" (memory 1 2))',
        '(import "a" "g" (global i32))',
        '(func (export "x"))',
    )
    found = read_module(core)
    assert found.imports == {
        ("a", "f"): FunctionType(("i32", "i64"), ("f64",)),
        ("a", "t"): None,
        ("a", "m"): None,
        ("a", "g"): None,
    }
    assert found.exports == {"x"}


GOOD = module(SUBMIT, WAIT, EXPORTS, '(data (i32.const 0) "some data")')


@given(st.data())
def test_mutated_modules_are_wrapped_or_refused_and_never_break(data: st.DataObject) -> None:
    mutated = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(8, len(GOOD) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(8, len(GOOD)))
    # Any other exception would fail the test.
    with contextlib.suppress(InvalidRequest):
        assert is_component(wrap(bytes(mutated[:size])))
