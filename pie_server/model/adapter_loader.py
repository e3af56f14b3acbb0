"""Reads LoRA adapters from PEFT directories (`adapter_config.json`, `adapter_model.safetensors`).

What is computed is plain LoRA on the linear products of a layer. Everything else that PEFT can put
into an adapter is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pie_server.errors import CheckpointError
from pie_server.model.adapters import Adapter, LowRank, Product
from pie_server.model.config import Fields, ModelConfig, read_json
from pie_server.model.decoder import Decoder
from pie_server.model.weight_files import WeightFiles

# Settings that change what an adapter computes, with the value that leaves plain LoRA.
_PLAIN_VALUES: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "init_lora_weights": (True, False, "gaussian", "orthogonal", "eva"),  # others change the base
}
_UNSUPPORTED_SETTINGS = (
    "use_dora",
    "use_qalora",
    "lora_bias",
    "fan_in_fan_out",
    "modules_to_save",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
    "use_bdlora",
    "arrow_config",
    "megatron_config",
)
_TENSOR = re.compile(
    r"base_model\.model\.(?P<module>model\.layers\.(?P<layer>\d+)\.(?P<target>\w+\.\w+))"
    r"\.lora_[AB]\.weight"
)
_PARTS: dict[Product, tuple[str, ...]] = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "output": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}


def load_adapter(directory: Path | str, model: Decoder, name: str | None = None) -> Adapter:
    """Loads an adapter for a model.

    Args:
        directory: A PEFT directory.
        model: What it will be used with; gives shapes, device and dtype.
        name: Default: the directory's.

    Raises:
        CheckpointError: The adapter is not plain LoRA, does not fit the model or is damaged.
    """
    directory = Path(directory).expanduser()
    path = directory / "adapter_config.json"
    if not path.exists():
        raise CheckpointError(
            f"{path} does not exist",
            hint="A PEFT directory has adapter_config.json and adapter_model.safetensors.",
        )
    fields = Fields(read_json(path), str(path))
    settings = _Settings.read(fields)
    files = WeightFiles(
        [directory / "adapter_model.safetensors"], device=model.device, dtype=torch.float32
    )
    adapted = _adapted_modules(files.names(), fields, model.config)
    layers = tuple(
        _layer(files, model, f"model.layers.{index}.", adapted, settings)
        for index in range(model.config.layers)
    )
    files.finish()
    return Adapter(name or directory.resolve().name, layers)


@dataclass(frozen=True, slots=True)
class _Settings:
    """What `adapter_config.json` says about ranks and scales."""

    rank: int
    alpha: float
    ranks: dict[str, object]
    alphas: dict[str, object]
    by_square_root: bool

    @classmethod
    def read(cls, fields: Fields) -> _Settings:
        """Raises CheckpointError for what is not plain LoRA."""
        for name, allowed in _PLAIN_VALUES.items():
            value = fields.get(name)
            if value is not None and value not in allowed:
                raise fields.error(f"{name}={value!r} is not supported")
        for name in _UNSUPPORTED_SETTINGS:
            if fields.get(name):
                raise fields.error(f"{name}={fields.get(name)!r} is not supported")
        ranks, alphas = fields.section("rank_pattern"), fields.section("alpha_pattern")
        return cls(
            fields.integer("r"),
            fields.number("lora_alpha"),
            {} if ranks is None else dict(ranks.raw),
            {} if alphas is None else dict(alphas.raw),
            fields.flag("use_rslora"),
        )

    def of(self, module: str) -> tuple[int, float]:
        """Rank and scale of a module, by its dotted path."""
        rank, alpha = _by_pattern(self.ranks, module), _by_pattern(self.alphas, module)
        rank = self.rank if rank is None else rank
        alpha = self.alpha if alpha is None else alpha
        if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
            raise CheckpointError(f"{module}: rank {rank!r} or alpha {alpha!r} makes no sense")
        return rank, alpha / (math.sqrt(rank) if self.by_square_root else rank)


def _by_pattern(patterns: dict[str, object], module: str) -> object:
    for pattern, value in patterns.items():
        try:
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
        except re.error as error:
            raise CheckpointError(f"pattern {pattern!r} is not valid: {error}") from error
    return None


def _adapted_modules(tensors: Sequence[str], fields: Fields, config: ModelConfig) -> set[str]:
    """The modules that tensors adapt. Raises CheckpointError if the model has one of them not."""
    known = {target for parts in _PARTS.values() for target in parts}
    modules = set()
    for tensor in tensors:
        match = _TENSOR.fullmatch(tensor)
        if match is None or match["target"] not in known:
            raise fields.error(f"adapter tensor {tensor} is for nothing that can be adapted")
        layer = int(match["layer"])
        if layer >= config.layers:
            raise fields.error(f"adapter tensor {tensor}: the model has {config.layers} layers")
        if match["target"].startswith("mlp.") and config.layer_options[layer].sparse:
            raise fields.error(f"adapter tensor {tensor}: layer {layer} is a mixture of experts")
        modules.add(match["module"])
    _check_targets(modules, fields)
    return modules


def _check_targets(modules: set[str], fields: Fields) -> None:
    """Compares what is there with `target_modules`, where that is a list of names."""
    targets = fields.get("target_modules")
    if not isinstance(targets, list):  # a regular expression, or "all-linear"
        targets = []
    for target in targets:
        if not any(module == target or module.endswith(f".{target}") for module in modules):
            raise fields.error(f"target_modules names {target!r}, but no tensor adapts it")
    if not modules:
        raise fields.error("the adapter holds no tensors")


def _layer(
    files: WeightFiles, model: Decoder, prefix: str, adapted: set[str], settings: _Settings
) -> dict[Product, LowRank]:
    """What is added to one layer's products."""
    config, additions = model.config, dict[Product, LowRank]()
    hidden, inner = config.hidden_size, config.intermediate_size
    shapes: dict[Product, tuple[int, list[int]]] = {  # inputs, and outputs of each part
        "qkv": (hidden, [config.query_size, config.kv_size, config.kv_size]),
        "output": (config.query_size, [hidden]),
        "gate_up": (hidden, [inner, inner]),
        "down": (inner, [hidden]),
    }
    for product, targets in _PARTS.items():
        inputs, outputs = shapes[product]
        downs, ups, first = [], [], 0
        for target, size in zip(targets, outputs, strict=True):
            module = prefix + target
            if module in adapted:
                rank, scale = settings.of(module)
                tensor = f"base_model.model.{module}.lora_"
                downs.append(files.take(f"{tensor}A.weight", rank, inputs))
                ups.append((first, files.take(f"{tensor}B.weight", size, rank) * scale))
            first += size
        if downs:
            down, up = torch.cat(downs), _block_diagonal(ups, sum(outputs))
            additions[product] = LowRank(down.to(model.dtype), up.to(model.dtype))
    return additions


def _block_diagonal(blocks: list[tuple[int, torch.Tensor]], outputs: int) -> torch.Tensor:
    """[outputs, all ranks], each block [size, rank] at its first output and zeros elsewhere."""
    whole = blocks[0][1].new_zeros(outputs, sum(block.shape[1] for _, block in blocks))
    column = 0
    for first, block in blocks:
        whole[first : first + block.shape[0], column : column + block.shape[1]] = block
        column += block.shape[1]
    return whole
