"""Whole sessions over real sockets: guests, engine, tools, resume, drain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import trio

from pie_server.client import open_client
from pie_server.errors import InvalidArguments, UnknownInferlet

from .conftest import OpenServer, error_code, events_of, run

STEPS = """
from inferlet import Context, Model, Sampler, runtime

async def main(input):
    model = Model.load(runtime.models()[0])
    coarse, fine = Context(model), Context(model)
    prompt = [11, 12, 13, 14]
    coarse.append(prompt)
    fine.append(prompt)
    whole = await coarse.complete(Sampler.argmax(), max_tokens=8, cue=False, ignore_eos=True)
    tokens = []
    async for step in fine.generate(Sampler.argmax(), max_tokens=8, stop=[], auto_flush=False):
        out = await step.execute()
        tokens += out.tokens
    fork = coarse.fork()
    fork.truncate(4)  # the last four of eight
    again = await fork.complete(Sampler.argmax(), max_tokens=4, cue=False, ignore_eos=True)
    return {"whole": whole.tokens, "steps": tokens, "again": again.tokens}
"""

TOOLS = """
from inferlet import Context, Model, runtime, session, tools

async def main(input):
    ctx = Context(Model.load(runtime.models()[0])).append([9] * 40)
    await ctx.flush()
    results = []
    for name, arguments in input["calls"]:
        call = tools.Call(name, arguments)
        results.append((await tools.call(call, contexts=[ctx])).content)
    return results
"""

ECHO = """
from inferlet import session

async def main(input):
    while (message := await session.receive()) != "stop":
        session.send(f"heard {message}")
    return "stopped"
"""


async def test_stepwise_generation_forks_and_truncation_agree_with_the_coarse_operation(
    open_server: OpenServer,
) -> None:
    async with (
        open_server({"steps": STEPS}, allow_native=True) as live,
        open_client(live.url) as client,
    ):
        for native in (False, True):
            events = await run(client, "steps", native=native)
            result = events[-1].data["result"]
            assert isinstance(result, dict), events
            assert result["steps"] == result["whole"]
            assert result["again"] == result["whole"][4:]


async def test_a_session_converses_and_is_resumed_on_another_connection(
    open_server: OpenServer,
) -> None:
    async with open_server({"echo": ECHO}, detach_grace_seconds=30) as live:
        async with open_client(live.url) as first:
            handle = await first.launch("echo", {})
            await handle.send("one")
            with trio.fail_after(20):
                async for event in handle.events():
                    if event.kind == "text":
                        assert event.data["text"] == "heard one"
                        break
            seen = handle.seq
        async with open_client(live.url) as second:
            again = await second.attach(handle.session, seen)
            await again.send("two")
            await again.send("stop")
            events = await events_of(again)
        assert [event.seq for event in events] == list(range(seen + 1, seen + 1 + len(events)))
        assert [e.data["text"] for e in events if e.kind == "text"] == ["heard two"]
        assert events[-1].data["result"] == "stopped"


async def test_tools_run_fail_and_are_refused_without_ending_the_session(
    open_server: OpenServer,
) -> None:
    calls = [
        ["calculator", {"expression": "2+3"}],
        ["calculator", {"expression": "1/0"}],
        ["calculator", {"nonsense": 1}],
        ["no_such_tool", {}],
        ["python", {"code": "print(1)"}],
        ["search_documents", {"query": "lamp"}],
    ]
    async with open_server({"tools": TOOLS}) as live, open_client(live.url) as client:
        events = await run(client, "tools", {"calls": calls})
        results = events[-1].data["result"]
        assert isinstance(results, list), events
        assert results[0] == "5"
        for result, words in zip(
            results[1:5],
            ("division by zero", "invalid arguments", "unknown tool", "switched off"),
            strict=True,
        ):
            assert result.startswith("error: ")
            assert words in result
        assert "lamp" in results[5]
        usage = events[-1].data["usage"]
        assert isinstance(usage, dict)
        assert (usage["tool_calls"], usage["parked_pages_peak"]) == (6, 3)


async def test_unknown_inferlets_and_arguments_are_refused_before_a_session_exists(
    open_server: OpenServer,
) -> None:
    async with open_server() as live, open_client(live.url) as client:
        with pytest.raises(UnknownInferlet, match="nothing"):
            await client.launch("nothing", {})
        with pytest.raises(UnknownInferlet):
            await client.launch("../../etc", {})
        with pytest.raises(InvalidArguments, match="question"):
            await client.launch("react", {})
        assert await client.list_sessions() == []


async def test_an_unknown_model_is_an_error_the_client_sees(open_server: OpenServer) -> None:
    async with open_server() as live, open_client(live.url) as client:
        events = await run(client, "text-completion", {"prompt": "x", "model": "gpt"})
        assert error_code(events) in ("guest_raised", "unknown_model")
        assert "unknown_model" in str(events)


async def test_http_endpoints_describe_the_server(open_server: OpenServer) -> None:
    def get(url: str) -> tuple[int, dict[str, object]]:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    async with open_server() as live:
        base = live.url.replace("ws://", "http://")
        for path, status, words in (
            ("/health", 200, "ok"),
            ("/ready", 200, "ready"),
            ("/v1/inferlets", 200, "tree-of-thought"),
            ("/v1/statistics", 200, "page_size_tokens"),
            ("/nothing", 404, "There is no /nothing"),
        ):
            found, body = await trio.to_thread.run_sync(get, base + path)
            assert found == status
            assert words in json.dumps(body)


async def test_sigterm_drains_a_server_with_a_running_session(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    port_file = tmp_path / "port"
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "pie_server", "serve", "--port", "0", "--sandbox", "off",
         "--model", str(tiny_checkpoint), "--data-dir", str(tmp_path / "data"),
         "--drain-seconds", "0.3", "--port-file", str(port_file)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PIE_LOG_LEVEL": "warning"},
    )  # fmt: skip
    try:
        with trio.fail_after(200):
            while not await trio.Path(port_file).exists():
                assert process.poll() is None
                await trio.sleep(0.05)
        url = f"ws://127.0.0.1:{await trio.Path(port_file).read_text()}"
        async with open_client(url) as client:
            handle = await client.launch(
                "agent-rounds", {"prompt_tokens": 20, "rounds": 100, "tool_seconds": 10}
            )
            os.kill(process.pid, signal.SIGTERM)
            events = await events_of(handle, 30)
        assert events[-1].data["status"] == "cancelled"
        with trio.fail_after(20):
            assert await process.wait() == 0
    finally:
        process.kill()
