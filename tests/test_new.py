"""`pie-server new` in every language: what it writes is built, runs, and passes its own test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pie_server.cli.inferlets import files_of
from pie_server.cli.new import make_inferlet
from pie_server.errors import ConfigurationError
from pie_server.runtime import Program
from tests.test_cli import pie_server

LANGUAGES = ["python", "javascript", "rust", "c", "c++"]


def environment(checkpoint: Path, directory: Path) -> dict[str, str]:
    return {"PIE_MODEL": str(checkpoint), "PIE_SANDBOX": "off", "PIE_DATA_DIR": str(directory)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_new_inferlet_runs_and_passes_its_own_test(
    tiny_checkpoint: Path, tmp_path: Path, language: str
) -> None:
    directory = tmp_path / "first-one"
    said = pie_server("new", "--language", language, str(directory))
    assert said.returncode == 0, said.stderr
    names = sorted(path.name for path in directory.iterdir())
    assert names == ["README.md", "inferlet.toml", names[2], "test_inferlet.py"]
    assert "my-inferlet" not in "".join(path.read_text() for path in directory.iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(directory)],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=directory,
        env=os.environ | environment(tiny_checkpoint, tmp_path / "data"),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize("language", ["rust", "c", "c++"])
def test_build_writes_the_component_that_push_would_send(tmp_path: Path, language: str) -> None:
    directory = tmp_path / "first-one"
    make_inferlet(language, directory)
    built = pie_server("build", str(directory))
    assert built.returncode == 0, built.stderr
    component = (directory / "first-one.wasm").read_bytes()
    files = files_of(directory)
    assert sorted(files) == ["README.md", "inferlet.toml", "inferlet.wasm"]
    assert len(files["inferlet.wasm"]) == len(component)


def test_new_refuses_names_that_are_none_and_directories_in_use(tmp_path: Path) -> None:
    for name in ("Über", "two words", "1st", "-x", "a_b"):
        with pytest.raises(ConfigurationError, match="cannot be the name"):
            make_inferlet("python", tmp_path / name)
    make_inferlet("python", tmp_path / "mine")
    assert Program.from_directory(tmp_path / "mine").needs == ("context",)
    with pytest.raises(ConfigurationError, match="not empty"):
        make_inferlet("c", tmp_path / "mine")


def test_native_run_stops_in_the_debugger_at_a_breakpoint(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "debugged"
    make_inferlet("python", directory)
    source = (directory / "main.py").read_text()
    (directory / "main.py").write_text(source.replace("    return", "    breakpoint()\n    return"))
    done = subprocess.run(
        [sys.executable, "-m", "pie_server", "run", str(directory), "--native", "--json", "--",
         "--prompt", "hi", "--max-tokens", "3"],
        input="list\np input['prompt'] * 3\np type(ctx).__name__\ncontinue\n",
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | environment(tiny_checkpoint, tmp_path / "data"),
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "'hihihi'" in done.stdout
    assert "'Context'" in done.stdout
    assert "->" in done.stdout
    assert "return reply.text" in done.stdout  # the debugger shows the inferlet's own lines
    assert json.loads(done.stdout.splitlines()[-1])["data"]["status"] == "completed"
