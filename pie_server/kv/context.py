"""A context: one token sequence with its KV.

The token log is the truth; the page table is how much of it has KV on the device right now. A
context whose pages were dropped is therefore not lost: the next forward pass feeds the log again
from the first missing token, each token as it was computed the first time, and the result is the
same.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
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
        lost: It was pinned and its KV is gone, since a step failed: of no use any more.
        readers: Commands of other contexts that will read its KV; it does not leave until then.
        parks: Tools that run for it now.
        first_vector: The first token that was given as a vector, or None.
        table: Pages of the leading `table.length` tokens of the log.
        parcel: Its KV in host memory, while it is offloaded.
        returns_at: When its tool is expected to return (`time.monotonic`), while one runs.
        last_used: Step number of its last forward pass, for choosing what to drop.
        fed: Leading tokens that were computed at least once; the last generated one is not.
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
    lost: bool = False
    readers: int = 0
    parks: int = 0
    first_vector: int | None = None
    table: PageTable = field(init=False)
    parcel: Parcel | None = None
    state: ContextState = ContextState.IDLE
    returns_at: float | None = None
    last_used: int = 0
    released: bool = False
    fed: int = 0
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
        end = self.plain_tokens(self.table.length)
        return min(end, self.dropped[0][0]) if self.dropped else end

    def plain_tokens(self, end: int) -> int:
        """How many of the first `end` tokens have KV that depends on the tokens alone."""
        for special in (self.recipes.first_special, self.first_vector):
            if special is not None:
                end = min(end, special)
        return end

    def adopt_vectors(self, fill: Sequence[int], vectors: Sequence[object]) -> list[int]:
        """Takes vectors over; returns the fill with their new numbers, to be appended next.

        Args:
            fill: Tokens; -1-i stands for the i-th of `vectors`.
            vectors: Embeddings, opaque here.
        """
        if self.first_vector is None:
            at = next(offset for offset, token in enumerate(fill) if token < 0)
            self.first_vector = len(self.tokens) + at
        known = len(self.vectors)
        self.vectors.extend(vectors)
        return [token if token >= 0 else token - known for token in fill]

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

        def masked(recipe: Recipe) -> Recipe:
            hidden = recipe.hidden
            after = difference(hidden, start, stop) if visible else union((*hidden, (start, stop)))
            return replace(recipe, hidden=after)

        self.recipe = masked(self.recipe)
        # The last generated token is in the log, but comes next all the same.
        self.recipes.change(max(self.fed, self.table.length), len(self.tokens), masked)

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
        moved = {token: slot for slot, token in enumerate(kept, length)}
        tokens = [self.tokens[token] for token in kept]
        recipes = [self._moved_recipe(token, length, moved) for token in kept]
        hidden, dropped = (
            _moved_ranges(ranges, length, moved) for ranges in (self.recipe.hidden, self.dropped)
        )
        vectors, first_vector = self.vectors.copy(), self.first_vector
        del self.tokens[length:]
        self.table.truncate(length + len(kept))
        self.recipes.truncate(length)
        self.recipe, self.dropped = replace(self.recipe, hidden=()), ()
        for token, recipe in zip(tokens, recipes, strict=True):
            self.append((token,), recipe)
        self.recipe, self.dropped = replace(self.recipe, hidden=hidden), dropped
        self.vectors = vectors
        self.fed = min(self.fed, len(self.tokens))
        if first_vector is not None:
            self.first_vector = next((at for at, t in enumerate(self.tokens) if t < 0), None)

    def _moved_recipe(self, token: int, length: int, moved: Mapping[int, int]) -> Recipe:
        """The recipe of a token that moves; pins the context if the token saw one that goes."""
        ((_, _, recipe),) = self.recipes.runs(token, token + 1)
        unseen = {at for low, high in recipe.hidden for at in range(max(low, length), high)}
        seen = set(range(length, token)) - unseen
        slot = moved[token]
        self.pinned = self.pinned or any(moved.get(other, slot) >= slot for other in seen)
        hidden = [(at, at + 1) for other, at in moved.items() if at < slot and other not in seen]
        return replace(
            recipe,
            hidden=union([*clipped(recipe.hidden, length), *hidden]),
            shift=token + recipe.shift - slot,
        )

    def commit(self, tokens: int) -> None:
        """The KV of `tokens` more is there: the forward pass that wrote it has run."""
        self.table.commit(tokens)
        self.fed = max(self.fed, self.table.length)

    def feed_last_again(self) -> None:
        """Has the last token computed again, for its hidden state; it sees nothing dropped."""
        last = len(self.tokens) - 1
        self.table.truncate(last)
        if self.dropped:
            self.recipes.change(
                last,
                last + 1,
                lambda recipe: replace(recipe, hidden=union((*recipe.hidden, *self.dropped))),
            )

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
        other.lost = self.lost
        other.first_vector = self.first_vector
        other.last_used = self.last_used
        other.fed = self.fed
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
        self.fed = min(self.fed, length)
        self.table.truncate(length)
        if self.parcel is not None:
            self.parcel = self.parcel.truncated(length)
        self.recipes.truncate(length)
        if not length:
            self.pinned = self.lost = False
        if self.first_vector is not None:
            self._truncate_vectors(length)
        if self.recipe.hidden:
            self.recipe = replace(self.recipe, hidden=clipped(self.recipe.hidden, length))
            self.dropped = clipped(self.dropped, length)

    def _truncate_vectors(self, length: int) -> None:
        """Forgets the vectors behind the last one that a token still stands for."""
        if self.first_vector is not None and self.first_vector >= length:
            self.first_vector = None
        last = min(self.tokens, default=0)
        del self.vectors[max(0, -last) :]

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


def _moved_ranges(ranges: Ranges, length: int, moved: Mapping[int, int]) -> Ranges:
    """Where the tokens of `ranges` are after those behind `length` have moved, or gone."""
    behind = [
        (moved[token], moved[token] + 1)
        for low, high in ranges
        for token in range(max(low, length), high)
        if token in moved
    ]
    return union([*clipped(ranges, length), *behind])
