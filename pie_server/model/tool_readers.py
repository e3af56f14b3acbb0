"""Readers of one tool call's markup, character by character: where it ends, and what it says.

A tag or bracket inside a string of the arguments ends nothing. Each character is looked at once,
however the text is cut.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pie_server.model.tool_formats import ToolFormat


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call the model asks for.

    Attributes:
        name: The tool's name; empty if the markup could not be parsed.
        arguments: Its arguments as a JSON object.
        error: Why the markup could not be parsed, for the model to read; else None.
    """

    name: str
    arguments: dict[str, object]
    error: str | None = None


class CallReader(ABC):
    """Reads the markup behind an opening."""

    @abstractmethod
    def feed(self, text: str) -> int | None:
        """Looks at the next piece; how much of it belongs to the call if the call ends in it."""

    @abstractmethod
    def calls(self, markup: str) -> list[ToolCall] | None:
        """What the markup says; None if it is no call at all but text."""


class _Strings:
    """Follows JSON text: whether a character is inside a string."""

    __slots__ = ("_escaped", "_inside")

    def __init__(self) -> None:
        self._inside = self._escaped = False

    def inside(self, character: str) -> bool:
        """Takes the next character; whether it belongs to a string, its quotes included."""
        if not self._inside:
            self._inside = character == '"'
            return self._inside
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        # A line never ends inside a JSON string: this one was left open by mistake.
        elif character == '"' or character < " ":
            self._inside = False
        return True


class TaggedJson(CallReader):
    """`{"name": ..., "arguments": {...}}</tool_call>`; Qwen's coders write elements instead."""

    CLOSING = "</tool_call>"

    def __init__(self) -> None:
        self._strings = _Strings()
        self._matched = 0  # characters of the closing tag

    def feed(self, text: str) -> int | None:
        """See `CallReader`."""
        for at, character in enumerate(text, 1):
            if self._strings.inside(character):
                self._matched = 0
            elif character == self.CLOSING[self._matched]:
                self._matched += 1
                if self._matched == len(self.CLOSING):
                    return at
            else:
                self._matched = int(character == self.CLOSING[0])
        return None

    def calls(self, markup: str) -> list[ToolCall]:
        """See `CallReader`."""
        return [parse_tagged(markup.removesuffix(self.CLOSING))]


class BareJson(CallReader):
    """One JSON value, objects and lists in it balanced: `{"name": ..., "parameters": {...}}`."""

    def __init__(self) -> None:
        self._strings = _Strings()
        self._depth = 0

    def feed(self, text: str) -> int | None:
        """See `CallReader`."""
        for at, character in enumerate(text, 1):
            if self._strings.inside(character):
                continue
            if character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth <= 0:
                    return at
        return None

    def calls(self, markup: str) -> list[ToolCall] | None:
        """See `CallReader`: an object without a name is text, which happens to be JSON."""
        if not re.match(r'\{\s*("type"\s*:\s*"function"\s*,\s*)?"name"\s*:', markup):
            return None
        return [_checked(_loaded(markup))]


class MistralCalls(CallReader):
    """`[{"name": ..., "arguments": {...}}, ...]`, or `name[CALL_ID]id[ARGS]{...}`."""

    def __init__(self) -> None:
        self._json: BareJson | None = None
        self._begun = False

    def feed(self, text: str) -> int | None:
        """See `CallReader`."""
        at = 0
        while self._json is None:
            if at == len(text):
                return None
            if text[at] == "{" or (text[at] == "[" and not self._begun):
                self._json = BareJson()
                break
            self._begun = self._begun or not text[at].isspace()
            at += 1
        end = self._json.feed(text[at:])
        return None if end is None else at + end

    def calls(self, markup: str) -> list[ToolCall]:
        """See `CallReader`."""
        markup = markup.strip()
        if not markup.startswith("["):
            head, brace, rest = markup.partition("{")
            name = head.split("[CALL_ID]")[0].split("[ARGS]")[0].strip()
            return [_checked({"name": name, "arguments": _loaded(brace + rest)})]
        found = _loaded(markup)
        if not isinstance(found, list):
            return [_checked(found)]
        return [_checked(item) for item in found]


