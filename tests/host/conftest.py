"""A host over a running engine, with a session that only remembers."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from pie_sandbox.sandbox import Sandbox
from pie_server.engine.engine import Engine, EngineSettings
from pie_server.errors import PieError, SandboxUnavailable
from pie_server.host.instance_host import InstanceHost
from pie_server.host.ports import Services
from pie_server.model.loader import load_checkpoint
from pie_server.runtime.port import InstanceLimits, JsonValue
from pie_tools.function_tool import FunctionTool
from pie_tools.registry import ToolRegistry, calculator


@dataclass
class RememberingSession:
    """A session whose events are a list and whose inputs are a channel."""

    id: str = "s_test"
    tenant: str = "alice"
    events: list[tuple[str, dict[str, JsonValue]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.send_input, self._inputs = trio.open_memory_channel[JsonValue](math.inf)

    def emit(self, kind: str, data: dict[str, JsonValue]) -> None:
        self.events.append((kind, data))

    async def receive(self) -> JsonValue:
        return await self._inputs.receive()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


class Guest:
    """Awaits operations one by one, as an SDK would; fails on a second answer."""

    def __init__(self, host: InstanceHost) -> None:
        self.host = host
        self.last = 0
        self._waiting: dict[int, trio.Event] = {}
        self._answers: dict[int, JsonValue | PieError] = {}

    def complete(self, operation_id: int, value: JsonValue) -> None:
        self._answer(operation_id, value)

    def fail(self, operation_id: int, error: PieError) -> None:
        self._answer(operation_id, error)

    def _answer(self, operation_id: int, answer: JsonValue | PieError) -> None:
        assert operation_id not in self._answers, "answered twice"
        self._answers[operation_id] = answer
        if operation_id in self._waiting:
            self._waiting[operation_id].set()

    def start(self, op: str, **arguments: object) -> int:
        self.last += 1
        self._waiting[self.last] = trio.Event()
        self.host.submit([{"id": self.last, "op": op, **arguments}], self)  # type: ignore[dict-item]
        return self.last

    async def wait(self, number: int) -> JsonValue:
        with trio.fail_after(30):
            if number not in self._answers:
                await self._waiting[number].wait()
        answer = self._answers[number]
        if isinstance(answer, PieError):
            raise answer
        return answer

    async def do(self, op: str, **arguments: object) -> JsonValue:
        return await self.wait(self.start(op, **arguments))


@dataclass
class World:
    """Everything a test may look at."""

    engine: Engine
    nursery: trio.Nursery
    session: RememberingSession
    host: InstanceHost
    guest: Guest
    release_tool: trio.Event

    def second_guest(self, tenant: str = "bob", limits: InstanceLimits | None = None) -> Guest:
        session = RememberingSession(id="s_other", tenant=tenant)
        host = InstanceHost(
            self.host.services, session, self.nursery, no_sandbox, limits or InstanceLimits()
        )
        return Guest(host)


OpenWorld = Callable[..., AbstractAsyncContextManager[World]]


async def no_sandbox() -> Sandbox:
    raise SandboxUnavailable("no sandbox in this test")


@pytest.fixture
def open_world(tiny_checkpoint: Path) -> OpenWorld:
    """An instance over a running engine; afterwards every page must be back."""

    @asynccontextmanager
    async def opener(
        limits: InstanceLimits | None = None, **settings: object
    ) -> AsyncIterator[World]:
        engine = Engine(
            load_checkpoint(str(tiny_checkpoint)),
            EngineSettings(**{"pages": 64, **settings}),  # type: ignore[arg-type]
        )
        release = trio.Event()

        async def slow() -> str:
            """Wait until released."""
            await release.wait()
            return "released"

        async def broken() -> str:
            """Raise."""
            raise RuntimeError("out of order")

        tools = ToolRegistry([calculator(), FunctionTool(slow), FunctionTool(broken)])
        session = RememberingSession()
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            host = InstanceHost(
                Services({"tiny": engine}, tools),
                session,
                nursery,
                no_sandbox,
                limits or InstanceLimits(),
            )
            yield World(engine, nursery, session, host, Guest(host), release)
            host.close()
            engine.check_integrity()
            engine.prefixes.clear()
            assert engine.pool.free_pages == engine.pool.total_pages - sum(
                len(context.table.pages) for context in engine._all_contexts()
            )
            nursery.cancel_scope.cancel()

    return opener


def value(answer: JsonValue) -> Mapping[str, JsonValue]:
    """An answer that must be an object."""
    assert isinstance(answer, dict)
    return answer


def items(answer: JsonValue) -> Sequence[JsonValue]:
    """An answer that must be a list."""
    assert isinstance(answer, list)
    return answer
