"""Contexts saved under a name, scoped per tenant (`tenant/name`).

An export is an immutable fork: whoever opens it gets a fork of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from pie_server.kv.context import Context


class Exports:
    """The saved contexts of one model. Holds their pages until they are deleted or taken."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], Context] = {}

    def save(self, name: str, context: Context, identifier: int) -> None:
        """Saves a fork of `context`, replacing what had the name."""
        self.delete(context.scope, name)
        self._by_name[context.scope, name] = context.fork(identifier)

    def open(self, scope: str, name: str, identifier: int) -> Context | None:
        """A fork of the saved context, or None."""
        saved = self._by_name.get((scope, name))
        return None if saved is None else saved.fork(identifier)

    def take(self, scope: str, name: str) -> Context | None:
        """The saved context itself; the name is free again."""
        return self._by_name.pop((scope, name), None)

    def delete(self, scope: str, name: str) -> bool:
        """Forgets a saved context. Returns whether there was one."""
        saved = self._by_name.pop((scope, name), None)
        if saved is not None:
            saved.release()
        return saved is not None

    def names(self, scope: str) -> list[str]:
        """What is saved in `scope`."""
        return sorted(name for owner, name in self._by_name if owner == scope)

    def contexts(self) -> Iterator[Context]:
        """Every saved context, for residency and integrity checks."""
        return iter(self._by_name.values())
