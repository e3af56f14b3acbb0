"""Messages between instances of a tenant: broadcast and subscribe, push and pull."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pie_server.errors import InvalidArguments
from pie_server.host.requests import Publish, SubscriptionRequest, Topic
from pie_server.runtime.port import JsonValue
from pie_server.services.inbox import Message

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

MAX_SUBSCRIPTIONS = 64  # of one instance


def broadcast(host: InstanceHost, request: Publish) -> JsonValue:
    """Sends a message to all subscribers of a topic; how many got it, and how many had no room."""
    delivered, missed = host.services.messaging.broadcast(
        host.session.tenant, request.topic, message_from(host, request.message)
    )
    return {"delivered": delivered, "missed": missed}


def subscribe(host: InstanceHost, request: Topic) -> JsonValue:
    """Joins a topic: its messages from now on."""
    host.subscriptions.check_room()
    subscription = host.services.messaging.subscribe(host.session.tenant, request.topic)
    return {"subscription": host.subscriptions.add(subscription)}


async def receive(host: InstanceHost, request: SubscriptionRequest) -> JsonValue:
    """The subscription's next message, and how many it missed before; null once it has ended."""
    subscription = host.subscriptions.get(request.subscription)
    with host.waiting():
        message = await subscription.inbox.take()
    if message is None:
        return None
    missed, subscription.missed = subscription.missed, 0
    return {"message": value_of(message), "missed": missed}


def unsubscribe(host: InstanceHost, request: SubscriptionRequest) -> JsonValue:
    """Leaves a topic; what was not read is forgotten."""
    host.subscriptions.release(request.subscription).close()
    return None


def push(host: InstanceHost, request: Publish) -> JsonValue:
    """Appends a message to a work queue."""
    message = message_from(host, request.message)
    host.services.messaging.push(host.session.tenant, request.topic, message)
    return None


async def pull(host: InstanceHost, request: Topic) -> JsonValue:
    """The next message of a work queue; each goes to one instance only."""
    with host.waiting():
        message = await host.services.messaging.pull(
            host.session.tenant, request.topic, host.sender
        )
    return {"message": value_of(message)}


def message_from(host: InstanceHost, value: object) -> Message:
    """What this instance sends. Raises InvalidArguments if it is no JSON."""
    try:
        return Message(msgspec.json.encode(value), host.sender)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArguments(f"the message is no JSON: {error}") from None


def value_of(message: Message) -> JsonValue:
    """A reader's own copy of a message."""
    value: JsonValue = msgspec.json.decode(message.text)
    return value
