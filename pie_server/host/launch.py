"""Launching further inferlets: join, cancel, detach, and talking with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pie_server.errors import InvalidRequest
from pie_server.host.children import MAX_CHILDREN
from pie_server.host.messaging import message_from, value_of
from pie_server.host.requests import ChildRequest, LaunchChild, SendToChild
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost


def launch(host: InstanceHost, request: LaunchChild) -> JsonValue:
    """Starts another inferlet in this session; it ends with this one unless it is detached."""
    if host.launcher is None:
        raise InvalidRequest("this instance cannot launch inferlets")
    _forget_joined(host)
    host.children.check_room()
    arguments = cast("dict[str, JsonValue]", request.arguments)
    child = host.launcher.launch(host, request.program, arguments)
    return {"child": host.children.add(child), "name": child.name}


def _forget_joined(host: InstanceHost) -> None:
    """When no more fit: an inferlet may launch any number, one after the other."""
    if len(host.children) >= MAX_CHILDREN:
        for handle, child in host.children.items():
            if child.joined and not len(child.told):
                host.children.release(handle)


async def join(host: InstanceHost, request: ChildRequest) -> JsonValue:
    """Waits until a child has ended: its result, or an error that holds its own."""
    child = host.children.get(request.child)
    with host.waiting():
        await child.ended.wait()
    return child.outcome()


def cancel(host: InstanceHost, request: ChildRequest) -> JsonValue:
    """Ends a child now, with all it runs; whether it was running."""
    child = host.children.get(request.child)
    running = not child.ended.is_set()
    child.scope.cancel()
    return running


def detach(host: InstanceHost, request: ChildRequest) -> JsonValue:
    """Lets a child go on without this inferlet, until the session ends; the handle is gone."""
    host.children.release(request.child).detach()
    return None


def send(host: InstanceHost, request: SendToChild) -> JsonValue:
    """Sends a message to a child, which it receives as a client's (`session.receive`)."""
    host.children.get(request.child).hear(message_from(host, request.message))
    return None


async def receive(host: InstanceHost, request: ChildRequest) -> JsonValue:
    """What a child sends next (by `session.send`); null once it has ended and all is received."""
    child = host.children.get(request.child)
    with host.waiting():
        message = await child.told.take()
    return None if message is None else {"message": value_of(message)}


def info(host: InstanceHost, request: ChildRequest) -> JsonValue:
    """What a child is and how it stands."""
    child = host.children.get(request.child)
    return {"name": child.name, "inferlet": child.inferlet, "state": child.state}
