"""Grammars with the embedded model's tokenizer: whatever the logits, the output fits."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence

import jsonschema
import pytest
import tokenizers
import torch
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

import pie_server.model
from pie_server.engine import grammar as grammar_module
from pie_server.engine.batch import Sample
from pie_server.engine.grammar import Grammar, GrammarCompiler, Matcher, empty_masks
from pie_server.engine.grammar_masks import MaskFiller, fill_masks
from pie_server.engine.grammar_sources import (
    Ebnf,
    GrammarSource,
    JsonObject,
    JsonSchema,
    Regex,
    ToolCalls,
)
from pie_server.engine.sampler import SamplerState, sample
from pie_server.engine.sampling import SamplingParams, uniform
from pie_server.errors import CheckpointError, InvalidGrammar
from pie_server.model.tool_formats import ToolFormat
from pie_server.model.tool_parser import ToolCallParser

DIRECTORY = pie_server.model.__path__[0] + "/embedded"
TOKENIZER = tokenizers.Tokenizer.from_file(f"{DIRECTORY}/tokenizer.json")
VOCABULARY = 2048
EOS = 2041
COMPILER = GrammarCompiler(TOKENIZER, VOCABULARY, [EOS])
MOST_TOKENS = 400

PERSON: dict[str, object] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "kind": {"enum": ["cat", "dog", 'a "quoted" one']},
        "scores": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
    },
    "required": ["name", "age", "kind"],
    "additionalProperties": False,
}
TOOLS = (
    {
        "name": "calculator",
        "description": "Computes.",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string", "maxLength": 20}},
            "required": ["expression"],
            "additionalProperties": False,
        },
    },
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "properties": {
                    "where": {"$ref": "#/$defs/place"},
                    "days": {"type": "integer", "minimum": 1, "maximum": 9},
                },
                "required": ["where"],
                "additionalProperties": False,
                "$defs": {"place": {"type": "string", "enum": ["Oslo", "Rome"]}},
            },
        },
    },
)
SCHEMAS = {"calculator": TOOLS[0]["parameters"], "weather": TOOLS[1]["function"]["parameters"]}  # type: ignore[index]


def compiled(source: GrammarSource) -> Grammar:
    return trio.run(COMPILER.compile, source)


def encode(text: str) -> list[int]:
    return list(TOKENIZER.encode(text, add_special_tokens=False).ids)


def decode(tokens: Sequence[int]) -> str:
    return str(TOKENIZER.decode(list(tokens), skip_special_tokens=False))


def allowed(matcher: Matcher) -> set[int]:
    """Tokens whose bit is set, one bit at a time."""
    row = empty_masks(1, VOCABULARY)[0]
    matcher.fill_mask(row)
    words = [word & 0xFFFFFFFF for word in row.tolist()]
    return {token for token in range(VOCABULARY) if words[token // 32] >> (token % 32) & 1}


def generate(
    grammar: Grammar,
    seed: int,
    params: SamplingParams,
    *,
    rows: int = 4,
    tokenizer: tokenizers.Tokenizer = TOKENIZER,
) -> list[str]:
    """Texts sampled from random logits, in one batch; each must end by itself."""
    generator = torch.Generator().manual_seed(seed)
    states = [SamplerState(params, [], VOCABULARY, grammar.matcher()) for _ in range(rows)]
    outputs: list[list[int]] = [[] for _ in range(rows)]
    for step in range(MOST_TOKENS):
        logits = torch.randn(rows, VOCABULARY, generator=generator) * 4
        requests = [
            Sample(params, uniform=uniform(seed + row, step), state=states[row])
            for row in range(rows)
        ]
        for output, answer in zip(outputs, sample(logits, requests), strict=True):
            assert answer.error is None
            output.append(answer.token)
        if all(EOS in output for output in outputs):
            return [
                str(tokenizer.decode(output[: output.index(EOS)], skip_special_tokens=False))
                for output in outputs
            ]
    raise AssertionError(f"not ended: {[decode(output) for output in outputs]}")


params_strategy = st.sampled_from(
    [
        SamplingParams(),
        SamplingParams(temperature=1.0),
        SamplingParams(temperature=2.0, top_p=0.9, top_k=300),
        SamplingParams(temperature=1.0, min_p=0.2, frequency_penalty=1.0, repetition_penalty=1.2),
    ]
)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1 << 30), params=params_strategy)
def test_whatever_the_logits_json_fits_its_schema(seed: int, params: SamplingParams) -> None:
    for text in generate(compiled(JsonSchema(PERSON)), seed, params):
        jsonschema.validate(json.loads(text), PERSON)


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    pattern=st.sampled_from(
        [r"[a-f]{2,5}-[0-9]{3}", r"(yes|no|maybe)\.?", r"\(([^()]{1,9})\) =+ ä"]
    ),
)
def test_whatever_the_logits_text_matches_its_regular_expression(seed: int, pattern: str) -> None:
    for text in generate(compiled(Regex(pattern)), seed, SamplingParams(temperature=1.0)):
        assert re.fullmatch(pattern, text)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1 << 30), parallel=st.booleans())
def test_whatever_the_logits_required_tool_calls_parse_and_fit(seed: int, parallel: bool) -> None:
    source = ToolCalls(TOOLS, required=True, parallel=parallel)
    for text in generate(compiled(source), seed, SamplingParams(temperature=1.0)):
        parser = ToolCallParser()
        parser.feed(text)
        parser.finish()
        assert parser.calls
        assert parallel or len(parser.calls) == 1
        assert not parser.content.strip()
        for call in parser.calls:
            assert call.error is None
            jsonschema.validate(call.arguments, SCHEMAS[call.name])


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_whatever_the_logits_calls_behind_free_text_parse_and_fit(seed: int) -> None:
    # Made likely enough to be seen: the end, a call's opening, and pieces of its spelt-out tag.
    likely = {EOS, *encode("<tool_call>"), *(t for letter in "<tol_ca>" for t in encode(letter))}
    params = SamplingParams(
        temperature=1.0, logit_bias=tuple((token, 12.0) for token in sorted(likely))
    )
    for text in generate(compiled(ToolCalls(TOOLS)), seed, params, rows=8):
        check_calls(text, ToolFormat.HERMES)


def check_calls(text: str, tool_format: ToolFormat) -> int:
    """All calls in `text` are well-formed and fit their schemas; returns how many there are."""
    parser = ToolCallParser(tool_format)
    parser.feed(text)
    parser.finish()
    for call in parser.calls:
        assert call.error is None
        jsonschema.validate(call.arguments, SCHEMAS[call.name])
    return len(parser.calls)


def with_tokens(*names: str) -> tokenizers.Tokenizer:
    """The tokenizer with its tags' tokens named differently."""
    text = json.dumps(json.loads(TOKENIZER.to_str()))
    tags = ("<tool_call>", "</tool_call>", "<tool_response>")
    for tag, name in zip(tags, names, strict=False):
        text = text.replace(json.dumps(tag), json.dumps(name))
    return tokenizers.Tokenizer.from_str(text)


