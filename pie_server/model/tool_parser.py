"""Finds tool calls in a model's output, piece by piece, in the format that the model writes.

Any number of calls in one turn, text before and between them allowed; see `tool_formats`.
"""

from __future__ import annotations

import re

from pie_server.model.tool_formats import ToolFormat
from pie_server.model.tool_readers import READERS, CallReader, TaggedJson, parse_tagged
from pie_server.model.tool_readers import ToolCall as ToolCall


class ToolCallParser:
    """Separates text from tool calls while tokens arrive; in time that grows with the text alone.

    Args:
        tool_format: How the model writes calls.

    Attributes:
        calls: Those that are complete.
        content: The text without them.
    """

    def __init__(self, tool_format: ToolFormat = ToolFormat.HERMES) -> None:
        self._format = tool_format
        self._reader: CallReader | None = None
        self._markup: list[str] = []  # of the call that is being read
        self._held = ""  # what may be the begin of an opening
        # Whether an object that begins here is a call: at the begin of the turn and behind a call.
        self._expects_call = tool_format is ToolFormat.LLAMA
        self._content: list[str] = []
        self.calls: list[ToolCall] = []

    @property
    def content(self) -> str:
        """See the class."""
        return "".join(self._content)

    @property
    def is_inside(self) -> bool:
        """Whether a call has begun and not ended."""
        return self._reader is not None

    def feed(self, text: str) -> str:
        """Takes the next piece of output; returns the part of it that is plain text for people.

        Text that may turn out to be the begin of a call is held back.
        """
        shown: list[str] = []
        text, self._held = self._held + text, ""
        while text:
            text = self._look(text, shown) if self._reader is None else self._read(text, shown)
        self._content += shown
        return "".join(shown)

    def finish(self) -> str:
        """Ends the output: a call that was never closed counts as one that failed to parse."""
        shown = [self._held]
        self._held = ""
        if self._reader is not None:
            reader, rest = self._reader, "".join(self._markup)
            self._reader, self._markup = None, []
            if isinstance(reader, TaggedJson):
                shown += self._split(rest)
            elif (calls := reader.calls(rest)) is not None:
                self.calls += calls
            else:
                shown.append(rest)
        self._content += shown
        return "".join(shown)

    def _look(self, text: str, shown: list[str]) -> str:
        """Text outside calls; returns what is behind the next opening."""
        if self._expects_call:
            rest = text.lstrip(" \t\r\n;" if self.calls else None)
            if not rest:
                return ""
            if rest[0] == "{":
                self._reader = READERS[self._format]()
                return rest
            self._expects_call = False
        opening = self._format.opening
        before, found, after = text.partition(opening)
        if not found:
            held = _partial(text, opening)
            shown.append(text[: len(text) - held])
            self._held = text[len(text) - held :]
            return ""
        shown.append(before)
        if self._format is ToolFormat.LLAMA:  # its marker stands before a call, or before code
            self._expects_call = True
        else:
            self._reader = READERS[self._format]()
        return after

    def _read(self, text: str, shown: list[str]) -> str:
        """Text inside a call; returns what is behind its end."""
        assert self._reader is not None
        end = self._reader.feed(text)
        self._markup.append(text if end is None else text[:end])
        if end is None:
            return ""
        markup, reader = "".join(self._markup), self._reader
        self._reader, self._markup = None, []
        calls = reader.calls(markup)
        if calls is None:
            shown.append(markup)
        else:
            self.calls += calls
        self._expects_call = self._format is ToolFormat.LLAMA and calls is not None
        return text[end:]

    def _split(self, rest: str) -> list[str]:
        """A call whose string was never closed: now its first closing tag is taken for its end."""
        shown: list[str] = []
        inside = True
        tags = f"({self._format.opening}|{TaggedJson.CLOSING})"
        parts = re.split(tags, rest)
        pieces, kept = [*parts[::2]], [*parts[1::2], ""]
        current = ""
        for piece, tag in zip(pieces, kept, strict=True):
            current += piece
            expected = TaggedJson.CLOSING if inside else self._format.opening
            if tag and tag != expected:
                current += tag
                continue
            if inside:
                self.calls.append(parse_tagged(current))
            else:
                shown.append(current)
            inside, current = not inside, ""
        return shown


def _partial(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the begin of `tag`."""
    longest = min(len(tag) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(tag[:n])), 0)
