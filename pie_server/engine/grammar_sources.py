"""What a grammar can be written as, and its translation into llguidance's own language.

    GrammarSource
    ├── JsonSchema     one JSON value that fits a schema
    ├── JsonObject     any JSON object
    ├── Regex          one match of a regular expression (Rust's syntax, no look-around)
    ├── Ebnf           Lark (`start: ...`) or GBNF (`root ::= ...`)
    └── ToolCalls      the model's tool-call format, each call fitting its tool's schema

Pure functions of text: nothing here knows tokens, but for the two tags of the tool-call format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import jsonschema
import tokenizers
from jsonschema.validators import validator_for
from llguidance import LLMatcher, LLTokenizer
from llguidance.gbnf_to_lark import any_to_lark

from pie_server.errors import InvalidGrammar

# Bounded, or a model that is fond of blanks would never end.
_WHITESPACE = "[ \\t\\n\\r]{0,20}"
# What chat templates write with `tojson`: the form that models were trained on.
_TEMPLATE_JSON = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True, slots=True)
class ToolCallTags:
    """How the two tags of a tool call are written in a Lark grammar, for one tokenizer."""

    opening: str = json.dumps(_OPEN)
    closing: str = json.dumps(_CLOSE)
    are_tokens: bool = False

    @classmethod
    def of(cls, tokenizer: tokenizers.Tokenizer, built: LLTokenizer) -> ToolCallTags:
        """Single tokens of their own where the tokenizer has them, else text."""
        opening, closing = tokenizer.token_to_id(_OPEN), tokenizer.token_to_id(_CLOSE)
        if opening is None or closing is None:
            return cls()
        if not (built.is_special_token(opening) and built.is_special_token(closing)):
            return cls()
        return cls(f"<[{opening}]>", f"<[{closing}]>", are_tokens=True)


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """JSON that fits `schema`; keywords that cannot be enforced are refused, not ignored."""

    schema: Mapping[str, object] | bool

    def key(self) -> str:
        """Equal for equal grammars."""
        return "json_schema " + _dumps(self.schema)

    def translate(self, tags: ToolCallTags) -> str:
        """The grammar for llguidance."""
        _check_schema(self.schema, "")
        if self.schema is False:
            raise InvalidGrammar("the schema is false, which no value fits")
        text = "{}" if self.schema is True else _dumps(self.schema)
        try:
            return LLMatcher.grammar_from_json_schema(
                text, defaults={"whitespace_pattern": _WHITESPACE}
            )
        except ValueError as error:  # options under "x-guidance" that the library does not know
            raise InvalidGrammar(f"the schema is not accepted: {error}") from error


@dataclass(frozen=True, slots=True)
class JsonObject:
    """Any JSON object."""

    def key(self) -> str:
        """Equal for equal grammars."""
        return "json_object"

    def translate(self, tags: ToolCallTags) -> str:
        """The grammar for llguidance."""
        return JsonSchema({"type": "object"}).translate(tags)


@dataclass(frozen=True, slots=True)
class Regex:
    """Text that `pattern` matches from its beginning to its end."""

    pattern: str

    def key(self) -> str:
        """Equal for equal grammars."""
        return "regex " + self.pattern

    def translate(self, tags: ToolCallTags) -> str:
        """The grammar for llguidance."""
        return LLMatcher.grammar_from_regex(self.pattern)


@dataclass(frozen=True, slots=True)
class Ebnf:
    """A context-free grammar in Lark's or GBNF's notation."""

    text: str

    def key(self) -> str:
        """Equal for equal grammars."""
        return "ebnf " + self.text

    def translate(self, tags: ToolCallTags) -> str:
        """The grammar for llguidance."""
        try:
            return LLMatcher.grammar_from_lark(any_to_lark(self.text))
        except Exception as error:  # the converter raises whatever its parser met
            raise InvalidGrammar(f"the grammar cannot be read as GBNF: {error}") from error


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Calls of `tools`, as `pie_server.model.tool_parser` reads them.

    Attributes:
        tools: `{"name", "parameters"}` each, or that under "function".
        required: The output is one call or more; otherwise text, and calls only behind it.
        parallel: More than one call is allowed.
    """

    tools: tuple[Mapping[str, object], ...]
    required: bool = False
    parallel: bool = True

    def key(self) -> str:
        """Equal for equal grammars."""
        return f"tool_calls {self.required} {self.parallel} {_dumps(self.tools)}"

    def translate(self, tags: ToolCallTags) -> str:
        """The grammar for llguidance."""
        if not self.tools:
            raise InvalidGrammar("a grammar of tool calls needs at least one tool")
        bodies = " | ".join(f"call_{index}" for index in range(len(self.tools)))
        rules = [
            *self._start(tags),
            f"call: {tags.opening} body",
            f'body: "\\n" ({bodies}) "\\n" {tags.closing}',
            *(_tool_rule(index, tool) for index, tool in enumerate(self.tools)),
        ]
        return LLMatcher.grammar_from_lark("\n".join(rules))

    def _start(self, tags: ToolCallTags) -> list[str]:
        more = '("\\n" call)*' if self.parallel else ""
        if self.required:
            return [f"start: call {more}"]
        # The tag must not be spelt out in the text, where a parser would find it too.
        text = f"TEXT: /(?s:.*)/ & ~/(?s:.*){_OPEN}(?s:.*)/"
        if tags.are_tokens:
            return [f"start: TEXT (call {more})?", text]
        # A lexer takes all it can, so text that may end in a tag has to be one lexeme with it.
        return [f"start: TEXT | head body {more}", f"head[lazy]: /(?s:.*){_OPEN}/", text]


GrammarSource: TypeAlias = JsonSchema | JsonObject | Regex | Ebnf | ToolCalls


def _tool_rule(index: int, tool: Mapping[str, object]) -> str:
    inner = tool.get("function", tool)
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(name, str) or not name:
        raise InvalidGrammar(f"tool {index} has no name", details={"tool": index})
    schema = inner.get("parameters") or {}
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        raise InvalidGrammar(
            f"the parameters of tool {name!r} are not a schema of an object",
            details={"tool": index},
        )
    _check_schema(schema, f"the parameters of tool {name!r}: ")
    # Each tool has a schema of its own, so that its "$ref"s find their definitions.
    arguments = {"type": "object", **schema, "x-guidance": _TEMPLATE_JSON}
    head = f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '
    return f'call_{index}: {json.dumps(head, ensure_ascii=False)} %json {_dumps(arguments)} "}}"'


def _dumps(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidGrammar(f"the schema is not JSON: {error}") from error


def _check_schema(schema: Mapping[str, object] | bool, whose: str) -> None:
    """Finds mistakes whose place llguidance would not name."""
    if isinstance(schema, bool):
        return
    try:
        plain = dict(schema)
        validator_for(plain, default=jsonschema.Draft202012Validator).check_schema(plain)
    except jsonschema.SchemaError as error:
        raise InvalidGrammar(
            f"{whose}at {error.json_path}: {error.message}", details={"path": error.json_path}
        ) from error
    except RecursionError as error:
        raise InvalidGrammar(f"{whose}the schema is nested too deeply") from error
