"""Turns the segments of a fill into tokens: chat messages, raw text, raw tokens.

Knows where a conversation stands (which turn is open) and nothing of KV. A fill is rendered when
it is submitted; the context's chat state is replaced by the one returned here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import msgspec

from pie_server.errors import InvalidArguments
from pie_server.model.chat_template import Message
from pie_server.model.loader import Checkpoint
from pie_server.runtime.port import JsonValue


class Segment(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One part of a fill; exactly one field is set."""

    system: str | None = None
    user: str | None = None
    assistant: str | None = None
    message: dict[str, object] | None = None
    tools: list[str | dict[str, object]] | None = None
    cue: bool = False
    seal: bool = False
    tokens: list[int] | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ChatState:
    """Where a context's conversation stands.

    Attributes:
        begun: The first messages have been rendered.
        open_turn: An assistant turn was cued and not closed.
        tail: The context's last token, as far as it is known; None if empty.
        tools: Schemas that the first messages will declare.
    """

    begun: bool = False
    open_turn: bool = False
    tail: int | None = None
    tools: tuple[dict[str, object], ...] = ()


class FillRenderer:
    """Renders fills for one model.

    Args:
        checkpoint: Its tokenizer and chat template.
        schemas: Looks tools up by name (raises InvalidArguments for one that does not exist).
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        schemas: Callable[[Sequence[str]], list[dict[str, object]]],
    ) -> None:
        self._tokenizer = checkpoint.tokenizer
        self._template = checkpoint.chat_template
        self._vocabulary = checkpoint.config.vocab_size
        self._eos = checkpoint.config.eos_tokens
        self._schemas = schemas

    def render(self, fill: Sequence[Segment], state: ChatState) -> tuple[list[int], ChatState]:
        """The tokens of a fill, and the chat state behind it.

        Raises:
            InvalidArguments: A segment sets no field or several, or a token is out of range.
            TemplateError: The chat template refuses the messages.
        """
        tokens: list[int] = []
        messages: list[Message] = []
        for segment in fill:
            if (message := _message(segment)) is not None:
                messages.append(message)
                continue
            state = self._flush(messages, state, tokens)
            messages = []
            state = self._one(segment, state, tokens)
        state = self._flush(messages, state, tokens)
        return tokens, replace(state, tail=tokens[-1]) if tokens else state

    def _one(self, segment: Segment, state: ChatState, tokens: list[int]) -> ChatState:
        if segment.tools is not None:
            return self._declare(segment.tools, state)
        if segment.cue:
            state = self._close_turn(state, tokens)
            tokens += self._tokenizer.encode(self._template.cue)
            return replace(state, begun=True, open_turn=True)
        if segment.seal:
            return self._close_turn(replace(state, open_turn=True), tokens)
        if segment.text is not None:
            tokens += self._tokenizer.encode(segment.text)
            return replace(state, begun=True)
        if segment.tokens is not None:
            if any(not 0 <= token < self._vocabulary for token in segment.tokens):
                raise InvalidArguments(f"tokens must be between 0 and {self._vocabulary - 1}")
            tokens += segment.tokens
            return replace(state, begun=True)
        raise InvalidArguments(
            "a fill segment is empty",
            hint="Set one of system, user, assistant, message, tools, cue, seal, tokens, text.",
        )

    def _declare(self, tools: Sequence[str | dict[str, object]], state: ChatState) -> ChatState:
        if state.begun:
            raise InvalidArguments("tools must be declared before the first message")
        names = [tool for tool in tools if isinstance(tool, str)]
        found = {_name(schema): schema for schema in self._schemas(names)} if names else {}
        schemas = [found[tool] if isinstance(tool, str) else tool for tool in tools]
        return replace(state, tools=(*state.tools, *schemas))

    def _flush(self, messages: Sequence[Message], state: ChatState, tokens: list[int]) -> ChatState:
        """Renders messages that stand together (a template may merge them into one turn)."""
        if not messages:
            return state
        if not state.begun:
            text = self._template.opening(messages, state.tools)
        else:
            state = self._close_turn(state, tokens)
            text = self._template.turns(messages)
        tokens += self._tokenizer.encode(text)
        return replace(state, begun=True)

    def _close_turn(self, state: ChatState, tokens: list[int]) -> ChatState:
        if not state.open_turn:
            return state
        end = self._tokenizer.encode(self._template.turn_end)
        tail = tokens[-1] if tokens else state.tail
        # A model that ended its turn itself has written the end token already.
        if tail in self._eos and end and end[0] == tail:
            end = end[1:]
        tokens += end
        return replace(state, open_turn=False)


def _message(segment: Segment) -> Message | None:
    if segment.message is not None:
        return segment.message
    for role in ("system", "user", "assistant"):
        content = cast("str | None", getattr(segment, role))
        if content is not None:
            return {"role": role, "content": content}
    return None


def _name(schema: dict[str, object]) -> str:
    function = cast(dict[str, JsonValue], schema.get("function", {}))
    return str(function.get("name", ""))
