"""Pie's masks: binary run lengths (BRLE), of alternating runs that begin with a `False` one.

`[0, 4, 3, 2]` is four that may be seen, three that may not, two that may. What lies behind the last
run may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inferlet.sample import Sampler

Ranges = list[tuple[int, int]]

_MOST_BIASES = 4096  # of one sampler
_BIAS = 100.0


def ranges_of(mask: Sequence[int]) -> Ranges:
    """The half-open ranges that a mask allows.

    Raises:
        ValueError: A run is negative.

    Example:
        >>> ranges_of([0, 4, 3, 2])
        [(0, 4), (7, 9)]
    """
    ranges: Ranges = []
    at, allowed = 0, False
    for run in mask:
        if run < 0:
            raise ValueError(f"a mask's run is {run}; runs are lengths")
        if allowed and run:
            ranges.append((at, at + run))
        at, allowed = at + run, not allowed
    return ranges


def mask_of(allowed: Iterable[int], size: int) -> list[int]:
    """The mask of `size` places that allows only these.

    Example:
        >>> mask_of([0, 1, 5], 8)
        [0, 2, 3, 1, 2]
    """
    runs, at, value = [0], 0, False
    for place in sorted({place for place in allowed if 0 <= place < size}):
        if place > at:
            if value:
                runs.append(0)
            runs[-1] += place - at
            at, value = place, False
        if not value:
            runs.append(0)
            value = True
        runs[-1] += 1
        at += 1
    if not value:
        return [size]
    if at < size:
        runs.append(size - at)
    return runs


def mask_of_ranges(ranges: Iterable[Sequence[int]]) -> list[int]:
    """The mask that allows half-open ranges, which are given in order and without overlap.

    Example:
        >>> mask_of_ranges([(0, 4), (7, 9)])
        [0, 4, 3, 2]
    """
    runs, at = [], 0
    for low, high in ranges:
        runs += [low - at, high - low]
        at = high
    return runs or [0]


class TokenMask:
    """The tokens that all of some masks allow, in a vocabulary.

    Samplers have no masks, so it acts through their biases, 100 either way.

    Example:
        >>> TokenMask([mask_of(digits, model.vocab_size)], model.vocab_size)
    """

    __slots__ = ("_allowed", "_vocab_size")

    def __init__(self, masks: Iterable[Sequence[int]], vocab_size: int) -> None:
        allowed = set(range(vocab_size))
        for mask in masks:
            if mask:  # Pie: an empty mask allows everything
                allowed &= {token for low, high in ranges_of(mask) for token in range(low, high)}
        self._allowed = allowed
        self._vocab_size = vocab_size

    def apply(self, sampler: Sampler) -> Sampler:
        """The sampler, confined to these tokens.

        Raises:
            ValueError: They are none, or neither they nor the others are few enough.

        Example:
            >>> mask.apply(Sampler.argmax())
        """
        if not self._allowed:
            raise ValueError("a constraint allows no token at all")
        banned = self._vocab_size - len(self._allowed)
        biases = {t: bias for t, bias in sampler._biases().items() if t in self._allowed}
        if not banned:
            return sampler
        if len(biases) + banned <= _MOST_BIASES:
            everything = range(self._vocab_size)
            biases |= {token: -_BIAS for token in everything if token not in self._allowed}
        elif len(self._allowed) <= _MOST_BIASES:
            base = _BIAS - max(0.0, *biases.values(), 0.0)
            biases = {token: base + biases.get(token, 0.0) for token in self._allowed}
        else:
            raise ValueError(
                f"a constraint allows {len(self._allowed)} tokens and bans {banned}: one of the "
                f"two may be at most {_MOST_BIASES}; use a Grammar, or pick the tokens yourself "
                "(step.clear_sampler, Distribution, generator.accept)"
            )
        return sampler._with_biases(biases)

    def allows(self, token: int) -> bool:
        """Whether it is one of them.

        Example:
            >>> mask.allows(draft)
        """
        return token in self._allowed

    def check(self, tokens: Iterable[int]) -> None:
        """Refuse what a bias could not prevent.

        Raises:
            RuntimeError: A token is not allowed.

        Example:
            >>> mask.check([out.token(best)])
        """
        wrong = [token for token in tokens if token not in self._allowed]
        if wrong:
            raise RuntimeError(
                f"the model is surer of token {wrong[0]}, which a constraint bans, than a bias of "
                f"{_BIAS:g} can outweigh; use a Grammar instead"
            )
