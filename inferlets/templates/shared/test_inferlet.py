"""Runs the inferlet in this directory on the model that ships with the server."""

import json
import subprocess
import sys
from pathlib import Path


def run(**arguments: object) -> list[dict]:
    """The events of one run, the last of which is `done`."""
    given = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pie_server", "run", str(here), "--json", "--", *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_it_streams_the_text_that_it_returns() -> None:
    events = run(prompt="Hello", max_tokens=8)
    assert events[-1]["data"]["status"] == "completed", events
    streamed = "".join(event["data"]["text"] for event in events if event["kind"] == "text")
    assert events[-1]["data"]["result"] == streamed != ""


def test_it_says_which_argument_is_wrong() -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pie_server", "run", str(here), "--", "--max-tokens", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "max_tokens" in done.stderr
