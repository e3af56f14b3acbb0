"""Every snippet of the tutorial is run, in order, as a reader would."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_START_SECONDS = 120


def blocks() -> list[tuple[str, str, str]]:
    return [match.groups() for match in _BLOCK.finditer((ROOT / "docs/tutorial.md").read_text())]  # type: ignore[misc]


class Reader:
    """Someone who types what the page says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "bin").mkdir()
        command = directory / "bin" / "pie-server"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pie_server "$@"\n')
        command.chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
            "PIE_DATA_DIR": str(directory / "data"),
            "PIE_SANDBOX": "off",
            "PIE_PORT": "0",
        }
        self.url = ""
        self.server: subprocess.Popen[bytes] | None = None

    def type(self, script: str, keys: str, *, fails: bool) -> str:
        script = script.replace("http://127.0.0.1:8080", self.url)
        if self.url:
            script = re.sub(r"(pie-server inferlets .*)", rf"\1 --url {self.url}", script)
        done = subprocess.run(
            ["sh", "-ec", script], cwd=self.directory, env=self.environment, input=keys,
            capture_output=True, text=True, timeout=250, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        print(script, said, sep="\n")  # shown if the test fails
        assert (done.returncode != 0) == fails, f"{script}\n{said}"
        return said

    def serve(self) -> None:
        port_file = self.directory / "port"
        log = self.directory / "server.log"
        with log.open("w") as errors:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "pie_server", "serve", "--port-file", str(port_file)],
                cwd=self.directory,
                env=self.environment,
                stderr=errors,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not port_file.exists():
            assert self.server.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.url = f"http://127.0.0.1:{port_file.read_text()}"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    if made.server is not None:
        made.server.send_signal(signal.SIGTERM)
        assert made.server.wait(60) == 0


def test_every_snippet_of_the_tutorial_works_as_it_says(reader: Reader) -> None:
    said = ""
    for language, how, text in blocks():
        if "file=" in how:
            path = reader.directory / how.partition("file=")[2].strip()
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif language == "text":
            assert text.strip() in said, f"{text}\nis not in\n{said}"
        elif "server" in how:
            reader.serve()
        else:
            assert language == "sh", language
            keys = how.partition("stdin=")[2] + "\n"
            said = reader.type(text, keys, fails="fails" in how)
    assert "stable = 1.0.0" in said
