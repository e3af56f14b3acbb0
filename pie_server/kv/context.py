"""A context: one token sequence with its KV.

The token log is the truth; the page table is how much of it has KV on the device right now. A
context whose pages were dropped is therefore not lost: the next forward pass feeds the log again
from the first missing token, and the result is the same.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pie_server.kv.page_pool import PagePool
from pie_server.kv.page_table import PageTable


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
        tokens: The token log, from the first token.
        table: Pages of the leading `table.length` tokens of the log.
        last_used: Step number of its last forward pass, for choosing what to drop.
        memo: What the layer above wants to keep with it; immutable, copied by `fork`.
    """

    identifier: int
    pool: PagePool
    scope: str = "default"
    prefix_reuse: bool = True
    tokens: list[int] = field(default_factory=list)
    table: PageTable = field(init=False)
    state: ContextState = ContextState.IDLE
    last_used: int = 0
    released: bool = False
    memo: object = None

    def __post_init__(self) -> None:
        self.table = PageTable(self.pool)

    @property
    def missing_tokens(self) -> int:
        """Tokens of the log without KV."""
        return len(self.tokens) - self.table.length

    def fork(self, identifier: int) -> Context:
        """A context with the same log over the same pages; neither sees the other's writes."""
        other = Context(identifier, self.pool, self.scope, self.prefix_reuse, list(self.tokens))
        other.table = self.table.fork()
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

    def drop(self) -> int:
        """Gives the pages back and keeps the log. Returns the number of pages given back."""
        count = len(self.table.pages)
        self.table.release()
        return count

    def release(self) -> None:
        """Ends the context. Idempotent."""
        self.released = True
        self.table.release()
        self.tokens = []
