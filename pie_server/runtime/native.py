"""Runs an inferlet's source as a trio task, for trusted authors: debugger, numpy, any library.

The same SDK, operations and error messages as in WebAssembly, but no isolation: the source can do
whatever the server can, and a loop without an await stops the server. Each task of the inferlet is
a trio task in a nursery that ends with it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio

from inferlet import _backend, _program
from inferlet.errors import error_from_wire
from pie_server.errors import InvalidRequest, PieError
from pie_server.runtime.manifest import Program
from pie_server.runtime.needs import hold_to_needs
from pie_server.runtime.outcomes import check_output, error_of_guest
from pie_server.runtime.port import Host, InstanceLimits, JsonValue

# Several inferlets may run at once, and each is a module of its own.
_module_numbers = itertools.count(1)


async def run_native(
    program: Program, arguments: JsonValue, host: Host, limits: InstanceLimits
) -> JsonValue:
    """Run a trusted inferlet to its end. Always closes the host.

    Raises:
        InvalidRequest: It is not in Python.
        InvalidArguments: They do not fit the program's parameters.
        GuestError: How it failed.
        OutputExceeded: Its result is too large.
    """
    try:
        if program.language != "python":
            raise InvalidRequest(
                f"{program.name!r} is in {program.language}; only Python runs natively.",
                hint="Launch it without `native`.",
            )
        arguments = program.check(arguments)
        text = await _run(program, arguments, hold_to_needs(program, host), limits)
        check_output(text, limits)
        return json.loads(text)  # type: ignore[no-any-return] # JSON
    finally:
        host.close()


async def _run(program: Program, arguments: JsonValue, host: Host, limits: InstanceLimits) -> str:
    filename = f"{program.name}/main.py"
    module_name = f"{_program.MODULE_NAME}{next(_module_numbers)}"
    failure: BaseException | None = None
    text = ""
    async with trio.open_nursery() as nursery:
        token = _backend._current.set(NativeBackend(host, limits, nursery))
        try:
            main = _program.load(program.source, filename, module_name)
            text = _program.encode_result(await _program.call(main, arguments))
        except (Exception, SystemExit) as error:
            failure = error
        finally:
            _backend._current.reset(token)
            sys.modules.pop(module_name, None)
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise error_of_guest(_program.describe(failure, filename)) from failure
    return text


class NativeBackend:
    """The SDK's backend on trio. Implements `inferlet._backend.Backend` and `Mailbox`."""

    def __init__(self, host: Host, limits: InstanceLimits, nursery: trio.Nursery) -> None:
        self._host = host
        self._nursery = nursery
        self._slots = trio.Semaphore(limits.operations_in_flight)
        self._ids = itertools.count(1)
        self._waiting: dict[int, _Waiter] = {}
        self.failures: dict[object, Exception] = {}

    def control(self, fields: dict[str, Any]) -> Any:
        """Answer a control operation at once."""
        try:
            return self._host.call(fields)
        except PieError as error:
            raise error_from_wire(error.to_wire(), fields["op"]) from None

    async def operation(self, fields: dict[str, Any]) -> Any:
        """Run an operation; cancelling it cancels it in the host too."""
        async with self._slots:
            identity = next(self._ids)
            waiter = self._waiting[identity] = _Waiter()
            try:
                self._host.submit([{"id": identity, **fields}], self)
                answer = await waiter.wait()
            except trio.Cancelled:
                # What it was doing must not go on: a fork's generation, a tool.
                with contextlib.suppress(PieError):
                    self._host.call({"op": "cancel", "target": identity})
                raise
            finally:
                del self._waiting[identity]
        if isinstance(answer, PieError):
            raise error_from_wire(answer.to_wire(), fields["op"])
        return answer

    def complete(self, operation_id: int, value: JsonValue) -> None:
        """Answer an operation; see `Mailbox`."""
        self._answer(operation_id, value)

    def fail(self, operation_id: int, error: PieError) -> None:
        """Answer an operation with an error; see `Mailbox`."""
        self._answer(operation_id, error)

    def _answer(self, operation_id: int, answer: JsonValue | PieError) -> None:
        waiter = self._waiting.get(operation_id)
        if waiter is not None:
            waiter.set(answer)

    def spawn(
        self, coroutine: Coroutine[Any, Any, object], outcome: _backend.Outcome
    ) -> trio.CancelScope:
        """Start a task of the inferlet."""
        scope = trio.CancelScope()
        self._nursery.start_soon(_run_task, coroutine, scope, outcome)
        return scope

    def event(self) -> trio.Event:
        """A new event."""
        return trio.Event()

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Cancel a block after `seconds`."""
        return _timeout(seconds)


class _Waiter:
    """One operation's answer; cheaper than an event, and there are very many."""

    __slots__ = ("_answer", "_answered", "_task")

    def __init__(self) -> None:
        self._answered = False
        self._answer: JsonValue | PieError = None
        self._task: trio.lowlevel.Task | None = None

    def set(self, answer: JsonValue | PieError) -> None:
        if self._answered:
            return
        self._answered, self._answer = True, answer
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    async def wait(self) -> JsonValue | PieError:
        if self._answered:
            await trio.lowlevel.checkpoint()
            return self._answer
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)
        return self._answer

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


async def _run_task(
    coroutine: Coroutine[Any, Any, object], scope: trio.CancelScope, ended: _backend.Outcome
) -> None:
    if scope.cancel_called:
        coroutine.close()
        ended(None, _Cancelled())
        return
    with scope:
        try:
            value = await coroutine
        except (Exception, SystemExit) as error:
            ended(None, error)
        else:
            ended(value, None)
    if scope.cancelled_caught:
        ended(None, _Cancelled())


class _Cancelled(BaseException):
    """Tells the SDK that a task was cancelled; trio's own exception stays inside its scope."""


@contextlib.asynccontextmanager
async def _timeout(seconds: float) -> AsyncIterator[None]:
    with trio.move_on_after(max(0.0, seconds)) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError(f"the block took longer than {seconds:g} s")
