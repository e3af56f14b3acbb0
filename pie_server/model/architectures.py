"""The families of models, each as the options that make the one decoder behave like it.

Only architectures in `SUPPORTED_ARCHITECTURES` are accepted: a model that would run but give wrong
logits is worse than one that is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from pie_server.errors import CheckpointError
from pie_server.model.config import (
    Activation,
    Fields,
    LayerOptions,
    MixtureOptions,
    ModelConfig,
    read_json,
)
from pie_server.model.rope_config import read_rope, read_rope_parameters
from pie_server.model.rotary import RopeOptions, YarnScaling

_ACTIVATIONS: dict[object, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu_pytorch_tanh": "gelu_tanh",
}
# Where config.json may leave it out and it is not hidden_size / num_attention_heads.
_DEFAULT_HEAD_DIM = {"Qwen3ForCausalLM": 128, "Gemma3ForCausalLM": 256}


def read_config(directory: Path) -> ModelConfig:
    """Reads `config.json` (and `generation_config.json` for the end tokens).

    Raises:
        CheckpointError: The file is missing, not JSON, lacks a field or asks for something that is
            not supported.
    """
    path = directory / "config.json"
    fields = Fields(read_json(path), str(path))
    architecture = (fields.strings("architectures") or ["(none)"])[0]
    family = _FAMILIES.get(architecture)
    if family is None:
        raise CheckpointError(
            f"architecture {architecture} is not supported",
            hint=f"Supported: {', '.join(SUPPORTED_ARCHITECTURES)}.",
        )
    if fields.get("quantization_config") is not None:
        raise fields.error("checkpoints that are stored quantised are not supported")
    return family(fields, _common(fields, architecture, _eos_tokens(directory, fields)))


def _common(fields: Fields, architecture: str, eos_tokens: tuple[int, ...]) -> ModelConfig:
    """What all families have, without layers' options."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    activation = fields.get("hidden_act") or fields.get("hidden_activation") or "silu"
    if activation not in _ACTIVATIONS:
        raise fields.error(f"activation {activation!r} is not supported")
    config = ModelConfig(
        architecture=architecture,
        vocab_size=fields.integer("vocab_size"),
        hidden_size=hidden,
        intermediate_size=fields.integer("intermediate_size"),
        layers=fields.integer("num_hidden_layers"),
        query_heads=heads,
        kv_heads=fields.integer("num_key_value_heads", heads),
        head_dim=fields.integer("head_dim", _DEFAULT_HEAD_DIM.get(architecture, hidden // heads)),
        max_context_tokens=fields.integer("max_position_embeddings"),
        norm_epsilon=fields.number("rms_norm_eps", 1e-6),
        tied_embeddings=fields.flag(
            "tie_word_embeddings", default=architecture == "Gemma3ForCausalLM"
        ),
        eos_tokens=eos_tokens,
        layer_options=(),
        activation=_ACTIVATIONS[activation],
    )
    if config.query_heads % config.kv_heads:
        raise fields.error("num_attention_heads must be a multiple of num_key_value_heads")
    if config.head_dim % 2:
        raise fields.error(f"head_dim must be even, not {config.head_dim}")
    return config


def _llama(fields: Fields, config: ModelConfig) -> ModelConfig:
    bias = fields.flag("attention_bias")
    config = replace(config, qkv_bias=bias, output_bias=bias, mlp_bias=fields.flag("mlp_bias"))
    return _uniform(fields, config, [None] * config.layers)


def _mistral(fields: Fields, config: ModelConfig) -> ModelConfig:
    if fields.get("layer_types") is not None:
        raise fields.error("layer_types is not supported for Mistral")
    # Absent means the family's default, null means no window.
    absent = "sliding_window" not in fields.raw
    window = 4096 if absent else _window(fields)
    return _uniform(fields, config, [window] * config.layers)


def _qwen2(fields: Fields, config: ModelConfig) -> ModelConfig:
    return _uniform(fields, replace(config, qkv_bias=True), _qwen_windows(fields, config))


def _qwen3(fields: Fields, config: ModelConfig) -> ModelConfig:
    bias = fields.flag("attention_bias")
    config = replace(config, qkv_bias=bias, output_bias=bias, query_key_norms=True)
    return _uniform(fields, config, _qwen_windows(fields, config))


def _qwen3_moe(fields: Fields, config: ModelConfig) -> ModelConfig:
    bias = fields.flag("attention_bias")
    experts = fields.integer("num_experts", fields.integer("num_local_experts", 128))
    chosen = fields.integer("num_experts_per_tok", 8)
    if chosen > experts:
        raise fields.error(f"num_experts_per_tok is {chosen}, but there are {experts} experts")
    config = replace(
        config,
        qkv_bias=bias,
        output_bias=bias,
        query_key_norms=True,
        mixture=MixtureOptions(
            experts,
            chosen,
            fields.integer("moe_intermediate_size", 768),
            fields.flag("norm_topk_prob"),
        ),
    )
    window = _window(fields) if fields.flag("use_sliding_window") else None
    config = _uniform(fields, config, [window] * config.layers)
    step, dense = fields.integer("decoder_sparse_step", 1), fields.get("mlp_only_layers") or []
    if not isinstance(dense, list):
        raise fields.error(f"mlp_only_layers must be a list, not {dense!r}")
    options = tuple(
        replace(layer, sparse=index not in dense and (index + 1) % step == 0)
        for index, layer in enumerate(config.layer_options)
    )
    return replace(config, layer_options=options)


def _gemma3(fields: Fields, config: ModelConfig) -> ModelConfig:
    for name in ("attn_logit_softcapping", "use_bidirectional_attention"):
        if fields.get(name):
            raise fields.error(f"{name} is not supported")
    if fields.get("hidden_activation") is None and fields.get("hidden_act") is None:
        config = replace(config, activation="gelu_tanh")
    pattern = fields.integer("sliding_window_pattern", 6)
    windows = _windows_by_type(
        fields,
        config,
        [
            "full_attention" if (index + 1) % pattern == 0 else "sliding_attention"
            for index in range(config.layers)
        ],
        fields.integer("sliding_window", 4096),
    )
    whole, local = _gemma3_ropes(fields)
    return replace(
        config,
        qkv_bias=fields.flag("attention_bias"),
        output_bias=fields.flag("attention_bias"),
        query_key_norms=True,
        norms_around_one=True,
        sandwich_norms=True,
        embedding_scale=config.hidden_size**0.5,
        attention_scale=fields.number("query_pre_attn_scalar", 256) ** -0.5,
        logit_softcap=fields.optional_number("final_logit_softcapping"),
        layer_options=tuple(
            LayerOptions(whole if window is None else local, window) for window in windows
        ),
    )


def _gemma3_ropes(fields: Fields) -> tuple[RopeOptions, RopeOptions]:
    """Of the layers that see everything, and of those with a window."""
    empty = Fields({}, fields.where)
    ropes = fields.section("rope_parameters") or empty
    if not ropes.raw.keys() <= {"full_attention", "sliding_attention"}:
        raise ropes.error("Gemma 3 has one rope for full_attention and one for sliding_attention")
    whole = ropes.section("full_attention") or fields.section("rope_scaling") or empty
    local = ropes.section("sliding_attention") or empty
    return (
        read_rope_parameters(whole, fields, fields.number("rope_theta", 1e6)),
        read_rope_parameters(local, fields, fields.number("rope_local_base_freq", 1e4)),
    )


_FAMILIES: dict[str, Callable[[Fields, ModelConfig], ModelConfig]] = {
    "LlamaForCausalLM": _llama,
    "MistralForCausalLM": _mistral,
    "Qwen2ForCausalLM": _qwen2,
    "Qwen3ForCausalLM": _qwen3,
    "Qwen3MoeForCausalLM": _qwen3_moe,
    "Gemma3ForCausalLM": _gemma3,
}
SUPPORTED_ARCHITECTURES = tuple(_FAMILIES)


def _uniform(fields: Fields, config: ModelConfig, windows: list[int | None]) -> ModelConfig:
    """Layers that have one rope in common."""
    rope = read_rope(fields)
    tokens = config.max_context_tokens
    if isinstance(rope.scaling, YarnScaling):
        # Often switched on by hand, with max_position_embeddings left at the original length.
        tokens = max(tokens, int(rope.scaling.factor * rope.scaling.original_tokens))
    return replace(
        config,
        max_context_tokens=tokens,
        layer_options=tuple(LayerOptions(rope, window) for window in windows),
    )


def _qwen_windows(fields: Fields, config: ModelConfig) -> list[int | None]:
    window = _window(fields) if fields.flag("use_sliding_window") else None
    full = config.layers if window is None else _count(fields, "max_window_layers", 28)
    default = [
        "full_attention" if index < full else "sliding_attention" for index in range(config.layers)
    ]
    return _windows_by_type(fields, config, default, window)


def _windows_by_type(
    fields: Fields, config: ModelConfig, default: list[str], window: int | None
) -> list[int | None]:
    """One window a layer from `layer_types`, or from `default` where config.json has none."""
    types = fields.strings("layer_types") or default
    if len(types) != config.layers:
        raise fields.error(f"layer_types has {len(types)} entries for {config.layers} layers")
    windows: list[int | None] = []
    for kind in types:
        if kind not in ("full_attention", "sliding_attention"):
            raise fields.error(f"layer type {kind!r} is not supported")
        if kind == "sliding_attention" and window is None:
            raise fields.error("layer_types has sliding_attention, but no sliding window is set")
        windows.append(window if kind == "sliding_attention" else None)
    return windows


def _window(fields: Fields) -> int | None:
    return None if fields.get("sliding_window") is None else fields.integer("sliding_window")


def _count(fields: Fields, name: str, default: int) -> int:
    return 0 if fields.get(name) == 0 else fields.integer(name, default)


def _eos_tokens(directory: Path, fields: Fields) -> tuple[int, ...]:
    generation = directory / "generation_config.json"
    value = read_json(generation).get("eos_token_id") if generation.exists() else None
    value = fields.get("eos_token_id") if value is None else value
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(token, int) and token >= 0 for token in values):
        raise fields.error(f"eos_token_id must be token numbers, not {value!r}")
    return tuple(cast(list[int], values))
