"""`pie-server demo`: a server on a free port, one agent over its WebSocket, a live transcript."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import cast

import trio
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pie_server.cli.serve import StartProgress
from pie_server.client import open_client
from pie_server.config import Config
from pie_server.runtime.port import JsonValue
from pie_server.server import Server
from pie_server.wire import Event

DEFAULT_QUESTION = "How much do 7 lamps cost?"
_LONGEST_VALUE = 300


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    status: str = "lost"
    answer: str = ""
    usage: dict[str, JsonValue] | None = None
    good_calls: int = 0


class Transcript:
    """Prints a session's events as they come.

    Attributes:
        outcome: What it came to so far.
        text: All that was streamed.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._in_text = False
        self.outcome = Outcome()
        self.text = ""

    def show(self, event: Event, *, quiet: bool = False) -> None:
        """Takes one event; `quiet` only keeps the outcome."""
        data = cast("dict[str, JsonValue]", event.data)
        if event.kind == "done":
            self.outcome.status = str(data["status"])
            self.outcome.answer = _text(data["result"])
            self.outcome.usage = cast("dict[str, JsonValue]", data["usage"])
        if event.kind == "tool_result":
            self.outcome.good_calls += not data["is_error"]
        if not quiet:
            self._print(event.kind, data)

    def _print(self, kind: str, data: dict[str, JsonValue]) -> None:
        if kind == "text":
            self.text += str(data["text"])
            self._console.print(str(data["text"]), end="", markup=False, highlight=False)
            self._in_text = True
            return
        if self._in_text:
            self._console.print()
            self._in_text = False
        if kind == "tool_call":
            self._line("→", "cyan", f"{data['name']}({_short(data['arguments'])})", data)
        elif kind == "stdout":
            self._line("│", "dim", str(data["text"]).rstrip(), data)
        elif kind == "tool_result":
            self._result(data)
        elif kind == "message":
            self._line("·", "magenta", _short(data["message"]), {})
        elif kind == "error":
            self._line("✗", "red", f"{data['code']}: {data['message']} {data['hint']}", {})

    def _result(self, data: dict[str, JsonValue]) -> None:
        milliseconds = float(cast(float, data["seconds"])) * 1000
        where = f" in {data['backend']}" if data["backend"] else ""
        mark, style = ("✗", "red") if data["is_error"] else ("←", "green")
        self._line(mark, style, str(data["content"]), data, f"{milliseconds:.1f} ms{where}")

    def _line(
        self, mark: str, style: str, text: str, data: dict[str, JsonValue], note: str = ""
    ) -> None:
        call = f"[dim]{data['call_id']}[/dim] " if "call_id" in data else ""
        note = f"  [dim]({note})[/dim]" if note else ""
        body = escape(text).replace("\n", "\n      ")
        self._console.print(f"  [{style}]{mark}[/{style}] {call}{body}{note}", highlight=False)


async def run_demo(config: Config, question: str, inferlet: str = "react") -> int:
    """Runs the demo; returns the exit status: 0 only if the agent answered through its tools."""
    console = Console()
    transcript = Transcript(console)
    started = time.perf_counter()
    async with trio.open_nursery() as nursery:
        with StartProgress(console) as progress:
            server = Server(replace(config, port=0), progress)
            port = await nursery.start(server.run)
        url = f"ws://127.0.0.1:{port}/v1/sessions"
        console.print(
            f"[dim]Serving on {url} after {time.perf_counter() - started:.1f} s[/dim]\n",
            highlight=False,
        )
        console.print(f"[bold]{inferlet}[/bold]: {escape(question)}\n", highlight=False)
        asked = time.perf_counter()
        async with open_client(url) as client:
            handle = await client.launch(inferlet, {"question": question})
            async for event in handle.events():
                transcript.show(event)
        seconds = time.perf_counter() - asked
        server.stop()
    outcome = transcript.outcome
    console.print()
    console.print(_summary(outcome, seconds, server.sandboxes.backend))
    if outcome.status == "completed" and outcome.answer and outcome.good_calls > 0:
        return 0
    console.print("[red]The agent did not answer through its tools.[/red]")
    return 1


def _summary(outcome: Outcome, seconds: float, backend: str) -> Table:
    usage = outcome.usage or {}
    executions = cast("dict[str, JsonValue]", usage.get("executions") or {})
    ran = ", ".join(f"{count} in {where}" for where, count in executions.items())
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    for name, value in (
        ("answer", outcome.answer or "(none)"),
        ("status", outcome.status),
        ("tokens generated", usage.get("generated_tokens")),
        ("tool calls", usage.get("tool_calls")),
        ("forward steps", usage.get("forward_steps")),
        ("KV pages kept resident during tool waits", usage.get("parked_pages_peak")),
        ("tokens that were not prefilled again", usage.get("reused_tokens")),
        ("code executions", ran or f"none needed (sandbox: {backend})"),
        ("wall time", f"{seconds:.2f} s"),
    ):
        table.add_row(name, escape(str(value)))
    return table


def _short(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_short(part)}" for name, part in value.items())
    text = str(value) if isinstance(value, str) and "\n" in value else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _text(value: JsonValue) -> str:
    if isinstance(value, dict) and "answer" in value:
        return str(value["answer"])
    return "" if value is None else str(value)
