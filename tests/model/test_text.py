"""Detokenisation, chat templates and tool-call parsing, piece by piece."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pie_server.errors import TemplateError
from pie_server.model.chat_template import ChatTemplate
from pie_server.model.tokenizer import IncrementalDecoder, Tokenizer
from pie_server.model.tool_parser import ToolCallParser


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=40))
def test_pieces_of_any_text_join_to_the_whole(tiny_checkpoint: Path, text: str) -> None:
    tokenizer = Tokenizer.from_directory(tiny_checkpoint)
    decoder = IncrementalDecoder(tokenizer)
    tokens = tokenizer.encode(text)
    pieces = [decoder.feed(token) for token in tokens]
    assert "".join(pieces) + decoder.finish() == tokenizer.decode(tokens, skip_special=True)


def test_an_incomplete_character_is_held_back(tiny_checkpoint: Path) -> None:
    tokenizer = Tokenizer.from_directory(tiny_checkpoint)
    decoder = IncrementalDecoder(tokenizer)
    tokens = tokenizer.encode("é")
    assert len(tokens) == 2
    assert decoder.feed(tokens[0]) == ""
    assert decoder.feed(tokens[1]) == "é"


def test_turns_appended_one_by_one_equal_the_whole_conversation(tiny_checkpoint: Path) -> None:
    template = ChatTemplate.from_directory(tiny_checkpoint)
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
        {"role": "tool", "content": "t"},
    ]
    text = template.opening(messages[:1], None) + "".join(
        template.turns([message]) for message in messages[1:]
    )
    assert text + template.cue == template.render(messages, cue=True)
    assert template.turn_end == "<|im_end|>\n"


def test_a_template_that_refuses_its_messages_is_a_typed_error() -> None:
    template = ChatTemplate("{{ raise_exception('no system please') }}")
    with pytest.raises(TemplateError, match="no system please"):
        template.render([{"role": "system", "content": "x"}])


def test_a_template_cannot_reach_python() -> None:
    template = ChatTemplate("{{ messages.__class__.__mro__ }}")
    with pytest.raises(TemplateError):
        template.render([])


CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


@given(cut=st.lists(st.integers(0, 120), max_size=8))
def test_tool_calls_are_found_however_the_text_is_cut(cut: list[int]) -> None:
    text = f"Let me see. {CALL}{CALL} <b>done</b>"
    parser = ToolCallParser()
    bounds = [0, *sorted(min(c, len(text)) for c in cut), len(text)]
    shown = "".join(parser.feed(text[a:b]) for a, b in itertools.pairwise(bounds))
    shown += parser.finish()
    assert shown == parser.content == "Let me see.  <b>done</b>"
    assert [(call.name, call.arguments) for call in parser.calls] == [("add", {"a": 1})] * 2


@pytest.mark.parametrize(
    "markup",
    ["<tool_call>{", "<tool_call>[]</tool_call>", '<tool_call>{"name": 1}</tool_call>',
     '<tool_call>{"name": "x", "arguments": 3}</tool_call>', "<tool_call>" + "[" * 5000],
)  # fmt: skip
def test_a_broken_call_is_a_call_with_an_error(markup: str) -> None:
    parser = ToolCallParser()
    parser.feed(markup)
    parser.finish()
    assert [bool(call.error) for call in parser.calls] == [True]
    assert parser.content == ""
