"""The free pages of a pool, as runs of neighbours.

Pages that follow each other are read in place, without a copy, so a table should grow into the page
behind its last one. A run for a new table therefore begins in the middle of the largest gap: both
it and its neighbour have room to grow (as worst-fit allocation, Knuth 1997, section 2.5, and for
the same reason: what is left over stays large).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator


class FreePages:
    """A set of page numbers that knows its gaps.

    Args:
        total: Pages 0..total are free at first.
    """

    def __init__(self, total: int) -> None:
        self._stop = {0: total}  # of the run that begins here
        self._start = {total: 0}  # of the run that ends here
        self._largest = [(-total, 0)]  # a heap of (-length, start); some have changed since
        self._count = total

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for start, stop in self._stop.items():
            yield from range(start, stop)

    def take(self, count: int, behind: int | None = None) -> list[int]:
        """Removes pages and returns them, as few runs as can be.

        Args:
            count: At most `len(self)`.
            behind: Take those that follow this page, if they are free.
        """
        pages: list[int] = []
        if behind is not None and (stop := self._stop.get(behind + 1)) is not None:
            pages += self._cut(behind + 1, behind + 1, min(stop, behind + 1 + count))
        while len(pages) < count:
            pages += self._take_run(count - len(pages))
        return pages

    def add(self, page: int) -> None:
        """Puts a page back."""
        start = self._start.pop(page, page)
        stop = self._stop.pop(page + 1, page + 1)
        self._put(start, stop)
        self._count += 1

    def _take_run(self, count: int) -> range:
        start, stop = self._largest_run()
        # The first half of the gap is left to the run that ends before it.
        half = (stop - start) // 2 if start else 0
        first = max(start, min(start + half, stop - count))
        return self._cut(start, first, min(stop, first + count))

    def _largest_run(self) -> tuple[int, int]:
        while True:
            length, start = self._largest[0]
            stop = self._stop.get(start)
            if stop is not None and stop - start == -length:
                return start, stop
            heapq.heappop(self._largest)

    def _cut(self, start: int, first: int, last: int) -> range:
        """Takes `first..last` out of the run that begins at `start`."""
        stop = self._stop.pop(start)
        del self._start[stop]
        if start < first:
            self._put(start, first)
        if last < stop:
            self._put(last, stop)
        self._count -= last - first
        return range(first, last)

    def _put(self, start: int, stop: int) -> None:
        self._stop[start] = stop
        self._start[stop] = start
        if len(self._largest) > 4 * len(self._stop) + 64:
            self._largest = [(begin - end, begin) for begin, end in self._stop.items()]
            heapq.heapify(self._largest)
        else:
            heapq.heappush(self._largest, (start - stop, start))
