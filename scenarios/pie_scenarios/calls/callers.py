"""Stands where guests stand, at no cost of its own: operations in, answers out.

A `Caller` is one instance's side of the host. `Pump` does for callers what the driver does for
guests: answers that came in are taken in turn, and each caller goes on with its next operation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import msgspec
import trio

from pie_scenarios.instances import open_host
from pie_server.engine.engine import Engine
from pie_server.errors import PieError
from pie_server.host.instance_host import InstanceHost
from pie_server.runtime import JsonValue

_RUN_SECONDS = 600.0
_decode = msgspec.json.Decoder(list[dict[str, object]]).decode
_encode = msgspec.json.Encoder().encode

Operation = dict[str, JsonValue]


class Caller:
    """One instance whose guest is the benchmark. Implements `Mailbox`.

    Args:
        host: Its host.
        model: Of the context it begins with.

    Attributes:
        context: The handle of that context.
        on_answer: Called with this caller at each answer.
    """

    def __init__(self, host: InstanceHost, model: str) -> None:
        self._host = host
        self._last_id = 0
        self._value: JsonValue = None
        self._error: PieError | None = None
        self.on_answer: Callable[[Caller], None] = lambda caller: None
        create: Operation = {"op": "context.create", "model": model, "prefix_reuse": False}
        self.context = cast("dict[str, int]", self.call(create))["context"]

    def complete(self, operation_id: int, value: JsonValue) -> None:
        """See `Mailbox`."""
        self._value = value
        self.on_answer(self)

    def fail(self, operation_id: int, error: PieError) -> None:
        """See `Mailbox`."""
        self._error = error
        self.on_answer(self)

    def call(self, operation: Operation) -> JsonValue:
        """A control operation, decoded already; returns its value."""
        self._host.submit([self._numbered(operation)], self)
        return self.value()

    def text(self, operation: Operation) -> bytes:
        """What a guest would submit for an operation."""
        return _encode([self._numbered(operation)])

    def submit_text(self, text: bytes) -> None:
        """Decodes the text of a submit and hands it to the host."""
        operations = cast("list[Operation]", _decode(text))
        self._host.submit(operations, self)

    def answer_text(self) -> bytes:
        """The answer as the text that a guest would be resumed with."""
        return _encode([{"id": self._last_id, "ok": True, "val": self.value()}])

    def value(self) -> JsonValue:
        """The last answer. Raises what the operation failed with."""
        if self._error is not None:
            raise self._error
        return self._value

    def _numbered(self, operation: Operation) -> Operation:
        self._last_id += 1
        return {"id": self._last_id, **operation}


@asynccontextmanager
async def open_callers(engine: Engine, count: int) -> AsyncIterator[list[Caller]]:
    """Callers with a host each; the hosts are closed at the end."""
    async with trio.open_nursery() as nursery:
        hosts = [open_host(engine, nursery, number) for number in range(count)]
        try:
            yield [Caller(host, engine.checkpoint.name) for host in hosts]
        finally:
            for host in hosts:
                host.close()


class Pump:
    """Lets callers go on as their answers come in.

    Args:
        go_on: Takes a caller's answer and submits its next operation; False when it has no more.
    """

    def __init__(self, go_on: Callable[[Caller], bool]) -> None:
        self._go_on = go_on
        self._ready: deque[Caller] = deque()
        self._wake = trio.Event()

    def answered(self, caller: Caller) -> None:
        """The `on_answer` of all its callers."""
        self._ready.append(caller)
        self._wake.set()

    async def run(self, callers: int) -> None:
        """Runs until so many callers have no more to do."""
        with trio.fail_after(_RUN_SECONDS):
            while callers:
                await self._wake.wait()
                self._wake = trio.Event()
                while self._ready:
                    callers -= not self._go_on(self._ready.popleft())
