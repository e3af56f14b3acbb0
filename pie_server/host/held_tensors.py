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


def check_tensor_bytes(host: InstanceHost, more: int) -> None:
    """Refuses tensors that would take the instance over its share. Raises LimitExceeded."""
    held = sum(tensor.size_bytes for tensor in host.tensors) + _vector_bytes(host)
    if held + more > MAX_TENSOR_BYTES:
        raise LimitExceeded(
            f"this instance's tensors would take {held + more} bytes, "
            f"they may take {MAX_TENSOR_BYTES}",
            hint="Release some of them, and contexts that were fed with embeddings, first.",
        )


def check_vector_bytes(host: InstanceHost, tensor: HostTensor) -> None:
    """Refuses to feed embeddings that a context would have to keep beyond the instance's share."""
    check_tensor_bytes(host, tensor.size_bytes)


def hold(host: InstanceHost, engine: Engine, kind: str, rows: torch.Tensor) -> int:
    """Takes rows over for the guest. Raises LimitExceeded."""
    tensor = HostTensor(engine, kind, rows)
    check_tensor_bytes(host, tensor.size_bytes)
    return host.tensors.add(tensor)


def _vector_bytes(host: InstanceHost) -> int:
    """What contexts hold of embeddings that they were fed with."""
    return sum(
        cast(torch.Tensor, vector).numel() * cast(torch.Tensor, vector).element_size()
        for held in host.contexts()
        for vector in held.context.vectors
    )


def hold_answers(host: InstanceHost, engine: Engine, kind: str, answers: list[Answer]) -> JsonValue:
    """Holds single rows as one tensor; null for none."""
    if not answers:
        return None
    return hold(host, engine, kind, torch.stack(cast(list[torch.Tensor], answers)))
