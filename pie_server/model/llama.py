"""The Llama decoder over a ragged batch of tokens and a paged KV cache.

Pure tensor code: it knows positions, slots and an attention backend, and nothing of requests.
Follows the reference semantics of Hugging Face's `LlamaForCausalLM` (Touvron et al. 2023; RoPE with
rotated halves, RMSNorm, SwiGLU, grouped-query attention).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of torch code knows

from pie_server.model.config import ModelConfig


class Attention(Protocol):
    """What the model needs of an attention backend (see `engine/attention`)."""

    def run(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """[tokens, query_heads, head_dim] over one layer's paged KV, same shape back."""
        ...


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One decoder layer. Query, key and value are stacked, and so are gate and up."""

    attention_norm: torch.Tensor  # [hidden]
    qkv: torch.Tensor  # [(query_heads + 2 * kv_heads) * head_dim, hidden]
    output: torch.Tensor  # [hidden, query_heads * head_dim]
    mlp_norm: torch.Tensor  # [hidden]
    gate_up: torch.Tensor  # [2 * intermediate, hidden]
    down: torch.Tensor  # [hidden, intermediate]


@dataclass(frozen=True, slots=True)
class LlamaWeights:
    """All parameters, on one device in one dtype."""

    embedding: torch.Tensor  # [vocab, hidden]
    layers: tuple[LayerWeights, ...]
    norm: torch.Tensor  # [hidden]
    head: torch.Tensor  # [vocab, hidden]; the embedding itself when tied


class KvCache:
    """The tensors behind the page numbers: keys and values of every layer.

    Attributes:
        keys, values: One tensor a layer, [pages * page_size, kv_heads, head_dim].
    """

    def __init__(
        self,
        config: ModelConfig,
        pages: int,
        page_size_tokens: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (pages * page_size_tokens, config.kv_heads, config.head_dim)
        self.page_size_tokens = page_size_tokens
        # Zeroed, not empty: masked slots still enter 0 * v, and NaN bits would survive that.
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.layers)]
        self.values = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.layers)]

    def copy_pages(self, sources: list[int], targets: list[int]) -> None:
        """Copies whole pages in every layer (copy on write)."""
        size = self.page_size_tokens
        for cache in (*self.keys, *self.values):
            pages = cache.view(-1, size, *cache.shape[1:])
            pages[targets] = pages[sources]


class Llama:
    """A loaded model: weights plus the rotary tables."""

    def __init__(self, config: ModelConfig, weights: LlamaWeights) -> None:
        self.config = config
        self.weights = weights
        self._cos, self._sin = _rotary_tables(
            config, weights.embedding.device, weights.embedding.dtype
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.weights.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of weights, activations and KV."""
        return self.weights.embedding.dtype

    def forward(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        slots: torch.Tensor,
        cache: KvCache,
        attention: Attention,
    ) -> torch.Tensor:
        """Hidden states of a ragged batch; writes its keys and values into `slots`.

        Args:
            tokens: [tokens] int64, rows one after the other.
            positions: [tokens] int64.
            slots: [tokens] int64, the KV slot that each token fills.
            cache: KV of all pages.
            attention: The plan for this batch's layout.

        Returns:
            [tokens, hidden], after the last norm.
        """
        config = self.config
        hidden = F.embedding(tokens, self.weights.embedding)
        cos, sin = self._cos[positions], self._sin[positions]  # [tokens, 1, head_dim]
        sizes = [config.query_heads, config.kv_heads, config.kv_heads]
        for index, layer in enumerate(self.weights.layers):
            normed = F.rms_norm(
                hidden, (config.hidden_size,), layer.attention_norm, config.norm_epsilon
            )
            qkv = F.linear(normed, layer.qkv).view(tokens.shape[0], -1, config.head_dim)
            query, key, value = torch.split(qkv, sizes, dim=1)  # [tokens, heads, head_dim]
            cache.keys[index].index_copy_(0, slots, _rotate(key, cos, sin))
            cache.values[index].index_copy_(0, slots, value)
            attended = attention.run(
                _rotate(query, cos, sin), cache.keys[index], cache.values[index]
            )
            hidden = hidden + F.linear(attended.flatten(1), layer.output)
            normed = F.rms_norm(hidden, (config.hidden_size,), layer.mlp_norm, config.norm_epsilon)
            gate, up = F.linear(normed, layer.gate_up).chunk(2, dim=-1)
            hidden = hidden + F.linear(F.silu(gate) * up, layer.down)
        return F.rms_norm(hidden, (config.hidden_size,), self.weights.norm, config.norm_epsilon)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[rows, hidden] -> [rows, vocab] in float32."""
        return F.linear(hidden, self.weights.head).float()


def _rotary_tables(
    config: ModelConfig, device: torch.device, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    half = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    angles = torch.outer(
        torch.arange(config.max_context_tokens, dtype=torch.float64), config.rope_theta**-half
    )
    angles = torch.cat((angles, angles), dim=-1)[:, None, :]  # [positions, 1, head_dim]
    return angles.cos().to(device, dtype), angles.sin().to(device, dtype)


def _rotate(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat((-second, first), dim=-1) * sin
