"""Tool calls in what models of different families generate, markers that are special tokens too."""

from __future__ import annotations

import json

import pytest
import tokenizers

import pie_server.model
from pie_server.errors import InvalidArguments
from pie_server.host.generation import TokenSink, text_of
from pie_server.model.tokenizer import Tokenizer
from pie_server.model.tool_formats import ToolFormat
from pie_server.runtime.port import JsonValue

from .conftest import OpenWorld, items, value

GENERATED = {
    ToolFormat.HERMES: 'So: é <tool_call>\n{"name": "f", "arguments": {"a": "é"}}\n</tool_call>',
    ToolFormat.LLAMA: '<|python_tag|>{"name": "f", "parameters": {"a": "é"}}',
    ToolFormat.MISTRAL_LIST: 'So: é[TOOL_CALLS][{"name": "f", "arguments": {"a": "é"}}]',
    ToolFormat.MISTRAL: 'So: é[TOOL_CALLS]f[ARGS]{"a": "é"}',
    ToolFormat.FUNCTION_GEMMA: (
        "<start_function_call>call:f{a:<escape>é<escape>}<end_function_call>"
    ),
}


def tokenizer_of(tool_format: ToolFormat, *, special: bool) -> Tokenizer:
    """The embedded model's tokenizer with the markers of a format, which decoding may drop."""
    directory = pie_server.model.__path__[0] + "/embedded"
    plain = json.loads(tokenizers.Tokenizer.from_file(f"{directory}/tokenizer.json").to_str())
    kept = [t for t in plain["added_tokens"] if "tool_call" not in t["content"]]
    inner = tokenizers.Tokenizer.from_str(json.dumps({**plain, "added_tokens": kept}))
    added = [tokenizers.AddedToken(marker, special=special) for marker in tool_format.markers]
    (inner.add_special_tokens if special else inner.add_tokens)(added)
    return Tokenizer(inner)


@pytest.mark.parametrize("special", [True, False], ids=["special", "plain"])
@pytest.mark.parametrize("tool_format", ToolFormat)
async def test_markers_are_seen_whether_or_not_they_are_special_tokens(
    tool_format: ToolFormat, special: bool
) -> None:
    tokenizer = tokenizer_of(tool_format, special=special)
    tokens = tokenizer.encode(GENERATED[tool_format])
    assert set(tokens) & {tokenizer.inner.token_to_id(marker) for marker in tool_format.markers}
    shown: list[str] = []
    sink = TokenSink(tokenizer, tool_format, [], shown.append)
    for token in tokens:
        assert not sink.feed(token)
    for found in (sink.finish(), text_of(tokenizer, tool_format, tokens)):
        assert [(call.name, call.arguments) for call in found.tool_calls] == [("f", {"a": "é"})]
        assert found.content == ("So: é" if "So" in GENERATED[tool_format] else "")
        assert found.text == GENERATED[tool_format]
    assert "".join(shown).strip() == ("So: é" if "So" in GENERATED[tool_format] else "")


async def test_a_guest_has_text_parsed_in_its_models_format(open_world: OpenWorld) -> None:
    call = '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>'
    async with open_world() as world:

        async def parse(text: str, **more: object) -> dict[str, JsonValue]:
            return dict(value(await world.guest.do("tools.parse", model="tiny", text=text, **more)))

        found = {"name": "f", "arguments": {"a": "</tool_call>"}}
        assert await parse(f"So {call}!") == {"content": "So !", "tool_calls": [found]}
        assert (await parse(call[:-1], ended=False))["tool_calls"] == []
        (broken,) = items((await parse(call[:20]))["tool_calls"])
        assert "not valid" in str(value(broken)["error"])
        with pytest.raises(InvalidArguments, match="characters"):
            await parse("x" * 300_000)
