"""What holds a generation back: one grammar in the engine, or token masks made in the inferlet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from inferlet.grammar import CompiledGrammar, Constrain, Constraint, Grammar, built
from inferlet.masks import TokenMask

if TYPE_CHECKING:
    from inferlet.model import Model


class _SameMask:
    """A mask that never changes."""

    def __init__(self, mask: list[int]) -> None:
        self._mask = mask

    def step(self, accepted: list[int]) -> list[int]:
        return self._mask


class Constraints:
    """The constraints of one generation."""

    __slots__ = ("_accepted", "_fixed", "_model", "_moving", "grammar")

    def __init__(self, model: Model) -> None:
        self._model = model
        self.grammar: Grammar | CompiledGrammar | None = None
        self._moving: list[Constraint] = []
        self._fixed: list[Constraint] = []
        self._accepted: list[int] = []

    def add(self, constrain: Constrain | Iterable[Constrain] | None) -> None:
        """Take constraints on.

        Raises:
            ValueError: They cannot be followed together.
        """
        if constrain is None:
            return
        several = isinstance(constrain, (list, tuple))
        for item in cast("Iterable[Constrain]", constrain if several else [constrain]):
            found = built(item, self._model)
            if not isinstance(found, (Grammar, CompiledGrammar)):
                self._moving.append(found)
            elif self.grammar is not None:
                raise ValueError("a generation follows one grammar: write both into one")
            else:
                self.grammar = found
        self._check()

    def add_mask(self, mask: list[int] | None) -> None:
        """Take on a mask for every token."""
        if mask:
            self._fixed.append(_SameMask(mask))
            self._check()

    def _check(self) -> None:
        if self.grammar is not None and (self._moving or self._fixed):
            raise ValueError(
                "the engine follows a grammar, the inferlet its own masks: a generation has "
                "either; write the masks into the grammar, or give Sampler a logit_bias"
            )

    @property
    def masks(self) -> bool:
        """Whether the inferlet masks tokens, step by step."""
        return bool(self._moving or self._fixed)

    @property
    def stateful(self) -> bool:
        """Whether what may come next depends on what came."""
        return bool(self._moving) or self.grammar is not None

    def accept(self, tokens: list[int]) -> None:
        """Tell them, with the next `next_mask`, what was accepted."""
        if self._moving:
            self._accepted += tokens

    def next_mask(self) -> TokenMask | None:
        """Which tokens may come next; None for all."""
        if not self.masks:
            return None
        accepted, self._accepted = self._accepted, []
        constraints = (*self._moving, *self._fixed)
        masks = [constraint.step(list(accepted)) for constraint in constraints]
        return TokenMask(masks, self._model.vocab_size)


@asynccontextmanager
async def compiled(
    grammar: Grammar | CompiledGrammar | None, model: Model
) -> AsyncIterator[int | None]:
    """The handle of a grammar; one that had to be compiled is freed behind."""
    if isinstance(grammar, Grammar):
        with await grammar.compile(model) as made:
            yield made.handle
    else:
        yield None if grammar is None else grammar.handle
