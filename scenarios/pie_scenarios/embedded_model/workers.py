"""Training by several processes with a thread each: faster than one process with threads.

The matrices are so small that threads spend their time waiting for each other. Every worker has
its own conversations; gradients are averaged and the work of the optimizer is shared out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed


@dataclass(frozen=True, slots=True)
class Worker:
    """One of `count` training processes."""

    rank: int = 0
    count: int = 1

    def join(self, meeting_file: Path) -> None:
        """Wait until all workers are there; call once, first."""
        torch.set_num_threads(1)
        if self.count > 1:
            distributed.init_process_group(
                "gloo", f"file://{meeting_file}", rank=self.rank, world_size=self.count
            )

    def owns(self, index: int) -> bool:
        """Return whether this worker does the `index`-th piece of shared-out work."""
        return index % self.count == self.rank

    def sum(self, tensors: Sequence[Tensor], scale: float = 1.0) -> None:
        """Replace each tensor by its sum over all workers, times `scale`."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        parts = torch.split(flat.mul_(scale), [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def told_by_first(self, value: float) -> float:
        """Return the value of worker 0."""
        if self.count == 1:
            return value
        told = torch.tensor([value])
        distributed.broadcast(told, 0)
        return float(told)
