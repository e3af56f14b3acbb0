"""The GPU task: the only owner of the device.

One trio task asks the scheduler for a batch whenever the device is idle and runs it in the one
worker thread that ever touches the model; the event loop goes on meanwhile. Results go back to the
scheduler on the loop.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import outcome
import trio

from pie_server.engine.batch import Batch, StepResult
from pie_server.engine.scheduler import Scheduler
from pie_server.errors import DeviceError

T = TypeVar("T")


class DeviceThread(Generic[T]):
    """A dedicated worker thread for one device.

    `trio.to_thread` would do, but costs nearly twice as much a hop, and this is paid every step.
    Calls are not cancellable: a forward pass cannot be stopped half way.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], T], trio.lowlevel.Task] | None] = (
            queue.SimpleQueue()
        )
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], T]) -> T:
        """Runs `call` in the thread and returns its result (or raises what it raised)."""
        self._calls.put((call, trio.lowlevel.current_task()))

        def abort(_: object) -> trio.lowlevel.Abort:
            return trio.lowlevel.Abort.FAILED

        result: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return result

    def close(self) -> None:
        """Ends the thread after the call it is in."""
        self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            call, task = item
            result = outcome.capture(call)
            try:
                self._token.run_sync_soon(trio.lowlevel.reschedule, task, result)
            except trio.RunFinishedError:
                return


class GpuTask:
    """Drains batches for as long as the server runs.

    Args:
        scheduler: Where batches come from and results go.
        execute: Runs one batch; called in the device's thread.
    """

    def __init__(self, scheduler: Scheduler, execute: Callable[[Batch], StepResult]) -> None:
        self._scheduler = scheduler
        self._execute = execute
        self._work = trio.Event()

    def wake(self) -> None:
        """There may be something to run."""
        self._work.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Service body: runs until cancelled."""
        device: DeviceThread[StepResult] = DeviceThread("device")
        task_status.started()
        try:
            while True:
                delay = self._scheduler.delay_seconds()
                batch = None if delay else self._scheduler.next_batch()
                if batch is None:
                    self._work = trio.Event()
                    with trio.move_on_after(delay or self._scheduler.idle_seconds()):
                        await self._work.wait()
                    continue
                await self._step(device, batch)
        finally:
            device.close()

    async def _step(self, device: DeviceThread[StepResult], batch: Batch) -> None:
        try:
            result = await device.run(lambda: self._execute(batch))
        except DeviceError as error:
            self._scheduler.step_failed(batch, error)
        else:
            if self._scheduler.complete(batch, result):
                # Whoever this woke may submit before the next batch is formed. Tasks that are
                # ready at the same time run in any order, so one checkpoint is not enough.
                await trio.lowlevel.checkpoint()
                await trio.lowlevel.checkpoint()
