"""The GPU task: the only owner of the device.

One trio task asks the scheduler for a batch whenever the device is idle and runs it in the one
worker thread that ever touches the model; the event loop goes on meanwhile. Results go back to the
scheduler on the loop.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import outcome
import trio

from pie_server.engine.batch import Batch, StepResult
from pie_server.engine.scheduler import Scheduler
from pie_server.errors import DeviceError

T = TypeVar("T")


class DeviceThread(Generic[T]):
    """A dedicated worker thread for one device, and the one task that waits for it.

    `trio.to_thread` would do, but costs nearly twice as much a hop, and this is paid every step.
    Work is not cancellable: a forward pass cannot be stopped half way.
    """

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Iterator[T] | None] = queue.SimpleQueue()
        self._results: deque[outcome.Outcome[T]] = deque()
        self._waiting: trio.lowlevel.Task | None = None
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, work: Iterator[T]) -> None:
        """Has the thread iterate over `work`."""
        self._work.put(work)

    async def next_result(self, on_cancel: Callable[[], None]) -> T:
        """Waits for the next thing that the work yields (or raises what it raised).

        Args:
            on_cancel: Called when the waiting task is cancelled; it waits on all the same.
        """
        if self._results:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return self._results.popleft().unwrap()
        self._waiting = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            on_cancel()
            return trio.lowlevel.Abort.FAILED

        await trio.lowlevel.wait_task_rescheduled(abort)
        return self._results.popleft().unwrap()

    def close(self) -> None:
        """Ends the thread after the work it is at."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                for result in work:
                    self._token.run_sync_soon(self._deliver, outcome.Value(result))
            except trio.RunFinishedError:
                return
            except BaseException as error:  # handed to whoever waits for it
                self._token.run_sync_soon(self._deliver, outcome.Error(error))

    def _deliver(self, result: outcome.Outcome[T]) -> None:
        self._results.append(result)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            trio.lowlevel.reschedule(waiting)


class GpuTask:
    """Drains batches for as long as the server runs.

    Args:
        scheduler: Where batches come from and results go.
        execute: Runs one batch, in the device's thread.
    """

    def __init__(
        self, scheduler: Scheduler, execute: Callable[[Batch], Iterator[StepResult]]
    ) -> None:
        self._scheduler = scheduler
        self._execute = execute
        self._work = trio.Event()
        self._batch: Batch | None = None  # on the device

    def wake(self) -> None:
        """There may be something to run, or less than there was."""
        self._work.set()
        if self._batch is not None:
            self._batch.interrupt()

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
        self._batch = batch
        device.start(self._execute(batch))
        ended = 0
        try:
            while True:
                result = await device.next_result(batch.interrupt)
                ended += self._scheduler.complete(batch, result)
                if result.last:
                    break
        except DeviceError as error:
            self._scheduler.step_failed(batch, error)
        self._batch = None
        if ended:
            # Whoever this woke may submit before the next batch is formed. Tasks that are
            # ready at the same time run in any order, so one checkpoint is not enough.
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