class GemmaCall(CallReader):
    """`call:name{key:<escape>text<escape>,other:1}<end_function_call>`."""

    CLOSING = "<end_function_call>"
    ESCAPE = "<escape>"

    def __init__(self) -> None:
        self._tail = ""
        self._escaped = False

    def feed(self, text: str) -> int | None:
        """See `CallReader`."""
        carried = len(self._tail)
        text, at = self._tail + text, 0
        while True:
            tag = _GEMMA_TAGS.search(text, at)
            if tag is None:
                self._tail = text[max(at, len(text) - len(self.CLOSING) + 1) :]
                return None
            at = tag.end()
            if tag[0] == self.ESCAPE:
                self._escaped = not self._escaped
            elif not self._escaped:
                return at - carried

    def calls(self, markup: str) -> list[ToolCall]:
        """See `CallReader`."""
        match = re.match(r"\s*call:\s*([^\s{]+)\s*(\{.*)", markup, re.DOTALL)
        if match is None:
            return [_refused("it is not call:name{...}")]
        body = match[2].removesuffix(self.CLOSING)
        return [_checked({"name": match[1], "arguments": _loaded(_json_of(body))})]


_FUNCTION = re.compile(r"\s*<function=([^>\s]+)>")
_PARAMETER = re.compile(r"<parameter=([^<>\s]+)>")
_PARAMETER_END = "</parameter>"
_GEMMA_TAGS = re.compile(f"{GemmaCall.ESCAPE}|{GemmaCall.CLOSING}")
_GEMMA_KEY = re.compile(r"([{,]\s*)([^\s{}\[\],:\"]+)(\s*:)")

READERS: Mapping[ToolFormat, type[CallReader]] = {
    ToolFormat.HERMES: TaggedJson,
    ToolFormat.LLAMA: BareJson,
    ToolFormat.MISTRAL_LIST: MistralCalls,
    ToolFormat.MISTRAL: MistralCalls,
    ToolFormat.FUNCTION_GEMMA: GemmaCall,
}


def parse_tagged(markup: str) -> ToolCall:
    """What stands between two tags: a JSON object with a name and arguments, or elements.

    The text of a parameter element is taken as JSON where it is JSON.
    """
    function = _FUNCTION.match(markup)
    if function is None:
        return _checked(_loaded(markup))
    arguments: dict[str, object] = {}
    for name, text in _parameters(markup, function.end()):
        value = _loaded(text)
        arguments[name] = text if isinstance(value, Exception) else value
    return _checked({"name": function[1], "arguments": arguments})


def _parameters(markup: str, at: int) -> Iterator[tuple[str, str]]:
    """Names and texts of parameter elements; what is not closed is none."""
    while (opened := _PARAMETER.search(markup, at)) is not None:
        end = markup.find(_PARAMETER_END, opened.end())
        if end < 0:
            return
        yield opened[1], markup[opened.end() : end].removeprefix("\n").removesuffix("\n")
        at = end + len(_PARAMETER_END)


def _json_of(body: str) -> str:
    """Gemma's arguments as JSON: keys and escaped texts get quotes, all else is JSON already."""
    parts = body.split(GemmaCall.ESCAPE)
    for at, part in enumerate(parts):
        parts[at] = json.dumps(part) if at % 2 else _GEMMA_KEY.sub(r'\1"\2"\3', part)
    return "".join(parts)


def _loaded(text: str) -> object:
    """The JSON value, or the error that says why it is none. Line ends in texts are let pass."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        return error


def _checked(value: object) -> ToolCall:
    if isinstance(value, Exception):
        return _refused(value)
    if not isinstance(value, dict):
        return _refused("it is no JSON object")
    name = value.get("name")
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, Exception):
        return _refused(arguments)
    if isinstance(arguments, str):  # some models quote the object once more
        arguments = _loaded(arguments)
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return _refused("name must be a string and arguments an object")
    return ToolCall(name, arguments)


def _refused(reason: object) -> ToolCall:
    return ToolCall("", {}, f"the tool call is not valid: {reason}")
