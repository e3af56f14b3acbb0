"""What holds a generation back: one grammar in the engine, and token masks made in the inferlet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from inferlet.grammar import CompiledGrammar, Constrain, Constraint, Grammar, built
from inferlet.masks import TokenMask
from inferlet.matcher import Matcher

if TYPE_CHECKING:
    from inferlet.model import Model


class _SameMask:
    """A mask that never changes."""

    def __init__(self, mask: list[int]) -> None:
        self._mask = mask

    def step(self, accepted: list[int]) -> list[int]:
        return self._mask


class Constraints:
    """The constraints of one generation.

    Attributes:
        grammar: What the engine follows, if anything.
    """

    __slots__ = ("_accepted", "_fixed", "_matcher", "_model", "_moving", "_untaken", "grammar")

    def __init__(self, model: Model) -> None:
        self._model = model
        self.grammar: Grammar | CompiledGrammar | Matcher | None = None
        self._matcher: Matcher | None = None  # where the steps taken so far are in the grammar
        self._moving: list[Constraint] = []
        self._fixed: list[Constraint] = []
        self._accepted: list[int] = []  # what constraints have to be told with the next mask
        self._untaken: list[int] = []  # what the grammar has to be told when it is begun

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
            if isinstance(found, Constraint):
                self._moving.append(found)
            elif self.grammar is not None:
                raise ValueError("a generation follows one grammar: write both into one")
            else:
                self.grammar = found

    def add_mask(self, mask: list[int] | None) -> None:
        """Take on a mask for every token."""
        if mask:
            self._fixed.append(_SameMask(mask))

    def replace(self, constrain: Constrain | Iterable[Constrain] | None) -> None:
        """Follow these instead from the next token on; fixed masks stay."""
        self.close()
        self.grammar, self._moving, self._accepted, self._untaken = None, [], [], []
        self.add(constrain)

    def close(self) -> None:
        """The generation has ended, or follows something else."""
        if self._matcher is not None and self._matcher is not self.grammar:
            self._matcher.release()
        self._matcher = None

    @property
    def masks(self) -> bool:
        """Whether the inferlet masks tokens, step by step."""
        return bool(self._moving or self._fixed)

    @property
    def tries_drafts(self) -> bool:
        """Whether tokens that were accepted can be taken back."""
        return all(hasattr(constraint, "rollback") for constraint in self._moving)

    async def matcher(self) -> Matcher | None:
        """Where the text is in the grammar, behind everything that was accepted."""
        if self._matcher is None and self.grammar is not None:
            self._matcher = await _begun(self.grammar, self._model)
            if self._untaken:
                self._matcher.accept_tokens(self._untaken)
                self._untaken = []
        return self._matcher

    def check(self, tokens: list[int]) -> None:
        """Let the grammar take tokens that the inferlet picked itself.

        Raises:
            InvalidOperation: It does not allow them; nothing has changed.
        """
        if tokens and self._matcher is not None:
            self._matcher.accept_tokens(tokens)

    def accept(self, tokens: list[int]) -> None:
        """Tell constraints, with the next `next_mask`, what was accepted."""
        if self._moving:
            self._accepted += tokens
        if self.grammar is not None and self._matcher is None:
            self._untaken += tokens

    def take_back(self, tokens: int) -> None:
        """The grammar is so many tokens further than the text."""
        if tokens and self._matcher is not None:
            self._matcher.rollback(tokens)

    def next_mask(self) -> TokenMask | None:
        """Which tokens may come next; None for all."""
        if not self.masks:
            return None
        accepted, self._accepted = self._accepted, []
        constraints = (*self._moving, *self._fixed)
        masks = [constraint.step(list(accepted)) for constraint in constraints]
        return TokenMask(masks, self._model.vocab_size)

    def next_masks(self, drafts: Sequence[int]) -> list[TokenMask | None]:
        """The mask of the next token and those behind drafts, up to one that may not come."""
        masks = [self.next_mask()]
        for draft in drafts:
            mask = masks[-1]
            if mask is not None and not mask.allows(draft):
                break
            if self._moving:
                self._accepted = [draft]
                mask = self.next_mask()
            masks.append(mask)
        return masks

    def forget(self, drafts: int) -> None:
        """The last so many drafts that `next_masks` has tried were wrong."""
        if drafts:
            for constraint in self._moving:
                constraint.rollback(drafts)  # type: ignore[attr-defined] # see `tries_drafts`


async def _begun(grammar: Grammar | CompiledGrammar | Matcher, model: Model) -> Matcher:
    if isinstance(grammar, Matcher):
        return grammar
    if isinstance(grammar, CompiledGrammar):
        return Matcher(grammar)
    with await grammar.compile(model) as compiled:
        return Matcher(compiled)


@asynccontextmanager
async def followed(
    grammar: Grammar | CompiledGrammar | Matcher | None, model: Model
) -> AsyncIterator[dict[str, int]]:
    """How `context.generate` is told of a grammar; one that had to be compiled is freed behind."""
    if isinstance(grammar, Grammar):
        with await grammar.compile(model) as made:
            yield {"grammar": made.handle}
    elif isinstance(grammar, CompiledGrammar):
        yield {"grammar": grammar.handle}
    elif isinstance(grammar, Matcher):
        try:
            yield {"matcher": grammar.handle}
        finally:
            grammar._moved()
    else:
        yield {}
