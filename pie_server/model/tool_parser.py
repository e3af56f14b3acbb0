"""Finds tool calls in a model's output, piece by piece.

Format: Hermes / Qwen, `<tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>`, any number of
them in one turn, text before and between allowed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


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


class ToolCallParser:
    """Separates text from tool calls while tokens arrive."""

    def __init__(self) -> None:
        self._buffer = ""
        self._inside = False
        self.calls: list[ToolCall] = []
        self.content = ""

    def feed(self, text: str) -> str:
        """Takes the next piece of output; returns the part of it that is plain text for people.

        Text that may turn out to be the begin of a tag is held back.
        """
        self._buffer += text
        shown = ""
        while True:
            tag = _CLOSE if self._inside else _OPEN
            before, found, after = self._buffer.partition(tag)
            if not found:
                break
            self._buffer = after
            if self._inside:
                self.calls.append(_parse(before))
            else:
                shown += before
            self._inside = not self._inside
        if not self._inside:
            held = _partial_tag(self._buffer)
            shown += self._buffer[: len(self._buffer) - held]
            self._buffer = self._buffer[len(self._buffer) - held :]
        self.content += shown
        return shown

    def finish(self) -> str:
        """Ends the output: a call that was never closed counts as one that failed to parse."""
        rest, self._buffer = self._buffer, ""
        if self._inside:
            self._inside = False
            self.calls.append(_parse(rest))
            return ""
        self.content += rest
        return rest


def _partial_tag(text: str) -> int:
    longest = min(len(_OPEN) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(_OPEN[:n])), 0)


def _parse(markup: str) -> ToolCall:
    try:
        value = json.loads(markup)
        name, arguments = value["name"], value.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise TypeError("name must be a string and arguments an object")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return ToolCall("", {}, f"the tool call is not valid: {error}")
    return ToolCall(name, arguments)
