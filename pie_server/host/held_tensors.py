"""Rows of embeddings, hidden states or logits that a guest holds by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from pie_server.engine.batch import Answer
from pie_server.engine.engine import Engine
from pie_server.errors import LimitExceeded
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

MAX_TENSORS = 256
MAX_TENSOR_BYTES = 64 << 20  # of one instance


@dataclass(frozen=True, slots=True)
class HostTensor:
    """Rows that a guest holds.

    Attributes:
        kind: `embeddings` can be fed, `hidden` read out, `logits` looked at.
        rows: [rows, width] on the device.
    """

    engine: Engine
    kind: str
    rows: torch.Tensor

    @property
    def size_bytes(self) -> int:
        """Memory it takes."""
        return self.rows.numel() * self.rows.element_size()


def hold(host: InstanceHost, engine: Engine, kind: str, rows: torch.Tensor) -> int:
    """Takes rows over for the guest. Raises LimitExceeded."""
    tensor = HostTensor(engine, kind, rows)
    held = sum(other.size_bytes for other in host.tensors)
    if held + tensor.size_bytes > MAX_TENSOR_BYTES:
        raise LimitExceeded(
            f"this instance's tensors would take {held + tensor.size_bytes} bytes, "
            f"they may take {MAX_TENSOR_BYTES}",
            hint="Release some of them first.",
        )
    return host.tensors.add(tensor)


def hold_answers(host: InstanceHost, engine: Engine, kind: str, answers: list[Answer]) -> JsonValue:
    """Holds single rows as one tensor; null for none."""
    if not answers:
        return None
    return hold(host, engine, kind, torch.stack(cast(list[torch.Tensor], answers)))
