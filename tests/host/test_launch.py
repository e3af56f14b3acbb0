"""Inferlets that launch inferlets: a real session over a running engine, natively."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from pie_server.engine.engine import Engine, EngineSettings
from pie_server.errors import (
    ChildFailed,
    GuestRaised,
    InvalidArguments,
    InvalidRequest,
    PieError,
    UnknownHandle,
)
from pie_server.host.children import Child
from pie_server.host.http import MAX_REQUESTS
from pie_server.host.ports import Services
from pie_server.instances import FamilyLimits, InstanceParts, SessionInstances
from pie_server.model.loader import load_checkpoint
from pie_server.runtime import InstanceLimits, JsonValue, Program, Registry, Runtime
from pie_server.runtime.version_store import VersionStore
from pie_server.services.http_client import HttpAnswer, HttpCall, HttpClient
from pie_tools.registry import ToolRegistry, calculator
from tests.runtime.conftest import BUILD_SECONDS

from .conftest import OpenWorld, RememberingSession, no_sandbox

MANIFEST = """
[inferlet]
name = "{name}"
version = "1.0.0"
description = "For tests."
"""
ECHO = """
from inferlet import session

async def main(input):
    while (message := await session.receive()) != "stop":
        session.send({"heard": message})
    return input.get("result", "done")
"""
GENERATES = """
from inferlet import Context, Model, Sampler, runtime

async def main(input):
    ctx = Context(Model.load(runtime.models()[0])).append([5, 6, 7] * 20)
    reply = await ctx.complete(
        Sampler.argmax(), max_tokens=input["tokens"], cue=False, ignore_eos=True, stream=True
    )
    return len(reply.tokens)
"""
FOREVER = """
from inferlet import Context, Model, messaging, runtime

async def main(input):
    ctx = Context(Model.load(runtime.models()[0])).append([5] * 40)
    await ctx.flush()
    messaging.push("started", runtime.instance_id())
    await messaging.pull("never")
"""
RAISES = """
async def main(input):
    raise ValueError("no such luck")
"""
CIRCLE = """
from inferlet import runtime

async def main(input):
    return 1 + await runtime.launch("circle").join()
"""


class Family:
    """A session whose instances a test runs."""

    def __init__(self, directory: Path, engine: Engine, limits: FamilyLimits) -> None:
        self.directory = directory
        self.engine = engine
        self.session: Any = RememberingSession()
        self.registry = Registry(directory)
        services = Services({"tiny": engine}, ToolRegistry([calculator()]))
        unused: Any = None  # WebAssembly guests are in tests/system
        self.parts = InstanceParts(self.registry, unused, services, InstanceLimits(), limits)

    def add(self, name: str, source: str) -> None:
        (self.directory / name).mkdir()
        (self.directory / name / "inferlet.toml").write_text(MANIFEST.format(name=name))
        (self.directory / name / "main.py").write_text(source)

    async def run(self, source: str, arguments: JsonValue = None) -> JsonValue:
        """Runs one session to its end, as the launcher does."""
        self.add("parent", textwrap.dedent(source))
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                instances = SessionInstances(
                    self.parts, self.session, nursery, no_sandbox, native=True
                )
                return await instances.run(self.registry.get("parent"), arguments or {})
        raise AssertionError

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The events of children of one kind."""
        children = [data for name, data in self.session.events if name == "child"]
        return [data for data in children if data["kind"] == kind]


OpenFamily = Callable[..., AbstractAsyncContextManager[Family]]


@pytest.fixture
def open_family(tiny_checkpoint: Path, tmp_path: Path) -> OpenFamily:
    """A session's instances over a running engine; afterwards every page must be back."""

    @asynccontextmanager
    async def opener(**limits: int) -> AsyncIterator[Family]:
        engine = Engine(load_checkpoint(str(tiny_checkpoint)), EngineSettings(pages=64))
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            family = Family(tmp_path, engine, FamilyLimits(**limits))
            sources = {"echo": ECHO, "generates": GENERATES, "forever": FOREVER}
            for name, source in (sources | {"raises": RAISES, "circle": CIRCLE}).items():
                family.add(name, source)
            yield family
            engine.check_integrity()
            assert not list(engine._contexts.values())
            engine.prefixes.clear()
            assert engine.pool.free_pages == engine.pool.total_pages
            nursery.cancel_scope.cancel()

    return opener


