"""What a newcomer sees first: the demo, with the model that ships and real tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def demo(tmp_path: Path, question: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pie_server", "demo", question, *flags,
         "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"COLUMNS": "120"},
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("question", "tool", "answer"),
    [
        ("What is 128 * 46?", "calculator", "5888"),
        ("How much does a lamp cost?", "search_documents", "24"),
        ("How many primes are below 50?", "python", "15"),
    ],
)
def test_the_agent_answers_through_its_tools(
    tmp_path: Path, question: str, tool: str, answer: str
) -> None:
    done = demo(tmp_path, question)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tool}(" in done.stdout
    summary = done.stdout.split("\nanswer")[1]
    assert answer in summary.splitlines()[0]
    for line in (
        "tokens generated",
        "tool calls",
        "forward steps",
        "KV pages kept resident during tool waits",
        "tokens that were not prefilled again",
        "code executions",
        "wall time",
    ):
        assert line in summary


def test_codeact_runs_its_code_in_the_webassembly_sandbox_where_there_is_no_docker(
    tmp_path: Path,
) -> None:
    done = demo(
        tmp_path, "How many primes are below 30?", "--inferlet", "codeact", "--sandbox", "wasm"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in wasm" in done.stdout


def test_an_answer_without_tools_is_no_success(tmp_path: Path) -> None:
    done = demo(tmp_path, "Hello", "--sandbox", "off")
    assert done.returncode == 1
    assert "did not answer through its tools" in done.stdout


def test_tree_of_thought_shows_its_branches_and_votes(tmp_path: Path) -> None:
    done = demo(tmp_path, "What is 17 * 23?", "--inferlet", "tree-of-thought", "--sandbox", "off")
    assert "branch=" in done.stdout
    assert "391" in done.stdout.split("\nanswer")[1].splitlines()[0]
