"""Protocol v1: the messages between a client and `/v1/sessions`, as typed structs.

Owns the shape of every message (docs/protocol.md documents them) and the two conversions: bytes to
a checked message, and message to bytes. `web/sessions.py` and `client.py` call it. It does no I/O,
knows no sockets, and never looks into arguments, inputs and event data, which are any JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from pie_server import errors
from pie_server.errors import InvalidRequest, MalformedMessage, MessageTooLarge, PieError

PROTOCOL_VERSION = 1
MAX_DEPTH = 64  # deeper JSON serves nobody and would recurse in validators further in

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
"""What `object` means in the fields below: msgspec cannot express a recursive type."""

Reference: TypeAlias = Annotated[str, Meta(max_length=128)] | int | None
"""A client's own name for a request; it comes back in the answer."""

SessionId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class Launch(Struct, tag="launch", tag_field="type", forbid_unknown_fields=True, frozen=True):
    """Starts an inferlet in a new session that this connection follows."""

    inferlet: Annotated[str, Meta(min_length=1, max_length=256)]
    id: Reference = None
    arguments: dict[str, object] = {}
    native: bool = False
    detached: bool = False


class Input(Struct, tag="input", tag_field="type", forbid_unknown_fields=True, frozen=True):
    """One message for the inferlet; the same `id` twice is delivered once."""

    session: SessionId
    message: object
    id: Reference = None


class Cancel(Struct, tag="cancel", tag_field="type", forbid_unknown_fields=True, frozen=True):
    """Ends a session now."""

    session: SessionId
    id: Reference = None


class List(Struct, tag="list", tag_field="type", forbid_unknown_fields=True, frozen=True):
    """Asks for the sessions of this client's tenant."""

    id: Reference = None


class Attach(Struct, tag="attach", tag_field="type", forbid_unknown_fields=True, frozen=True):
    """Follows a session's events from the one after `after` on."""

    session: SessionId
    after: Annotated[int, Meta(ge=0)] = 0
    id: Reference = None


class Detach(Struct, tag="detach", tag_field="type", forbid_unknown_fields=True, frozen=True):
    """Follows a session no longer."""

    session: SessionId
    id: Reference = None


class Ping(Struct, tag="ping", tag_field="type", forbid_unknown_fields=True, frozen=True):
    """Asks for a pong."""

    id: Reference = None


ClientMessage: TypeAlias = Launch | Input | Cancel | List | Attach | Detach | Ping


class Hello(Struct, tag="hello", tag_field="type", frozen=True):
    """The server's first message."""

    protocol: int
    server: str


class Launched(Struct, tag="launched", tag_field="type", frozen=True):
    """The session exists and is stored; its events follow."""

    id: Reference
    session: str


class Event(Struct, tag="event", tag_field="type", frozen=True):
    """One entry of a session's event log; `seq` counts from 1 without gaps."""

    session: str
    seq: int
    kind: str
    time: float
    data: dict[str, object]


class SessionInfo(Struct, frozen=True):
    """One line of a session list; `state` is running, completed, failed or cancelled."""

    session: str
    inferlet: str
    state: str
    created: float
    last_seq: int
    native: bool
    detached: bool
    clients: int


class Sessions(Struct, tag="sessions", tag_field="type", frozen=True):
    """The answer to `list`."""

    sessions: list[SessionInfo]
    id: Reference = None


class Ack(Struct, tag="ack", tag_field="type", frozen=True):
    """The request named by `id` was carried out (for an input: it is stored)."""

    id: Reference
    session: str | None = None


class Pong(Struct, tag="pong", tag_field="type", frozen=True):
    """The answer to `ping`."""

    id: Reference = None


class ErrorBody(Struct, frozen=True):
    """What every error of this system looks like on the wire."""

    code: str
    message: str
    hint: str = ""
    details: dict[str, object] = {}


class Error(Struct, tag="error", tag_field="type", frozen=True):
    """The request named by `id` (null: none that could be read) was refused."""

    id: Reference
    error: ErrorBody


ServerMessage: TypeAlias = Hello | Launched | Event | Sessions | Ack | Pong | Error

CLIENT_TYPES = ("launch", "input", "cancel", "list", "attach", "detach", "ping")


class _Head(Struct):
    id: Reference = None
    type: object = None


_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_server_list_decoder: msgspec.json.Decoder[list[ServerMessage]] = msgspec.json.Decoder(
    list[ServerMessage]
)
_head_decoder: msgspec.json.Decoder[_Head] = msgspec.json.Decoder(_Head)
_encoder = msgspec.json.Encoder()

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PAIR = re.compile(rb"\[\]|\{\}")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

_Message = TypeVar("_Message")


def encode(message: ClientMessage | ServerMessage) -> bytes:
    """One message as JSON."""
    return _encoder.encode(message)


