"""A context's ordered pages and how many of their token slots hold valid KV.

Owned by exactly one `Context`. Sharing is by reference count in the pool: a fork shares every page,
and the first write into a shared page copies it (copy on write). Pages in the middle can be given
back when nobody will look at them any more; a hole keeps their place. Never touches tensors: the
copies it asks for are returned and run on the device before the forward pass that needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pie_server.kv.page_pool import PagePool

HOLE = -1  # in `PageTable.pages`, where a page was given back


@dataclass(frozen=True, slots=True)
class PageCopy:
    """Copy the whole physical page `source` onto `target`, in every layer."""

    source: int
    target: int


class PageTable:
    """The pages of one token sequence.

    Attributes:
        pages: Physical page numbers, in token order; `HOLE` where there is none. While a step runs
            the device reads this very list, so it only ever grows; all else makes a new one.
        length: Leading token slots that hold valid KV, those in holes included.
        holes: How many of `pages` are holes.
    """

    __slots__ = ("_pool", "holes", "length", "pages")

    def __init__(self, pool: PagePool) -> None:
        self._pool = pool
        self.pages: list[int] = []
        self.length = 0
        self.holes = 0

    def has_room(self, tokens: int) -> bool:
        """Whether `try_extend(tokens)` would neither take nor copy a page: most decode steps."""
        room = len(self.pages) * self._pool.page_size_tokens - self.length
        return tokens <= room and not self._tail_is_shared()

    def pages_needed(self, tokens: int) -> int:
        """Free pages that `try_extend(tokens)` would take."""
        more = max(0, self._pages_for(self.length + tokens) - len(self.pages))
        return more + (1 if self._tail_is_shared() else 0)

    def try_extend(self, tokens: int) -> list[PageCopy] | None:
        """Makes room to write `tokens` more token slots behind `length`.

        Returns:
            The page copies that must run first (empty for a table that shares no partial page), or
            None if the pool has too few free pages; the table is unchanged then.
        """
        last = self.pages[-1] if self.pages else None
        acquired = self._pool.try_acquire(self.pages_needed(tokens), last)
        if acquired is None:
            return None
        copies: list[PageCopy] = []
        if self._tail_is_shared():
            tail = self.length // self._pool.page_size_tokens
            source, target = self.pages[tail], acquired.pop(0)
            copies.append(PageCopy(source, target))
            self.pages = [*self.pages[:tail], target, *self.pages[tail + 1 :]]
            self._pool.release([source])
        self.pages.extend(acquired)
        return copies

    def commit(self, tokens: int) -> None:
        """Counts `tokens` slots as filled: the forward pass that wrote them has run."""
        self.length += tokens

    def adopt(self, pages: Sequence[int]) -> None:
        """Starts an empty table with full, already retained pages of a shared prefix."""
        if self.pages:
            raise ValueError("only an empty table can adopt a prefix")
        self.pages = list(pages)
        self.length = len(pages) * self._pool.page_size_tokens

    def truncate(self, length: int) -> None:
        """Keeps the first `length` token slots and gives back every page behind them.

        Where the last of them lie in a hole, fewer are kept: a page to write into must be whole.
        """
        size = self._pool.page_size_tokens
        self.length = min(length, self.length)
        keep = self._pages_for(self.length)
        if keep and self.length % size and self.pages[keep - 1] == HOLE:
            keep -= 1
            self.length = keep * size
        if keep < len(self.pages):
            self._give_back(self.pages[keep:])
            self.pages = self.pages[:keep]

    def punch(self, start: int, stop: int) -> None:
        """Gives back the pages that hold nothing but token slots `start..stop` with KV."""
        size = self._pool.page_size_tokens
        first, last = self._pages_for(start), min(stop, self.length) // size
        held = [page for page in self.pages[first:last] if page != HOLE]
        if held:
            self._pool.release(held)
            self.pages = [*self.pages[:first], *[HOLE] * (last - first), *self.pages[last:]]
            self.holes += len(held)

    def fork(self) -> PageTable:
        """A table over the same pages, each held once more. O(pages)."""
        other = PageTable(self._pool)
        keep = self._pages_for(self.length)
        other.pages = self.pages[:keep]
        other.length = self.length
        other.holes = other.pages.count(HOLE) if self.holes else 0
        self._pool.retain(other.held_pages())
        return other

    def release(self) -> None:
        """Gives every page back."""
        self.truncate(0)

    def held_pages(self) -> list[int]:
        """The pages without the holes."""
        return [page for page in self.pages if page != HOLE] if self.holes else self.pages

    def slots(self, tokens: Sequence[int]) -> list[int]:
        """Physical slots of tokens that have KV.

        Raises:
            ValueError: One of them has none here.
        """
        size, found = self._pool.page_size_tokens, []
        for token in tokens:
            if not 0 <= token < self.length or self.pages[token // size] == HOLE:
                raise ValueError(f"token {token} has no KV on the device now")
            found.append(self.pages[token // size] * size + token % size)
        return found

    def reserved_slots(self, count: int) -> list[int]:
        """Physical slots of the next `count` tokens, after `try_extend(count)`."""
        size = self._pool.page_size_tokens
        return [
            self.pages[token // size] * size + token % size
            for token in range(self.length, self.length + count)
        ]

    def is_shared(self, start: int, stop: int) -> bool:
        """Whether others hold a page of token slots `start..stop` too."""
        pages = self.pages[start // self._pool.page_size_tokens : self._pages_for(stop)]
        return any(page != HOLE and self._pool.references(page) > 1 for page in pages)

    def shared_pages(self) -> int:
        """Pages that others hold too."""
        return sum(1 for page in self.held_pages() if self._pool.references(page) > 1)

    def _give_back(self, pages: list[int]) -> None:
        if self.holes:
            held = [page for page in pages if page != HOLE]
            self.holes -= len(pages) - len(held)
            pages = held
        self._pool.release(pages)

    def _pages_for(self, tokens: int) -> int:
        return -(-tokens // self._pool.page_size_tokens)

    def _tail_is_shared(self) -> bool:
        # Only the page that the next token is written into matters: what lies behind it was
        # reserved by this table and is shared with nobody.
        partial = self.length % self._pool.page_size_tokens != 0
        at = self.length // self._pool.page_size_tokens
        return partial and self._pool.references(self.pages[at]) > 1
