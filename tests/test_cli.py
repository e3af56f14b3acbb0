"""What a person sees who types `pie-server`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pie_server.cli.run import parse_arguments


def pie_server(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pie_server", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | environment,
        check=False,
    )


def test_help_names_every_command_and_shows_first_steps() -> None:
    shown = pie_server("--help").stdout
    for word in ["serve", "run", "new", "build", "inferlets", "bench", "doctor", "config", "demo"]:
        assert f"\n  {word} " in shown
    assert "First steps" in shown


def test_a_benchmarks_own_help_is_reachable() -> None:
    assert "--tools-ms" in pie_server("bench", "agents", "--help").stdout
    assert "without NAME: list them" in pie_server("bench", "--help").stdout
    assert "N agents with tools" in pie_server("bench").stdout


def test_config_show_prints_values_and_where_they_came_from() -> None:
    shown = pie_server("config", "show", "--pages", "99", PIE_PORT="1234").stdout
    assert "pages = 99" in shown
    assert any("port = 1234" in line and "environment" in line for line in shown.splitlines())
    values = json.loads(pie_server("config", "show", "--json", "--pages", "99").stdout)
    assert values["pages"] == 99
    assert (values["allow_native"], values["threads"]) == (False, 0)
    both = pie_server("config", "show", "--allow-native").stdout
    assert any("allow_native = true" in line and "flag" in line for line in both.splitlines())
    off = pie_server("config", "show", "--no-allow-native", PIE_ALLOW_NATIVE="yes").stdout
    assert "allow_native = false" in off


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", "--model", "/nowhere"), "A model is a directory"),
        (("serve", "--sandbox", "host"), "'host' is not one of"),
        (("bench", "nothing"), "There are: agents"),
        (("config", "show", "--pages", "0"), "pages is 0, it must be at least 1"),
        (("run", "x", "stray"), "belongs to no argument"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(arguments: tuple[str, ...], words: str) -> None:
    done = pie_server(*arguments)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_reports_what_is_there_and_what_to_mend(tiny_checkpoint: Path) -> None:
    good = pie_server("doctor", "--model", str(tiny_checkpoint), "--port", "0")
    assert good.returncode == 0, good.stdout + good.stderr
    for word in ("Python", "torch", "xformers", "wasmtime", "interpreter", "docker", "wasm"):
        assert word in good.stdout
    bad = pie_server("doctor", "--model", "/nowhere", "--port", "0")
    assert bad.returncode == 1
    assert "A model is a directory" in bad.stdout


def test_arguments_behind_the_dashes_become_json() -> None:
    given = parse_arguments(["--max-tokens", "20", "--stream", "--text=a b", "--list", "[1, 2]"])
    assert given == {"max_tokens": 20, "stream": True, "text": "a b", "list": [1, 2]}


def test_run_runs_an_inferlet_of_ones_own(tiny_checkpoint: Path, tmp_path: Path) -> None:
    directory = tmp_path / "mine"
    directory.mkdir()
    (directory / "inferlet.toml").write_text(
        '[inferlet]\nname = "mine"\nversion = "1.0.0"\ndescription = "Mine."\n'
    )
    (directory / "main.py").write_text(
        "async def main(input):\n    return {'answer': input['a'] + 1}\n"
    )
    done = pie_server(
        "run", str(directory), "--native", "--json", "--model", str(tiny_checkpoint),
        "--sandbox", "off", "--data-dir", str(tmp_path / "data"), "--", "--a", "41",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["data"]["result"] == {"answer": 42}
