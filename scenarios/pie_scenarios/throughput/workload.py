"""How much work a prefill and a decode step are: bytes to read, operations to do.

Pure arithmetic on a model's shape. Counts what cannot be avoided (each matrix read once a step, KV
read once), not what some implementation does.
"""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.hardware import HardwareLimits
from pie_server.model.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the grid.

    Attributes:
        concurrent: Contexts that prefill, and then decode, together.
    """

    prompt_tokens: int
    output_tokens: int
    concurrent: int


@dataclass(frozen=True, slots=True)
class Work:
    """What one model has to do at one point.

    Attributes:
        config: The model's shape.
        weight_bytes: Of all matrices as they are stored.
        kv_bytes: Of one element of the KV cache.
    """

    config: ModelConfig
    weight_bytes: float
    kv_bytes: float

    @property
    def layer_weights(self) -> int:
        """Weights in the matrices of all layers, which must be dense ones."""
        config = self.config
        query, keyed = config.query_heads * config.head_dim, config.kv_heads * config.head_dim
        attention = 2 * config.hidden_size * (query + keyed)
        return config.layers * (attention + 3 * config.hidden_size * config.intermediate_size)

    @property
    def head_weights(self) -> int:
        """Weights of the product that gives logits."""
        return self.config.vocab_size * self.config.hidden_size

    def decode_bytes(self, point: Point) -> float:
        """Read in one decode step, half way through the output."""
        config = self.config
        kv_elements = 2 * config.layers * config.kv_heads * config.head_dim
        context = point.prompt_tokens + point.output_tokens / 2
        return self.weight_bytes + point.concurrent * context * kv_elements * (self.kv_bytes)

    def decode_flops(self, point: Point) -> float:
        """Done in one decode step, half way through the output."""
        context = point.prompt_tokens + point.output_tokens / 2
        dense = 2 * (self.layer_weights + self.head_weights)
        return point.concurrent * (dense + self._attention_flops(context))

    def prefill_flops(self, point: Point) -> float:
        """Done for all prompts; a token attends to half of its prompt on average."""
        tokens = point.concurrent * point.prompt_tokens
        return tokens * (2 * self.layer_weights + self._attention_flops(point.prompt_tokens / 2))

    def decode_limit_seconds(self, point: Point, limits: HardwareLimits) -> float:
        """The shortest time of a decode step: memory or arithmetic, whichever is the bound."""
        return max(
            self.decode_bytes(point) / limits.bytes_per_second,
            self.decode_flops(point) / limits.matrix_flops_per_second,
        )

    def prefill_limit_seconds(self, point: Point, limits: HardwareLimits) -> float:
        """The shortest time of the whole prefill."""
        return self.prefill_flops(point) / limits.matrix_flops_per_second

    def _attention_flops(self, context: float) -> float:
        config = self.config
        return 4 * config.layers * config.query_heads * config.head_dim * context
