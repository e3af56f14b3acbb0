"""Tool calls in each family's format, however the text is cut and whatever the arguments hold."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_server.model.tool_formats import ToolFormat, tool_format_of
from pie_server.model.tool_parser import ToolCallParser
from pie_server.model.tool_readers import parse_tagged

Arguments = dict[str, object]
HERMES, LLAMA, LIST, MISTRAL, GEMMA = ToolFormat

# Everything that means something to some format.
_TRAPS = [
    "</tool_call>", "<tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>",
    "<end_function_call>", "<start_function_call>", '"', "\\", '\\"', "{", "}", "[", "]",
    ";", ":", ",", "call:", "a", " ", "\n",
]  # fmt: skip
texts = st.lists(st.sampled_from(_TRAPS), max_size=6).map("".join) | st.text(max_size=8)
keys = st.text(st.sampled_from("abcxyz_"), min_size=1, max_size=4)
values = st.recursive(
    texts | st.integers(-99, 99) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)
call_lists = st.lists(
    st.tuples(st.sampled_from(["add", "get_weather"]), st.dictionaries(keys, values, max_size=3)),
    min_size=1,
    max_size=3,
)


def _gemma(value: object) -> str:
    match value:
        case str():
            return f"<escape>{value}<escape>"
        case dict():
            return "{" + ",".join(f"{key}:{_gemma(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_gemma, value)) + "]"
    return json.dumps(value)


def written(tool_format: ToolFormat, calls: list[tuple[str, Arguments]]) -> str:
    """The calls as a model of that family writes them."""

    def one(name: str, arguments: Arguments, key: str = "arguments") -> str:
        return json.dumps({"name": name, key: arguments}, ensure_ascii=False)

    match tool_format:
        case ToolFormat.HERMES:
            bodies = [f"<tool_call>\n{one(*call)}\n</tool_call>" for call in calls]
            return "\n".join(bodies)
        case ToolFormat.LLAMA:
            return "; ".join(one(*call, "parameters") for call in calls)
        case ToolFormat.MISTRAL_LIST:
            return "[TOOL_CALLS] [" + ", ".join(one(*call) for call in calls) + "]"
        case ToolFormat.MISTRAL:
            return "".join(f"[TOOL_CALLS]{name}[ARGS]{json.dumps(a)}" for name, a in calls)
        case ToolFormat.FUNCTION_GEMMA:
            bodies = [f"call:{name}{_gemma(arguments)}" for name, arguments in calls]
            return "".join(f"<start_function_call>{b}<end_function_call>" for b in bodies)


def parsed(tool_format: ToolFormat, text: str, cuts: list[int]) -> ToolCallParser:
    parser, at, shown = ToolCallParser(tool_format), 0, ""
    for cut in [*sorted(min(cut, len(text)) for cut in cuts), len(text)]:
        shown += parser.feed(text[at:cut])
        at = cut
    assert shown + parser.finish() == parser.content
    return parser


@pytest.mark.parametrize("tool_format", ToolFormat)
@settings(max_examples=60, deadline=None)
@given(
    calls=call_lists,
    cuts=st.lists(st.integers(0, 300), max_size=8),
    before=st.sampled_from(["", "Let me see. ", "1 < 2, [so] {no}\n"]),
)
def test_calls_are_read_as_they_were_meant_whatever_their_arguments_hold(
    tool_format: ToolFormat, calls: list[tuple[str, Arguments]], cuts: list[int], before: str
) -> None:
    if tool_format is ToolFormat.LLAMA and before:
        before += "<|python_tag|>"
    parser = parsed(tool_format, before + written(tool_format, calls), cuts)
    assert [call.error for call in parser.calls] == [None] * len(calls)
    assert [(call.name, call.arguments) for call in parser.calls] == calls
    assert parser.content.strip() == before.removesuffix("<|python_tag|>").strip()


@pytest.mark.parametrize("tool_format", ToolFormat)
@settings(max_examples=40, deadline=None)
@given(text=st.lists(st.sampled_from(_TRAPS), max_size=12).map("".join), data=st.data())
def test_no_text_breaks_a_parser_and_cuts_change_nothing(
    tool_format: ToolFormat, text: str, data: st.DataObject
) -> None:
    whole = parsed(tool_format, text, [])
    cut = parsed(tool_format, text, data.draw(st.lists(st.integers(0, len(text)), max_size=9)))
    assert (cut.calls, cut.content.strip()) == (whole.calls, whole.content.strip())


@pytest.mark.parametrize(
    ("tool_format", "text", "calls", "content"),
    [
        (HERMES, '<tool_call>{"name": "f", "arguments": {"a": "x</tool_call>y"}}</tool_call>z',
         [("f", {"a": "x</tool_call>y"})], "z"),
        (HERMES, '<tool_call>{"name": "f", "arguments": {"a": "line\nline"}}</tool_call>',
         [("f", {"a": "line\nline"})], ""),
        (HERMES, "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n"
         '<parameter=b>\nsay "x\n</parameter>\n</function>\n</tool_call>',
         [("f", {"a": 1, "b": 'say "x'})], ""),
        (HERMES, '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>',
         [("f", {"a": 1})], ""),
        # A string that was never closed: the call is broken, what follows it is not.
        (HERMES, '<tool_call>{"name": "f</tool_call> so <tool_call>{"name": "g"}</tool_call>!',
         [("", {}), ("g", {})], "so !"),
        (HERMES, '<tool_call>{"name": "f\n</tool_call> so', [("", {})], "so"),
        (LLAMA, '{"type": "function", "name": "f", "parameters": {}}', [("f", {})], ""),
        (LLAMA, '{"answer": "}"} is JSON', [], '{"answer": "}"} is JSON'),
        (LLAMA, 'The call {"name": "f", "parameters": {}} is', [],
         'The call {"name": "f", "parameters": {}} is'),
        (LLAMA, '{"name": "f", "parameters": {"a": ', [("", {})], ""),
        (LLAMA, '<|python_tag|>print(1)', [], "print(1)"),
        (LIST, '[TOOL_CALLS][{"name": "f", "arguments": {}, "id": "abcdefghi"}]',
         [("f", {})], ""),
        (LIST, '[TOOL_CALLS][{"name": "f"', [("", {})], ""),
        (MISTRAL, '[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{"a": 1}', [("f", {"a": 1})], ""),
        (MISTRAL, "[TOOL_CALLS]f{}", [("f", {})], ""),
        (MISTRAL, "[TOOL_CALLS]f", [("", {})], ""),
        (GEMMA, "<start_function_call>nothing<end_function_call>.", [("", {})], "."),
    ],
)  # fmt: skip
def test_what_models_write_beside_the_rule_is_read_too(
    tool_format: ToolFormat, text: str, calls: list[tuple[str, Arguments]], content: str
) -> None:
    for cuts in ([], list(range(len(text)))):
        parser = parsed(tool_format, text, cuts)
        assert [(call.name, call.arguments) for call in parser.calls] == calls
        assert [bool(call.error) for call in parser.calls] == [not name for name, _ in calls]
        assert " ".join(parser.content.split()) == content


@pytest.mark.parametrize("tool_format", ToolFormat)
def test_each_character_of_a_long_call_is_looked_at_a_bounded_number_of_times(
    tool_format: ToolFormat,
) -> None:
    """Counted in lines run, which do not depend on the machine."""

    def lines_run(length: int) -> int:
        text = written(tool_format, [("f", {"a": "x<[" * length})])
        parser, count = ToolCallParser(tool_format), 0

        def trace(frame: object, event: str, argument: object) -> object:
            nonlocal count
            count += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)  # type: ignore[arg-type] # a local tracer of the same shape
        try:
            for at in range(0, len(text), 3):
                parser.feed(text[at : at + 3])
            parser.finish()
        finally:
            sys.settrace(before)
        assert len(parser.calls) == 1
        return count

    short, long = lines_run(200), lines_run(800)
    assert long < 4.2 * short


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ '<tool_call>\\n' }}", ToolFormat.HERMES),
        ("{{ '[TOOL_CALLS] [' }}", ToolFormat.MISTRAL_LIST),
        ("{{ '[TOOL_CALLS]' + name + '[ARGS]' }}", ToolFormat.MISTRAL),
        ("{{ '<|python_tag|>' }}", ToolFormat.LLAMA),
        ("{% if message.role == 'ipython' %}", ToolFormat.LLAMA),
        ("{{ '<start_function_call>call:' }}", ToolFormat.FUNCTION_GEMMA),
        ("{{ messages }}", ToolFormat.HERMES),
    ],
)
def test_the_chat_template_says_which_format_it_is(template: str, expected: ToolFormat) -> None:
    assert tool_format_of(template) is expected


def test_parameters_that_are_never_closed_are_none_and_cost_little() -> None:
    """Each would be searched to the end of the text, were they not given up at the first."""
    call = parse_tagged("<function=f>" + "<parameter=a>" * 50_000)
    assert (call.name, call.arguments) == ("f", {})
    call = parse_tagged("<function=f>" + "<parameter=" * 50_000)
    assert (call.name, call.arguments) == ("f", {})
    call = parse_tagged("<function=f><parameter=a>\n1\n</parameter><parameter=b>x</parameter>")
    assert call.arguments == {"a": 1, "b": "x"}
