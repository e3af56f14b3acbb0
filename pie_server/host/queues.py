"""Command queues: what goes first, and waiting for everything that was given to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from pie_server.engine.queues import CommandQueue, Priority
from pie_server.host.requests import CreateQueue, QueueRequest, SetPriority, SetQueue
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost


def create(host: InstanceHost, request: CreateQueue) -> JsonValue:
    """A command queue with a priority."""
    return {"queue": host.queues.add(CommandQueue(Priority[request.priority.upper()]))}


def set_priority(host: InstanceHost, request: SetPriority) -> JsonValue:
    """Changes a queue's priority, also for what is queued in it already."""
    queue = host.queues.get(request.queue)
    priority = Priority[request.priority.upper()]
    for engine in host.services.engines.values():
        engine.scheduler.set_priority(queue, priority)
    return None


async def synchronize(host: InstanceHost, request: QueueRequest) -> JsonValue:
    """Waits until everything submitted to the queue so far has ended."""
    queue, done = host.queues.get(request.queue), trio.Event()
    queue.synchronize(done.set)
    try:
        await done.wait()
    finally:
        queue.forget(done.set)
    return None


def release(host: InstanceHost, request: QueueRequest) -> JsonValue:
    """Forgets a queue; contexts that use it keep it."""
    host.queues.release(request.queue)
    return None


def assign(host: InstanceHost, request: SetQueue) -> JsonValue:
    """What a context is given from now on goes through this queue (null: normal priority)."""
    held = host.context(request.context)
    held.queue = None if request.queue is None else host.queues.get(request.queue)
    return None
