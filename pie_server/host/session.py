"""The client, the clock, randomness, logs, cancellation."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, cast

import msgspec
import trio

import pie_server
from pie_server.errors import InvalidArguments
from pie_server.host.messaging import message_from
from pie_server.host.requests import Cancel, Empty, Log, Send, Sleep
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

_GUEST_LOG = logging.getLogger("pie_server.guest")
_LONGEST_SLEEP_SECONDS = 3600.0
_LOG_CHARACTERS = 4096


def send(host: InstanceHost, request: Send) -> JsonValue:
    """Sends a message to the client (a child: to its parent): text, or anything else as JSON."""
    if host.child is not None and not host.child.detached:
        host.child.tell_parent(message_from(host, request.message))
    elif isinstance(request.message, str):
        host.session.emit("text", {"text": request.message})
    else:
        host.session.emit("message", {"message": cast(JsonValue, request.message)})
    return None


async def receive(host: InstanceHost, _: Empty) -> JsonValue:
    """The client's next message (a child's: its parent's); the contexts are parked meanwhile."""
    with host.waiting():
        return await host.session.receive()


def info(host: InstanceHost, _: Empty) -> JsonValue:
    """Who is being served."""
    return {"id": host.session.id, "tenant": host.session.tenant}


async def sleep(_: InstanceHost, request: Sleep) -> JsonValue:
    """Waits; takes no guest CPU."""
    if not 0 <= request.seconds <= _LONGEST_SLEEP_SECONDS or math.isnan(request.seconds):
        raise InvalidArguments(f"seconds must be between 0 and {_LONGEST_SLEEP_SECONDS:g}")
    await trio.sleep(request.seconds)
    return None


def time_now(_: InstanceHost, request: Empty) -> JsonValue:
    """Seconds since the Unix epoch."""
    return time.time()


def random_seed(host: InstanceHost, _: Empty) -> JsonValue:
    """63 random bits."""
    return host.random.getrandbits(63)


def version(_: InstanceHost, request: Empty) -> JsonValue:
    """The server's version."""
    return pie_server.__version__


def log(host: InstanceHost, request: Log) -> JsonValue:
    """Writes to the server's log, under the session's id; `fields` as `key=value` behind it."""
    level = getattr(logging, request.level.upper())
    message = _one_line(request.message[:_LOG_CHARACTERS])
    fields = "".join(f" {name}={_field(value)}" for name, value in request.fields.items())
    facts = {"session": host.session.id, "fields": request.fields}  # for structured handlers
    _GUEST_LOG.log(level, "[%s] %s%s", host.session.id, message, fields, extra=facts)
    return None


def _one_line(text: str) -> str:
    """What a guest writes cannot look like a line of another, nor steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _field(value: object) -> str:
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise InvalidArguments("fields: a number has more than 64 bits", hint="Log it as text.")
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    plain = text.isprintable() and text and not any(char in ' "=' for char in text)
    return text if plain else _one_line(msgspec.json.encode(text).decode())


def cancel(host: InstanceHost, request: Cancel) -> JsonValue:
    """Ends an operation in flight; whether there was one."""
    reply = host.in_flight.get(request.target)
    if reply is None or reply.cancel is None:
        return False
    reply.cancel()
    return True
