"""Generates with the trained network on this machine, one sequence at a time.

Greedy, or by temperature. It keeps the KV of its last prompt, because an agent's next prompt
begins with the one before. The server has its own executor; this one is for training's sake.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from pie_scenarios.embedded_model.network import Attention, Network, Shape, rotate


def load_network(directory: Path) -> Network:
    """Load a checkpoint directory in float32."""
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    network = Network(Shape(**{field.name: config[field.name] for field in fields(Shape)}))
    weights = load_file(directory / "model.safetensors")
    network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return network.eval()


class LocalGenerator:
    """A `Generate` over the plain network with a KV cache."""

    def __init__(
        self, network: Network, end: int, temperature: float = 0.0, max_tokens: int = 200
    ) -> None:
        self._network, self._end = network, end
        self._temperature, self._max_tokens = temperature, max_tokens
        self._random = torch.Generator().manual_seed(0)
        self._cached: list[int] = []
        self._kv: list[tuple[Tensor, Tensor]] = []  # per layer, [1, heads, tokens, head_dim]

    @torch.inference_mode()
    def generate(self, prompt_tokens: list[int]) -> list[int]:
        """Return the tokens that follow, without the end of the turn."""
        kept = 0
        while kept < min(len(self._cached), len(prompt_tokens) - 1):
            if self._cached[kept] != prompt_tokens[kept]:
                break
            kept += 1
        self._kv = [(k[:, :, :kept], v[:, :, :kept]) for k, v in self._kv]
        self._cached = prompt_tokens[:kept]
        made: list[int] = []
        feed = prompt_tokens[kept:]
        while len(made) < self._max_tokens:
            token = self._pick(self._logits(feed))
            if token == self._end:
                break
            made.append(token)
            feed = [token]
        return made

    def _pick(self, logits: Tensor) -> int:
        if not self._temperature:
            return int(logits.argmax())
        shares = (logits / self._temperature).softmax(-1)
        return int(torch.multinomial(shares, 1, generator=self._random))

    def _logits(self, tokens: list[int]) -> Tensor:
        network, begin = self._network, len(self._cached)
        cos = network.cos[begin : begin + len(tokens)]
        sin = network.sin[begin : begin + len(tokens)]
        x = network.model.embed_tokens(torch.tensor([tokens]))
        self._kv = self._kv or [(torch.empty(0), torch.empty(0))] * len(network.model.layers)
        for index, layer in enumerate(network.model.in_order()):
            mixed, self._kv[index] = _attend(
                layer.self_attn, layer.input_layernorm(x), cos, sin, self._kv[index]
            )
            x = x + mixed
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        self._cached = self._cached + tokens
        return network.logits(network.model.norm(x[0, -1]))


def _attend(
    attention: Attention, x: Tensor, cos: Tensor, sin: Tensor, before: tuple[Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    split = (*x.shape[:2], -1, attention.head_dim)
    q = rotate(attention.q_proj(x).view(split).transpose(1, 2), cos, sin)
    k = rotate(attention.k_proj(x).view(split).transpose(1, 2), cos, sin)
    v = attention.v_proj(x).view(split).transpose(1, 2)
    if before[0].numel():
        k, v = torch.cat((before[0], k), 2), torch.cat((before[1], v), 2)
    new, total = q.shape[2], k.shape[2]
    mask = torch.ones(new, total, dtype=torch.bool).tril(total - new)
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    return attention.o_proj(mixed.transpose(1, 2).flatten(2)), (k, v)
