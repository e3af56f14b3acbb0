"""A context: one token sequence with its KV.

The token log is the truth; the page table is how much of it has KV on the device right now. A
context whose pages were dropped is therefore not lost: the next forward pass feeds the log again
from the first missing token, each token as it was computed the first time, and the result is the
same.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pie_server.kv.page_pool import PagePool
from pie_server.kv.page_table import PageTable
from pie_server.kv.recipe import PLAIN, Ranges, Recipe, RecipeLog, clipped, difference, union
from pie_server.kv.residency import Parcel


class ContextState(enum.Enum):
    """Whether somebody is about to use the context."""

    IDLE = "idle"
    RUNNING = "running"
    PARKED = "parked"


@dataclass(eq=False, slots=True)
class Context:
    """One token sequence of one instance.

    Attributes:
        identifier: Unique in the server.
        scope: Tenant; prefixes are shared within it only.
        prefix_reuse: Whether its first tokens may come from the prefix tree.
        tokens: The token log, from the first token. A negative entry -1-i is `vectors[i]`.
        recipes: How each token of the log was computed.
        recipe: How the next tokens will be computed.
        vectors: Embeddings that were given instead of tokens; opaque here.
        dropped: Token ranges whose pages are not to be kept: nobody will see them again.
        pinned: Its KV cannot be computed again from the log: some was copied from elsewhere.
        table: Pages of the leading `table.length` tokens of the log.
        parcel: Its KV in host memory, while it is offloaded.
        returns_at: When its tool is expected to return (`time.monotonic`), while one runs.
        last_used: Step number of its last forward pass, for choosing what to drop.
        memo: What the layer above wants to keep with it; immutable, copied by `fork`.
    """

    identifier: int
    pool: PagePool
    scope: str = "default"
    prefix_reuse: bool = True
    tokens: list[int] = field(default_factory=list)
    recipes: RecipeLog = field(default_factory=RecipeLog)
    recipe: Recipe = PLAIN
    vectors: list[object] = field(default_factory=list)
    dropped: Ranges = ()
    pinned: bool = False
    table: PageTable = field(init=False)
    parcel: Parcel | None = None
    state: ContextState = ContextState.IDLE
    returns_at: float | None = None
    last_used: int = 0
    released: bool = False
    memo: object = None

    def __post_init__(self) -> None:
        self.table = PageTable(self.pool)

    @property
    def missing_tokens(self) -> int:
        """Tokens of the log without KV."""
        return len(self.tokens) - self.table.length

    @property
    def shareable_tokens(self) -> int:
        """Leading tokens whose KV depends on the tokens alone and is all there."""
        special = self.recipes.first_special
        end = self.table.length if special is None else min(self.table.length, special)
        return min(end, self.dropped[0][0]) if self.dropped else end

    def append(self, tokens: Sequence[int], recipe: Recipe | None = None) -> None:
        """Adds tokens to the log, computed like `recipe` or else like the context's own.

        Whatever `recipe` says, dropped ranges stay hidden.
        """
        if recipe is None:
            recipe = self.recipe
        elif self.dropped:
            recipe = replace(recipe, hidden=union((*recipe.hidden, *self.dropped)))
        self.recipes.append(len(self.tokens), recipe)
        self.tokens.extend(tokens)

    def mask(self, start: int, stop: int, *, visible: bool) -> None:
        """Hides tokens `start..stop` from all that come next, or shows them again.

        Raises:
            ValueError: The range is not within the log, or shows what was dropped.
        """
        self._check_range(start, stop)
        if visible and any(low < stop and start < high for low, high in self.dropped):
            raise ValueError(f"some of the tokens {start}..{stop} were dropped")
        hidden = self.recipe.hidden
        after = difference(hidden, start, stop) if visible else union((*hidden, (start, stop)))
        self.recipe = replace(self.recipe, hidden=after)

    def drop_range(self, start: int, stop: int) -> None:
        """Hides tokens for good and gives back the pages that hold nothing else.

        Raises:
            ValueError: The range is not within the log.
        """
        self.mask(start, stop, visible=False)
        self.dropped = union((*self.dropped, (start, stop)))
        self.punch()

    def keep(self, length: int, kept: Sequence[int]) -> None:
        """Of the tokens behind the first `length`, leaves only `kept`, in this order.

        Their KV must be moved accordingly. If one of them saw a token that goes, its KV cannot be
        computed again from what is left, and the context is pinned.

        Raises:
            ValueError: One is not among those tokens, or is there twice.
        """
        if len(set(kept)) != len(kept) or any(
            not length <= token < len(self.tokens) for token in kept
        ):
            raise ValueError(
                f"tokens to keep must be different and in {length}..{len(self.tokens)}"
            )
        tokens, recipes = [], []
        for slot, token in enumerate(kept, length):
            ((_, _, recipe),) = self.recipes.runs(token, token + 1)
            unseen = {at for low, high in recipe.hidden for at in range(max(low, length), high)}
            seen = set(range(length, token)) - unseen
            before = {other: length + index for index, other in enumerate(kept[: slot - length])}
            self.pinned = self.pinned or not seen <= before.keys()
            hidden = union(
                [
                    *clipped(recipe.hidden, length),
                    *((at, at + 1) for other, at in before.items() if other not in seen),
                ]
            )
            tokens.append(self.tokens[token])
            recipes.append(replace(recipe, hidden=hidden, shift=token + recipe.shift - slot))
        self.truncate(length + len(kept))
        del self.tokens[length:]
        self.recipes.truncate(length)
        for token, recipe in zip(tokens, recipes, strict=True):
            self.append((token,), recipe)

    def punch(self) -> None:
        """Gives back pages of dropped ranges (again, if the log had to be fed again)."""
        for start, stop in self.dropped:
            self.table.punch(start, stop)

    def fork(self, identifier: int) -> Context:
        """A context with the same log over the same pages; neither sees the other's writes."""
        other = Context(
            identifier,
            self.pool,
            self.scope,
            self.prefix_reuse,
            self.tokens.copy(),
            self.recipes.copy(),
            self.recipe,
            self.vectors.copy(),
            self.dropped,
            self.pinned,
        )
        other.table = self.table.fork()
        other.parcel = self.parcel
        other.last_used = self.last_used
        other.memo = self.memo
        return other

    def truncate(self, length: int) -> None:
        """Forgets every token from position `length` on.

        Raises:
            ValueError: `length` is negative or beyond the log.
        """
        if not 0 <= length <= len(self.tokens):
            raise ValueError(f"length {length} is outside 0..{len(self.tokens)}")
        del self.tokens[length:]
        self.table.truncate(length)
        if self.parcel is not None:
            self.parcel = self.parcel.truncated(length)
        self.recipes.truncate(length)
        self.pinned = self.pinned and length > 0
        if self.recipe.hidden:
            self.recipe = replace(self.recipe, hidden=clipped(self.recipe.hidden, length))
            self.dropped = clipped(self.dropped, length)

    def drop(self) -> int:
        """Gives the pages back and keeps the log. Returns the number of pages given back."""
        count = len(self.table.held_pages())
        self.table.release()
        return count

    def release(self) -> None:
        """Ends the context. Idempotent."""
        self.released = True
        self.table.release()
        self.parcel = None
        self.tokens = []
        self.vectors = []

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start < stop <= len(self.tokens):
            raise ValueError(f"{start}..{stop} is no range of the {len(self.tokens)} tokens")
