"""Turns the segments of a fill into tokens: chat messages, raw text, raw tokens.

Knows where a conversation stands (which turn is open) and nothing of KV. A fill is rendered when
it is submitted; the context's chat state is replaced by the one returned here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import msgspec

from pie_server.errors import ContextTooLong, InvalidArguments
from pie_server.model.chat_template import Message
from pie_server.model.loader import Checkpoint
from pie_server.runtime.port import JsonValue

_LONGEST_TOKEN_CHARACTERS = 64  # on average over a text; real text has about four


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
        turns: Token positions of the assistant's turns that were cued: where each begins, and
            where it ends, end token included (None while it is open).
        tail: The context's last token, as far as it is known; None if empty.
        tools: Schemas that the first messages will declare.
    """

    begun: bool = False
    turns: tuple[tuple[int, int | None], ...] = ()
    tail: int | None = None
    tools: tuple[dict[str, object], ...] = ()

    @property
    def open_turn(self) -> bool:
        """Whether an assistant turn was cued and not closed."""
        return bool(self.turns) and self.turns[-1][1] is None

    def truncated(self, length: int, tail: int | None) -> ChatState:
        """The state after keeping `length` tokens, the last of which is `tail`."""
        turns = tuple(
            (begin, end if end is not None and end <= length else None)
            for begin, end in self.turns
            if begin <= length
        )
        return ChatState(self.begun and length > 0, turns, tail, () if length else self.tools)


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
        self._longest_text = checkpoint.config.max_context_tokens * _LONGEST_TOKEN_CHARACTERS

    def render(
        self, fill: Sequence[Segment], state: ChatState, length: int
    ) -> tuple[list[int], ChatState]:
        """The tokens of a fill behind `length` others, and the chat state behind it.

        Raises:
            ContextTooLong: A text is longer than any context, so it is not even tokenized.
            InvalidArguments: A segment sets no field or several, or a token is out of range.
            TemplateError: The chat template refuses the messages.
        """
        tokens: list[int] = []
        messages: list[Message] = []
        for segment in fill:
            if (message := _message(segment)) is not None:
                messages.append(message)
                continue
            state = self._flush(messages, state, tokens, length)
            messages = []
            state = self._one(segment, state, tokens, length)
        state = self._flush(messages, state, tokens, length)
        return tokens, replace(state, tail=tokens[-1]) if tokens else state

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`.

        Raises:
            ContextTooLong: It is longer than any context, so it is not even tokenized.
        """
        if len(text) > self._longest_text:
            raise ContextTooLong(
                f"a text of {len(text)} characters fits no context of this model",
                hint=f"The longest that is accepted has {self._longest_text}.",
            )
        return self._tokenizer.encode(text)

    def _one(self, segment: Segment, state: ChatState, tokens: list[int], length: int) -> ChatState:
        if segment.tools is not None:
            return self._declare(segment.tools, state)
        if state.tools and not state.begun:
            raise InvalidArguments(
                "tools were declared, but no message has been given that would declare them",
                hint="Put a system or user message before this segment.",
            )
        if segment.cue:
            state = self._close_turn(state, tokens, length)
            tokens += self.encode(self._template.cue)
            opened = (length + len(tokens), None)
            return replace(state, begun=True, turns=(*state.turns, opened))
        if segment.seal:
            if not state.open_turn:
                state = replace(state, turns=(*state.turns, (length + len(tokens), None)))
            return self._close_turn(state, tokens, length)
        if segment.text is not None:
            tokens += self.encode(segment.text)
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

    def _flush(
        self, messages: Sequence[Message], state: ChatState, tokens: list[int], length: int
    ) -> ChatState:
        """Renders messages that stand together (a template may merge them into one turn)."""
        if not messages:
            return state
        if not state.begun:
            text = self._template.opening(messages, state.tools)
        else:
            state = self._close_turn(state, tokens, length)
            text = self._template.turns(messages)
        tokens += self.encode(text)
        return replace(state, begun=True)

    def _close_turn(self, state: ChatState, tokens: list[int], length: int) -> ChatState:
        if not state.open_turn:
            return state
        end = self.encode(self._template.turn_end)
        tail = tokens[-1] if tokens else state.tail
        # A model that ended its turn itself has written the end token already.
        if tail in self._eos and end and end[0] == tail:
            end = end[1:]
        tokens += end
        closed = (state.turns[-1][0], length + len(tokens))
        return replace(state, turns=(*state.turns[:-1], closed))


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
