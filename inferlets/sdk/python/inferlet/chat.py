"""The chat template: tokens for messages, and text from generated tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from inferlet._backend import control

if TYPE_CHECKING:
    from inferlet.model import Model

_REPLACEMENT = "\ufffd"  # how an incomplete UTF-8 sequence decodes


def render(model: Model, segments: list[dict[str, Any]]) -> list[int]:
    """Tokens of fill segments in an empty context.

    Example:
        >>> chat.render(model, [{"user": "hello"}, {"cue": True}])
    """
    handle = control("context.create", model=model.name, prefix_reuse=False)["context"]
    try:
        return list(control("context.render", context=handle, fill=segments))
    finally:
        control("context.release", context=handle)


def system(model: Model, message: str) -> list[int]:
    """Tokens of a system message.

    Example:
        >>> ctx.append(chat.system(model, "You are a helpful assistant."))
    """
    return render(model, [{"system": message}])


def user(model: Model, message: str) -> list[int]:
    """Tokens of a user's message.

    Example:
        >>> ctx.append(chat.user(model, "What is 2 + 2?"))
    """
    return render(model, [{"user": message}])


def assistant(model: Model, message: str) -> list[int]:
    """Tokens of an earlier reply.

    Example:
        >>> ctx.append(chat.assistant(model, "4"))
    """
    return render(model, [{"assistant": message}])


def cue(model: Model) -> list[int]:
    """Tokens that begin the model's turn.

    Example:
        >>> ctx.append(chat.cue(model))
    """
    return render(model, [{"cue": True}])


def seal(model: Model) -> list[int]:
    """Tokens that end a turn.

    Example:
        >>> ctx.append(chat.seal(model))
    """
    return render(model, [{"seal": True}])


def stop_tokens(model: Model) -> list[int]:
    """Tokens with which the model ends its turn.

    Example:
        >>> ctx.generate(sampler, stop=chat.stop_tokens(model))
    """
    return list(model.eos_tokens)


class Event:
    """What `Decoder.feed` returns: one of the four classes inside.

    Example:
        >>> match decoder.feed(out.tokens):
        ...     case chat.Event.Delta(text=text):
        ...         session.send(text)
    """

    @dataclass(frozen=True, slots=True)
    class Idle:
        """No new text."""

    @dataclass(frozen=True, slots=True)
    class Delta:
        """New text, never empty."""

        text: str

    @dataclass(frozen=True, slots=True)
    class Done:
        """End of turn; `text` is all of it."""

        text: str

    @dataclass(frozen=True, slots=True)
    class Interrupt:
        """A special token that is no text, such as tool-call markup."""

        token: int


AnyEvent: TypeAlias = Event.Idle | Event.Delta | Event.Done | Event.Interrupt


class Decoder:
    """Turns generated tokens into text, batch by batch; holds back incomplete characters.

    Example:
        >>> decoder = chat.Decoder(model)
        >>> async for step in ctx.generate(sampler, max_tokens=64):
        ...     event = decoder.feed((await step.execute()).tokens)
    """

    def __init__(self, model: Model) -> None:
        self._tokenizer = model.tokenizer()
        self._ends = set(model.eos_tokens)
        self.reset()

    def reset(self) -> None:
        """Forget everything fed so far.

        Example:
            >>> decoder.reset()
        """
        self._text = ""
        self._held: list[int] = []
        # Decoded again with what follows, since a tokenizer may join or space tokens.
        self._before: list[int] = []

    def feed(self, tokens: list[int]) -> AnyEvent:
        """Take the tokens of one step.

        Example:
            >>> decoder.feed(out.tokens)
        """
        ended = next((i for i, token in enumerate(tokens) if token in self._ends), None)
        delta = self._decode(tokens if ended is None else tokens[:ended])
        if ended is not None:
            self._text += self.rest()
            return Event.Done(self._text)
        if delta:
            return Event.Delta(delta)
        if len(tokens) == 1 and self._held == tokens and self._is_special(tokens):
            self._held = []
            return Event.Interrupt(tokens[0])
        return Event.Idle()

    def rest(self) -> str:
        """Text of tokens that were held back because a character was incomplete.

        Example:
            >>> text += decoder.rest()
        """
        held, self._held = self._held, []
        return self._tokenizer.decode(held, skip_special=True) if held else ""

    def _decode(self, tokens: list[int]) -> str:
        if not tokens:
            return ""
        self._held += tokens
        prefix = self._tokenizer.decode(self._before, skip_special=True) if self._before else ""
        text = self._tokenizer.decode([*self._before, *self._held], skip_special=True)
        delta = text[len(prefix) :]
        if not delta or delta.endswith(_REPLACEMENT):
            return ""
        self._before, self._held = self._held, []
        self._text += delta
        return delta

    def _is_special(self, tokens: list[int]) -> bool:
        plain = self._tokenizer.decode(tokens, skip_special=True)
        return not plain and bool(self._tokenizer.decode(tokens))