FORMATS = {
    "hermes as text": (ToolFormat.HERMES, ("<a>", "<b>", "<c>")),
    "llama": (ToolFormat.LLAMA, ()),
    "mistral list": (ToolFormat.MISTRAL_LIST, ("[TOOL_CALLS]",)),
    "mistral list as text": (ToolFormat.MISTRAL_LIST, ()),
    "mistral": (ToolFormat.MISTRAL, ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")),
    "mistral without call ids": (ToolFormat.MISTRAL, ("[TOOL_CALLS]", "[ARGS]")),
    "mistral as text": (ToolFormat.MISTRAL, ()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_calls_in_every_models_own_format_parse_and_fit(name: str) -> None:
    tool_format, names = FORMATS[name]
    tokenizer = with_tokens(*names)
    compiler = GrammarCompiler(tokenizer, VOCABULARY, [EOS], tool_format)
    opening = tokenizer.encode(tool_format.opening, add_special_tokens=False).ids
    likely = {EOS, opening[0], *tokenizer.encode("{", add_special_tokens=False).ids}
    params = SamplingParams(temperature=1.0, logit_bias=tuple((t, 12.0) for t in sorted(likely)))
    for required in (True, False):
        grammar = trio.run(compiler.compile, ToolCalls(TOOLS, required=required))
        texts = generate(grammar, 5, params, rows=8, tokenizer=tokenizer)
        counts = [check_calls(text, tool_format) for text in texts]
        assert min(counts) >= int(required)
    single = ToolCalls(TOOLS, required=True, parallel=False)
    for text in generate(trio.run(compiler.compile, single), 6, params, tokenizer=tokenizer):
        assert check_calls(text, tool_format) == 1


async def test_a_model_with_a_notation_of_its_own_has_no_grammar_of_tool_calls() -> None:
    compiler = GrammarCompiler(TOKENIZER, VOCABULARY, [EOS], ToolFormat.FUNCTION_GEMMA)
    with pytest.raises(InvalidGrammar, match="notation of its own"):
        await compiler.compile(ToolCalls(TOOLS))


@pytest.mark.parametrize(
    ("source", "good", "bad"),
    [
        (JsonObject(), '{"a": [1, {"b": null}]}', "[1]"),
        (JsonSchema(True), "[1]", "[1"),
        (Ebnf('start: "a" b\nb: "x"+ | "(" b ")"'), "a((xx))", "a((xx)"),
        (Ebnf('root ::= "a" b\nb ::= "x"+ | "(" b ")"'), "a((xx))", "a(xx))"),
        (Regex("a/b\n[\"']"), "a/b\n'", "a/b"),
        (ToolCalls(TOOLS), "No call at all, 2 < 3.", "<tool_call>"),
        (
            ToolCalls(TOOLS),
            "Let me see.\n"
            '<tool_call>\n{"name": "calculator", "arguments": {"expression": "1"}}\n</tool_call>\n'
            '<tool_call>\n{"name": "weather", "arguments": {"where": "Oslo"}}\n</tool_call>',
            '<tool_call>\n{"name": "oracle", "arguments": {}}\n</tool_call>',
        ),
        (
            ToolCalls(TOOLS, required=True),
            '<tool_call>\n{"name": "weather", "arguments": {"where": "Rome"}}\n</tool_call>',
            'Sure.\n<tool_call>\n{"name": "weather", "arguments": {"where": "Rome"}}\n</tool_call>',
        ),
    ],
)
def test_sentences_of_a_grammar_are_told_from_others(
    source: GrammarSource, good: str, bad: str
) -> None:
    matcher = compiled(source).matcher()
    assert all(matcher.accept(token) for token in encode(good))
    assert matcher.is_accepting
    assert matcher.accept(EOS)
    other = compiled(source).matcher()
    fits = all(other.accept(token) for token in encode(bad)) and other.is_accepting
    assert not fits


def test_the_opening_tag_cannot_be_spelt_out_in_the_text_before_calls() -> None:
    matcher = compiled(ToolCalls(TOOLS)).matcher()
    spelt = [token for character in "so <tool_call>" for token in encode(character)]
    assert len(spelt) == len("so <tool_call>")
    assert [matcher.accept(token) for token in spelt] == [True] * (len(spelt) - 1) + [False]


def test_after_the_end_only_the_end_may_follow() -> None:
    matcher = compiled(Regex("ab*")).matcher()
    assert EOS not in allowed(matcher)
    assert not matcher.accept(EOS)
    for token in encode("abb"):
        assert matcher.accept(token)
    assert matcher.accept(EOS)
    assert matcher.accept(EOS)
    assert allowed(matcher) == {EOS}
    assert not matcher.accept(encode("b")[0])
    matcher.rollback(2)
    assert not matcher.ended
    assert encode("b")[0] in allowed(matcher)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rollback_and_copies_give_the_masks_of_a_fresh_matcher(data: st.DataObject) -> None:
    grammar = compiled(JsonSchema(PERSON))
    text = '{"name": "Bo \\n", "age": 7, "kind": "dog", "scores": [1.5, -2]}'
    tokens = [*encode(text), EOS, EOS]
    matcher, length = grammar.matcher(), 0
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.booleans()):
            back = data.draw(st.integers(0, length))
            matcher.rollback(back)
            length -= back
        else:
            target = data.draw(st.integers(length, len(tokens)))
            assert all(matcher.accept(token) for token in tokens[length:target])
            length = target
        if data.draw(st.booleans()):
            left = matcher
            matcher = matcher.copy()
            left.rollback(left.consumed_tokens)
        fresh = grammar.matcher()
        assert all(fresh.accept(token) for token in tokens[:length])
        assert matcher.consumed_tokens == length
        assert allowed(matcher) == allowed(fresh)
        assert (matcher.is_accepting, matcher.is_stopped) == (fresh.is_accepting, fresh.is_stopped)
    with pytest.raises(ValueError, match="take back"):
        matcher.rollback(length + 1)


def test_forced_tokens_are_allowed_and_are_the_tokenizers_own() -> None:
    matcher = compiled(ToolCalls(TOOLS[:1], required=True)).matcher()
    call = '<tool_call>\n{"name": "calculator", "arguments": {"expression": "'
    forced: list[int] = []
    while more := matcher.forced_tokens():
        assert all(matcher.accept(token) for token in more)
        forced += more
        # What is forced but may still merge with what follows has to be sampled.
        (only,) = allowed(matcher) if len(allowed(matcher)) == 1 else (None,)
        if only is not None:
            assert matcher.accept(only)
            forced.append(only)
    assert len(forced) > 5
    assert encode(call)[: len(forced)] == forced


@settings(max_examples=40, deadline=None)
@given(
    drafts=st.lists(
        st.lists(st.sampled_from([*encode('{"}12a,: '), EOS]), max_size=4).map(tuple),
        min_size=1,
        max_size=6,
    ),
    threads=st.sampled_from([None, 2]),
)
def test_masks_of_drafts_are_those_after_the_drafted_tokens(
    drafts: list[tuple[int, ...]], threads: int | None
) -> None:
    grammar = compiled(JsonObject())
    state = SamplerState(SamplingParams(), [], VOCABULARY, grammar.matcher())
    state.accept(encode('{"a": '))
    samples = [Sample(SamplingParams(), state=state, draft=d, advance=False) for d in drafts]
    if threads is None:
        masks = fill_masks(samples)
    else:
        filler = MaskFiller(threads)
        masks = filler.start(samples).wait()
        filler.close()
    assert masks is not None
    assert masks.rows == list(range(len(drafts)))
    assert not masks.errors
    for draft, row in zip(drafts, masks.bits, strict=True):
        expected = empty_masks(1, VOCABULARY)[0]
        slow = grammar.matcher()
        if all(slow.accept(token) for token in [*encode('{"a": '), *draft]):
            slow.fill_mask(expected)
        assert torch.equal(row, expected)
    assert state.matcher is not None
    assert state.matcher.consumed_tokens == len(encode('{"a": '))


def test_speculated_tokens_obey_the_grammar_and_equal_plain_decoding() -> None:
    grammar = compiled(JsonSchema(PERSON))
    params = SamplingParams(repetition_penalty=1.1)
    generator = torch.Generator().manual_seed(5)
    # Logits by position, so that drafts do not change them.
    logits = torch.randn(MOST_TOKENS, VOCABULARY, generator=generator) * 4

    state = SamplerState(params, [3], VOCABULARY, grammar.matcher())
    plain: list[int] = []
    while EOS not in plain:
        at = len(plain)
        plain.append(sample(logits[at : at + 1], [Sample(params, state=state)])[0].token)

    state = SamplerState(params, [3], VOCABULARY, grammar.matcher())
    output: list[int] = []
    while EOS not in output:
        at = len(output)
        draft = tuple(plain[at : at + 3])
        if at % 2:
            draft = (*draft[:1], 11, 11)  # wrong from its second token on
        rows = [
            Sample(params, state=state, draft=draft[:n], advance=False)
            for n in range(len(draft) + 1)
        ]
        found = [answer.token for answer in sample(logits[at : at + len(rows)], rows)]
        right = 0
        while right < len(draft) and found[right] == draft[right]:
            right += 1
        state.accept(found[: right + 1])
        output += found[: right + 1]
    assert output[: len(plain)] == plain
    jsonschema.validate(json.loads(decode(plain[:-1])), PERSON)


def test_accepting_what_the_grammar_refuses_changes_nothing() -> None:
    state = SamplerState(SamplingParams(), [], VOCABULARY, compiled(Regex("abc")).matcher())
    a, b, z = (encode(character)[0] for character in "abz")
    with pytest.raises(InvalidGrammar, match=f"token {z}"):
        state.accept([a, b, z])
    state.accept([a])
    state.rollback(1)
    state.accept([a, b])


def test_a_grammar_can_be_replaced_in_the_middle_of_a_generation() -> None:
    letters, digits = compiled(Regex("[a-z]*")), compiled(Regex("[0-9]{3}"))
    params = SamplingParams(temperature=1.0)
    state = SamplerState(params, [], VOCABULARY, letters.matcher())
    generator = torch.Generator().manual_seed(9)

    def steps(count: int) -> str:
        found = []
        for step in range(count):
            logits = torch.randn(1, VOCABULARY, generator=generator)
            logits[0, EOS] = -50.0
            found += sample(logits, [Sample(params, uniform=uniform(1, step), state=state)])
        return decode([answer.token for answer in found if answer.token != EOS])

    assert re.fullmatch("[a-z]+", steps(5))
    state.matcher = digits.matcher()
    assert re.fullmatch("[0-9]{3}", steps(3))
    state.matcher = None
    assert not re.fullmatch("[a-z0-9]*", steps(20))
    state.matcher = letters.matcher()
    state.rollback(7)  # further than this matcher goes back
    assert re.fullmatch("[a-z]+", steps(2))


def test_rows_with_and_without_grammars_share_a_batch_without_touching_each_other() -> None:
    grammars = {1: compiled(Regex("[a-z]+")), 4: compiled(Regex("[0-9]+"))}
    hot = SamplingParams(temperature=1.0)
    kinds = [
        SamplingParams(logit_bias=((7, 60.0),)),
        hot,
        hot,
        SamplingParams(presence_penalty=1.0),
        SamplingParams(temperature=1.0, top_k=20, logit_bias=((9, 5.0),)),
        SamplingParams(),
    ]

    def request(row: int) -> Sample:
        matcher = grammars[row].matcher() if row in grammars else None
        state = SamplerState(kinds[row], [3], VOCABULARY, matcher)
        return Sample(kinds[row], uniform=uniform(row, 1), state=state)

    logits = torch.randn(6, VOCABULARY, generator=torch.Generator().manual_seed(6)) * 4
    together = sample(logits, [request(row) for row in range(6)])
    assert together[0].token == 7
    assert re.fullmatch("[a-z]+", decode([together[1].token]))
    assert re.fullmatch("[0-9]+", decode([together[4].token]))
    for row, answer in enumerate(together):
        assert sample(logits[row : row + 1], [request(row)]) == [answer]


DEAD_END = Ebnf('start: "a" B | "x"\nB: /[0-9]/ & /[a-z]/')


def test_a_grammar_that_excludes_every_token_fails_its_own_row_only() -> None:
    a, x = encode("a")[0], encode("x")[0]
    state = SamplerState(SamplingParams(), [], VOCABULARY, compiled(DEAD_END).matcher())
    other = SamplerState(SamplingParams(), [], VOCABULARY, compiled(Regex("x")).matcher())
    assert state.matcher is not None
    state.accept([a])
    rows = [
        Sample(SamplingParams()),
        Sample(SamplingParams(), state=state),
        Sample(SamplingParams(), state=other),
    ]
    logits = torch.randn(3, VOCABULARY, generator=torch.Generator().manual_seed(4))
    filler = MaskFiller(2)
    for masks in (None, filler.start(rows).wait()):
        plain, dead, alive = sample(
            logits, [*rows[:2], Sample(SamplingParams(), state=other.fork())], masks
        )
        assert plain.token == int(logits[0].argmax())
        assert isinstance(dead.error, InvalidGrammar)
        assert "no token after 1" in dead.error.message
        assert dead.token == -1
        assert alive.token == x
        assert alive.error is None
    filler.close()
    state.rollback(1)
    assert allowed(state.matcher) == {a, x}


def test_a_dead_end_in_a_draft_does_not_harm_the_state() -> None:
    a, x = encode("a")[0], encode("x")[0]
    state = SamplerState(SamplingParams(), [], VOCABULARY, compiled(DEAD_END).matcher())
    drafts: list[tuple[int, ...]] = [(), (a,), (a, a), (x,)]
    masks = fill_masks([Sample(SamplingParams(), state=state, draft=d) for d in drafts])
    assert masks is not None
    assert list(masks.errors) == [1]
    assert torch.equal(masks.bits[2], empty_masks(1, VOCABULARY)[0])
    assert state.matcher is not None
    assert allowed(state.matcher) == {a, x}
    state.accept([x])
    assert allowed(state.matcher) == {EOS}


@pytest.mark.parametrize(
    ("source", "message", "details"),
    [
        (Regex("ab(c"), "unclosed group", {"position": 2}),
        (Regex(r"\bfoo"), "lookarounds", {}),
        (Regex(r"[^\s\S]"), "no token", {"tokens": 0}),
        (Ebnf("start: foo"), "unknown name", {"line": 1, "column": 8}),
        (Ebnf('start: "a"\nx: ('), "line 2", {"line": 2, "column": 5}),
        (Ebnf("root ::= ("), "GBNF", {}),
        (Ebnf(""), "", {}),
        (
            JsonSchema({"properties": {"a": {"type": "text"}}}),
            "text",
            {"path": "$.properties.a.type"},
        ),
        (JsonSchema({"type": "array", "uniqueItems": True}), "uniqueItems", {}),
        (JsonSchema({"$ref": "http://example.com/x"}), "example.com", {}),
        (JsonSchema(False), "schema is false", {}),
        (JsonSchema({"const": float("nan")}), "not JSON", {}),
        (JsonSchema({"const": "x" * 300_000}), "300", {}),
        (ToolCalls(()), "at least one", {}),
        (ToolCalls(({"parameters": {}},)), "tool 0 has no name", {"tool": 0}),
        (ToolCalls(({"name": "t", "parameters": {"type": "string"}},)), "'t'", {"tool": 0}),
    ],
)
async def test_grammars_that_do_not_compile_say_why_and_where(
    source: GrammarSource, message: str, details: dict[str, object]
) -> None:
    with pytest.raises(InvalidGrammar) as caught:
        await COMPILER.compile(source)
    assert message in caught.value.message
    assert caught.value.details == details


async def test_grammars_that_would_explode_end_as_errors() -> None:
    grammar = await COMPILER.compile(Regex("(.*a.{30})|(.*b.{31})|x"))
    state = SamplerState(SamplingParams(), [], VOCABULARY, grammar.matcher())
    generator = torch.Generator().manual_seed(1)
    letters = [encode("a")[0], encode("b")[0]]
    bias = tuple((token, 100.0) for token in letters)
    params = SamplingParams(temperature=1.0, logit_bias=bias)
    for step in range(3000):
        request = Sample(params, uniform=uniform(1, step), state=state)
        logits = torch.randn(1, VOCABULARY, generator=generator)
        answer = sample(logits, [request])[0]
        if answer.error is not None:
            assert isinstance(answer.error, InvalidGrammar)
            assert "too complex" in answer.error.hint
            return
    raise AssertionError("the limit was never reached")


async def test_compiling_leaves_the_loop_free_and_is_done_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiler = GrammarCompiler(TOKENIZER, VOCABULARY, [EOS])
    entered, released = trio.Event(), threading.Event()
    compilations = []
    real = compiler._compile

    def held(source: GrammarSource) -> Grammar:
        trio.from_thread.run_sync(entered.set)
        compilations.append(source)
        assert released.wait(30)
        return real(source)

    monkeypatch.setattr(compiler, "_compile", held)
    found: list[Grammar] = []

    async def ask() -> None:
        found.append(await compiler.compile(Regex("[0-9]+")))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
            await entered.wait()  # it is compiling now, and the loop goes on
            await trio.testing.wait_all_tasks_blocked()
            assert not found
            released.set()
    assert len(compilations) == 1
    assert found[0] is found[1]


async def test_the_cache_drops_what_was_not_used_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar_module, "CACHED_GRAMMARS", 2)
    compiler = GrammarCompiler(TOKENIZER, VOCABULARY, [EOS])
    first = await compiler.compile(Regex("a"))
    second = await compiler.compile(Regex("b"))
    assert await compiler.compile(Regex("a")) is first
    await compiler.compile(Regex("c"))
    assert await compiler.compile(Regex("a")) is first
    assert await compiler.compile(Regex("b")) is not second


async def test_a_wider_vocabulary_than_the_tokenizers_is_never_chosen_from() -> None:
    compiler = GrammarCompiler(TOKENIZER, VOCABULARY + 100, [EOS])
    matcher = (await compiler.compile(Regex("[a-z]+"))).matcher()
    state = SamplerState(SamplingParams(), [], VOCABULARY + 100, matcher)
    logits = torch.zeros(1, VOCABULARY + 100)
    logits[0, VOCABULARY:] = 50.0
    answer = sample(logits, [Sample(SamplingParams(), state=state)])[0]
    assert re.fullmatch("[a-z]+", decode([answer.token]))
    assert answer.token < VOCABULARY


async def test_models_that_grammars_cannot_serve_are_refused() -> None:
    with pytest.raises(CheckpointError, match="2048"):
        GrammarCompiler(TOKENIZER, 2000, [EOS])
    with pytest.raises(CheckpointError, match="end-of-sequence"):
        GrammarCompiler(TOKENIZER, VOCABULARY, [])


async def test_tags_that_are_no_tokens_are_written_as_text() -> None:
    plain = json.loads(TOKENIZER.to_str())
    plain["added_tokens"] = [t for t in plain["added_tokens"] if "tool_call" not in t["content"]]
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(plain))
    assert tokenizer.token_to_id("<tool_call>") is None
    compiler = GrammarCompiler(tokenizer, VOCABULARY, [EOS])
    matcher = (await compiler.compile(ToolCalls(TOOLS))).matcher()
    text = 'Hm.\n<tool_call>\n{"name": "weather", "arguments": {"where": "Rome"}}\n</tool_call>'
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    assert all(matcher.accept(token) for token in tokens)
    assert matcher.is_accepting
