"""Imports point one way; see ARCHITECTURE.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each part may import of ours, besides itself.
ALLOWED = {
    "pie_server.errors": set(),
    "pie_server.config": {"pie_server.errors"},
    "pie_server.database_file": {"pie_server.errors"},
    "pie_server.wire": {"pie_server.errors"},
    "pie_server.client": {"pie_server.errors", "pie_server.wire"},
    "pie_server.kv": set(),
    "pie_server.model": {"pie_server.errors"},
    "pie_server.engine": {"pie_server.errors", "pie_server.kv", "pie_server.model"},
    "pie_server.runtime": {"pie_server.errors", "inferlet"},
    "pie_server.services": {"pie_server.errors", "pie_server.database_file"},
    "pie_server.host": {
        "pie_server.errors",
        "pie_server.kv",
        "pie_server.model",
        "pie_server.engine",
        "pie_server.runtime",
        "pie_server.services",
        "pie_tools",
        "pie_sandbox",
    },
    "pie_server.sessions": {"pie_server.errors", "pie_server.wire", "pie_server.database_file"},
    "pie_server.web": {"pie_server.errors", "pie_server.wire", "pie_server.sessions"},
    "pie_tools": {"pie_server.errors", "pie_sandbox"},
    "pie_sandbox": {"pie_server.errors"},
    "inferlet": set(),
}
SOURCES = {
    "pie_tools": ROOT / "tools/pie_tools",
    "pie_sandbox": ROOT / "sandbox/pie_sandbox",
    "inferlet": ROOT / "inferlets/sdk/python/inferlet",
}
OURS = ("pie_server", "pie_tools", "pie_sandbox", "pie_scenarios", "inferlet")


def files_of(part: str) -> list[Path]:
    base = SOURCES.get(part) or ROOT / part.replace(".", "/")
    return sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]


def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.split(".")[0] in OURS}


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_point_one_way(part: str) -> None:
    allowed = ALLOWED[part] | {part}
    for file in files_of(part):
        for name in imports_of(file):
            if name in ("pie_server", "pie_server.__version__"):
                continue
            assert any(name == other or name.startswith(f"{other}.") for other in allowed), (
                f"{file.relative_to(ROOT)} imports {name}"
            )


def test_only_two_files_know_wasmtimes_c_interface() -> None:
    users = [
        file.name
        for file in files_of("pie_server.runtime")
        if any(line.startswith(("import ctypes", "from ctypes")) for line in
               file.read_text().splitlines())
    ]  # fmt: skip
    assert users == ["fibers.py", "wasmtime_api.py"]
