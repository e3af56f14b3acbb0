"""The guest's own event loop: runs its tasks between `submit` and `wait`.

One instance per guest, single-threaded. Operations that tasks start in the same turn leave in one
submit; their number in flight is kept under the instance's limit, the rest queues here.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from types import TracebackType
from typing import Any

from inferlet._backend import Fields, Outcome
from inferlet._timers import Timer, Timers
from inferlet.errors import Deadlock, OperationError, error_from_wire

# Alarms, cancellations and control operations may go beyond what queues, else a full queue could
# never be emptied by a timeout.
_RESERVED_OPERATIONS = 32


class Cancelled(BaseException):
    """Thrown into a task at its await. No `Exception`, so that `except Exception` lets it by."""

    def __init__(self, scope: object = None) -> None:
        super().__init__("cancelled")
        self.scope = scope


class _Await:
    """What a task yields to the scheduler: an operation to run, or an event to wait for."""

    __slots__ = ("event", "fields")

    def __init__(self, fields: Fields | None = None, event: Event | None = None) -> None:
        self.fields = fields
        self.event = event

    def __await__(self) -> Generator[_Await, Any, Any]:
        return (yield self)


class Event:
    """A one-shot flag."""

    __slots__ = ("_scheduler", "_set", "waiters")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._set = False
        self.waiters: list[_Task] = []

    def set(self) -> None:
        self._set = True
        waiters, self.waiters = self.waiters, []
        for task in waiters:
            self._scheduler.wake(task, None)

    async def wait(self) -> None:
        if not self._set:
            await _Await(event=self)


class _Task:
    __slots__ = ("_coroutine", "_outcome", "_scheduler", "ended", "interrupt", "parked", "started")

    def __init__(
        self, scheduler: Scheduler, coroutine: Coroutine[Any, Any, object], outcome: Outcome
    ) -> None:
        self._scheduler = scheduler
        self._coroutine = coroutine
        self._outcome = outcome
        self.parked: Event | Timer[_Task] | int | None = None  # an int is an operation's id
        self.interrupt: Cancelled | None = None
        self.ended = False
        self.started = False

    def cancel(self, scope: object = None) -> None:
        if self.ended or self.interrupt is not None or self is self._scheduler.running:
            return
        self.interrupt = Cancelled(scope)
        self._scheduler.unpark(self)

    def step(self, value: Any, error: BaseException | None) -> _Await | None:
        """Run to the next await; None when the task has ended."""
        if self.interrupt is not None:
            error, self.interrupt = self.interrupt, None
        try:
            if error is not None:
                if not self.started:
                    self._coroutine.close()
                    raise error
                wanted = self._coroutine.throw(error)
            else:
                self.started = True
                wanted = self._coroutine.send(value)
        except StopIteration as stop:
            self._end(stop.value, None)
        except BaseException as failure:
            self._end(None, failure)
        else:
            return wanted  # type: ignore[no-any-return] # a future knows no type
        return None

    def _end(self, value: object, error: BaseException | None) -> None:
        self.ended = True
        self._outcome(value, error)

    def close(self) -> None:
        """Run its `finally` blocks; what they raise has nobody left to go to."""
        if not self.ended:
            self.ended = True
            with suppress(BaseException):
                self._coroutine.close()


class _Root:
    """Outcome of `main`."""

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def finish(self, value: object, error: BaseException | None) -> None:
        self.done, self.value, self.error = True, value, error


class _Timeout:
    """Cancels the task that entered it when its timer ends first."""

    def __init__(self, scheduler: Scheduler, seconds: float) -> None:
        self._scheduler = scheduler
        self._seconds = seconds

    async def __aenter__(self) -> _Timeout:
        assert self._scheduler.running is not None
        self._task = self._scheduler.running
        self._timer = self._scheduler.spawn(self._expire(), _Root().finish)
        return self

    async def _expire(self) -> None:
        await _Await({"op": "runtime.sleep", "seconds": self._seconds})
        self._task.cancel(self)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if isinstance(error, Cancelled) and error.scope is self:
            raise TimeoutError(f"the block took longer than {self._seconds:g} s") from None


class Scheduler:
    """Backend of the WebAssembly guest.

    Args:
        submit: Hands a JSON list of operations to the host.
        wait: Suspends the guest; returns a JSON list of completions.
        operations_in_flight: The instance's limit.
        operation_bytes: The limit of one submit.
    """

    def __init__(
        self,
        submit: Callable[[str], None],
        wait: Callable[[], str],
        operations_in_flight: int,
        operation_bytes: int,
    ) -> None:
        self._submit = submit
        self._wait = wait
        self._capacity = max(1, operations_in_flight - _RESERVED_OPERATIONS)
        self._operation_bytes = operation_bytes
        self._ready: deque[tuple[_Task, Any, BaseException | None]] = deque()
        self._waiting: dict[int, tuple[_Task | None, str]] = {}
        self._queued: deque[tuple[int, str]] = deque()
        self._outgoing: list[str] = []
        self._inbox: list[dict[str, Any]] = []
        self._tasks: set[_Task] = set()
        self._timers: Timers[_Task] = Timers()
        self._last_id = 0
        self.failures: dict[object, Exception] = {}
        self.running: _Task | None = None
        self.before_wait: Callable[[], None] = lambda: None

    # Backend

    async def operation(self, fields: Fields) -> Any:
        return await _Await(fields)

    def control(self, fields: Fields) -> Any:
        identity, text = self._encode(fields)
        self._start_queued()
        self._outgoing.append(text)
        self._waiting[identity] = (None, fields["op"])
        self._flush()
        while True:
            completions: list[dict[str, Any]] = json.loads(self._wait())
            mine = [item for item in completions if item["id"] == identity]
            self._inbox += [item for item in completions if item["id"] != identity]
            if mine:
                del self._waiting[identity]
                if mine[0]["ok"]:
                    return mine[0]["val"]
                raise error_from_wire(mine[0]["error"], fields["op"])

    def post(self, fields: Fields) -> int:
        """Send an operation that no task waits for; its id."""
        identity, text = self._encode(fields)
        self._outgoing.append(text)
        self._waiting[identity] = (None, fields["op"])
        return identity

    def spawn(self, coroutine: Coroutine[Any, Any, object], outcome: Outcome) -> _Task:
        task = _Task(self, coroutine, outcome)
        self._tasks.add(task)
        self._ready.append((task, None, None))
        return task

    def event(self) -> Event:
        return Event(self)

    def timeout(self, seconds: float) -> _Timeout:
        return _Timeout(self, seconds)

    # Loop

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run `main` to its end; tasks still running then are closed.

        Raises:
            Deadlock: Every task waits for an event that no task can set any more.
        """
        root = _Root()
        self.spawn(main, root.finish)
        try:
            while True:
                self._run_ready(root)
                if root.done:
                    break
                self._collect()
        finally:
            for task in list(self._tasks):
                self.running = task
                task.close()
        self.before_wait()
        self._flush()
        if root.error is not None:
            raise root.error
        return root.value

    def wake(self, task: _Task, value: Any, error: BaseException | None = None) -> None:
        task.parked = None
        self._ready.append((task, value, error))

    def unpark(self, task: _Task) -> None:
        """Make a parked task run again because it was cancelled."""
        parked = task.parked
        if isinstance(parked, Event):
            parked.waiters.remove(task)
        elif isinstance(parked, Timer):
            parked.sleeper = None
        elif parked is not None:
            if any(identity == parked for identity, _ in self._queued):
                self._queued = deque(item for item in self._queued if item[0] != parked)
                del self._waiting[parked]
            else:
                self._waiting[parked] = (None, "")
                self.post({"op": "cancel", "target": parked})
        else:
            return  # in the ready queue: it finds its interrupt there
        self.wake(task, None)

    def _run_ready(self, root: _Root) -> None:
        while self._ready and not root.done:
            task, value, error = self._ready.popleft()
            self.running = task
            wanted = task.step(value, error)
            if task.ended:
                self._tasks.discard(task)
            else:
                self._park(task, wanted)
        self.running = None

    def _park(self, task: _Task, wanted: Any) -> None:
        if wanted is None:  # a bare `yield`: let others run
            self.wake(task, None)
        elif not isinstance(wanted, _Await):
            self.wake(
                task,
                None,
                TypeError(
                    f"cannot await {type(wanted).__name__} here: use inferlet.sleep, gather, spawn "
                    "and timeout instead of another event loop's"
                ),
            )
        elif wanted.event is not None:
            task.parked = wanted.event
            wanted.event.waiters.append(task)
        else:
            assert wanted.fields is not None
            self._start(task, wanted.fields)

    def _start(self, task: _Task, fields: Fields) -> None:
        if fields["op"] == "runtime.sleep":
            task.parked = self._timers.add(fields["seconds"], task)
            return
        try:
            identity, text = self._encode(fields)
        except Exception as error:
            self.wake(task, None, error)
            return
        task.parked = identity
        self._waiting[identity] = (task, fields["op"])
        self._queued.append((identity, text))

    def _encode(self, fields: Fields) -> tuple[int, str]:
        self._last_id += 1
        text = json.dumps({"id": self._last_id, **fields}, separators=(",", ":"), allow_nan=False)
        if (
            len(text) >= self._operation_bytes // 4
            and len(text.encode()) + 2 > self._operation_bytes
        ):
            raise OperationError(
                "message_too_large",
                f"the operation has {len(text)} characters of JSON, more than the "
                f"{self._operation_bytes} bytes that one submit may have.",
                "Send it in parts.",
                operation=str(fields["op"]),
            )
        return self._last_id, text

    def _collect(self) -> None:
        self._start_queued()
        self._set_alarms()
        self.before_wait()
        self._flush()
        if not self._inbox:
            if not self._waiting:
                raise Deadlock(
                    f"deadlock: {len(self._tasks)} task(s) wait and no operation is in flight"
                )
            self._inbox = json.loads(self._wait())
        completions, self._inbox = self._inbox, []
        for item in completions:
            task, name = self._waiting.pop(item["id"], (None, ""))
            error = None if item["ok"] else error_from_wire(item["error"], name)
            value = item.get("val")
            if task is not None:
                self.wake(task, value, error)
            elif item["id"] in self._timers.alarms:
                for sleeper in self._timers.ring(item["id"]):
                    self.wake(sleeper, None, error)

    def _set_alarms(self) -> None:
        due = self._timers.next_alarm()
        if due is not None:
            deadline, seconds = due
            self._timers.alarms[self.post({"op": "runtime.sleep", "seconds": seconds})] = deadline
        for alarm in self._timers.needless_alarms():
            del self._timers.alarms[alarm]
            self.post({"op": "cancel", "target": alarm})

    def _start_queued(self) -> None:
        free = self._capacity - (len(self._waiting) - len(self._queued))
        while self._queued and free > 0:
            self._outgoing.append(self._queued.popleft()[1])
            free -= 1

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        batch: list[str] = []
        size = 2
        for text in outgoing:
            # Text is ASCII unless an author overrode json; len() is its size in bytes.
            if batch and size + len(text) + 1 > self._operation_bytes:
                self._submit(f"[{','.join(batch)}]")
                batch, size = [], 2
            batch.append(text)
            size += len(text) + 1
        if batch:
            self._submit(f"[{','.join(batch)}]")
