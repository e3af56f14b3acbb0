"""Speculative decoding: a drafter guesses tokens, one forward pass checks them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable


@runtime_checkable
class Speculator(Protocol):
    """Guesses what comes next. Any class with these methods is one.

    Example:
        >>> generator = ctx.generate(Sampler.argmax(), max_tokens=64, speculator=MyDrafter())
        >>> text = await generator.collect_text()
    """

    def draft(self) -> tuple[list[int], list[int]]:
        """Tokens guessed to follow, one after the other, and their positions.

        The positions may be left empty. No tokens: this step has one token, as without drafts.
        """

    def accept(self, tokens: list[int]) -> None:
        """Learn what really follows: guesses that were right, and one token behind them."""

    def rollback(self, n: int) -> None:
        """Learn that the last `n` guesses were wrong, or not looked at. After `accept`."""

    def reset(self) -> None:
        """Begin again."""


class PromptLookup:
    """Guesses that what followed the last few tokens before will follow them again.

    Costs nothing and needs no second model; it pays where answers repeat their prompt (code edits,
    extraction, quotations). From Saxena: Prompt lookup decoding, 2023.

    Args:
        tokens: What the model has read: `ctx.buffer()` before the first flush.
        ngram: Longest match that is looked for; shorter ones follow.
        most: Most tokens guessed at a time.

    Example:
        >>> ctx.user(question).cue()
        >>> lookup = PromptLookup(ctx.buffer())
        >>> await ctx.generate(Sampler.argmax(), speculator=lookup).collect_text()
    """

    def __init__(self, tokens: Iterable[int], *, ngram: int = 3, most: int = 8) -> None:
        if ngram < 1 or most < 1:
            raise ValueError("ngram and most must be at least 1")
        self._prompt = list(tokens)
        self._ngram = ngram
        self._most = most
        self.reset()

    def reset(self) -> None:
        """Forget everything but the prompt.

        Example:
            >>> lookup.reset()
        """
        self._tokens: list[int] = []
        # Where what follows the latest n-gram begins; and the one before, since the latest is
        # often the end itself.
        self._latest: dict[tuple[int, ...], int] = {}
        self._earlier: dict[tuple[int, ...], int] = {}
        self.accept(self._prompt)

    def draft(self) -> tuple[list[int], list[int]]:
        """See `Speculator`.

        Example:
            >>> guesses, _ = lookup.draft()
        """
        end = len(self._tokens)
        for length in range(min(self._ngram, end), 0, -1):
            gram = tuple(self._tokens[end - length :])
            start = self._earlier.get(gram)
            if start is not None:
                return self._tokens[start : start + self._most], []
        return [], []

    def accept(self, tokens: list[int]) -> None:
        """See `Speculator`.

        Example:
            >>> lookup.accept(out.tokens)
        """
        for token in tokens:
            self._tokens.append(token)
            end = len(self._tokens)
            for length in range(1, min(self._ngram, end) + 1):
                gram = tuple(self._tokens[end - length :])
                if gram in self._latest:
                    self._earlier[gram] = self._latest[gram]
                self._latest[gram] = end

    def rollback(self, n: int) -> None:
        """See `Speculator`. Guesses are not kept, so there is nothing to take back.

        Example:
            >>> lookup.rollback(3)
        """


def matching(drafts: list[int], sampled: list[int]) -> list[int]:
    """What was really sampled: the drafts that are right, and the token behind them.

    Args:
        drafts: The guesses.
        sampled: Behind the token before them, and behind each of them.
    """
    right = 0
    while right < len(drafts) and drafts[right] == sampled[right]:
        right += 1
    return sampled[: right + 1]
