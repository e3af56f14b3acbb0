"""Rotary position embeddings: how fast each pair of elements turns, and the turning itself.

Frequencies follow the reference semantics of Hugging Face's `modeling_rope_utils`: plain, linear
(position interpolation), Llama 3's by-wavelength scaling (Dubey et al. 2024) and YaRN (Peng et al.
2023). Angles are computed in float64, once per model, for every position it may see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

_PIECE = 4096  # positions


@dataclass(frozen=True, slots=True)
class LinearScaling:
    """All angles are divided by `factor`."""

    factor: float


@dataclass(frozen=True, slots=True)
class Llama3Scaling:
    """Long wavelengths are divided by `factor`, short ones kept, those between interpolated."""

    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_tokens: int


@dataclass(frozen=True, slots=True)
class YarnScaling:
    """Like Llama 3's with a ramp over dimensions; cosines and sines grow by `attention_factor`."""

    factor: float
    attention_factor: float
    beta_fast: float
    beta_slow: float
    truncate: bool
    original_tokens: int


@dataclass(frozen=True, slots=True)
class RopeOptions:
    """One layer's rotary embedding."""

    theta: float
    scaling: LinearScaling | Llama3Scaling | YarnScaling | None = None


def inverse_frequencies(options: RopeOptions, head_dim: int) -> torch.Tensor:
    """Radians per position of each pair of elements, [head_dim / 2] float64."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    plain = options.theta**-exponents
    match options.scaling:
        case None:
            return plain
        case LinearScaling(factor):
            return plain / factor
        case Llama3Scaling() as scaling:
            return _llama3(plain, scaling)
        case YarnScaling() as scaling:
            return _yarn(plain, scaling, options.theta, head_dim)


def _llama3(plain: torch.Tensor, scaling: Llama3Scaling) -> torch.Tensor:
    turns = scaling.original_tokens * plain / (2 * math.pi)  # within the original context
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * plain + (1 - kept) * plain / scaling.factor


def _yarn(plain: torch.Tensor, scaling: YarnScaling, theta: float, head_dim: int) -> torch.Tensor:
    def dimension_turning(turns: float) -> float:
        """The (fractional) pair that turns this often within the original context."""
        return (
            head_dim
            * math.log(scaling.original_tokens / (turns * 2 * math.pi))
            / (2 * math.log(theta))
        )

    low, high = dimension_turning(scaling.beta_fast), dimension_turning(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    if low == high:
        high += 0.001  # as the reference does: a step, not a division by zero
    pairs = torch.arange(head_dim // 2, dtype=torch.float64)
    scaled = ((pairs - low) / (high - low)).clamp(0, 1)
    return (1 - scaled) * plain + scaled * plain / scaling.factor


class RotaryEmbedding:
    """Tables of cosines and sines for every position of a context.

    Args:
        options: The frequencies.
        head_dim: Elements of a head.
        positions: Number of positions, `max_context_tokens` of the model.
        dtype: Of the tables, that of the activations.
        device: Where they lie.
    """

    def __init__(
        self,
        options: RopeOptions,
        head_dim: int,
        positions: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        frequencies = inverse_frequencies(options, head_dim)
        scaling = options.scaling
        factor = scaling.attention_factor if isinstance(scaling, YarnScaling) else 1.0
        # [positions, head_dim / 2]; in pieces, because all 131,072 positions in float64 are large.
        self._cos = torch.empty(positions, head_dim // 2, dtype=dtype, device=device)
        self._sin = torch.empty_like(self._cos)
        for first in range(0, positions, _PIECE):
            piece = torch.arange(first, min(first + _PIECE, positions), dtype=torch.float64)
            angles = torch.outer(piece, frequencies)
            self._cos[first : first + _PIECE] = angles.cos() * factor
            self._sin[first : first + _PIECE] = angles.sin() * factor

    def at(self, positions: torch.Tensor) -> Rotation:
        """The turns of a batch, [tokens] positions."""
        cos, sin = self._cos[positions], self._sin[positions]
        # The first half of a head is turned against the second.
        return Rotation(
            torch.cat((cos, cos), dim=-1)[:, None], torch.cat((-sin, sin), dim=-1)[:, None]
        )


@dataclass(frozen=True, slots=True)
class Rotation:
    """Cosines and signed sines of a batch, [tokens, 1, head_dim]."""

    cos: torch.Tensor
    sin: torch.Tensor

    def apply(self, heads: torch.Tensor) -> torch.Tensor:
        """Turns [tokens, heads, head_dim]."""
        first, second = heads.chunk(2, dim=-1)
        return torch.addcmul(heads * self.cos, torch.cat((second, first), dim=-1), self.sin)
