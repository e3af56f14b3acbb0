"""The fiber layer alone: what it refuses, what it frees, and the features that are off."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from pie_server.errors import ConfigurationError
from pie_server.runtime import Runtime, wasmtime_api
from pie_server.runtime.fibers import Component, Fiber, FiberEngine, Returned, Trapped, Turn

MEMORY_BYTES = 256 << 20


@pytest.fixture(scope="module")
def engine() -> FiberEngine:
    return FiberEngine()


@pytest.fixture(scope="module")
def component(engine: FiberEngine, built_runtime: Runtime) -> Component:
    programs = built_runtime._programs
    return engine.load(programs.cached_path(programs.interpreter("python")))


@pytest.fixture
def no_leaks(engine: FiberEngine) -> Iterator[None]:
    yield
    assert engine.live_fibers == 0


def start(engine: FiberEngine, component: Component, text: str) -> Fiber:
    source = json.dumps({"name": "t", "text": text})
    limits = {"operations_in_flight": 64, "operation_bytes": 65536}
    arguments = json.dumps({"arguments": {}, "limits": limits})
    return engine.spawn(component, source, arguments, MEMORY_BYTES)


def run(fiber: Fiber) -> Turn:
    while (turn := fiber.poll()) is Turn.PREEMPTED:
        pass
    return turn


WAITS = "from inferlet import runtime\ndef main(input):\n    return runtime.time()"


@pytest.mark.usefixtures("no_leaks")
def test_guest_waits_and_returns_what_it_was_resumed_with(
    engine: FiberEngine, component: Component
) -> None:
    fiber = start(engine, component, WAITS)
    assert run(fiber) is Turn.WAITING
    assert fiber.waiting
    assert [json.loads(text) for text in fiber.submitted] == [[{"id": 1, "op": "runtime.time"}]]
    assert fiber.poll() is Turn.WAITING
    fiber.resume(b'[{"id": 1, "ok": true, "val": 2.5}]')
    assert not fiber.waiting
    assert run(fiber) is Turn.FINISHED
    assert fiber.outcome == Returned(True, "2.5")
    fiber.close()


@pytest.mark.usefixtures("no_leaks")
def test_finished_guest_cannot_be_polled_again(engine: FiberEngine, component: Component) -> None:
    fiber = start(engine, component, "def main(input):\n    return 1")
    assert run(fiber) is Turn.FINISHED
    with pytest.raises(RuntimeError, match="would abort the process"):
        fiber.poll()
    fiber.close()
    fiber.close()


@pytest.mark.usefixtures("no_leaks")
def test_guest_that_does_not_wait_cannot_be_resumed(
    engine: FiberEngine, component: Component
) -> None:
    fiber = start(engine, component, WAITS)
    with pytest.raises(RuntimeError, match="only a guest that waits"):
        fiber.resume(b"[]")
    fiber.close()


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("polls", [0, 1, 2, 3])
def test_guest_can_be_closed_at_any_point(
    engine: FiberEngine, component: Component, polls: int
) -> None:
    fiber = start(engine, component, WAITS)
    for _ in range(polls):
        fiber.poll()
    if fiber.waiting:
        fiber.resume(b"[]")
    fiber.close()


@pytest.mark.usefixtures("no_leaks")
def test_mail_that_is_no_json_only_harms_the_guest(
    engine: FiberEngine, component: Component
) -> None:
    fiber = start(engine, component, WAITS)
    run(fiber)
    fiber.resume(b"nonsense")
    assert run(fiber) is Turn.FINISHED
    assert isinstance(fiber.outcome, Returned)
    assert not fiber.outcome.ok
    fiber.close()


@pytest.mark.usefixtures("no_leaks")
def test_memory_below_what_the_interpreter_needs_is_a_trap(
    engine: FiberEngine, component: Component
) -> None:
    fiber = engine.spawn(component, "", "", 1 << 20)
    assert run(fiber) is Turn.FINISHED
    assert isinstance(fiber.outcome, Trapped)
    assert "memory minimum size" in fiber.outcome.message
    fiber.close()


@pytest.mark.usefixtures("no_leaks")
def test_component_without_run_is_a_trap(engine: FiberEngine, tmp_path: Path) -> None:
    path = tmp_path / "empty.cwasm"
    path.write_bytes(engine.compile(wasmtime.wat2wasm("(component)")))
    fiber = engine.spawn(engine.load(path), "", "", MEMORY_BYTES)
    assert run(fiber) is Turn.FINISHED
    assert fiber.outcome == Trapped("the component does not export `run`")
    fiber.close()


@pytest.mark.usefixtures("no_leaks")
def test_component_with_other_imports_is_a_trap(engine: FiberEngine, tmp_path: Path) -> None:
    path = tmp_path / "other.cwasm"
    path.write_bytes(engine.compile(wasmtime.wat2wasm('(component (import "x" (func)))')))
    fiber = engine.spawn(engine.load(path), "", "", MEMORY_BYTES)
    assert run(fiber) is Turn.FINISHED
    assert isinstance(fiber.outcome, Trapped)
    fiber.close()


FEATURES = {
    "threads": '(module (memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0)))))',
    "memory64": "(module (memory i64 1))",
    "multi-memory": "(module (memory 1) (memory 1))",
    "exceptions": "(module (tag))",
    "tail calls": "(module (func return_call 0))",
    "function references": "(module (type $t (func)) (func (param (ref $t))))",
    "gc": "(module (type (struct)))",
    "relaxed simd": "(module (func (param v128 v128 v128) (result v128) local.get 0 local.get 1 "
    "local.get 2 i8x16.relaxed_laneselect))",
    "wide arithmetic": "(module (func (param i64 i64) (result i64 i64) local.get 0 local.get 1 "
    "i64.mul_wide_s))",
    "custom page sizes": "(module (memory 1 (pagesize 1)))",
    "component async": '(component (import "f" (func async)))',
}  # fmt: skip


@pytest.mark.parametrize("name", FEATURES)
def test_feature_that_is_off_is_refused_without_a_crash(engine: FiberEngine, name: str) -> None:
    text = FEATURES[name]
    if text.startswith("(module"):
        text = f"(component (core module {text.removeprefix('(module')})"
    with pytest.raises(
        ValueError, match=r"(?i)enabled|disabled|not supported|require|feature|multiple memories"
    ):
        engine.compile(wasmtime.wat2wasm(text))


def test_features_guests_need_are_on(engine: FiberEngine) -> None:
    core = (
        "(core module (memory 1) (func (result v128) (v128.const i32x4 0 0 0 0)) "
        "(func (result i32 i32) i32.const 1 i32.const 2) "
        "(func i32.const 0 i32.const 0 i32.const 0 memory.fill))"
    )
    assert engine.compile(wasmtime.wat2wasm(f"(component {core})"))


@pytest.mark.parametrize("junk", [b"", b"\0asm", b"\0asm\x0d\0\1\0" + b"\xff" * 99, b"x" * 1000])
def test_malformed_component_is_refused(engine: FiberEngine, junk: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        engine.compile(junk)


def test_damaged_machine_code_is_refused(engine: FiberEngine, tmp_path: Path) -> None:
    path = tmp_path / "damaged.cwasm"
    path.write_bytes(b"\x7fELF" + b"\0" * 4096)
    with pytest.raises(ValueError, match=r"\w"):
        engine.load(path)


def test_other_wasmtime_is_refused_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wasmtime_api.importlib.metadata, "version", lambda name: "51.0.0")
    with pytest.raises(ConfigurationError, match=r"wasmtime 51\.0\.0 is installed") as caught:
        wasmtime_api.check_wasmtime()
    assert caught.value.hint == "pip install 'wasmtime==50.*'"


def test_python_that_crashes_on_fibers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 1, "final", 0))
    with pytest.raises(ConfigurationError, match="crashes when called from a fiber"):
        wasmtime_api.check_wasmtime()


def test_other_memory_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasmtime_api, "VALUE_BYTES", 40)
    with pytest.raises(ConfigurationError, match="wasmtime_component_val_t is 32 bytes, not 40"):
        wasmtime_api.check_wasmtime()


def test_missing_symbol_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="does not export wasmtime_gone"):
        wasmtime_api.Library()._bind("wasmtime_gone", "", "")