def encode_json(value: object) -> bytes:
    """Any JSON value as JSON.

    Raises:
        InvalidRequest: It holds something JSON cannot say (an object, a lone surrogate, a nesting
            that never ends).
    """
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as failure:
        raise InvalidRequest(
            f"This value cannot be sent as JSON: {failure}.",
            hint="Use null, booleans, numbers, strings, lists and objects with string keys.",
        ) from failure


def encode_event(session: bytes, seq: int, kind: bytes, time: float, data: bytes) -> bytes:
    """An event whose data is JSON already (see `Event`); `kind` and `session` need no escapes."""
    return b'{"type":"event","session":"%b","seq":%d,"kind":"%b","time":%.3f,"data":%b}' % (
        session,
        seq,
        kind,
        time,
        data,
    )


def encode_error(error: PieError, reference: Reference = None) -> bytes:
    """An error message; details that are no JSON are left out rather than losing the error."""
    body = ErrorBody(error.code, error.message, error.hint, error.details)
    try:
        return _encoder.encode(Error(reference, body))
    except (TypeError, ValueError, OverflowError, RecursionError):
        message = error.message.encode("utf-8", "replace").decode()
        return _encoder.encode(Error(reference, ErrorBody(error.code, message)))


def join(messages: list[bytes]) -> bytes:
    """Several encoded messages as one frame: the message itself, or a JSON array of them."""
    return messages[0] if len(messages) == 1 else b"[" + b",".join(messages) + b"]"


def decode_client(frame: str | bytes, max_bytes: int) -> ClientMessage:
    """Reads one client message.

    Raises:
        MessageTooLarge: More than `max_bytes`.
        UnknownMessageType: A `type` that the protocol does not have.
        MalformedMessage: Not JSON, not an object, nested too deeply, or a field that is missing,
            unknown or of the wrong type.
    """
    raw = frame.encode("utf-8", "replace") if isinstance(frame, str) else frame
    if len(raw) > max_bytes:
        raise MessageTooLarge(
            f"This message has {len(raw)} bytes, the limit is {max_bytes}.",
            hint="Send large inputs in parts, or have the inferlet fetch them.",
            details={"limit_bytes": max_bytes},
        )
    _check_depth(raw)
    try:
        return _client_decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as failure:
        raise _explain(raw, failure) from None


def decode_server(frame: str | bytes) -> list[ServerMessage]:
    """Reads one frame of the server: a message or an array of messages.

    Raises:
        MalformedMessage: The other side does not speak this protocol.
    """
    try:
        if frame[:1] in ("[", b"["):
            return _server_list_decoder.decode(frame)
        return [_server_decoder.decode(frame)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as failure:
        raise MalformedMessage(
            f"Not a message of protocol {PROTOCOL_VERSION}: {failure}."
        ) from None


def reference_of(frame: str | bytes) -> Reference:
    """The `id` of a frame that did not decode, where there is one, so that its error finds home."""
    try:
        return _head_decoder.decode(frame).id
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def error_from_wire(body: ErrorBody) -> PieError:
    """The typed error behind a wire error; an unknown code becomes a plain `PieError`."""
    kind = _ERRORS_BY_CODE.get(body.code, PieError)
    details = dict(body.details)
    if kind is PieError:
        details.setdefault("code", body.code)
    return kind(body.message, hint=body.hint, details=details)


def _all_errors(root: type[PieError]) -> Iterable[type[PieError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from _all_errors(kind)


_ERRORS_BY_CODE = {
    kind.code: kind for kind in _all_errors(PieError) if kind.__module__ == errors.__name__
}


def _check_depth(raw: bytes) -> None:
    """Peels the innermost brackets off, level by level, at the speed of `re` instead of a loop."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        peeled = _PAIR.sub(b"", brackets)
        if not peeled or len(peeled) == len(brackets):
            return  # shallow enough, or unbalanced, which the decoder explains better
        brackets = peeled
    raise MalformedMessage(
        f"This message is nested more than {MAX_DEPTH} levels deep.",
        details={"reason": "nesting", "limit": MAX_DEPTH},
    )


def _explain(raw: bytes, failure: Exception) -> InvalidRequest:
    try:
        head = _head_decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        head = None
    if head is not None and head.type is not None and head.type not in CLIENT_TYPES:
        return errors.UnknownMessageType(
            f"There is no message type {str(head.type)[:64]!r}; clients send "
            f"{', '.join(CLIENT_TYPES)}.",
            details={"types": list(CLIENT_TYPES)},
        )
    reason = "fields" if isinstance(failure, msgspec.ValidationError) else "json"
    text = f"{failure}".rstrip(".").replace(" - at `$`", "")
    what = "is not valid" if reason == "fields" else "is not JSON"
    return MalformedMessage(f"This message {what}: {text}.", details={"reason": reason})
