"""Random-weight checkpoints of real sizes, for benchmarks that need a shape and not an answer.

Written once into the user's cache directory, in Hugging Face layout and bfloat16, and loaded by the
same loader as any other model. Random weights cost exactly what trained ones cost.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tokenizers
import torch
from safetensors.torch import save_file
from tokenizers import decoders, models, pre_tokenizers

from pie_server.model.loader import EMBEDDED
from pie_server.runtime.locations import default_cache_directory

_END = "<|im_end|>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama decoder with tied embeddings."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    query_heads: int
    kv_heads: int
    head_dim: int = 64
    max_context_tokens: int = 4096

    @property
    def layer_parameters(self) -> int:
        """Weights of the matrices of one layer."""
        query, keyed = self.query_heads * self.head_dim, self.kv_heads * self.head_dim
        attention = 2 * self.hidden_size * (query + keyed)
        return attention + 3 * self.hidden_size * self.intermediate_size

    @property
    def parameters(self) -> int:
        """Weights of all matrices, the embedding counted once."""
        return self.vocab_size * self.hidden_size + self.layers * self.layer_parameters


# The second and third have the shapes of well-known small models, so that figures can be compared.
SHAPES = {
    "25m": Shape(32_000, 384, 1024, 8, 6, 2),
    "135m": Shape(49_152, 576, 1536, 30, 9, 3),
    "1b": Shape(128_256, 2048, 8192, 16, 32, 8),
}


def model_source(name: str, on_write: Callable[[str], None] = lambda text: None) -> str:
    """What `load_checkpoint` takes for a benchmark's `--model`.

    Args:
        name: `embedded`, one of `SHAPES` (written first if it is not there), or a directory.
        on_write: Told when a checkpoint has to be written.
    """
    if name == EMBEDDED or name not in SHAPES:
        return name
    directory = default_cache_directory() / "random-checkpoints" / f"random-{name}"
    if not (directory / "config.json").exists():
        on_write(f"writing the checkpoint {name}")
        write_checkpoint(directory, SHAPES[name])
    return str(directory)


def write_checkpoint(directory: Path, shape: Shape, *, seed: int = 0) -> None:
    """Writes a checkpoint, one shard a layer; it is there as a whole or not at all."""
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    places: dict[str, str] = {}
    for number, tensors in enumerate(_shards(shape, generator)):
        file = f"model-{number:05}.safetensors"
        save_file(tensors, partial / file, metadata={"format": "pt"})
        places |= dict.fromkeys(tensors, file)
    index = {"metadata": {"total_size": 2 * shape.parameters}, "weight_map": places}
    (partial / "model.safetensors.index.json").write_text(json.dumps(index))
    write_description(partial, shape)
    shutil.rmtree(directory, ignore_errors=True)
    partial.rename(directory)


def write_description(directory: Path, shape: Shape) -> None:
    """Writes all of a checkpoint but its weights."""
    _write_tokenizer(directory)
    (directory / "config.json").write_text(json.dumps(_config(shape), indent=1))


def _shards(shape: Shape, generator: torch.Generator) -> Iterator[dict[str, torch.Tensor]]:
    hidden, inner = shape.hidden_size, shape.intermediate_size
    query, keyed = shape.query_heads * shape.head_dim, shape.kv_heads * shape.head_dim

    def matrix(rows: int, columns: int) -> torch.Tensor:
        # Keeps activations near unit size through any number of layers, so that none overflows.
        weights = torch.empty(rows, columns, dtype=torch.bfloat16)
        return weights.normal_(0.0, columns**-0.5, generator=generator)

    ones = torch.ones(hidden, dtype=torch.bfloat16)
    yield {
        "model.embed_tokens.weight": matrix(shape.vocab_size, hidden),
        "model.norm.weight": ones,
    }
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}."
        yield {
            prefix + "input_layernorm.weight": ones,
            prefix + "post_attention_layernorm.weight": ones.clone(),
            prefix + "self_attn.q_proj.weight": matrix(query, hidden),
            prefix + "self_attn.k_proj.weight": matrix(keyed, hidden),
            prefix + "self_attn.v_proj.weight": matrix(keyed, hidden),
            prefix + "self_attn.o_proj.weight": matrix(hidden, query),
            prefix + "mlp.gate_proj.weight": matrix(inner, hidden),
            prefix + "mlp.up_proj.weight": matrix(inner, hidden),
            prefix + "mlp.down_proj.weight": matrix(hidden, inner),
        }


def _config(shape: Shape) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.query_heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.max_context_tokens,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "eos_token_id": 1,
    }


def _write_tokenizer(directory: Path) -> None:
    """Bytes and two special tokens; the shape's other tokens have no text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<|im_start|>", _END, *alphabet])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_start|>", _END])
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {"chat_template": _CHAT_TEMPLATE, "eos_token": _END}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
