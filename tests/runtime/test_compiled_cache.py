"""Machine code of uploaded programs: keyed by content and engine, kept while it is used."""

from __future__ import annotations

import importlib.metadata
import os
import time
from pathlib import Path

import pytest
import trio
import wasmtime

from pie_server.runtime import Program, Runtime, build
from pie_server.runtime.recipes import recipe_of_program

MANIFEST = '[inferlet]\nname = "one"\nversion = "1.0.0"\nlanguage = "rust"\n'
MODULE = bytes(
    wasmtime.wat2wasm(
        '(module (memory (export "memory") 1)'
        '(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)'
        '(func (export "run") (param i32 i32 i32 i32) (result i32) unreachable))'
    )
)


def program(directory: Path, module: bytes = MODULE) -> Program:
    made = directory / "one"
    made.mkdir(parents=True)
    (made / "inferlet.toml").write_text(MANIFEST)
    (made / "inferlet.wasm").write_bytes(module)
    return Program.from_directory(made)


def test_machine_code_is_another_for_another_engine_and_the_same_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = recipe_of_program(program(tmp_path / "a")).key
    assert recipe_of_program(program(tmp_path / "b")).key == key
    assert recipe_of_program(program(tmp_path / "c", MODULE + b"\0\2\1x")).key != key
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "99.0")
    assert recipe_of_program(program(tmp_path / "d")).key != key


async def test_machine_code_that_is_used_is_not_the_oldest(tmp_path: Path) -> None:
    made = program(tmp_path / "a")
    recipe = recipe_of_program(made)
    with trio.fail_after(100):
        await Runtime(tmp_path / "cache").compile(made)
        path = tmp_path / "cache" / f"{recipe.key}.cwasm"
        past = time.time() - 1000
        os.utime(path, (past, past))
        await Runtime(tmp_path / "cache").compile(made)  # another server, another day
    assert path.stat().st_mtime > past + 500


def test_machine_code_that_was_used_longest_ago_is_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(build._KEPT_VERSIONS, "program", 3)
    for age, name in enumerate("abcde"):
        path = tmp_path / f"program-{name}.cwasm"
        path.write_bytes(b"")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "python-x.cwasm").write_bytes(b"")
    build._forget_old_versions("program", tmp_path / "program-a.cwasm")
    left = sorted(path.stem for path in tmp_path.iterdir())
    assert left == ["program-a", "program-b", "program-c", "python-x"]
