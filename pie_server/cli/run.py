"""`pie-server run INFERLET -- --argument value`: one inferlet, here or on a running server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import click
import trio
from rich.console import Console

from pie_server.cli.demo import Transcript
from pie_server.cli.serve import StartProgress
from pie_server.client import open_client
from pie_server.config import Config
from pie_server.runtime.port import JsonValue
from pie_server.server import Server


def parse_arguments(arguments: Sequence[str]) -> dict[str, JsonValue]:
    """`--max-tokens 20 --stream` as `{"max_tokens": 20, "stream": true}`.

    Values that are JSON (numbers, booleans, lists, objects) are taken as such, others as strings.

    Raises:
        click.UsageError: Something is not `--name` or its value.
    """
    given: dict[str, JsonValue] = {}
    name: str | None = None
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2:
            name, _, value = argument[2:].partition("=")
            name = name.replace("-", "_")
            given[name] = _value(value) if value else True
            name = None if value else name
        elif name is not None:
            given[name] = _value(argument)
            name = None
        else:
            raise click.UsageError(
                f"{argument!r} belongs to no argument; write `-- --name {argument}`."
            )
    return given


def _value(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


async def run_inferlet(
    config: Config,
    inferlet: str,
    arguments: dict[str, JsonValue],
    *,
    native: bool,
    url: str | None,
    as_json: bool,
) -> int:
    """Runs it and prints its events; returns 0 if it completed."""
    console = Console()
    transcript = Transcript(console)
    async with AsyncExitStack() as stack:
        if url is None:
            config, inferlet = _own_directory(config, inferlet)
            nursery = await stack.enter_async_context(trio.open_nursery())
            with StartProgress(Console(stderr=True)) as progress:
                # Whoever types --native trusts the inferlet, and this server is there for it alone.
                allowed = config.allow_native or native
                server = Server(replace(config, port=0, allow_native=allowed), progress)
                port = await nursery.start(server.run)
            stack.callback(server.stop)
            url = f"ws://127.0.0.1:{port}"
        async with open_client(url) as client:
            handle = await client.launch(inferlet, arguments, native=native)
            async for event in handle.events():
                if as_json:
                    print(json.dumps({"seq": event.seq, "kind": event.kind, "data": event.data}))
                transcript.show(event, quiet=as_json)
        answer = transcript.outcome.answer
        if answer and not as_json and not transcript.text.endswith(answer):  # streamed already
            console.print(answer, markup=False, highlight=False)
    return 0 if transcript.outcome.status == "completed" else 1


def _own_directory(config: Config, inferlet: str) -> tuple[Config, str]:
    """A path instead of a name means an inferlet of the user's own."""
    path = Path(inferlet)
    if path.is_dir() and (path / "inferlet.toml").exists():
        return replace(config, inferlets=str(path.resolve().parent)), path.resolve().name
    return config, inferlet
