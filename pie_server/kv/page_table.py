"""A context's ordered pages and how many of their token slots hold valid KV.

Owned by exactly one `Context`. Sharing is by reference count in the pool: a fork shares every page,
and the first write into a shared page copies it (copy on write). Never touches tensors: the copies
it asks for are returned and run on the device before the forward pass that needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pie_server.kv.page_pool import PagePool


@dataclass(frozen=True, slots=True)
class PageCopy:
    """Copy the whole physical page `source` onto `target`, in every layer."""

    source: int
    target: int


class PageTable:
    """The pages of one token sequence.

    Attributes:
        pages: Physical page numbers, in token order.
        length: Leading token slots that hold valid KV.
    """

    __slots__ = ("_pool", "length", "pages")

    def __init__(self, pool: PagePool) -> None:
        self._pool = pool
        self.pages: list[int] = []
        self.length = 0

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
        acquired = self._pool.try_acquire(self.pages_needed(tokens))
        if acquired is None:
            return None
        copies: list[PageCopy] = []
        if self._tail_is_shared():
            tail = self.length // self._pool.page_size_tokens
            source, target = self.pages[tail], acquired.pop()
            copies.append(PageCopy(source, target))
            self.pages[tail] = target
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
        """Keeps the first `length` token slots and gives back every page behind them."""
        self.length = min(length, self.length)
        keep = self._pages_for(self.length)
        self._pool.release(self.pages[keep:])
        del self.pages[keep:]

    def fork(self) -> PageTable:
        """A table over the same pages, each held once more. O(pages)."""
        other = PageTable(self._pool)
        keep = self._pages_for(self.length)
        other.pages = self.pages[:keep]
        other.length = self.length
        self._pool.retain(other.pages)
        return other

    def release(self) -> None:
        """Gives every page back."""
        self.truncate(0)

    def shared_pages(self) -> int:
        """Pages that others hold too."""
        return sum(1 for page in self.pages if self._pool.references(page) > 1)

    def _pages_for(self, tokens: int) -> int:
        return -(-tokens // self._pool.page_size_tokens)

    def _tail_is_shared(self) -> bool:
        # Only the page that the next token is written into matters: what lies behind it was
        # reserved by this table and is shared with nobody.
        partial = self.length % self._pool.page_size_tokens != 0
        at = self.length // self._pool.page_size_tokens
        return partial and self._pool.references(self.pages[at]) > 1
