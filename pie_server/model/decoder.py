"""The decoder: one forward pass for every supported family, over a ragged batch and a paged cache.

Pure tensor code: it knows positions, slots and an attention plan, and nothing of requests. What
differs between families is in `ModelConfig`; which weights it runs on, `assembly.py` decides.
Follows the reference semantics of Hugging Face's model files (`modeling_llama.py` and relatives).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from pie_server.model.adapters import AdapterRows, LayerAdapters, project
from pie_server.model.config import LayerOptions, ModelConfig
from pie_server.model.feed_forward import FeedForward
from pie_server.model.kv_cache import KvCache
from pie_server.model.linear import Linear
from pie_server.model.norm import RmsNorm
from pie_server.model.rotary import RotaryEmbedding, Rotation


class Attention(Protocol):
    """What the model needs of an attention plan (see `engine/attention`)."""

    def run(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        *,
        window_tokens: int | None = None,
        scale: float | None = None,
    ) -> torch.Tensor:
        """[tokens, query_heads, head_dim] over one layer's paged KV, same shape back.

        Args:
            query: [tokens, query_heads, head_dim].
            keys: [slots, kv_heads, head_dim], the layer's whole cache.
            values: Like `keys`.
            window_tokens: A query at position p sees keys at positions > p - window_tokens.
            scale: Of the scores; None: head_dim ** -0.5.
        """
        ...


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer. Query, key and value are one product."""

    options: LayerOptions
    attention_norm: RmsNorm
    qkv: Linear
    query_key_norm: RmsNorm | None  # one weight for each query and key head
    output: Linear
    attention_end_norm: RmsNorm | None
    feed_forward_norm: RmsNorm
    feed_forward: FeedForward
    feed_forward_end_norm: RmsNorm | None

    @property
    def weight_bytes(self) -> int:
        """Bytes of the layer's matrices."""
        return self.qkv.weight_bytes + self.output.weight_bytes + self.feed_forward.weight_bytes


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """All parameters of a model.

    Attributes:
        embedding: Token numbers [tokens] to vectors [tokens, hidden].
        layers: From the first to the last.
        norm: After the last layer.
        head: Hidden states to logits.
    """

    embedding: Callable[[torch.Tensor], torch.Tensor]
    layers: Sequence[Layer]
    norm: RmsNorm
    head: Linear


class Decoder:
    """A loaded model.

    Attributes:
        config: Its shape.
        weights: Its parameters.
        device: Where they are.
        dtype: Of activations and KV.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: DecoderWeights,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.config = config
        self.weights = weights
        self.device = device
        self.dtype = dtype
        # One table for each kind of rope, however many layers share it.
        self._rotary = {
            rope: RotaryEmbedding(
                rope, config.head_dim, config.max_context_tokens, dtype=dtype, device=device
            )
            for rope in {options.rope for options in config.layer_options}
        }
        # As the reference does, the scale is rounded to the embeddings' dtype.
        scale = config.embedding_scale
        self._embedding_scale = None if scale is None else torch.tensor(scale).to(dtype).item()

    @property
    def weight_bytes(self) -> int:
        """Bytes of all matrices in their stored form: what a step of few tokens reads.

        All experts of a mixture count, though a step may use fewer.
        """
        layers = sum(layer.weight_bytes for layer in self.weights.layers)
        return layers + self.weights.head.weight_bytes

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Token numbers [tokens] int64 -> [tokens, hidden]."""
        vectors = self.weights.embedding(tokens)
        return vectors if self._embedding_scale is None else vectors * self._embedding_scale

    def forward(
        self,
        hidden: torch.Tensor,
        positions: torch.Tensor,
        slots: torch.Tensor,
        cache: KvCache,
        attention: Attention,
        adapters: AdapterRows | None = None,
    ) -> torch.Tensor:
        """Hidden states of a ragged batch; writes its keys and values into `slots`.

        Args:
            hidden: [tokens, hidden] embeddings, rows one after the other.
            positions: [tokens] int64.
            slots: [tokens] int64, the KV slot that each token fills.
            cache: KV of all pages.
            attention: The plan for this batch's layout.
            adapters: Which token uses which adapter; None: none does.

        Returns:
            [tokens, hidden], after the last norm.
        """
        rotations = {rope: rotary.at(positions) for rope, rotary in self._rotary.items()}
        for index, layer in enumerate(self.weights.layers):
            added = None if adapters is None else adapters.layer(index)
            query, key, value = self._qkv(
                layer, layer.attention_norm(hidden), rotations[layer.options.rope], added
            )
            cache.keys[index].index_copy_(0, slots, key)
            cache.values[index].index_copy_(0, slots, value)
            attended = attention.run(
                query,
                cache.keys[index],
                cache.values[index],
                window_tokens=layer.options.window_tokens,
                scale=self.config.attention_scale,
            )
            output = project(layer.output, "output", attended.flatten(1), added)
            hidden = hidden + _end(layer.attention_end_norm, output)
            output = layer.feed_forward(layer.feed_forward_norm(hidden), added)
            hidden = hidden + _end(layer.feed_forward_end_norm, output)
        return self.weights.norm(hidden)

    def _qkv(
        self,
        layer: Layer,
        hidden: torch.Tensor,
        rotation: Rotation,
        adapters: LayerAdapters | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values of all tokens, each [tokens, heads, head_dim]."""
        config = self.config
        qkv = project(layer.qkv, "qkv", hidden, adapters)
        qkv = qkv.view(hidden.shape[0], -1, config.head_dim)
        # Queries and keys are normalised and turned together: half the kernel launches.
        query_key = qkv[:, : config.query_heads + config.kv_heads]
        value = qkv[:, config.query_heads + config.kv_heads :]
        if layer.query_key_norm is not None:
            query_key = layer.query_key_norm(query_key)
        query_key = rotation.apply(query_key)
        return query_key[:, : config.query_heads], query_key[:, config.query_heads :], value

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[rows, hidden] -> [rows, vocab] in float32."""
        logits = self.weights.head(hidden).float()
        softcap = self.config.logit_softcap
        return logits if softcap is None else torch.tanh(logits / softcap) * softcap


def _end(norm: RmsNorm | None, output: torch.Tensor) -> torch.Tensor:
    return output if norm is None else norm(output)
