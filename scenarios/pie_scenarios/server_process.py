"""A server in a process of its own, for benchmarks whose client must not share its event loop."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from pie_server.errors import PieError

_START_SECONDS = 300.0  # the first start builds the interpreter
_STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server.

    Attributes:
        port: Where it listens on 127.0.0.1.
        vocabulary: Tokens of its model.
    """

    port: int
    vocabulary: int

    @property
    def url(self) -> str:
        """Of its session protocol."""
        return f"ws://127.0.0.1:{self.port}/v1/sessions"

    async def statistics(self) -> dict[str, object]:
        """What /v1/statistics says."""
        return await trio.to_thread.run_sync(_get, self.port, "/v1/statistics")


@asynccontextmanager
async def open_server(*flags: str) -> AsyncIterator[ServerProcess]:
    """Starts `pie-server serve` on a free port and waits until it is ready; ends it afterwards.

    Raises:
        PieError: It did not start; the message has the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="pie-bench-") as directory:
        log = Path(directory) / "log"
        command = [sys.executable, "-m", "pie_server", "serve", "--port", "0", *flags]
        command += ["--port-file", str(Path(directory) / "port"), "--data-dir", directory]
        with log.open("wb") as output:
            process = await trio.lowlevel.open_process(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            port = await _bound_port(process, Path(directory) / "port")
            if port is None:
                raise PieError(f"the server did not start: {log.read_text()[-2000:]}")
            figures = await trio.to_thread.run_sync(_get, port, "/v1/statistics")
            engines = figures["engines"]
            assert isinstance(engines, dict)
            engine = next(iter(engines.values()))
            yield ServerProcess(port, int(engine["vocab_size"]))
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _STOP_SECONDS):
                process.terminate()
                await process.wait()
            if process.returncode is None:
                process.kill()


async def _bound_port(process: trio.Process, file: Path) -> int | None:
    """The port that the server wrote to `file`; None if it ended or took too long."""
    with trio.move_on_after(_START_SECONDS):
        while process.poll() is None:
            if await trio.Path(file).exists():
                return int(await trio.Path(file).read_text())
            await trio.sleep(0.05)
    return None


def _get(port: int, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        figures: dict[str, object] = json.load(response)
        return figures
