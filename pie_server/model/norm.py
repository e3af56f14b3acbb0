"""Root-mean-square normalisation in the two forms that checkpoints use."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of torch code knows


class RmsNorm:
    """Normalises the last dimension, then multiplies by a weight.

    Args:
        weight: [size], or [heads, size] with one weight a head.
        epsilon: Added to the mean of squares.
        around_one: The weight is stored as its distance from one, and the product is rounded only
            once (Gemma); else the normalised value is rounded before the product (Llama).
    """

    def __init__(self, weight: torch.Tensor, epsilon: float, *, around_one: bool = False) -> None:
        # 1 + weight in float32: half precisions have too few digits near one.
        self.weight = 1 + weight.float() if around_one else weight
        self.epsilon = epsilon

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        """[..., size] -> the same shape and dtype."""
        if self.weight.dtype == input.dtype and self.weight.dim() == 1:
            return F.rms_norm(input, self.weight.shape, self.weight, self.epsilon)
        wide = F.rms_norm(input.to(self.weight.dtype), input.shape[-1:], None, self.epsilon)
        return (wide * self.weight).to(input.dtype)
