"""Disorder in the free list of a page pool, and how much of it contexts get to feel."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise

from pie_server.kv import PagePool


def shuffle_free_pages(pool: PagePool, share: float, rng: random.Random) -> None:
    """Leaves the free list as contexts do that grew side by side and ended in any order.

    Args:
        pool: All its free pages are taken and given back.
        share: Of the free pages whose place is changed; with 0 the list is as new.
        rng: Decides the order.
    """
    pages = pool.try_acquire(pool.free_pages)
    assert pages is not None
    pages.sort(reverse=True)  # as in a new pool: the lowest is handed out first
    places = rng.sample(range(len(pages)), round(share * len(pages)))
    moved = [pages[place] for place in places]
    rng.shuffle(moved)
    for place, page in zip(places, moved, strict=True):
        pages[place] = page
    pool.release(pages)


def fragmentation(tables: Iterable[Sequence[int]]) -> float:
    """Share of neighbours in page tables that are no neighbours in memory, 0 to 1."""
    pairs = [pair for table in tables for pair in pairwise(table)]
    broken = sum(1 for before, after in pairs if abs(after - before) != 1)
    return broken / len(pairs) if pairs else 0.0
