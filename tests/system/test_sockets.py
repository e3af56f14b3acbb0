"""A server in a process of its own: signals, sudden death, restart. Run as a program it serves."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from pie_server.client import open_client
from pie_server.errors import ConnectionLost
from pie_server.sessions import Session, SessionHub
from pie_server.web import Services, WebLimits, create_app, serve
from pie_server.wire import Event, JsonValue

DRAIN_SECONDS = 0.5


class Streamer:
    """One inferlet: numbers without end."""

    def check(self, inferlet: str, arguments: JsonValue, *, native: bool) -> None:
        pass

    async def launch(
        self, *, inferlet: str, arguments: JsonValue, session: Session, native: bool
    ) -> JsonValue:
        number = 0
        while True:
            session.emit("text", {"text": str(number)})
            number += 1
            await session.flushed()


async def run_server(directory: Path) -> None:
    hub = SessionHub(directory / "journal.sqlite", Streamer())
    draining = trio.Event()
    services = Services(hub, list, dict, lambda: True, draining, "1")
    limits = WebLimits(drain_seconds=DRAIN_SECONDS + 2)
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            async with trio.open_nursery() as serving:
                port = await serving.start(
                    serve, create_app(services), "127.0.0.1", 0, draining, limits
                )
                print(port, flush=True)
                async for _ in signals:
                    draining.set()
                    await hub.drain(DRAIN_SECONDS)
                    break
            nursery.cancel_scope.cancel()
    print("ended", flush=True)


async def read_line(stream: trio.abc.ReceiveStream) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        data = await stream.receive_some(1)
        assert data, line
        line += data
    return line[:-1]


@asynccontextmanager
async def server_process(directory: Path) -> AsyncIterator[tuple[trio.Process, str]]:
    process = await trio.lowlevel.open_process(
        [sys.executable, __file__, str(directory)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int(await read_line(process.stdout))
        yield process, f"ws://127.0.0.1:{port}"
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


async def test_sigterm_drains_streaming_sessions_within_the_bound(tmp_path: Path) -> None:
    with trio.fail_after(30):
        async with server_process(tmp_path) as (process, url):
            async with open_client(url) as client:
                handle = await client.launch("stream")
                assert (await handle.next_event()).kind == "started"
                stalled = await trio.open_tcp_stream("127.0.0.1", int(url.rsplit(":", 1)[1]))
                await stalled.send_all(b"GET /health HT")
                with trio.fail_after(DRAIN_SECONDS + 8):
                    process.send_signal(signal.SIGTERM)
                    events = [event async for event in handle.events()]
                    with pytest.raises(ConnectionLost) as caught:  # noqa: PT012
                        while True:
                            await client.ping()
                    assert await process.wait() == 0
                await stalled.aclose()
            assert caught.value.details == {"close_code": 1012}
            assert [event.seq for event in events] == list(range(2, len(events) + 2))
            assert events[-1].data["reason"] == "shutdown"
            assert process.stdout is not None
            assert await read_line(process.stdout) == b"ended"


async def test_after_kill_9_everything_a_client_saw_is_there_once_and_the_end_is_told(
    tmp_path: Path,
) -> None:
    seen: list[Event] = []
    with trio.fail_after(60):
        async with server_process(tmp_path) as (process, url):
            with pytest.raises(ConnectionLost):  # noqa: PT012
                async with open_client(url) as client:
                    handle = await client.launch("stream")
                    async for event in handle.events():
                        seen.append(event)
                        if len(seen) == 200:
                            process.kill()
        async with server_process(tmp_path) as (_, url), open_client(url) as client:
            (info,) = await client.list_sessions()
            assert (info.session, info.state) == (handle.session, "failed")
            again = await client.attach(handle.session)
            events = [event async for event in again.events()]
            assert events[: len(seen)] == seen
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            assert [event.kind for event in events[-2:]] == ["error", "done"]
            assert events[-2].data["code"] == "interrupted"
            rest = await client.attach(handle.session, seen[-1].seq)
            assert [event async for event in rest.events()] == events[len(seen) :]


if __name__ == "__main__":
    trio.run(run_server, Path(sys.argv[1]))
