from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_server import wire
from pie_server.errors import (
    InvalidRequest,
    MalformedMessage,
    MessageTooLarge,
    PieError,
    UnknownMessageType,
    UnknownSession,
)

LIMIT = 1_000_000
DOCUMENT = Path(__file__).parents[1] / "docs" / "protocol.md"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def examples(side: str) -> list[str]:
    return re.findall(rf"```json {side}\n(.*?)\n```", DOCUMENT.read_text(), re.DOTALL)


def decode(frame: str | bytes) -> wire.ClientMessage:
    return wire.decode_client(frame, LIMIT)


def test_every_message_of_the_document_is_a_message_of_the_protocol() -> None:
    client = [decode(example) for example in examples("client")]
    assert {type(message).__name__.lower() for message in client} == set(wire.CLIENT_TYPES)
    server = [wire.decode_server(example)[0] for example in examples("server")]
    assert {type(message) for message in server} == {
        wire.Hello,
        wire.Launched,
        wire.Event,
        wire.Sessions,
        wire.Ack,
        wire.Pong,
        wire.Error,
    }
    for message, example in zip(server, examples("server"), strict=True):
        assert json.loads(wire.encode(message)) == json.loads(example)
    assert f"version {wire.PROTOCOL_VERSION}" in DOCUMENT.read_text().splitlines()[0]


@given(JSON, st.text(max_size=128) | st.integers(0, 2**31) | st.none())
def test_what_is_encoded_decodes_to_itself(value: object, reference: wire.Reference) -> None:
    message = wire.Input("s", value, reference)
    try:
        assert decode(wire.encode(message)) == message
    except UnicodeEncodeError:
        assert re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False))


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_garbage_is_a_typed_error(frame: str | bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode(frame)
    wire.reference_of(frame)


@given(JSON)
def test_any_json_is_a_message_or_a_typed_error(value: object) -> None:
    frame = json.dumps({"type": "launch", "inferlet": "x", "arguments": value})
    try:
        message = decode(frame)
    except MalformedMessage:
        assert not isinstance(value, dict) or "\\ud" in frame
    else:
        assert isinstance(message, wire.Launch)
        assert message.arguments == value


@pytest.mark.parametrize(
    ("frame", "reason", "text"),
    [
        ("{", "json", "truncated"),
        (b"\xff", "json", "malformed"),
        ('{"type": "launch"}', "fields", "inferlet"),
        ('{"type": "ping", "extra": 1}', "fields", "extra"),
        ('{"type": "cancel", "session": 1}', "fields", "session"),
        ('{"type": "cancel", "session": ""}', "fields", "length"),
        ("[1]", "fields", "object"),
        ("{}", "fields", "type"),
    ],
)
def test_a_malformed_message_says_what_is_wrong(frame: str | bytes, reason: str, text: str) -> None:
    with pytest.raises(MalformedMessage, match=text) as caught:
        decode(frame)
    assert caught.value.details["reason"] == reason
    assert "protocol.md" in caught.value.hint


def test_an_unknown_type_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownMessageType, match=r"'fly'.*launch, input"):
        decode('{"type": "fly", "whatever": 1}')


def test_too_large_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(MessageTooLarge) as caught:
        wire.decode_client("x" * 101, 100)
    assert caught.value.details == {"limit_bytes": 100}


@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
def test_nesting_is_bounded_and_brackets_in_strings_do_not_count(pair: str) -> None:
    opening, closing = pair[:-1], pair[-1]

    def nested(depth: int) -> str:
        value = opening * depth + "1" + closing * depth
        return f'{{"type": "input", "session": "s", "message": {value}}}'

    decode(nested(wire.MAX_DEPTH - 1))
    with pytest.raises(MalformedMessage) as caught:
        decode(nested(wire.MAX_DEPTH + 1))
    assert caught.value.details["reason"] == "nesting"
    with pytest.raises(MalformedMessage):
        decode(nested(100_000))
    text = json.dumps({"type": "input", "session": "s", "message": '\\"[{' * 1000})
    decode(text)
    many = json.dumps({"type": "input", "session": "s", "message": [[], {}] * 1000})
    decode(many)


def test_an_event_is_encoded_as_its_type_says() -> None:
    frame = wire.encode_event(b"s_1", 7, b"text", 12.5, b'{"text":"a"}')
    assert wire.decode_server(frame) == [wire.Event("s_1", 7, "text", 12.5, {"text": "a"})]


def test_several_messages_become_one_frame() -> None:
    pong, ack = wire.Pong(1), wire.Ack(2, "s")
    assert wire.decode_server(wire.join([wire.encode(pong)])) == [pong]
    frame = wire.join([wire.encode(pong), wire.encode(ack)])
    assert wire.decode_server(frame) == [pong, ack]
    assert wire.decode_server(frame.decode()) == [pong, ack]


def test_errors_keep_their_type_over_the_wire() -> None:
    error = UnknownSession("gone", hint="look", details={"a": 1})
    (message,) = wire.decode_server(wire.encode_error(error, 3))
    assert isinstance(message, wire.Error)
    assert message.id == 3
    back = wire.error_from_wire(message.error)
    assert type(back) is UnknownSession
    assert (back.message, back.hint, back.details) == ("gone", "look", {"a": 1})
    other = wire.error_from_wire(wire.ErrorBody("from_the_future", "new"))
    assert type(other) is PieError
    assert other.details == {"code": "from_the_future"}


def test_an_error_with_unsendable_details_is_still_sent() -> None:
    (message,) = wire.decode_server(wire.encode_error(PieError("m\ud800", details={"x": object()})))
    assert isinstance(message, wire.Error)
    assert message.error.message == "m?"


@pytest.mark.parametrize("value", [object(), "\ud800", {"a": {1, 2}.__iter__()}])
def test_what_json_cannot_say_is_a_typed_error(value: object) -> None:
    with pytest.raises(InvalidRequest, match="JSON"):
        wire.encode_json(value)


@pytest.mark.parametrize("frame", ["", "x", "[", "[{}]", '{"type": "nope"}', b"\xff"])
def test_a_client_is_told_of_a_server_that_speaks_something_else(frame: str | bytes) -> None:
    with pytest.raises(MalformedMessage, match="protocol 1"):
        wire.decode_server(frame)
