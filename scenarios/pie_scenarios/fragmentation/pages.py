"""A page pool with gaps, and how much of them contexts get to feel."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise

from pie_server.kv import PagePool


def occupy_pages(pool: PagePool, share: float, rng: random.Random) -> list[int]:
    """Leaves gaps as contexts do that grew side by side, of which some have ended.

    Args:
        pool: All free pages are taken and the others given back.
        share: Of the free pages that stay occupied, wherever they are.
        rng: Decides which.

    Returns:
        The occupied pages, to be released in the end.
    """
    pages = pool.try_acquire(pool.free_pages)
    assert pages is not None
    held = set(rng.sample(pages, round(share * len(pages))))
    pool.release(page for page in pages if page not in held)
    return list(held)


def fragmentation(tables: Iterable[Sequence[int]]) -> float:
    """Share of neighbours in page tables that are no neighbours in memory, 0 to 1."""
    pairs = [pair for table in tables for pair in pairwise(table)]
    broken = sum(1 for before, after in pairs if abs(after - before) != 1)
    return broken / len(pairs) if pairs else 0.0
