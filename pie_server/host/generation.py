"""Watches a generation token by token: streamed text, stop strings, tool calls.

One sink a generation. The engine calls it on the event loop with every token, so it does nothing
that could be done once at the end unless somebody is watching.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import trio

from pie_server.errors import PieError
from pie_server.model.tokenizer import IncrementalDecoder, Tokenizer
from pie_server.model.tool_formats import ToolFormat
from pie_server.model.tool_parser import ToolCall, ToolCallParser

# A person reads no faster than this, and each event has a fixed price all the way to the client.
_STREAM_INTERVAL_SECONDS = 0.02


def markers_of(tokenizer: Tokenizer, tool_format: ToolFormat) -> dict[int, str]:
    """The tokens of tool-call markup that decoding would drop, as special ones: their text."""
    found = {}
    for marker in tool_format.markers:
        token = tokenizer.inner.token_to_id(marker)
        if token is not None and not tokenizer.decode([token], skip_special=True):
            found[token] = marker
    return found


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """A finished generation as text.

    Attributes:
        text: All of it, without special tokens, cut before a stop string.
        content: `text` without tool-call markup.
        tool_calls: The calls in it.
    """

    text: str
    content: str
    tool_calls: list[ToolCall]


class TokenSink:
    """Decodes while tokens arrive, because somebody streams them or waits for a stop string.

    Args:
        tokenizer: Of the model.
        tool_format: How the model writes tool calls.
        stop: Strings that end the generation; they are not part of the text.
        emit: Receives text for the client, or None.

    Attributes:
        stopped: A stop string was found.
        error: What `emit` raised; nothing is emitted after it.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        tool_format: ToolFormat,
        stop: Sequence[str],
        emit: Callable[[str], None] | None,
    ) -> None:
        self._decoder = IncrementalDecoder(tokenizer)
        self._markers = markers_of(tokenizer, tool_format)
        self._stop = [text for text in stop if text]
        self._longest = max((len(text) for text in self._stop), default=0)
        self._emit = emit
        self._parser = ToolCallParser(tool_format)
        self._text = ""
        self._shown = 0  # characters of `_text` that went through the parser
        self._pending = ""
        self._next_emit = 0.0
        self.stopped = False
        self.error: PieError | None = None

    def feed(self, token: int) -> bool:
        """Takes one token; True if a stop string is complete, or the text has nowhere to go."""
        marker = self._markers.get(token)
        piece = self._decoder.feed(token) if marker is None else self._decoder.finish() + marker
        if not piece:
            return False
        self._text += piece
        if self._stop and (at := self._find_stop(len(piece))) is not None:
            self._text, self.stopped = self._text[:at], True
        if self._emit is not None:
            # Text that may turn out to be the begin of a stop string is held back.
            held = 0 if self.stopped or not self._stop else self._longest - 1
            self._show(max(self._shown, len(self._text) - held))
        return self.stopped or self.error is not None

    def finish(self) -> GeneratedText:
        """Ends the stream: everything that was held back goes out."""
        if not self.stopped:
            self._text += self._decoder.finish()
        self._show(len(self._text))
        self._pending += self._parser.finish()
        self._send()
        content = self._parser.content
        return GeneratedText(self._text, content.strip(), self._parser.calls)

    def _find_stop(self, new: int) -> int | None:
        begin = max(0, len(self._text) - new - self._longest)
        found = [at for text in self._stop if (at := self._text.find(text, begin)) >= 0]
        return min(found, default=None)

    def _show(self, end: int) -> None:
        self._pending += self._parser.feed(self._text[self._shown : end])
        self._shown = end
        if self._emit is not None and self._pending and trio.current_time() >= self._next_emit:
            self._send()

    def _send(self) -> None:
        if self._emit is not None and self._pending and self.error is None:
            try:
                self._emit(self._pending)
            except PieError as error:  # the session has said too much, or the journal is behind
                self.error = error
            self._next_emit = trio.current_time() + _STREAM_INTERVAL_SECONDS
        self._pending = ""


def text_of(tokenizer: Tokenizer, tool_format: ToolFormat, tokens: Sequence[int]) -> GeneratedText:
    """A generation that nobody watched, decoded in one go."""
    markers = markers_of(tokenizer, tool_format)
    if not markers:
        text = tokenizer.decode(tokens, skip_special=True)
    else:
        text = "".join(
            "".join(markers[token] for token in run)
            if marked
            else tokenizer.decode(list(run), skip_special=True)
            for marked, run in groupby(tokens, markers.__contains__)
        )
    parser = ToolCallParser(tool_format)
    parser.feed(text)
    parser.finish()
    return GeneratedText(text, parser.content.strip(), parser.calls)
