"""What a grammar can be written as, and its translation into llguidance's own language.

    GrammarSource
    ├── JsonSchema     one JSON value that fits a schema
    ├── JsonObject     any JSON object
    ├── Regex          one match of a regular expression (Rust's syntax, no look-around)
    ├── Ebnf           Lark (`start: ...`) or GBNF (`root ::= ...`)
    └── ToolCalls      the model's tool-call format, each call fitting its tool's schema

Pure functions of text: nothing here knows tokens, but for the markers of the tool-call format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import jsonschema
import tokenizers
from jsonschema.validators import validator_for
from llguidance import LLMatcher, LLTokenizer
from llguidance.gbnf_to_lark import any_to_lark

from pie_server.errors import InvalidGrammar
from pie_server.model.tool_formats import ToolFormat

# Bounded, or a model that is fond of blanks would never end.
_WHITESPACE = "[ \\t\\n\\r]{0,20}"
# What chat templates write with `tojson`: the form that models were trained on.
_TEMPLATE_JSON = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@dataclass(frozen=True, slots=True)
class ToolMarkup:
    """How one model writes tool calls.

    Attributes:
        tool_format: The format.
        tokens: Those of its markers that are single tokens of their own.
    """

    tool_format: ToolFormat = ToolFormat.HERMES
    tokens: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, tool_format: ToolFormat, tokenizer: tokenizers.Tokenizer, built: LLTokenizer
    ) -> ToolMarkup:
        """The markup of a model; a marker that is no token of its own is text."""
        ids = {}
        for marker in tool_format.markers:
            token = tokenizer.token_to_id(marker)
            if token is not None and built.is_special_token(token):
                ids[marker] = token
        return cls(tool_format, ids)

    def lark(self, marker: str) -> str:
        """A marker in a Lark grammar."""
        token = self.tokens.get(marker)
        return json.dumps(marker) if token is None else f"<[{token}]>"


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """JSON that fits `schema`; keywords that cannot be enforced are refused, not ignored."""

    schema: Mapping[str, object] | bool

    def key(self) -> str:
        """Equal for equal grammars."""
        return "json_schema " + _dumps(self.schema)

    def translate(self, markup: ToolMarkup) -> str:
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

    def translate(self, markup: ToolMarkup) -> str:
        """The grammar for llguidance."""
        return JsonSchema({"type": "object"}).translate(markup)


@dataclass(frozen=True, slots=True)
class Regex:
    """Text that `pattern` matches from its beginning to its end."""

    pattern: str

    def key(self) -> str:
        """Equal for equal grammars."""
        return "regex " + self.pattern

    def translate(self, markup: ToolMarkup) -> str:
        """The grammar for llguidance."""
        return LLMatcher.grammar_from_regex(self.pattern)


@dataclass(frozen=True, slots=True)
class Ebnf:
    """A context-free grammar in Lark's or GBNF's notation."""

    text: str

    def key(self) -> str:
        """Equal for equal grammars."""
        return "ebnf " + self.text

    def translate(self, markup: ToolMarkup) -> str:
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

    def translate(self, markup: ToolMarkup) -> str:
        """The grammar for llguidance."""
        if not self.tools:
            raise InvalidGrammar("a grammar of tool calls needs at least one tool")
        if markup.tool_format is ToolFormat.FUNCTION_GEMMA:
            raise InvalidGrammar(
                "this model writes the arguments of tool calls in a notation of its own, which no "
                "grammar is made for",
                hint="Leave out the grammar, or ask for JSON with a schema of your own.",
            )
        rules = [
            *self._start(markup),
            *self._call(markup),
            *(_tool_rule(index, tool, markup) for index, tool in enumerate(self.tools)),
        ]
        return LLMatcher.grammar_from_lark("\n".join(rules))

    def _call(self, markup: ToolMarkup) -> list[str]:
        """The rules `call`, `body` (behind the opening) and `more` (what may follow a call)."""
        one = "(" + " | ".join(f"call_{index}" for index in range(len(self.tools))) + ")"
        match markup.tool_format:
            case ToolFormat.LLAMA:
                body, more = one, '("; " call)*'
            case ToolFormat.MISTRAL_LIST:
                others = f'(", " {one})*' if self.parallel else ""
                return [f"call: {self._opening(markup)} body", f'body: " "? "[" {one} {others} "]"']
            case ToolFormat.MISTRAL:
                body, more = one, "call*"
            case _:
                body, more = f'"\\n" {one} "\\n" {markup.lark("</tool_call>")}', '("\\n" call)*'
        rules = [f"call: {self._opening(markup)} body", f"body: {body}"]
        return [*rules, f"more: {more}"] if self.parallel else rules

    def _start(self, markup: ToolMarkup) -> list[str]:
        several = self.parallel and markup.tool_format is not ToolFormat.MISTRAL_LIST
        more = "more" if several else ""
        if self.required:
            return [f"start: call {more}"]
        # The opening must not be spelt out in the text, where a parser would find it too.
        opening = re.escape(markup.tool_format.opening)
        text = f"/(?s:.*)/ & ~/(?s:.*){opening}(?s:.*)/"
        if markup.tool_format is ToolFormat.LLAMA:  # an object at the beginning is a call
            return [f"start: TEXT | call {more}", rf"TEXT: {text} & ~/\s*\{{(?s:.*)/"]
        if markup.tool_format.opening in markup.tokens:
            return [f"start: TEXT (call {more})?", f"TEXT: {text}"]
        # A lexer takes all it can, so text that may end in a tag has to be one lexeme with it.
        head = f"head[lazy]: /(?s:.*){opening}/"
        return [f"start: TEXT | head body {more}", head, f"TEXT: {text}"]

    @staticmethod
    def _opening(markup: ToolMarkup) -> str:
        tool_format = markup.tool_format
        return "" if tool_format is ToolFormat.LLAMA else markup.lark(tool_format.opening)


GrammarSource: TypeAlias = JsonSchema | JsonObject | Regex | Ebnf | ToolCalls


def _tool_rule(index: int, tool: Mapping[str, object], markup: ToolMarkup) -> str:
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
    fitting = f"%json {_dumps(arguments)}"
    if markup.tool_format is ToolFormat.MISTRAL:
        return f"call_{index}: {json.dumps(name)} {markup.lark('[ARGS]')} {fitting}"
    key = "parameters" if markup.tool_format is ToolFormat.LLAMA else "arguments"
    head = f'{{"name": {json.dumps(name, ensure_ascii=False)}, "{key}": '
    return f'call_{index}: {json.dumps(head, ensure_ascii=False)} {fitting} "}}"'


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
