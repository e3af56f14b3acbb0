"""The Llama-shaped network, as small and plain as training needs it.

Parameter names are those of a Hugging Face `LlamaForCausalLM`, so a state dict is a checkpoint.
It knows nothing about tokenization, data or the optimizer, and has no KV cache worth serving
with: the server has its own executor.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

EMBEDDING_SCALE = 0.5  # large enough for a token to stay legible among what layers add to it
OUTPUT_SCALE = 0.1  # of the last norm; the embedding is also the output matrix


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the network; field names as in a Llama `config.json`."""

    vocab_size: int = 2048
    hidden_size: int = 256
    intermediate_size: int = 640
    num_hidden_layers: int = 5
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    head_dim: int = 32
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5
    max_position_embeddings: int = 2048

    def config(self) -> dict[str, object]:
        """The whole `config.json` of a checkpoint with this shape."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            **asdict(self),
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "attention_dropout": 0.0,
            "initializer_range": 0.02,
            "tie_word_embeddings": True,
            "use_cache": True,
            "torch_dtype": "bfloat16",
            "dtype": "bfloat16",
        }


def rope_tables(shape: Shape, length_tokens: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions 0..length-1, each [tokens, head_dim]."""
    exponents = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angles = torch.outer(torch.arange(length_tokens).float(), shape.rope_theta**-exponents)
    return torch.cat((angles.cos(),) * 2, -1), torch.cat((angles.sin(),) * 2, -1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.head_dim = shape.head_dim
        self.grouped = shape.num_attention_heads != shape.num_key_value_heads
        query_size = shape.num_attention_heads * shape.head_dim
        kv_size = shape.num_key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, query_size, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.o_proj = nn.Linear(query_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        split = (*x.shape[:2], -1, self.head_dim)
        q = rotate(self.q_proj(x).float().view(split).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).float().view(split).transpose(1, 2), cos, sin)
        v = self.v_proj(x).float().view(split).transpose(1, 2)
        # In float32: on a CPU the backward pass of bfloat16 attention takes twice as long.
        mixed = functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=self.grouped
        )  # [batch, heads, tokens, head_dim]
        output: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return output


class Mlp(nn.Module):
    """The gated feed-forward layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return output


class Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = Mlp(shape)
        self.input_layernorm = nn.RMSNorm(shape.hidden_size, eps=shape.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden_size, eps=shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        output: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return output


class Backbone(nn.Module):
    """Embedding, layers and the last norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = nn.RMSNorm(shape.hidden_size, eps=shape.rms_norm_eps)

    def in_order(self) -> list[Layer]:
        """Return the layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]


class Network(nn.Module):
    """The causal language model; the output matrix is the embedding matrix."""

    cos: Tensor  # [max_position_embeddings, head_dim]
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Backbone(shape)
        cos, sin = rope_tables(shape, shape.max_position_embeddings)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = EMBEDDING_SCALE if "embed" in name else parameter.shape[1] ** -0.5 * 0.6
                nn.init.normal_(parameter, std=0.0 if residual else scale)
        nn.init.constant_(self.model.norm.weight, OUTPUT_SCALE)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Map token ids [batch, tokens] to the last norm's output [batch, tokens, hidden]."""
        x = self.model.embed_tokens(tokens)
        cos, sin = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        output: Tensor = self.model.norm(x)
        return output

    def logits(self, hidden: Tensor) -> Tensor:
        """Map hidden states [..., hidden] to logits [..., vocab]."""
        return functional.linear(hidden, self.model.embed_tokens.weight)
