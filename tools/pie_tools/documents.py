"""Keyword search over a directory of small text files, for the `search_documents` tool.

A file's first line is its title; every further non-empty line is one passage. Passages are
ranked with BM25 (Robertson and Zaragoza, 2009). The index is built once, is never changed
afterwards and may be shared by threads.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TERM_SATURATION = 1.2
LENGTH_WEIGHT = 0.75
MAX_QUERY_TERMS = 32

STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be by do does for from how i in is it many much of on or that the
        there to was what when where which who whose with you""",
    )
)


@dataclass(frozen=True, slots=True)
class Passage:
    """One or two sentences and the title of the document that they come from."""

    title: str
    text: str


def terms(text: str) -> list[str]:
    """Split `text` into lower-case search terms, without stop words and plural endings."""
    words = re.findall(r"[^\W_]+", text.lower())
    return [_singular(word) for word in words if word not in STOP_WORDS]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] != "s" else word


class DocumentIndex:
    """A read-only BM25 index of passages."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._passages = tuple(passages)
        self._counts = [Counter(terms(f"{p.title} {p.text}")) for p in self._passages]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean_length = sum(self._lengths) / max(1, len(self._lengths))
        self._found_in = Counter(term for counts in self._counts for term in counts)

    @classmethod
    def from_directory(cls, path: str | Path) -> Self:
        """Index every ``*.txt`` file directly in `path`, in the order of their names.

        Raises:
            FileNotFoundError: `path` holds no such file.
        """
        files = sorted(Path(path).glob("*.txt"))
        if not files:
            raise FileNotFoundError(f"no *.txt file in {path}")
        return cls(passage for file in files for passage in _read(file))

    def search(self, query: str, limit: int = 2) -> list[Passage]:
        """Return at most `limit` passages that share a term with `query`, best first."""
        wanted = terms(query)[:MAX_QUERY_TERMS]
        scored = [(self._score(wanted, row), -row) for row in range(len(self._passages))]
        best = sorted((pair for pair in scored if pair[0] > 0), reverse=True)[:limit]
        return [self._passages[-negative_row] for _, negative_row in best]

    def _score(self, wanted: list[str], row: int) -> float:
        counts = self._counts[row]
        norm = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * self._lengths[row] / self._mean_length
        score = 0.0
        for term in wanted:
            count = counts[term]
            if count:
                saturated = count * (TERM_SATURATION + 1) / (count + TERM_SATURATION * norm)
                score += self._rarity(term) * saturated
        return score

    def _rarity(self, term: str) -> float:
        found = self._found_in[term]
        return math.log(1 + (len(self._passages) - found + 0.5) / (found + 0.5))


def render(passages: Iterable[Passage]) -> str:
    """Write passages as the tool's result text, one ``Title: text`` line each."""
    return "\n".join(f"{passage.title}: {passage.text}" for passage in passages)


def _read(file: Path) -> list[Passage]:
    title, *lines = file.read_text(encoding="utf-8").strip().splitlines()
    return [Passage(title.strip(), line.strip()) for line in lines if line.strip()]
