"""`pie-server serve`, and the progress display of every command that starts a server."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import trio
from rich.console import Console

from pie_server.config import Config
from pie_server.server import Server


class StartProgress:
    """Shows what a slow start is doing: a spinner on a terminal, one line a step elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("Starting")
        self._last = ""

    def __call__(self, text: str, fraction: float | None) -> None:
        """Takes one report."""
        if text != self._last:
            self._last = text
            self._console.print(f"[dim]{text}[/dim]", highlight=False)
        percent = "" if fraction is None else f" {fraction:.0%}"
        self._status.update(f"{text}{percent}")

    def __enter__(self) -> StartProgress:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._status.stop()


async def run_server(config: Config, port_file: Path | None = None) -> None:
    """Serves until a signal; writes the bound port to `port_file` when ready."""
    console = Console(stderr=True)
    with StartProgress(console) as progress:
        server = Server(config, progress)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.stop_on_signals)
            port = await nursery.start(server.run)
            progress.__exit__(None, None, None)
            console.print(
                f"Serving [bold]{', '.join(server.engines)}[/bold] on "
                f"http://{config.host}:{port}  (sandbox: {server.sandboxes.backend}; "
                f"inferlets: {', '.join(program.name for program in server.registry.list())})",
                highlight=False,
                soft_wrap=True,
            )
            if port_file is not None:
                _write_whole(port_file, str(port))
            await server.stopped.wait()
            nursery.cancel_scope.cancel()


def _write_whole(path: Path, text: str) -> None:
    """A reader sees all of it or nothing."""
    part = path.with_suffix(".part")
    part.write_text(text)
    os.replace(part, path)
