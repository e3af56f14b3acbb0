"""The pool of physical KV pages: which are free, and a reference count for each.

Owns the numbering of pages and nothing of their contents (the tensors belong to the device's model
runner). Called by page tables and the prefix tree, always on the event loop, so it has no locks.
It never decides whom to take pages from: when it is empty it says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pie_server.kv.free_pages import FreePages


class IntegrityError(AssertionError):
    """The books of the pool do not balance: a page was lost, or freed while in use."""


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Pages by state, at one moment."""

    total_pages: int
    free_pages: int
    shared_pages: int
    page_size_tokens: int

    @property
    def used_pages(self) -> int:
        """Pages held by at least one owner."""
        return self.total_pages - self.free_pages


class PagePool:
    """All KV pages of one model on one device.

    Args:
        total_pages: Number of physical pages, at least 1.
        page_size_tokens: Token slots of one page.
    """

    def __init__(self, total_pages: int, page_size_tokens: int = 16) -> None:
        if total_pages < 1 or page_size_tokens < 1:
            raise ValueError("a pool needs at least one page of at least one token")
        self.total_pages = total_pages
        self.page_size_tokens = page_size_tokens
        self._free = FreePages(total_pages)
        self._references = [0] * total_pages

    @property
    def free_pages(self) -> int:
        """Pages that nobody holds."""
        return len(self._free)

    def try_acquire(self, count: int, behind: int | None = None) -> list[int] | None:
        """Takes `count` free pages with one reference each, or none at all.

        Args:
            behind: The page that they should follow, if they can.
        """
        if count > len(self._free):
            return None
        pages = self._free.take(count, behind)
        for page in pages:
            self._references[page] = 1
        return pages

    def retain(self, pages: Iterable[int]) -> None:
        """Adds a reference to pages that somebody already holds."""
        for page in pages:
            if self._references[page] < 1:
                raise IntegrityError(f"page {page} is free and cannot be shared")
            self._references[page] += 1

    def release(self, pages: Iterable[int]) -> None:
        """Gives one reference back for each page; a page without any is free again."""
        for page in pages:
            left = self._references[page] - 1
            if left < 0:
                raise IntegrityError(f"page {page} was released twice")
            self._references[page] = left
            if left == 0:
                self._free.add(page)

    def references(self, page: int) -> int:
        """How many owners hold `page`."""
        return self._references[page]

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""
        shared = sum(1 for count in self._references if count > 1)
        return PoolStatistics(self.total_pages, len(self._free), shared, self.page_size_tokens)

    def check_integrity(self, owners: Iterable[Sequence[int]]) -> None:
        """Compares the books with what the owners say they hold.

        Args:
            owners: The pages of every page table, export and prefix-tree node, each once.

        Raises:
            IntegrityError: A page is lost, doubly free or counted wrongly.
        """
        held: Counter[int] = Counter()
        for pages in owners:
            held.update(pages)
        wrong = {
            page: (count, held.get(page, 0))
            for page, count in enumerate(self._references)
            if count != held.get(page, 0)
        }
        if wrong:
            raise IntegrityError(f"pages with (counted, held) references that differ: {wrong}")
        free = sorted(self._free)
        if free != [page for page, count in enumerate(self._references) if count == 0]:
            raise IntegrityError("the free pages and the reference counts disagree")
