"""Messages, children, the store, HTTP and files in a whole server, with guests in WebAssembly."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import trio

from pie_server.wire import Event

from .conftest import MANIFEST, OpenServer, events_of, open_client, run

PARENT = """
from inferlet import ChildFailed, gather, runtime, session

async def main(input):
    children = [runtime.launch("child", {"number": n}) for n in range(3)]
    for number, child in enumerate(children):
        child.send({"add": 10 * number})
    said = [await child.receive() for child in children]
    results = await gather(*[child.join() for child in children])
    try:
        await runtime.launch("child", {"number": "x"}).join()
    except ChildFailed as error:
        failure = error.details["error"]["code"]
    runtime.launch("waits")
    runtime.launch("child", {"number": 5, "alone": True}).detach()
    return [said, results, failure]
"""
CHILD = """
from inferlet import Context, Model, Sampler, runtime, session

async def main(input):
    input["number"] += 0
    ctx = Context(Model.load(runtime.models()[0])).append([5, 6, 7])
    reply = await ctx.complete(
        Sampler.argmax(), max_tokens=4, cue=False, ignore_eos=True, stream=True
    )
    if input.get("alone"):
        return len(reply.tokens)
    session.send(f"child {input['number']}")
    message = await session.receive()
    return input["number"] + message["add"] + len(reply.tokens)
"""
WAITS = """
from inferlet import messaging

async def main(input):
    await messaging.pull("never")
"""
SHARES = """
from inferlet import http, messaging, runtime, session, store

async def main(input):
    with messaging.subscribe("news") as news:
        session.send("subscribed")
        heard = [await news.next()]
    job = await messaging.pull("jobs")
    count = await store.get("count", 0)
    await store.put("count", count + 1)
    file = await session.receive_file()
    session.send_file(file.upper(), "loud-" + file.name, "text/plain")
    page = await http.get(input["url"])
    runtime.log("fetched", url=page.url)
    return [heard, job, count, page.text, page.headers["content-type"]]
"""
SPEAKS = """
from inferlet import messaging

async def main(input):
    messaging.push("jobs", {"n": 1})
    return messaging.broadcast("news", "ready")
"""


SCRIPT = """
import { files, http, messaging, runtime, store } from "inferlet";

export async function main() {
    const news = messaging.subscribe("news");
    messaging.broadcast("news", "a");
    messaging.broadcast("news", "b");
    const heard = [await news.next(), await news.next()];
    news.unsubscribe();
    for await (const message of news) heard.push(message);
    const child = runtime.launch("child", { number: 1 });
    child.send({ add: 11 });
    const said = await child.receive();
    const result = await child.join();
    const first = await store.swap("k/1", 1, 0);
    await store.swap("k/1", 2, first);
    await store.swap("k/1", 3, first);
    files.write("f", "ab");
    files.append("f", "c");
    let code = "";
    try { await http.request("http://127.0.0.1:1/"); } catch (error) { code = error.code; }
    return [
        heard, said, result, await store.get("k/1"), await store.keys("k/"), files.read("f"),
        files.names(), code,
    ];
}
"""


def of_children(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [event.data for event in events if event.kind == "child" and event.data["kind"] == kind]


async def test_children_in_webassembly_talk_fail_and_end_with_their_session(
    open_server: OpenServer,
) -> None:
    sources = {"parent": PARENT, "child": CHILD, "waits": WAITS}
    async with open_server(sources) as live, open_client(live.url) as client:
        async with live.undisturbed():
            events = await run(client, "parent")
        done = events[-1].data
        assert done["status"] == "completed", events
        assert done["result"] == [
            ["child 0", "child 1", "child 2"], [4, 15, 26], "guest_raised"
        ]  # fmt: skip
        ends = [str(data["data"]["status"]) for data in of_children(events, "done")]
        assert sorted(ends) == ["cancelled", *["completed"] * 4, "failed"]
        assert {event.kind for event in events} == {"started", "child", "done"}
        assert done["usage"]["generated_tokens"] == 16  # type: ignore[index, call-overload]


async def test_a_cancelled_session_takes_its_children_with_it(open_server: OpenServer) -> None:
    parent = """
from inferlet import runtime, session

async def main(input):
    for _ in range(5):
        runtime.launch("waits").detach()
    await session.receive()
"""
    async with (
        open_server({"parent": parent, "waits": WAITS}) as live,
        open_client(live.url) as client,
    ):
        handle = await client.launch("parent", {})
        with trio.fail_after(60):
            while live.server.runtime.statistics().live_instances < 6:
                await trio.sleep(0.01)
            await handle.cancel()
        events = await events_of(handle)
        assert events[-1].data["status"] == "cancelled"
        assert len(of_children(events, "done")) == 5


async def test_sessions_share_messages_and_keys_and_reach_what_is_listed(
    open_server: OpenServer,
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
        )
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        for count in range(2):  # the second server has the first one's store
            async with (
                open_server(
                    {"shares": SHARES, "speaks": SPEAKS}, http_allow=f"127.0.0.1:{port}"
                ) as live,
                open_client(live.url) as client,
            ):
                handle = await client.launch("shares", {"url": f"http://127.0.0.1:{port}/x"})
                while (await handle.next_event()).kind != "text":
                    pass
                assert (await run(client, "speaks"))[-1].data["result"] == 1
                encoded = base64.b64encode(b"some text").decode()
                await handle.send({"file": {"name": "a.txt", "base64": encoded}})
                events = await events_of(handle)
                assert events[-1].data["result"] == [
                    ["ready"], {"n": 1}, count, "hello", "text/plain"
                ], events  # fmt: skip
                (file,) = [event.data for event in events if event.kind == "file"]
                assert (file["name"], file["size"]) == ("loud-a.txt", 9)
                assert base64.b64decode(str(file["base64"])) == b"SOME TEXT"
        nursery.cancel_scope.cancel()


async def test_javascript_has_the_same_modules(open_server: OpenServer, tmp_path: Path) -> None:
    directory = tmp_path / "inferlets" / "script"
    directory.mkdir(parents=True)
    manifest = MANIFEST.format(name="script").replace('"python"', '"javascript"')
    (directory / "inferlet.toml").write_text(manifest)
    (directory / "main.js").write_text(SCRIPT)
    async with open_server({"child": CHILD}) as live, open_client(live.url) as client:
        events = await run(client, "script")
        assert events[-1].data["result"] == [
            ["a", "b"], "child 1", 16, 2, ["k/1"], "abc", ["f"], "http_forbidden"
        ], events  # fmt: skip
