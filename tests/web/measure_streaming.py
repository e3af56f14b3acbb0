"""Measures the server's CPU per streamed event, by hand: it is no test and asserts nothing.

    .venv/bin/python tests/web/measure_streaming.py --sessions 128 --events 200 --rate 40

Runs server and client in two processes; each session emits `rate` texts a second (0: as fast as the
journal stores them) over one or several connections.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trio

from pie_server.client import Client, open_client
from pie_server.sessions import Session, SessionHub
from pie_server.web import Services, WebLimits, create_app, serve
from pie_server.wire import JsonValue


class Emitter:
    """Emits for all sessions in one synchronous loop a step, as an engine hands out a batch."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left: dict[Session, int] = {}
        self._done: dict[Session, trio.Event] = {}

    def check(self, inferlet: str, arguments: JsonValue, *, native: bool) -> None:
        pass

    async def launch(
        self, *, inferlet: str, arguments: JsonValue, session: Session, native: bool
    ) -> JsonValue:
        assert isinstance(arguments, dict)
        self._left[session] = int(str(arguments["events"]))
        self._done[session] = trio.Event()
        await self._done[session].wait()
        return None

    async def run(self) -> None:
        while True:
            for session in list(self._left):
                session.emit("text", {"text": " token"})
                self._left[session] -= 1
                if not self._left[session]:
                    del self._left[session]
                    self._done[session].set()
            if self._rate:
                await trio.sleep(1 / self._rate)
            else:
                for session in list(self._left)[:1]:
                    await session.flushed()
                await trio.lowlevel.checkpoint()


async def run_server(rate: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        emitter = Emitter(rate)
        hub = SessionHub(Path(directory) / "journal.sqlite", emitter)
        draining = trio.Event()
        services = Services(hub, list, dict, lambda: True, draining, "0")
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            nursery.start_soon(emitter.run)
            port: int = await nursery.start(
                serve, create_app(services), "127.0.0.1", 0, draining, WebLimits()
            )
            print(port, flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            before = time.process_time()
            print("go", flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            print(time.process_time() - before, hub.statistics().journal.commits, flush=True)
            nursery.cancel_scope.cancel()


async def read(client: Client, events: int, frames: list[int]) -> None:
    handle = await client.launch("emit", {"events": events})
    async for event in handle.events():
        frames[0] += event.seq > 0


async def run_client(url: str, sessions: int, events: int, connections: int) -> int:
    received = [0]

    async def connection(count: int) -> None:
        async with open_client(url) as client, trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(read, client, events, received)

    async with trio.open_nursery() as nursery:
        for _ in range(connections):
            nursery.start_soon(connection, sessions // connections)
    return received[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=128)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--rate", type=float, default=40.0)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.serve:
        trio.run(run_server, options.rate)
        return
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--rate", str(options.rate)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert server.stdin is not None
    assert server.stdout is not None
    url = f"ws://127.0.0.1:{server.stdout.readline().strip()}"
    server.stdin.write("\n")
    server.stdin.flush()
    server.stdout.readline()
    client_before, wall = time.process_time(), time.perf_counter()
    received = trio.run(run_client, url, options.sessions, options.events, options.connections)
    client_cpu, wall = time.process_time() - client_before, time.perf_counter() - wall
    server.stdin.write("\n")
    server.stdin.flush()
    cpu, commits = server.stdout.readline().split()
    server.wait()
    print(
        f"events {received}  wall {wall:.2f} s  rate {received / wall:.0f}/s  commits {commits}\n"
        f"server CPU per event {float(cpu) / received * 1e6:.1f} us"
        f"  client CPU per event {client_cpu / received * 1e6:.1f} us"
    )


if __name__ == "__main__":
    main()
