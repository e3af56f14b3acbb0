"""Noting what a context is to read next. Nothing is sent before the next operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

Segment = dict[str, Any]


class Fillers:
    """The part of a context that notes segments; methods return the context, to chain them."""

    __slots__ = ("_pending", "_sealed")

    _pending: list[Segment]
    # Whether the last thing in it is an end-of-turn token, which `seal` must not repeat.
    _sealed: bool

    def system(self, message: str) -> Self:
        """Note the system message.

        Example:
            >>> ctx.system("You are a helpful assistant.")
        """
        return self._note({"system": message})

    def user(self, message: str) -> Self:
        """Note a message of the user.

        Example:
            >>> ctx.user("What is the capital of France?")
        """
        return self._note({"user": message})

    def assistant(self, message: str) -> Self:
        """Note an earlier reply of the model (history).

        Example:
            >>> ctx.user("Hi").assistant("Hello!").user("How are you?")
        """
        return self._note({"assistant": message})

    def message(self, message: dict[str, Any]) -> Self:
        """Note a message in OpenAI's form: role, content, perhaps tool_calls and name.

        Example:
            >>> ctx.message({"role": "tool", "content": "4"})
        """
        return self._note({"message": message})

    def tool_result(self, content: str) -> Self:
        """Note what a tool returned.

        Example:
            >>> ctx.tool_result((await tools.call(call, contexts=[ctx])).content)
        """
        return self._note({"message": {"role": "tool", "content": content}})

    def tools(self, tools: Sequence[str | dict[str, Any]]) -> Self:
        """Tell the model which tools it has: names or OpenAI schemas. Before the system message.

        Example:
            >>> ctx.tools(["calculator"]).system("Use the tools when they help.")
        """
        return self._note({"tools": list(tools)})

    def cue(self) -> Self:
        """Note the beginning of the model's turn, once. `complete` and `generate` do it themselves.

        Example:
            >>> await ctx.user("2 + 2?").cue().flush()
        """
        return self if self._cued() else self._note({"cue": True})

    def seal(self) -> Self:
        """End the turn, unless the model has just ended it itself.

        Example:
            >>> reply = await ctx.complete(sampler, max_tokens=16)  # perhaps cut off at 16
            >>> ctx.seal().user("Go on.")
        """
        if self._sealed and not self._pending:
            return self
        return self._note({"seal": True})

    def append(self, tokens: Iterable[int]) -> Self:
        """Note raw tokens.

        Example:
            >>> ctx.append(model.tokenizer().encode("Answer:"))
        """
        added = list(tokens)
        if added and self._pending and "tokens" in self._pending[-1]:
            added = [*self._pending.pop()["tokens"], *added]
        return self._note({"tokens": added}) if added else self

    def text(self, text: str) -> Self:
        """Note raw text, without any chat template.

        Example:
            >>> ctx.text("Once upon a time")
        """
        return self._note({"text": text})

    def _note(self, segment: Segment) -> Self:
        self._pending.append(segment)
        return self

    def _cued(self) -> bool:
        return bool(self._pending) and "cue" in self._pending[-1]
