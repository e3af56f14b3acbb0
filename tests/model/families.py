"""Small random checkpoints of every family, written by transformers, which is also the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pie_server.model.architectures import read_config
from pie_server.model.assembly import assemble
from pie_server.model.decoder import Decoder
from pie_server.model.kv_cache import KvCache
from pie_server.model.linear import Quantization
from pie_server.model.weight_files import OnProgress, WeightFiles, weight_paths

SHAPE: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
WINDOW = 7
YARN = {
    "rope_type": "yarn",
    "rope_theta": 1e4,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
MIXTURE = {"head_dim": 16, "moe_intermediate_size": 24, "num_experts": 6, "num_experts_per_tok": 2}
GEMMA = {"head_dim": 12, "query_pre_attn_scalar": 20, "sliding_window": WINDOW}

# name: (family, what differs from SHAPE)
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama, tied, one KV head": ("Llama", {"tie_word_embeddings": True, "num_key_value_heads": 1}),
    "llama, biases, wide heads": (
        "Llama",
        {"attention_bias": True, "mlp_bias": True, "head_dim": 24},
    ),
    "llama 3 rope": ("Llama", {"rope_parameters": LLAMA3}),
    "linear rope": (
        "Llama",
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 3.0}},
    ),
    "dynamic rope": (
        "Llama",
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 3.0}},
    ),
    "mistral": ("Mistral", {"sliding_window": WINDOW}),
    "mistral without window": ("Mistral", {"sliding_window": None, "head_dim": 10}),
    "qwen 2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen 2, upper layers windowed": (
        "Qwen2",
        {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    ),
    "qwen 2, yarn": ("Qwen2", {"rope_parameters": YARN}),
    "qwen 3": ("Qwen3", {"head_dim": 16}),
    "qwen 3, biases, layer types": (
        "Qwen3",
        {
            "head_dim": 16,
            "attention_bias": True,
            "use_sliding_window": True,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
    ),
    "qwen 3, yarn with magnitudes": (
        "Qwen3",
        {
            "head_dim": 16,
            "rope_parameters": YARN
            | {"mscale": 0.7, "mscale_all_dim": 1.3, "beta_fast": 8.0, "truncate": False},
        },
    ),
    "qwen 3, yarn with attention factor": (
        "Qwen3",
        {"head_dim": 16, "rope_parameters": YARN | {"attention_factor": 1.7}},
    ),
    "gemma 3": ("Gemma3", GEMMA | {"layer_types": ["sliding_attention", "full_attention"] * 2}),
    "gemma 3, softcap, linear rope": (
        "Gemma3",
        GEMMA
        | {
            "final_logit_softcapping": 3.0,
            "layer_types": ["full_attention", "sliding_attention"] * 2,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        },
    ),
    "qwen 3 mixture": ("Qwen3Moe", MIXTURE | {"norm_topk_prob": True}),
    "qwen 3 mixture, partly dense": (
        "Qwen3Moe",
        MIXTURE | {"mlp_only_layers": [2], "decoder_sparse_step": 1, "attention_bias": True},
    ),
    "qwen 3 mixture, every second layer, windowed": (
        "Qwen3Moe",
        MIXTURE
        | {
            "decoder_sparse_step": 2,
            "use_sliding_window": True,
            "sliding_window": WINDOW,
            "num_experts_per_tok": 3,
        },
    ),
}


def save_family(name: str, directory: Path, *, seed: int = 0) -> Any:
    """Writes a checkpoint without tokenizer and returns transformers' model of it."""
    import transformers

    family, changes = FAMILIES[name]
    text = "Text" if family == "Gemma3" else ""
    shape = SHAPE | changes
    if family == "Gemma3":
        shape["num_hidden_layers"] = 4
    config = getattr(transformers, f"{family}{text}Config")(**shape)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    model.set_attn_implementation("eager")
    randomize(model, seed, around_zero=family == "Gemma3")
    model.save_pretrained(directory)
    return model


@torch.no_grad()
def randomize(model: Any, seed: int, *, around_zero: bool) -> None:
    """Every parameter away from its default: a norm or bias that is ignored must show."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        parameter.normal_(0, 0.25, generator=generator)
        if "norm" in name and not around_zero:
            parameter.add_(1)


def load_model(
    directory: Path,
    *,
    dtype: torch.dtype = torch.float32,
    quantization: Quantization | None = None,
    on_progress: OnProgress | None = None,
) -> Decoder:
    """A decoder from a directory that needs no tokenizer."""
    files = WeightFiles(
        weight_paths(directory), device=torch.device("cpu"), dtype=dtype, on_progress=on_progress
    )
    return assemble(files, read_config(directory), quantization)


@torch.inference_mode()
def oracle_logits(model: Any, tokens: list[int]) -> torch.Tensor:
    """[tokens, vocab] by transformers, without any cache."""
    logits: torch.Tensor = model(torch.tensor([tokens]), use_cache=False).logits[0].float()
    return logits


def new_cache(model: Decoder, pages: int = 64, page_size_tokens: int = 4) -> KvCache:
    """A cache full of values that would spoil every result they got into."""
    cache = KvCache(model.config, pages, page_size_tokens, dtype=model.dtype, device=model.device)
    for tensor in (*cache.keys, *cache.values):
        tensor.fill_(1e3)
    return cache
