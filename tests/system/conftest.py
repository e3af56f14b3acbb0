"""A whole server in the test's own loop: real model, real guests, real sockets, real tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from pie_server.client import Client, SessionHandle, open_client
from pie_server.config import Config
from pie_server.engine.engine import Engine
from pie_server.server import Server
from pie_server.wire import Event
from pie_tools.tool import Tool
from tests import raw_websocket

MANIFEST = """
[inferlet]
name = "{name}"
version = "1.0.0"
language = "python"
description = "For tests."
"""


# Generates the same four tokens again and again, tells each time, until its client says stop.
NEIGHBOUR = """
from inferlet import Context, Model, Sampler, runtime, session, spawn

async def main(input):
    model = Model.load(runtime.models()[0])
    base = Context(model).append([9, 8, 7] * 10)
    await base.flush()
    stop = spawn(session.receive())
    answers, rounds = set(), 0
    while not stop.done:
        with base.fork() as ctx:
            reply = await ctx.complete(Sampler.argmax(), max_tokens=4, cue=False, ignore_eos=True)
        answers.add(tuple(reply.tokens))
        rounds += 1
        session.send({"round": rounds})
        await runtime.sleep(0.01)
    return {"answers": [list(answer) for answer in answers], "rounds": rounds}
"""


@dataclass
class LiveServer:
    """A running server and where it listens."""

    server: Server
    url: str
    nursery: trio.Nursery

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    @asynccontextmanager
    async def undisturbed(self, seconds: float = 20) -> AsyncIterator[None]:
        """Meanwhile another client's session generates; afterwards every page is back.

        It must come forward all the time, each step within `seconds`, and get the same answer
        every time.
        """
        rounds = 0

        async def watch(
            handle: SessionHandle, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
        ) -> None:
            nonlocal rounds
            while True:
                with trio.fail_after(seconds):
                    event = await handle.next_event()
                if event.kind == "message":
                    rounds += 1
                if rounds == 2:
                    task_status.started()
                if event.kind == "done":
                    assert event.data["status"] == "completed", event
                    result = event.data["result"]
                    assert isinstance(result, dict)
                    assert len(result["answers"]) == 1, result  # type: ignore[arg-type]
                    return

        async with open_client(self.url) as client, trio.open_nursery() as nursery:
            handle = await client.launch("neighbour", {})
            await nursery.start(watch, handle)
            yield
            before = rounds
            while rounds == before:
                await trio.sleep(0.005)
            await handle.send("stop")
        await self.settled()

    @property
    def engine(self) -> Engine:
        """Of the default model."""
        return next(iter(self.server.engines.values()))

    def register(self, *tools: Tool) -> None:
        """Adds tools to the server's own."""
        for tool in tools:
            self.server.hub._launcher._services.tools.register(tool)  # type: ignore[attr-defined]

    async def raw_client(self) -> trio.SocketStream:
        """A WebSocket of bytes, behind the server's `hello`."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        await raw_websocket.upgrade(stream, raw_websocket.handshake(self.port))
        await raw_websocket.read_until(stream, b"}")
        return stream

    async def settled(self) -> None:
        """Waits until nothing runs, then checks that every page came back."""
        engine = self.engine
        with trio.fail_after(30):
            while self.server.hub.statistics().live or self.server.runtime.statistics().live_stores:
                await trio.sleep(0.01)
        engine.check_integrity()
        assert not list(engine._contexts.values())
        engine.prefixes.clear()
        assert engine.pool.free_pages == engine.pool.total_pages - sum(
            len(saved.table.pages) for saved in engine.exports.contexts()
        )


OpenServer = Callable[..., AbstractAsyncContextManager[LiveServer]]


@pytest.fixture
def open_server(tiny_checkpoint: Path, tmp_path: Path) -> OpenServer:
    """Starts a server with extra inferlets given as source texts."""

    @asynccontextmanager
    async def opener(
        inferlets: dict[str, str] | None = None, **settings: object
    ) -> AsyncIterator[LiveServer]:
        directory = tmp_path / "inferlets"
        directory.mkdir(exist_ok=True)
        for name, source in ({"neighbour": NEIGHBOUR} | (inferlets or {})).items():
            (directory / name).mkdir(exist_ok=True)
            (directory / name / "inferlet.toml").write_text(MANIFEST.format(name=name))
            (directory / name / "main.py").write_text(source)
        defaults = {
            "port": 0,
            "model": str(tiny_checkpoint),
            "pages": 256,
            "sandbox": "off",
            "inferlets": str(directory),
            "data_dir": str(tmp_path / "data"),
            "drain_seconds": 0.5,
            "detach_grace_seconds": 0.2,
        }
        server = Server(Config(**(defaults | settings)))  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            port = await nursery.start(server.run)
            live = LiveServer(server, f"ws://127.0.0.1:{port}", nursery)
            yield live
            await live.settled()
            server.stop()
            with trio.fail_after(20):
                await server.stopped.wait()

    return opener


async def events_of(handle: SessionHandle, seconds: float = 60) -> list[Event]:
    """All events to the end of the session."""
    with trio.fail_after(seconds):
        return [event async for event in handle.events()]


async def run(
    client: Client, inferlet: str, arguments: dict[str, object] | None = None, **options: bool
) -> list[Event]:
    """Launches and follows one session to its end."""
    return await events_of(await client.launch(inferlet, arguments or {}, **options))  # type: ignore[arg-type]


def error_code(events: list[Event]) -> str:
    """The code of the error that ended a session, empty if none did."""
    return next((str(event.data["code"]) for event in events if event.kind == "error"), "")


__all__ = ["LiveServer", "OpenServer", "error_code", "events_of", "open_client", "run"]
