"""Finds KV pages by the tokens they hold, so that equal prefixes are computed once.

A node is one full page reached through the exact tokens of all pages before it; scopes (tenants)
have separate roots. The tree holds one reference on each of its pages and gives it back when the
page is evicted. It never evicts by itself: whoever needs pages calls `evict`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pie_server.kv.page_pool import PagePool

# The scope, or the parent's number; and the tokens of the page.
_Key = tuple[object, tuple[int, ...]]


@dataclass(slots=True)
class _Node:
    number: int
    key: _Key
    page: int
    parent: _Node | None
    children: int = 0


@dataclass(frozen=True, slots=True)
class PrefixStatistics:
    """What the tree holds and how often it helped."""

    cached_pages: int
    matched_tokens: int
    missed_tokens: int


@dataclass
class PrefixTree:
    """Prefix sharing by content.

    Args:
        pool: The pool whose pages the tree shares.
    """

    pool: PagePool
    _nodes: dict[_Key, _Node] = field(default_factory=dict)
    # Nodes without children, least recently used first: the only ones that can be evicted.
    _leaves: OrderedDict[_Key, _Node] = field(default_factory=OrderedDict)
    _next_number: int = 0
    _matched_tokens: int = 0
    _missed_tokens: int = 0

    def match(self, scope: str, tokens: Sequence[int]) -> list[int]:
        """The longest run of cached full pages that `tokens` begins with.

        Returns:
            Physical pages, each retained once for the caller.
        """
        path = self._walk(scope, tokens)
        pages = [node.page for node in path]
        self.pool.retain(pages)
        self._touch(path)
        matched = len(pages) * self.pool.page_size_tokens
        self._matched_tokens += matched
        self._missed_tokens += len(tokens) - matched
        return pages

    def insert(self, scope: str, tokens: Sequence[int], pages: Sequence[int]) -> None:
        """Offers the full pages of a sequence; pages whose content is known already are passed by.

        Args:
            scope: The tenant whose contexts may share them.
            tokens: The sequence from its first token.
            pages: Its pages in order; only those filled by `tokens` are taken.
        """
        size = self.pool.page_size_tokens
        path = self._walk(scope, tokens)
        parent = path[-1] if path else None
        for index in range(len(path), min(len(tokens) // size, len(pages))):
            key = self._key(scope, parent, tokens[index * size : (index + 1) * size])
            node = _Node(self._next_number, key, pages[index], parent)
            self._next_number += 1
            self.pool.retain([node.page])
            self._nodes[key] = self._leaves[key] = node
            if parent is not None:
                parent.children += 1
                self._leaves.pop(parent.key, None)
            path.append(node)
            parent = node
        self._touch(path)

    def evict(self, count: int) -> int:
        """Gives back up to `count` pages that only the tree holds, least recently used first.

        Returns:
            How many pages became free.
        """
        freed = in_use = 0
        while freed < count and in_use < len(self._leaves):
            key, node = next(iter(self._leaves.items()))
            if self.pool.references(node.page) > 1:
                self._leaves.move_to_end(key)  # somebody uses it now, so it is not the oldest
                in_use += 1
                continue
            del self._nodes[key], self._leaves[key]
            parent = node.parent
            if parent is not None:
                parent.children -= 1
                if parent.children == 0:
                    self._leaves[parent.key] = parent
                    self._leaves.move_to_end(parent.key, last=False)
            self.pool.release([node.page])
            freed += 1
        return freed

    def clear(self) -> None:
        """Forgets every page (pages that contexts use stay with them)."""
        self.pool.release(node.page for node in self._nodes.values())
        self._nodes.clear()
        self._leaves.clear()

    def pages(self) -> Iterator[int]:
        """Every page the tree holds, for integrity checks."""
        return (node.page for node in self._nodes.values())

    def statistics(self) -> PrefixStatistics:
        """Counts since the start."""
        return PrefixStatistics(len(self._nodes), self._matched_tokens, self._missed_tokens)

    def _walk(self, scope: str, tokens: Sequence[int]) -> list[_Node]:
        size = self.pool.page_size_tokens
        path: list[_Node] = []
        parent: _Node | None = None
        for start in range(0, len(tokens) - size + 1, size):
            node = self._nodes.get(self._key(scope, parent, tokens[start : start + size]))
            if node is None:
                break
            path.append(node)
            parent = node
        return path

    @staticmethod
    def _key(scope: str, parent: _Node | None, tokens: Sequence[int]) -> _Key:
        return (scope if parent is None else parent.number, tuple(tokens))

    def _touch(self, path: list[_Node]) -> None:
        if path and path[-1].key in self._leaves:
            self._leaves.move_to_end(path[-1].key)
