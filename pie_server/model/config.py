"""What `config.json` says about a checkpoint, read into one typed object.

Only architectures in `SUPPORTED_ARCHITECTURES` are accepted: a model that would run but give wrong
logits is worse than one that is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pie_server.errors import CheckpointError

SUPPORTED_ARCHITECTURES = ("LlamaForCausalLM",)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a Llama-architecture decoder. Sizes are counts of elements."""

    architecture: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    query_heads: int
    kv_heads: int
    head_dim: int
    max_context_tokens: int
    rope_theta: float
    norm_epsilon: float
    tied_embeddings: bool
    eos_tokens: tuple[int, ...]


def read_config(directory: Path) -> ModelConfig:
    """Reads `config.json` (and `generation_config.json` for the end tokens).

    Raises:
        CheckpointError: The file is missing, not JSON, lacks a field or names an architecture that
            is not supported.
    """
    raw = read_json(directory / "config.json")
    names = raw.get("architectures") or ["(none)"]
    architecture = str(cast(list[object], names)[0])
    if architecture not in SUPPORTED_ARCHITECTURES:
        raise CheckpointError(
            f"architecture {architecture} is not supported",
            hint=f"Supported: {', '.join(SUPPORTED_ARCHITECTURES)}.",
        )
    if raw.get("hidden_act", "silu") != "silu":
        raise CheckpointError(f"{directory}/config.json: hidden_act must be silu")
    for field in ("attention_bias", "mlp_bias"):
        if raw.get(field):
            raise CheckpointError(f"{directory}/config.json: {field}=true is not supported")
    try:
        hidden, heads = _integer(raw, "hidden_size"), _integer(raw, "num_attention_heads")
        config = ModelConfig(
            architecture=architecture,
            vocab_size=_integer(raw, "vocab_size"),
            hidden_size=hidden,
            intermediate_size=_integer(raw, "intermediate_size"),
            layers=_integer(raw, "num_hidden_layers"),
            query_heads=heads,
            kv_heads=_integer(raw, "num_key_value_heads", heads),
            head_dim=_integer(raw, "head_dim", hidden // heads),
            max_context_tokens=_integer(raw, "max_position_embeddings"),
            rope_theta=_rope_theta(raw),
            norm_epsilon=float(cast(float, raw.get("rms_norm_eps", 1e-6))),
            tied_embeddings=bool(raw.get("tie_word_embeddings", False)),
            eos_tokens=_eos_tokens(directory, raw),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{directory}/config.json: {error}") from error
    if config.query_heads % config.kv_heads:
        raise CheckpointError("num_attention_heads must be a multiple of num_key_value_heads")
    return config


def read_json(path: Path) -> dict[str, object]:
    """A JSON object from a file. Raises CheckpointError."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} does not exist",
            hint="A model is a directory with config.json, *.safetensors and tokenizer.json.",
        ) from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path} must hold a JSON object")
    return raw


def _integer(raw: dict[str, object], name: str, default: int | None = None) -> int:
    value = raw.get(name, default)
    if value is None:
        value = default
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive integer, not {value!r}")
    return value


def _rope_theta(raw: dict[str, object]) -> float:
    # transformers 5 writes `rope_parameters`, earlier versions `rope_theta` and `rope_scaling`.
    parameters = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    scaling = cast(dict[str, object], parameters)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind != "default":
        raise ValueError(f"rope scaling {kind!r} is not supported")
    return float(cast(float, scaling.get("rope_theta", raw.get("rope_theta", 10000.0))))


def _eos_tokens(directory: Path, raw: dict[str, object]) -> tuple[int, ...]:
    generation = directory / "generation_config.json"
    value = read_json(generation).get("eos_token_id") if generation.exists() else None
    value = raw.get("eos_token_id") if value is None else value
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    return tuple(int(cast(int, token)) for token in values)
