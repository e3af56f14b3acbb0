"""Building inferlets in compiled languages: what authors and servers are told when it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio
import wasmtime

from pie_server.errors import ConfigurationError, GuestTrapped, InvalidRequest
from pie_server.runtime import InstanceLimits, Program, build_program, run_native, toolchains
from pie_server.runtime.wrap import HOST, is_component
from tests.runtime.conftest import Runner
from tests.runtime.fake_host import FakeHost

MANIFEST = '[inferlet]\nname = "{name}"\nversion = "1.0.0"\nlanguage = "{language}"\n'


def write(directory: Path, language: str, files: dict[str, str | bytes]) -> Path:
    made = directory / "made"
    made.mkdir()
    (made / "inferlet.toml").write_text(MANIFEST.format(name="made", language=language))
    for name, content in files.items():
        (made / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return made


RETURNS_INPUT = {
    "rust": {
        "main.rs": "mod part; inferlet::main!(part::run);",
        "part.rs": "use inferlet::{Json, Result};\n"
        "pub fn run(input: Json) -> Result<Json> { Ok(input) }",
    },
    "c": {
        "main.c": '#include "part.h"\nbool inferlet_main(const il_json *i, il_buffer *r)'
        "{ return part(i, r); }",
        "part.h": '#include "inferlet.h"\nbool part(const il_json *, il_buffer *);',
        "part.c": '#include "part.h"\nbool part(const il_json *i, il_buffer *r)'
        "{ il_put_json(r, i); return true; }",
    },
}


@pytest.mark.parametrize("language", RETURNS_INPUT)
async def test_program_of_several_files_is_built_and_runs(
    wasm: Runner, tmp_path: Path, language: str
) -> None:
    directory = write(tmp_path, language, dict(RETURNS_INPUT[language]))
    with trio.fail_after(120):
        assert await wasm(Program.from_directory(directory), {"n": 1}) == {"n": 1}


@pytest.mark.parametrize("language", RETURNS_INPUT)
async def test_compilers_words_reach_the_author(
    wasm: Runner, tmp_path: Path, language: str
) -> None:
    name = next(iter(RETURNS_INPUT[language]))
    directory = write(tmp_path, language, {name: "\n\nthis is wrong\n"})
    with trio.fail_after(120), pytest.raises(ConfigurationError, match=rf"{name}:3:") as caught:
        await wasm(Program.from_directory(directory))
    assert "error" in caught.value.message


@pytest.mark.rust
def test_built_component_is_written_whole(tmp_path: Path) -> None:
    built = build_program(write(tmp_path, "rust", dict(RETURNS_INPUT["rust"])))
    assert built.program.name == "made"
    target = tmp_path / "out" / "made.wasm"
    built.write(target)
    assert is_component(target.read_bytes())
    assert [path.name for path in target.parent.iterdir()] == ["made.wasm"]


@pytest.mark.rust
async def test_component_that_was_built_elsewhere_runs(wasm: Runner, tmp_path: Path) -> None:
    source = write(tmp_path, "rust", dict(RETURNS_INPUT["rust"]))
    component = build_program(source).component
    there = tmp_path / "elsewhere"
    there.mkdir()
    directory = write(there, "wasm", {"main.wasm": component})
    with trio.fail_after(60):
        assert await wasm(Program.from_directory(directory), {"n": 2}) == {"n": 2}


def test_interpreted_program_has_nothing_to_build(tmp_path: Path) -> None:
    directory = write(tmp_path, "javascript", {"main.js": "export function main() {}"})
    with pytest.raises(ConfigurationError, match="runs from its source"):
        build_program(directory)


@pytest.mark.parametrize("language", ["rust", "c", "cpp"])
def test_missing_compiler_is_named_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setattr(toolchains.importlib.util, "find_spec", lambda name: None)
    suffix = {"rust": "rs"}.get(language, language)
    directory = write(tmp_path, language, {f"main.{suffix}": ""})
    hint = toolchains.missing_tool(language)
    assert hint
    with pytest.raises(ConfigurationError, match="need") as caught:
        build_program(directory)
    assert caught.value.hint == hint


async def test_program_in_another_language_does_not_run_natively(nursery: trio.Nursery) -> None:
    program = Program.from_source("js", "export function main() {}", "javascript")
    host = FakeHost(nursery)
    with pytest.raises(InvalidRequest, match="only Python runs natively"):
        await run_native(program, {}, host, InstanceLimits())
    assert host.closed == 1


# Modules of strangers

GUEST = (
    f'(import "{HOST}" "wait" (func (param i32)))'
    '(memory (export "memory") 1)'
    '(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)'
    '(func (export "run") (param i32 i32 i32 i32) (result i32) i32.const 0)'
)


def bomb() -> bytes:
    """A module of half a megabyte with one function of very many basic blocks."""
    body = "(block (br_if 0 (local.get 0)) (local.set 0 (i32.xor (local.get 0) (i32.const 5))))"
    return bytes(wasmtime.wat2wasm(f"(module {GUEST} (func (param i32) {body * 100_000}))"))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (b"hello", "no WebAssembly module"),
        (bytes(wasmtime.wat2wasm("(module)")), "does not export"),
        (bytes(wasmtime.wat2wasm(f"(module {GUEST} (memory 1))")), "cannot be compiled"),
        (bytes(wasmtime.wat2wasm(f"(module {GUEST} (tag $x))")), "cannot be compiled"),
        (b"\0asm\x0d\0\1\0" + b"\xff" * 100, "cannot be compiled"),
    ],
    ids=["text", "empty", "two memories", "exceptions", "broken component"],
)
async def test_module_of_a_stranger_is_refused_with_the_reason(
    wasm: Runner, tmp_path: Path, module: bytes, message: str
) -> None:
    directory = write(tmp_path, "wasm", {"main.wasm": module})
    with trio.fail_after(60), pytest.raises(ConfigurationError, match=message):
        await wasm(Program.from_directory(directory))


async def test_compile_bomb_is_ended_and_costs_the_server_nothing(
    wasm: Runner, tmp_path: Path
) -> None:
    directory = write(tmp_path, "wasm", {"main.wasm": bomb()})
    with trio.fail_after(120), pytest.raises(ConfigurationError, match="more CPU time"):
        await wasm(Program.from_directory(directory))
    assert await wasm("def main(input):\n    return 1") == 1


async def test_component_that_wants_what_there_is_not_traps_at_its_start(
    wasm: Runner, tmp_path: Path
) -> None:
    text = '(component (import "secret:files/all" (func)))'
    directory = write(tmp_path, "wasm", {"main.wasm": bytes(wasmtime.wat2wasm(text))})
    with trio.fail_after(60), pytest.raises(GuestTrapped, match="is missing"):
        await wasm(Program.from_directory(directory))
