"""Matchers: where one text stands in a grammar, for inferlets that decode token by token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inferlet._backend import control
from inferlet._releasable import Releasable
from inferlet.masks import mask_of_ranges

if TYPE_CHECKING:
    from inferlet.grammar import CompiledGrammar


class Matcher(Releasable):
    """A place in a compiled grammar: at its beginning, then behind the tokens it has accepted.

    `Forward.sample` takes one, and so does `constrain=`, which then goes on where it stands. Freed
    by `release`, by `with`, or when the inferlet ends.

    Example:
        >>> matcher = Matcher(await Grammar.from_regex("[0-9]{3}").compile(model))
        >>> forward = ctx.forward()
        >>> digit = forward.sample([-1], Sampler.argmax(), matcher=matcher)
        >>> matcher.accept_tokens([(await forward.execute()).token(digit)])
    """

    __slots__ = ("_state", "handle")

    def __init__(self, grammar: CompiledGrammar) -> None:
        self._adopt(control("matcher.create", grammar=grammar.handle))

    def _adopt(self, made: Mapping[str, Any]) -> None:
        self.handle = int(made["matcher"])
        # None where an operation may have moved it: then the server is asked.
        self._state: Mapping[str, Any] | None = made

    def accept_tokens(self, tokens: list[int]) -> None:
        """Move on over tokens of the text, all or none.

        Raises:
            InvalidOperation: The grammar does not allow one; `details` has its `index`.

        Example:
            >>> matcher.accept_tokens(model.tokenizer().encode("17"))
        """
        self._state = control("matcher.advance", matcher=self.handle, tokens=list(tokens))

    def rollback(self, n: int) -> None:
        """Take back the last `n` tokens.

        Example:
            >>> matcher.rollback(len(drafts) - right)
        """
        self._state = control("matcher.rollback", matcher=self.handle, tokens=n)

    def reset(self) -> None:
        """Take back everything.

        Example:
            >>> matcher.reset()
        """
        self.rollback(len(self))

    def fork(self) -> Matcher:
        """An independent matcher at the same place, for a fork of the context.

        Example:
            >>> branch, place = ctx.fork(), matcher.fork()
        """
        twin = object.__new__(Matcher)
        twin._adopt(control("matcher.fork", matcher=self.handle))
        return twin

    def __len__(self) -> int:
        return int(self._now()["length"])

    def is_accepting(self) -> bool:
        """Whether the text may end here.

        Example:
            >>> if matcher.is_accepting(): break
        """
        return bool(self._now()["accepting"])

    def is_terminated(self) -> bool:
        """Whether nothing can follow but the end.

        Example:
            >>> while not matcher.is_terminated(): ...
        """
        return bool(self._now()["finished"])

    def forced_tokens(self) -> list[int]:
        """Tokens that have to follow, often none: they need no sampling.

        Example:
            >>> forced = matcher.forced_tokens()
            >>> matcher.accept_tokens(forced)
            >>> ctx.append(forced)
        """
        self._state = control("matcher.state", matcher=self.handle)
        return list(self._state["forced"])

    def next_token_logit_mask(self) -> list[int]:
        """The mask (see `inferlet.masks`) of the tokens that may follow.

        Raises:
            InvalidOperation: No token at all may.

        Example:
            >>> allowed = masks.ranges_of(matcher.next_token_logit_mask())
        """
        return mask_of_ranges(control("matcher.allowed", matcher=self.handle)["ranges"])

    def release(self) -> None:
        """Free it.

        Example:
            >>> matcher.release()
        """
        control("matcher.release", matcher=self.handle)

    def _now(self) -> Mapping[str, Any]:
        if self._state is None:
            self._state = control("matcher.state", matcher=self.handle)
        return self._state

    def _moved(self) -> None:
        """An operation has moved it."""
        self._state = None

    def __repr__(self) -> str:
        return f"Matcher({self.handle})"
