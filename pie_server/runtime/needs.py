"""Holds an inferlet to the operations that its manifest names in `needs`.

A need is an operation (`tools.call`) or a family of them (`context`, all that begin with
`context.`). What reaches nothing but the inferlet's own client and clock needs no naming.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pie_server.errors import InvalidInferlet, UndeclaredOperation
from pie_server.runtime.manifest import Program
from pie_server.runtime.port import Host, JsonValue, Mailbox

# Every SDK uses these by itself: to list models, to print, to cancel.
ALWAYS: Final = frozenset({"model", "models", "tokenizer", "session", "runtime", "log", "cancel"})
# Of those families what reaches further: what is launched is held to its own needs, not to these.
NAMED: Final = frozenset({"runtime.launch"})


def family_of(operation: str) -> str:
    """`context` of `context.fork`."""
    return operation.partition(".")[0]


def permits(needs: Collection[str], operation: str) -> bool:
    """Whether an inferlet with these needs may call an operation."""
    family = family_of(operation)
    return operation in needs or family in needs or (family in ALWAYS and operation not in NAMED)


def check_needs(needs: Collection[str], operations: Collection[str]) -> None:
    """Refuse needs that this server cannot fulfil.

    Raises:
        InvalidInferlet: One of them is no operation and no family of operations.
    """
    families = {family_of(operation) for operation in operations}
    unknown = [need for need in needs if need not in operations and need not in families]
    if unknown:
        raise InvalidInferlet(
            f"`needs` names {', '.join(map(repr, unknown[:5]))}, which this server does not have.",
            hint=f"Families of operations: {', '.join(sorted(families))}; see docs/operations.md.",
        )


def hold_to_needs(program: Program, host: Host) -> Host:
    """The host as a program may use it: all of it, unless its manifest names its needs."""
    return host if program.needs is None else DeclaredHost(host, program.name, program.needs)


class DeclaredHost:
    """A host that answers only declared operations. Implements `Host`."""

    def __init__(self, host: Host, name: str, needs: Collection[str]) -> None:
        self._host = host
        self._name = name
        self._needs = frozenset(needs)

    def submit(self, operations: Sequence[Mapping[str, JsonValue]], mailbox: Mailbox) -> None:
        """Start operations; see `Host`."""
        passed = []
        for operation in operations:
            number = operation.get("id")
            try:
                self._check(operation)
            except UndeclaredOperation as error:
                if isinstance(number, int):
                    mailbox.fail(number, error)
            else:
                passed.append(operation)
        if passed:
            self._host.submit(passed, mailbox)

    def call(self, operation: Mapping[str, JsonValue]) -> JsonValue:
        """Answer one control operation now; see `Host`."""
        self._check(operation)
        return self._host.call(operation)

    def close(self) -> None:
        """Cancel what is in flight; see `Host`."""
        self._host.close()

    def _check(self, operation: Mapping[str, JsonValue]) -> None:
        name = str(operation.get("op"))
        if not permits(self._needs, name):
            need = name if name in NAMED else family_of(name)[:80]
            raise UndeclaredOperation(
                f"the inferlet {self._name!r} called {name[:80]!r}, which its manifest does not "
                "name.",
                hint=f'Add "{need}" to `needs` in inferlet.toml.',
                details={"operation": name[:80]},
            )
