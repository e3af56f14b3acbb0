"""What a checkpoint's `config.json` says, as one typed object.

`ModelConfig` describes every family by the same options, so that the decoder has no branch per
family; `architectures.py` fills it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pie_server.errors import CheckpointError
from pie_server.model.rotary import RopeOptions

Activation = Literal["silu", "gelu_tanh"]


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """What may differ from layer to layer.

    Attributes:
        rope: How positions turn queries and keys.
        window_tokens: A token sees only this many tokens, itself included; None: all.
        sparse: The feed-forward part is a mixture of experts.
    """

    rope: RopeOptions
    window_tokens: int | None = None
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class MixtureOptions:
    """The shape of a mixture of experts.

    Attributes:
        experts: Experts of a layer.
        experts_per_token: How many of them each token uses.
        intermediate_size: Inner width of one expert.
        normalize: The chosen experts' weights are scaled to sum to one.
    """

    experts: int
    experts_per_token: int
    intermediate_size: int
    normalize: bool


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a decoder. Sizes are counts of elements.

    Attributes:
        qkv_bias, output_bias, mlp_bias: Which products add a bias.
        query_key_norms: Queries and keys are normalised per head before rotation.
        norms_around_one: Norm weights are stored as their distance from one (Gemma).
        sandwich_norms: Attention and feed-forward are also normalised at their end (Gemma).
        embedding_scale: Embeddings are multiplied by this.
        attention_scale: Scores are multiplied by this; None: head_dim ** -0.5.
        logit_softcap: Logits are squashed into (-softcap, softcap).
        mixture: Shape of the sparse layers, if there are any.
    """

    architecture: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    query_heads: int
    kv_heads: int
    head_dim: int
    max_context_tokens: int
    norm_epsilon: float
    tied_embeddings: bool
    eos_tokens: tuple[int, ...]
    layer_options: tuple[LayerOptions, ...]
    activation: Activation = "silu"
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    query_key_norms: bool = False
    norms_around_one: bool = False
    sandwich_norms: bool = False
    embedding_scale: float | None = None
    attention_scale: float | None = None
    logit_softcap: float | None = None
    mixture: MixtureOptions | None = None

    @property
    def query_size(self) -> int:
        """Width of all query heads."""
        return self.query_heads * self.head_dim

    @property
    def kv_size(self) -> int:
        """Width of all key heads, and of all value heads."""
        return self.kv_heads * self.head_dim


class Fields:
    """Typed access to a JSON object, with errors that name the file and the field.

    A field that is null counts as absent.

    Args:
        raw: The object.
        where: What to call it in errors, usually its path.
    """

    def __init__(self, raw: Mapping[str, object], where: str) -> None:
        self.raw = raw
        self.where = where

    def get(self, name: str) -> object:
        """The value as it is, None if absent."""
        return self.raw.get(name)

    def integer(self, name: str, default: int | None = None) -> int:
        """A positive integer."""
        value = self.raw.get(name)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.error(f"{name} must be a positive integer, not {value!r}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A positive number."""
        value = self.raw.get(name)
        value = default if value is None else value
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not 0 < value < math.inf
        ):
            raise self.error(f"{name} must be a positive number, not {value!r}")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        """A positive number, or None if absent."""
        return None if self.raw.get(name) is None else self.number(name)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self.raw.get(name)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self.error(f"{name} must be true or false, not {value!r}")
        return value

    def section(self, name: str) -> Fields | None:
        """A nested object, or None if absent."""
        value = self.raw.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(f"{name} must be an object, not {value!r}")
        return Fields(value, f"{self.where}: {name}")

    def strings(self, name: str) -> list[str] | None:
        """A list of strings, or None if absent."""
        value = self.raw.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(f"{name} must be a list of strings, not {value!r}")
        return value

    def error(self, message: str) -> CheckpointError:
        """An error about this object."""
        return CheckpointError(f"{self.where}: {message}")


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
