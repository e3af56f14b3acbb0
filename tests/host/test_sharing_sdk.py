"""The Python SDK's modules for what instances share, over a real host, store and socket."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from pie_server.host.instance_host import InstanceHost
from pie_server.runtime import InstanceLimits, JsonValue, Program, run_native
from pie_server.services.http_addresses import AllowList
from pie_server.services.http_client import HttpClient
from pie_server.services.key_values import KeyValueStore

from .conftest import OpenWorld, RememberingSession, no_sandbox
from .test_http import ok, open_web


class Author:
    """Runs sources of one tenant, each as an instance."""

    def __init__(self, services: Any, nursery: trio.Nursery) -> None:
        self.services = services
        self.nursery = nursery
        self.session = RememberingSession()

    async def run(self, source: str, **arguments: JsonValue) -> JsonValue:
        host = InstanceHost(self.services, self.session, self.nursery, no_sandbox, InstanceLimits())
        program = Program.from_source("test", textwrap.dedent(source))
        with trio.fail_after(30):
            return await run_native(program, dict(arguments), host, InstanceLimits())


@pytest.fixture
async def author(open_world: OpenWorld, tmp_path: Path) -> AsyncIterator[Author]:
    @asynccontextmanager
    async def opener() -> AsyncIterator[Author]:
        store = KeyValueStore(tmp_path / "store.sqlite")
        async with open_world() as world:
            await world.nursery.start(store.run)
            yield Author(replace(world.host.services, store=store), world.nursery)

    async with opener() as opened:
        yield opened


async def test_store(author: Author) -> None:
    result = await author.run("""
        from inferlet import store

        async def main(input):
            missing = [await store.get("n", 7), await store.entry("n")]
            first = await store.swap("n", 1, 0)
            second = await store.swap("n", 2, first)
            refused = [await store.swap("n", 3, first), await store.remove("n", first)]
            entry = await store.entry("n")
            for key in ("a/1", "a/2", "b"):
                await store.put(key, [key])
            keys = [await store.keys("a/"), await store.keys("a/", after="a/1"),
                    await store.keys(limit=1)]
            gone = [await store.delete("b"), await store.delete("b"),
                    await store.remove("n", second)]
            return [missing, refused, entry.value, entry.version == second, keys, gone]
    """)
    assert result == [
        [7, None], [None, False], 2, True, [["a/1", "a/2"], ["a/2"], ["a/1"]],
        [True, False, True],
    ]  # fmt: skip


async def test_messaging(author: Author) -> None:
    result = await author.run("""
        from inferlet import LimitExceeded, messaging, spawn

        async def main(input):
            news = messaging.subscribe("news")
            counts = [messaging.broadcast("news", n) for n in range(2)]
            got = [await news.next() for _ in range(2)]
            try:
                for n in range(1000):
                    messaging.broadcast("news", n)
            except LimitExceeded as error:
                code = error.code
            await news.next()
            missed = news.missed
            waiting = spawn(news.next())
            news.unsubscribe()
            news.unsubscribe()
            rest = [message async for message in news]
            pulled = spawn(messaging.pull("jobs"))
            messaging.push("jobs", {"n": 1})
            return [counts, got, code, missed, rest, await pulled]
    """)
    assert result == [[1, 1], [0, 1], "messages_exceeded", 1, [], {"n": 1}]


async def test_files_and_logs(author: Author, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pie_server.guest")
    await author.session.send_input.send({"file": {"name": "a.bin", "base64": "/wA="}})
    await author.session.send_input.send("hello")
    result = await author.run("""
        from inferlet import InvalidOperation, files, runtime, session

        async def main(input):
            files.write("big", b"\\xff" * 3_000_000)
            files.append("big", "ü")
            big = files.read("big")
            whole = [len(big), big[-2:].decode(), files.read("big", 2_999_999, 3_000_001).hex()]
            try:
                files.read("none")
            except InvalidOperation as error:
                code = error.code
            sent = await session.receive_file()
            session.send_file(sent, sent.name)
            try:
                await session.receive_file()
            except TypeError as error:
                told = str(error)
            runtime.log("done", level="warning", count=3)
            return [whole, code, files.names(), files.delete("big"), files.names(), told]
    """)
    assert result == [
        [3_000_002, "ü", "ffc3"], "invalid_arguments", ["big"], True, [],
        "the client sent no file but 'hello'",
    ]  # fmt: skip
    assert author.session.events == [
        ("file", {"name": "a.bin", "media_type": "application/octet-stream", "size": 2,
                  "base64": "/wA="}),
    ]  # fmt: skip
    assert "done count=3" in caplog.text


async def test_http(author: Author) -> None:
    async with open_web() as web:
        author.services = replace(
            author.services, http=HttpClient(AllowList(f"127.0.0.1:{web.port}"))
        )
        web.answers = {
            "/json": ok(b'{"a": [1]}', "Vary: a", "Vary: b"),
            "/bytes": ok(b"\xff"),
            "/none": b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        }
        result = await author.run(
            """
            from inferlet import InvalidOperation, ServerFault, http

            async def main(input):
                here = input["here"]
                answer = await http.get(here + "/json")
                sent = await http.post(here + "/x", json={"b": None}, headers={"X-A": "1"})
                await http.request("PUT", here + "/y", content=b"\\xfe")
                codes = []
                for url, size in (("http://10.0.0.1/", 10), (here + "/json", 3)):
                    try:
                        await http.request("GET", url, max_bytes=size)
                    except (InvalidOperation, ServerFault) as error:
                        codes.append(error.code)
                return [answer.json(), answer.headers["vary"], answer.ok, sent.text,
                        list((await http.get(here + "/bytes")).content),
                        (await http.get(here + "/none")).ok, codes]
            """,
            here=web.here,
        )
    assert result == [
        {"a": [1]}, "a, b", True, "hello", [255], False, ["http_forbidden", "http_error"]
    ]  # fmt: skip
    posted, put = web.requests[1:3]
    assert posted.endswith('\r\n\r\n{"b": null}')
    assert "content-type: application/json" in posted.lower()
    assert put.endswith("\r\n\r\n\xfe")
