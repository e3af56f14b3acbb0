"""A real server on a free port whose inferlets are small deterministic programs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from pie_server.client import Client, SessionHandle, open_client
from pie_server.errors import InvalidArguments, UnknownInferlet
from pie_server.sessions import JournalLimits, Session, SessionHub, SessionLimits
from pie_server.web import Services, WebLimits, create_app, serve
from pie_server.wire import JsonValue
from tests import raw_websocket

BOUND_SECONDS = 30.0
POLL_SECONDS = 0.01
GATE = "gate"


@dataclass
class FakeLauncher:
    """Runs Python functions as inferlets; `gates` lets a test hold them at a point."""

    gates: dict[str, trio.Event] = field(default_factory=dict)
    ended: dict[str, trio.Event] = field(default_factory=dict)

    def check(self, inferlet: str, arguments: JsonValue, *, native: bool) -> None:
        if not hasattr(self, f"run_{inferlet}"):
            raise UnknownInferlet(f"There is no inferlet {inferlet!r}.", hint="Look at the list.")
        if isinstance(arguments, dict) and "bad" in arguments:
            raise InvalidArguments("`bad` is no parameter.", hint="Leave it out.")

    async def launch(
        self, *, inferlet: str, arguments: JsonValue, session: Session, native: bool
    ) -> JsonValue:
        program: Callable[[Session, dict[str, JsonValue]], Awaitable[JsonValue]]
        program = getattr(self, f"run_{inferlet}")
        assert isinstance(arguments, dict)
        try:
            return await program(session, arguments)
        finally:
            session.usage = {"generated_tokens": session.log.last_seq}
            self.ended.setdefault(session.id, trio.Event()).set()

    def gate(self, name: str = GATE) -> trio.Event:
        return self.gates.setdefault(name, trio.Event())

    async def run_count(self, session: Session, arguments: dict[str, JsonValue]) -> JsonValue:
        """Emits `to` texts, `size` characters each."""
        to, size = int(str(arguments.get("to", 3))), int(str(arguments.get("size", 0)))
        for number in range(to):
            session.emit("text", {"text": str(number).ljust(size, ".")})
            if number % 64 == 0:
                await session.flushed()
        return {"counted": to}

    async def run_tick(self, session: Session, arguments: dict[str, JsonValue]) -> JsonValue:
        """Emits one text for each input, echoing it, until it is told to stop."""
        while (message := await session.receive()) != "stop":
            session.emit("text", {"text": message})
        return "stopped"

    async def run_hold(self, session: Session, arguments: dict[str, JsonValue]) -> JsonValue:
        """Emits a text, waits for a gate, emits another."""
        session.emit("text", {"text": "before"})
        await self.gate().wait()
        session.emit("text", {"text": "after"})
        return None

    async def run_crash(self, session: Session, arguments: dict[str, JsonValue]) -> JsonValue:
        raise ZeroDivisionError("a secret of the operator")

    async def run_flood(self, session: Session, arguments: dict[str, JsonValue]) -> JsonValue:
        """Emits until it is refused, without ever waiting."""
        while True:
            session.emit("text", {"text": "x" * 10_000})


async def eventually(condition: Callable[[], object]) -> None:
    """For what has no event to wait for; bounded by the server fixture."""
    while not condition():
        await trio.sleep(POLL_SECONDS)


@dataclass
class Inferlet:
    name: str = "count"
    version: str = "1.0.0"
    description: str = "Counts."
    language: str = "python"
    parameters: object = field(default_factory=lambda: {"type": "object"})


@dataclass
class Server:
    """A running server and how to reach it."""

    port: int
    hub: SessionHub
    launcher: FakeLauncher
    draining: trio.Event
    served: trio.Event
    streams: list[trio.SocketStream] = field(default_factory=list)

    async def eventually(self, condition: Callable[[], object]) -> None:
        await eventually(condition)

    async def ended(self, session: str = "") -> str:
        """Waits for the inferlet of a session, or of any, to end; returns the session."""
        if session:
            await self.launcher.ended.setdefault(session, trio.Event()).wait()
            return session
        await eventually(lambda: self.launcher.ended)
        return await self.ended(next(iter(self.launcher.ended)))

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def client(self, **options: int) -> AbstractAsyncContextManager[Client]:
        return open_client(self.url, **options)

    async def connect(self) -> trio.SocketStream:
        """A raw connection; closed with the server at the latest."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        self.streams.append(stream)
        return stream

    async def upgrade(self, extra: bytes = b"", headers: str = "") -> trio.SocketStream:
        """A raw WebSocket, after the server's 101."""
        stream = await self.connect()
        await raw_websocket.upgrade(stream, self.handshake(headers) + extra)
        return stream

    def handshake(self, headers: str = "") -> bytes:
        return raw_websocket.handshake(self.port, headers)

    async def http(self, request: str) -> tuple[int, dict[str, object]]:
        """One request on a connection of its own: status and JSON body."""
        stream = await self.connect()
        async with stream:
            await stream.send_all(request.encode())
            return await self.read_response(stream)

    async def get(self, path: str) -> tuple[int, dict[str, object]]:
        return await self.http(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    async def read_response(self, stream: trio.SocketStream) -> tuple[int, dict[str, object]]:
        return await _read_response(stream)

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """Meanwhile another client's session gets every event, promptly, in order, once."""

        async def echo(handle: SessionHandle, number: int) -> None:
            with trio.fail_after(5):
                await handle.send(number)
                while (event := await handle.next_event()).kind != "text":
                    assert event.kind in ("started", "input")
            assert event.data == {"text": number}

        async def run(handle: SessionHandle, stop: trio.Event) -> None:
            number = 1
            while not stop.is_set():
                await echo(handle, number)
                number += 1

        async with self.client() as client:
            handle = await client.launch("tick")
            await echo(handle, 0)
            stop = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run, handle, stop)
                yield
                stop.set()
            await echo(handle, -1)
            await handle.send("stop")
            assert await handle.result() == "stopped"


