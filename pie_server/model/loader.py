"""Loads a local checkpoint directory: weights, tokenizer, chat template.

The directory has the layout of any Hugging Face checkpoint: `config.json`, one or more
`*.safetensors` (with `model.safetensors.index.json` when sharded), `tokenizer.json` and
`tokenizer_config.json`. Nothing is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from pie_server.errors import CheckpointError
from pie_server.model.chat_template import ChatTemplate
from pie_server.model.config import ModelConfig, read_config, read_json
from pie_server.model.llama import LayerWeights, Llama, LlamaWeights
from pie_server.model.tokenizer import Tokenizer

EMBEDDED = "embedded"
EMBEDDED_DIRECTORY = Path(__file__).parent / "embedded"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that is needed to serve one model."""

    name: str
    model: Llama
    tokenizer: Tokenizer
    chat_template: ChatTemplate

    @property
    def config(self) -> ModelConfig:
        """The model's shape."""
        return self.model.config


def load_checkpoint(
    source: str, *, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> Checkpoint:
    """Loads `source`: the word `embedded` or a checkpoint directory.

    Args:
        source: What to load.
        device: Default: CUDA if there is one, else the CPU.
        dtype: Default: float32 on the CPU (fastest for small models), bfloat16 on CUDA.

    Raises:
        CheckpointError: Something is missing, misshapen, truncated or not supported.
    """
    directory = EMBEDDED_DIRECTORY if source == EMBEDDED else Path(source).expanduser()
    if device is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if dtype is None:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    config = read_config(directory)
    tokenizer = Tokenizer.from_directory(directory)
    if tokenizer.size > config.vocab_size:
        raise CheckpointError(
            f"the tokenizer has {tokenizer.size} tokens, the model only {config.vocab_size}",
            hint="tokenizer.json belongs to another model.",
        )
    weights = load_weights(directory, config, device=device, dtype=dtype)
    name = EMBEDDED if source == EMBEDDED else directory.resolve().name
    return Checkpoint(
        name, Llama(config, weights), tokenizer, ChatTemplate.from_directory(directory)
    )


def load_weights(
    directory: Path, config: ModelConfig, *, device: torch.device, dtype: torch.dtype
) -> LlamaWeights:
    """Reads every tensor once (memory-mapped) and stacks those that run as one product.

    Raises:
        CheckpointError: A tensor is missing, extra or of another shape; a file is truncated.
    """
    tensors: dict[str, torch.Tensor] = {}
    for path in _shards(directory):
        try:
            with safe_open(str(path), framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - not a mapping
                    tensors[name] = file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error

    def take(name: str, *shape: int) -> torch.Tensor:
        tensor = tensors.pop(name, None)
        if tensor is None:
            raise CheckpointError(f"tensor {name} is missing in {directory}")
        if tuple(tensor.shape) != shape:
            raise CheckpointError(f"tensor {name} is {tuple(tensor.shape)}, expected {shape}")
        return tensor.to(device, dtype)

    embedding = take("model.embed_tokens.weight", config.vocab_size, config.hidden_size)
    layers = tuple(_layer(take, config, f"model.layers.{i}.") for i in range(config.layers))
    norm = take("model.norm.weight", config.hidden_size)
    if config.tied_embeddings:
        tensors.pop("lm_head.weight", None)
        head = embedding
    else:
        head = take("lm_head.weight", config.vocab_size, config.hidden_size)
    extra = [name for name in tensors if not name.endswith("rotary_emb.inv_freq")]
    if extra:
        raise CheckpointError(f"{directory} holds tensors this model has no place for: {extra[:5]}")
    return LlamaWeights(embedding, layers, norm, head)


def _layer(take: Callable[..., torch.Tensor], config: ModelConfig, prefix: str) -> LayerWeights:
    hidden, inner = config.hidden_size, config.intermediate_size
    query, keyed = config.query_heads * config.head_dim, config.kv_heads * config.head_dim
    attention, mlp = prefix + "self_attn.", prefix + "mlp."
    return LayerWeights(
        attention_norm=take(prefix + "input_layernorm.weight", hidden),
        qkv=torch.cat(
            (
                take(attention + "q_proj.weight", query, hidden),
                take(attention + "k_proj.weight", keyed, hidden),
                take(attention + "v_proj.weight", keyed, hidden),
            )
        ),
        output=take(attention + "o_proj.weight", hidden, query),
        mlp_norm=take(prefix + "post_attention_layernorm.weight", hidden),
        gate_up=torch.cat(
            (
                take(mlp + "gate_proj.weight", inner, hidden),
                take(mlp + "up_proj.weight", inner, hidden),
            )
        ),
        down=take(mlp + "down_proj.weight", hidden, inner),
    )


def _shards(directory: Path) -> Iterator[Path]:
    index = directory / "model.safetensors.index.json"
    if index.exists():
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict):
            raise CheckpointError(f"{index} has no weight_map")
        yield from (directory / name for name in sorted(set(shards.values())))
        return
    single = directory / "model.safetensors"
    if not single.exists():
        raise CheckpointError(
            f"{directory} holds no model.safetensors",
            hint="Weights must be in safetensors format.",
        )
    yield single