async def test_children_run_side_by_side_and_their_results_are_joined(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        result = await family.run("""
            from inferlet import gather, runtime

            async def main(input):
                children = [runtime.launch("generates", {"tokens": n}) for n in (3, 4, 5)]
                results = await gather(*[child.join() for child in children])
                return [results, await children[0].join(), [child.state for child in children]]
        """)
        assert result == [[3, 4, 5], 3, ["completed"] * 3]
        assert family.session.usage["generated_tokens"] == 12
        # What they stream is theirs: marked, and not mixed into the session's own text.
        assert "text" not in family.session.kinds()
        assert {data["child"] for data in family.told("text")} == {"c_1", "c_2", "c_3"}
        assert [data["data"] for data in family.told("done")] == [{"status": "completed"}] * 3


async def test_parent_and_child_talk_as_client_and_inferlet(open_family: OpenFamily) -> None:
    async with open_family() as family:
        result = await family.run("""
            from inferlet import runtime

            async def main(input):
                child = runtime.launch("echo", {"result": 7})
                child.send("a")
                child.send([1, None])
                heard = [await child.receive(), await child.receive()]
                child.send("stop")
                rest = [message async for message in child]
                return [heard, rest, await child.join()]
        """)
        assert result == [[{"heard": "a"}, {"heard": [1, None]}], [], 7]
        assert "message" not in family.session.kinds()


async def test_a_failed_child_is_a_typed_error_that_its_parent_can_catch(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        result = await family.run("""
            from inferlet import ChildFailed, OperationError, runtime

            async def main(input):
                child = runtime.launch("raises")
                codes = []
                try:
                    await child.join()
                except ChildFailed as error:
                    codes.append([error.details["error"]["code"], "no such luck" in str(error)])
                for name, arguments in (("none", {}), ("tree-of-thought", {"branches": "x"})):
                    try:
                        runtime.launch(name, arguments)
                    except OperationError as error:
                        codes.append(error.code)
                return [*codes, child.state]
        """)
        assert result == [["guest_raised", True], "unknown_inferlet", "invalid_arguments", "failed"]


async def test_an_uncaught_failure_of_a_child_names_the_line_that_joined_it(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        with pytest.RaisesGroup(pytest.RaisesGroup(GuestRaised)) as caught:
            await family.run(
                "from inferlet import runtime\n"
                "async def main(input):\n"
                "    await runtime.launch('raises').join()\n"
            )
        (inner,) = caught.value.exceptions
        assert isinstance(inner, BaseExceptionGroup)
        error = inner.exceptions[0]
        assert isinstance(error, PieError)
        assert error.details["line"] == 3
        assert error.details["operation"] == {
            "code": "child_failed", "hint": "", "operation": "child.join"
        }  # fmt: skip


async def test_a_cancelled_child_ends_and_its_join_says_so(open_family: OpenFamily) -> None:
    async with open_family() as family:
        result = await family.run("""
            from inferlet import OperationCancelled, messaging, runtime

            async def main(input):
                child = runtime.launch("forever")
                name = await messaging.pull("started")
                first, second = child.cancel(), None
                try:
                    await child.join()
                except OperationCancelled:
                    second = child.cancel()
                return [name, first, second, child.state]
        """)
        assert result == ["s_test.c_1", True, False, "cancelled"]


async def test_children_end_with_their_parent_unless_they_are_detached(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        family.add(
            "middle",
            """
from inferlet import messaging, runtime

async def main(input):
    runtime.launch("forever")
    runtime.launch("echo-late").detach()
    await messaging.pull("started")
    return "middle is done"
""",
        )
        family.add(
            "echo-late",
            """
from inferlet import OperationCancelled, messaging, session

async def main(input):
    try:
        await session.receive()
    except OperationCancelled as error:
        messaging.push("late", str(error))
    session.send("nobody's")
""",
        )
        result = await family.run("""
            from inferlet import messaging, runtime

            async def main(input):
                middle = runtime.launch("middle")
                return [await middle.join(), await messaging.pull("late")]
        """)
        assert isinstance(result, list)
        assert result[0] == "middle is done"
        assert "detached" in str(result[1])
        ends = {data["child"]: data["data"]["status"] for data in family.told("done")}
        assert ends == {"c_1": "completed", "c_2": "cancelled", "c_3": "completed"}
        assert family.told("text")[-1]["data"] == {"text": "nobody's"}


async def test_a_session_lasts_until_its_detached_children_have_ended(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        result = await family.run("""
            from inferlet import runtime

            async def main(input):
                runtime.launch("generates", {"tokens": 9}).detach()
                runtime.launch("forever")
                return "first"
        """)
        assert result == "first"
        ends = {data["child"]: data["data"]["status"] for data in family.told("done")}
        assert ends == {"c_1": "completed", "c_2": "cancelled"}
        assert family.session.usage["generated_tokens"] == 9


async def test_a_circle_of_launches_ends_at_the_depth_limit(open_family: OpenFamily) -> None:
    async with open_family(depth=3) as family:
        result = await family.run("""
            from inferlet import ChildFailed, runtime

            async def main(input):
                try:
                    await runtime.launch("circle").join()
                except ChildFailed as error:
                    return str(error)
        """)
        assert "3 may" in str(result)
        assert len(family.told("started")) == 3


async def test_one_child_too_many_is_a_typed_error_and_any_number_may_follow_each_other(
    open_family: OpenFamily,
) -> None:
    async with open_family(children=2) as family:
        result = await family.run("""
            from inferlet import LimitExceeded, runtime

            async def main(input):
                children = [runtime.launch("echo") for _ in range(2)]
                try:
                    runtime.launch("echo")
                except LimitExceeded as error:
                    code = error.code
                for child in children:
                    child.send("stop")
                    await child.join()
                for _ in range(300):
                    child = runtime.launch("echo")
                    child.send("stop")
                    await child.join()
                return code
        """)
        assert result == "children_exceeded"
        assert len(family.told("done")) == 302


async def test_messages_that_the_other_side_never_receives_harm_the_sender_only(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        family.add(
            "chatters",
            """
from inferlet import LimitExceeded, session

async def main(input):
    count = 0
    try:
        while True:
            session.send("x")
            count += 1
    except LimitExceeded as error:
        return [count, error.code]
""",
        )
        result = await family.run("""
            from inferlet import LimitExceeded, OperationError, runtime

            async def main(input):
                child, deaf = runtime.launch("chatters"), runtime.launch("forever")
                ended = await child.join()
                count = len([message async for message in child])
                try:
                    while True:
                        deaf.send("x")
                except LimitExceeded as error:
                    codes = [error.code]
                try:
                    child.send("x")
                except OperationError as error:
                    codes.append(error.code)
                return [ended, count, codes]
        """)
        assert result == [
            [256, "messages_exceeded"], 256, ["messages_exceeded", "invalid_request"]
        ]  # fmt: skip


async def test_what_a_child_said_to_a_parent_that_ended_is_not_charged_any_more(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        family.add(
            "says",
            """
from inferlet import messaging, session

async def main(input):
    session.send("x" * 1000)
    messaging.push("said", None)
    if input["waits"]:
        await messaging.pull("never")
""",
        )
        await family.run("""
            from inferlet import messaging, runtime

            async def main(input):
                for waits in (True, False):
                    runtime.launch("says", {"waits": waits})
                    await messaging.pull("said")
        """)
        sender = family.parts.services.messaging.sender(family.session.tenant)
        assert sender.account.unread_bytes == 0


async def test_a_result_that_is_too_large_to_keep_fails_the_child(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        family.add(
            "large",
            "async def main(input):\n    return ['x' * 1000] * input['n']\n",
        )
        result = await family.run("""
            from inferlet import ChildFailed, runtime

            async def main(input):
                large, fits = (runtime.launch("large", {"n": n}) for n in (1100, 1000))
                try:
                    await large.join()
                except ChildFailed as error:
                    refused = error.details["error"]
                return [refused["code"], refused["hint"], large.state, len(await fits.join())]
        """)
        assert result == [
            "output_exceeded",
            "Put it into the key-value store and return its key.",
            "failed",
            1000,
        ]
        assert [data["data"]["status"] for data in family.told("done")].count("failed") == 1


def test_a_childs_result_is_kept_as_text_so_that_nobody_can_change_it() -> None:
    child, result = Child("c_1", "any", 1), [1]
    child.finish(result, None)
    result.append(2)
    assert (child.outcome(), child.state) == ([1], "completed")
    odd = Child("c_2", "any", 1)
    odd.finish(cast("JsonValue", object()), None)
    with pytest.raises(ChildFailed, match="no JSON"):
        odd.outcome()


async def test_a_session_has_its_share_of_http_turns_however_many_children_ask(
    open_family: OpenFamily,
) -> None:
    class CountingClient(HttpClient):
        now = peak = answered = 0

        async def request(self, call: HttpCall) -> HttpAnswer:
            self.now += 1
            self.peak = max(self.peak, self.now)
            await trio.testing.wait_all_tasks_blocked()  # all who may be here by now are
            self.now -= 1
            self.answered += 1
            return HttpAnswer(200, [], b"", call.url)

    client = CountingClient()
    async with open_family() as family:
        family.parts = replace(family.parts, services=replace(family.parts.services, http=client))
        family.add(
            "asks",
            """
from inferlet import gather, http

async def main(input):
    await gather(*[http.get("http://example.org") for _ in range(6)])
""",
        )
        await family.run("""
            from inferlet import gather, runtime

            async def main(input):
                await gather(*[runtime.launch("asks").join() for _ in range(3)])
        """)
    assert (client.answered, client.peak) == (18, MAX_REQUESTS)


async def test_an_uploaded_child_of_a_native_inferlet_runs_in_webassembly(
    open_family: OpenFamily, tmp_path: Path
) -> None:
    files = {
        "inferlet.toml": MANIFEST.format(name="stranger").encode(),
        "main.py": b"import sys\ndef main(input):\n    return sys.platform\n",
    }
    store, runtime = VersionStore(tmp_path / "store"), Runtime()
    with trio.fail_after(BUILD_SECONDS):
        await runtime.prepare()
    async with open_family() as family, trio.open_nursery() as nursery:
        await nursery.start(runtime.run)
        async with store.staged("stranger", files) as place:
            await store.add(Program.from_directory(place), place, files)
        family.registry.store = store
        family.parts = replace(family.parts, runtime=runtime)
        family.add("ours", files["main.py"].decode())
        result = await family.run("""
            from inferlet import runtime

            async def main(input):
                return [await runtime.launch(name).join() for name in ("stranger", "ours")]
        """)
        assert result == ["wasi", sys.platform]
        nursery.cancel_scope.cancel()


async def test_a_cancelled_session_ends_all_generations_of_its_family(
    open_family: OpenFamily,
) -> None:
    async with open_family() as family:
        started = trio.Event()

        async def run() -> None:
            async with trio.open_nursery() as nursery:
                instances = SessionInstances(
                    family.parts, family.session, nursery, no_sandbox, native=True
                )
                family.add(
                    "starts",
                    """
from inferlet import messaging, runtime, session

async def main(input):
    runtime.launch("forever").detach()
    runtime.launch("forever")
    for _ in range(2):
        await messaging.pull("started")
    session.send("both run")
    await session.receive()
""",
                )
                await instances.run(family.registry.get("starts"), {})

        emit = family.session.emit

        def watch(kind: str, data: dict[str, JsonValue]) -> None:
            emit(kind, data)
            if kind == "text":
                started.set()

        family.session.emit = watch
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                await started.wait()
                assert family.engine.pool.free_pages < family.engine.pool.total_pages
                nursery.cancel_scope.cancel()
        ends = {data["child"]: data["data"]["status"] for data in family.told("done")}
        assert ends == {"c_1": "cancelled", "c_2": "cancelled"}


async def test_only_its_own_children_can_be_named(open_world: OpenWorld) -> None:
    async with open_world() as world:
        for name in ("join", "cancel", "detach", "receive", "info"):
            with pytest.raises(UnknownHandle, match="no child 1"):
                await world.guest.do(f"child.{name}", child=1)
        with pytest.raises(InvalidRequest, match="cannot launch"):
            await world.guest.do("runtime.launch", program="echo")
        with pytest.raises(InvalidArguments, match="arguments"):
            await world.guest.do("runtime.launch", program="echo", arguments=[1])