async def _read_response(stream: trio.SocketStream) -> tuple[int, dict[str, object]]:
    """Reads one HTTP response with a content length."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = await stream.receive_some()
        assert chunk, data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(line[16:]) for line in lines if line.startswith("content-length: "))
    while len(body) < length:
        chunk = await stream.receive_some()
        assert chunk, body
        body += chunk
    assert "content-type: application/json" in lines
    return int(lines[0].split()[1]), json.loads(body)


@asynccontextmanager
async def run_server(
    directory: Path,
    *,
    sessions: SessionLimits | None = None,
    journal: JournalLimits | None = None,
    web: WebLimits | None = None,
    ready: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Server]:
    launcher = FakeLauncher()
    web = web or WebLimits(linger_seconds=0.5, drain_seconds=3.0)
    hub = SessionHub(directory / "journal.sqlite", launcher, sessions, journal)
    draining = trio.Event()
    services = Services(
        hub=hub,
        inferlets=lambda: [Inferlet()],
        statistics=lambda: {"live": hub.statistics().live},
        ready=ready,
        draining=draining,
        version="1.2.3",
        limits=web,
    )
    served = trio.Event()

    async def run_serve(*, task_status: trio.TaskStatus[int]) -> None:
        await serve(create_app(services), "127.0.0.1", 0, draining, web, task_status=task_status)
        served.set()

    with trio.fail_after(BOUND_SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            port = await nursery.start(run_serve)
            running = Server(port, hub, launcher, draining, served)
            try:
                yield running
            finally:
                for stream in running.streams:
                    stream.socket.close()
            nursery.cancel_scope.cancel()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with run_server(tmp_path) as running:
        yield running


@pytest.fixture
def start_server(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Server]]:
    def start(**options: object) -> AbstractAsyncContextManager[Server]:
        return run_server(tmp_path, **options)  # type: ignore[arg-type]

    return start
