"""The feed-forward part of a layer: one gated block, or a mixture of experts.

A mixture sends each token to the experts that its router likes best and sums what they return,
weighted (Shazeer et al. 2017; reference semantics of Hugging Face's `Qwen3MoeSparseMoeBlock`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of torch code knows

from pie_server.model.adapters import LayerAdapters, project
from pie_server.model.config import Activation, MixtureOptions
from pie_server.model.linear import Linear


class FeedForward(Protocol):
    """What a layer needs of its feed-forward part.

    Attributes:
        weight_bytes: Of all its products.
    """

    weight_bytes: int

    def __call__(self, hidden: torch.Tensor, adapters: LayerAdapters | None) -> torch.Tensor:
        """[tokens, hidden] -> [tokens, hidden]."""
        ...


class GatedBlock:
    """down(activation(gate(x)) * up(x)), with gate and up stacked into one product."""

    def __init__(self, gate_up: Linear, down: Linear, activation: Activation) -> None:
        self.gate_up = gate_up
        self.down = down
        self._activation = activation
        self.weight_bytes = gate_up.weight_bytes + down.weight_bytes

    def __call__(self, hidden: torch.Tensor, adapters: LayerAdapters | None = None) -> torch.Tensor:
        """See `FeedForward`."""
        gate, up = project(self.gate_up, "gate_up", hidden, adapters).chunk(2, dim=-1)
        gate = F.silu(gate) if self._activation == "silu" else F.gelu(gate, approximate="tanh")
        return project(self.down, "down", gate * up, adapters)


class Mixture:
    """Experts behind a router. Adapters do not reach it.

    Args:
        router: [experts, hidden].
        experts: The blocks.
        options: How many experts a token uses, and how their weights are scaled.
    """

    def __init__(
        self, router: torch.Tensor, experts: Sequence[GatedBlock], options: MixtureOptions
    ) -> None:
        self.router = router
        self.experts = experts
        self.options = options
        self.weight_bytes = router.nbytes + sum(expert.weight_bytes for expert in experts)

    def __call__(self, hidden: torch.Tensor, adapters: LayerAdapters | None = None) -> torch.Tensor:
        """See `FeedForward`. Tokens are sorted by expert, so that each expert runs once."""
        weights, chosen = self._route(hidden)
        order = chosen.flatten().argsort(stable=True)
        tokens = order // self.options.experts_per_token
        weights = weights.flatten()[order][:, None]
        counts = chosen.flatten().bincount(minlength=self.options.experts).tolist()
        output = torch.zeros_like(hidden)
        for expert, rows, share in zip(
            self.experts, torch.split(tokens, counts), torch.split(weights, counts), strict=True
        ):
            if len(rows):
                output.index_add_(0, rows, expert(hidden[rows]) * share)
        return output

    def _route(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and numbers of each token's experts, both [tokens, experts_per_token]."""
        scores = F.linear(hidden, self.router).softmax(dim=-1, dtype=torch.float32)
        weights, chosen = scores.topk(self.options.experts_per_token, dim=-1)
        if self.options.normalize:
            weights = weights / weights.sum(dim=-1, keepdim=True)
        return weights.to(hidden.dtype), chosen
