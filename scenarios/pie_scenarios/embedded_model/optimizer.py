"""Muon for the matrices of the layers; AdamW is left the embedding and the norms.

Muon (Jordan et al., 2024): the momentum of each matrix is replaced by its nearest
semi-orthogonal matrix, found by five Newton-Schulz steps.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pie_scenarios.embedded_model.workers import Worker

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return a matrix near the semi-orthogonal one closest to `matrix` ([rows, columns])."""
    a, b, c = NEWTON_SCHULZ
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = (x.T if tall else x).to(matrix.dtype)
    return result


class Muon(torch.optim.Optimizer):
    """Orthogonalized momentum; each worker orthogonalizes its share of the matrices."""

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, worker: Worker, momentum: float = 0.95
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": 0.1})
        self._worker = worker

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix from its gradient."""
        for group in self.param_groups:
            ahead = [self._look_ahead(matrix, group["momentum"]) for matrix in group["params"]]
            updates = [
                orthogonalize(each) if self._worker.owns(index) else torch.zeros_like(each)
                for index, each in enumerate(ahead)
            ]
            self._worker.sum(updates)
            for matrix, update in zip(group["params"], updates, strict=True):
                scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * scale)

    def _look_ahead(self, matrix: Tensor, momentum: float) -> Tensor:
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        average: Tensor = state["momentum"]
        assert matrix.grad is not None
        average.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(average, momentum)


def split_parameters(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return (matrices for Muon, everything else for AdamW)."""
    named = list(network.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    return matrices, [p for name, p in named if p.ndim != 2 or "embed" in name]
