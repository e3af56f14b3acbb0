"""The border between the runtime and the control layer.

The runtime calls a `Host` (one per instance) with batches of operations; the host answers each
one exactly once through the instance's `Mailbox`. Both sides live on the trio loop thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pie_server.errors import PieError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class InstanceLimits:
    """What one instance may use.

    Attributes:
        memory_bytes: Linear memory of the guest; a Python interpreter starts at about 16 MiB.
        cpu_seconds: CPU time of the guest's code and of what the host does at once for it, such as
            tokenizing; waiting costs nothing.
        operations_in_flight: Operations submitted and not yet delivered back. The SDK queues
            above it; a guest that goes around the SDK gets `operations_exceeded` completions.
        operation_bytes: JSON text of one submit.
        output_bytes: JSON text of the result.
        pages: KV pages its contexts may hold together (enforced by the host); None for no limit.
    """

    memory_bytes: int = 256 * MIB
    cpu_seconds: float = 30.0
    operations_in_flight: int = 256
    operation_bytes: int = 4 * MIB
    output_bytes: int = 4 * MIB
    pages: int | None = None


class Mailbox(Protocol):
    """Where a host puts answers; implemented by instances. Late answers are dropped."""

    def complete(self, operation_id: int, value: JsonValue) -> None:
        """Answer an operation with its value."""

    def fail(self, operation_id: int, error: PieError) -> None:
        """Answer an operation with an error, which the guest can catch."""


class Host(Protocol):
    """What one instance may ask of the server; implemented by the control layer."""

    def submit(self, operations: Sequence[Mapping[str, JsonValue]], mailbox: Mailbox) -> None:
        """Start operations. Never raises; each gets one `complete` or `fail`, perhaps at once."""

    def call(self, operation: Mapping[str, JsonValue]) -> JsonValue:
        """Answer one control operation now.

        Raises:
            PieError: The operation failed, or is not a control operation.
        """

    def close(self) -> None:
        """Cancel what is in flight and free everything the instance holds. Idempotent."""
