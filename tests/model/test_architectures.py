"""Settings as published with well-known checkpoints, read as transformers reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pie_server.model.architectures import read_config
from pie_server.model.rotary import YarnScaling, inverse_frequencies

LLAMA_3_2_1B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
    "attention_bias": False, "mlp_bias": False, "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009], "head_dim": 64, "hidden_size": 2048,
    "intermediate_size": 8192, "max_position_embeddings": 131072, "num_attention_heads": 32,
    "num_hidden_layers": 16, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
    "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": True, "vocab_size": 128256,
}  # fmt: skip
MISTRAL_7B = {
    "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_act": "silu",
    "bos_token_id": 1, "eos_token_id": 2, "hidden_size": 4096, "intermediate_size": 14336,
    "max_position_embeddings": 32768, "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
    "sliding_window": 4096, "tie_word_embeddings": False, "vocab_size": 32000,
}  # fmt: skip
QWEN_2_5 = {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu",
    "bos_token_id": 151643, "eos_token_id": 151645, "hidden_size": 896, "intermediate_size": 4864,
    "max_position_embeddings": 32768, "max_window_layers": 21, "num_attention_heads": 14,
    "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": True,
    "use_sliding_window": False, "vocab_size": 151936,
}  # fmt: skip
QWEN_3 = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_act": "silu",
    "attention_bias": False, "eos_token_id": 151645, "head_dim": 128, "hidden_size": 1024,
    "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28,
    "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None,
    "tie_word_embeddings": True, "use_sliding_window": False, "vocab_size": 151936,
}  # fmt: skip
QWEN_3_30B_A3B = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_act": "silu",
    "attention_bias": False, "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128,
    "hidden_size": 2048, "intermediate_size": 6144, "max_position_embeddings": 40960,
    "max_window_layers": 48, "mlp_only_layers": [], "moe_intermediate_size": 768,
    "norm_topk_prob": True, "num_attention_heads": 32, "num_experts": 128,
    "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000.0,
    "sliding_window": None, "tie_word_embeddings": False, "use_sliding_window": False,
    "vocab_size": 151936,
}  # fmt: skip
GEMMA_3_1B = {
    "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "attention_bias": False,
    "attn_logit_softcapping": None, "bos_token_id": 2, "cache_implementation": "hybrid",
    "eos_token_id": [1, 106], "final_logit_softcapping": None, "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "intermediate_size": 6912,
    "max_position_embeddings": 32768, "num_attention_heads": 4, "num_hidden_layers": 26,
    "num_key_value_heads": 1, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10000, "rope_scaling": None, "rope_theta": 1000000,
    "sliding_window": 512, "sliding_window_pattern": 6, "vocab_size": 262144,
}  # fmt: skip
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}

PUBLISHED: dict[str, dict[str, Any]] = {
    "Llama 3.2 1B": LLAMA_3_2_1B,
    "Mistral 7B": MISTRAL_7B,
    "Qwen 2.5": QWEN_2_5,
    "Qwen 2.5, windows on": QWEN_2_5 | {"use_sliding_window": True},
    "Qwen 3": QWEN_3,
    "Qwen 3, extended": QWEN_3 | {"rope_scaling": YARN},
    "Qwen 3 30B A3B": QWEN_3_30B_A3B,
    "Gemma 3 1B": GEMMA_3_1B,
    "Gemma 3, long": GEMMA_3_1B | {"rope_scaling": {"factor": 8.0, "rope_type": "linear"}},
}


@pytest.fixture(params=PUBLISHED)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Any]:
    """A directory with the settings, and what transformers makes of them."""
    import transformers

    path = tmp_path / "config.json"
    path.write_text(json.dumps(PUBLISHED[request.param]))
    return tmp_path, transformers.AutoConfig.from_pretrained(tmp_path)


def test_shapes_and_windows_are_read_as_transformers_reads_them(
    published: tuple[Path, Any],
) -> None:
    directory, oracle = published
    config = read_config(directory)
    for ours, theirs in (
        ("vocab_size", "vocab_size"),
        ("hidden_size", "hidden_size"),
        ("intermediate_size", "intermediate_size"),
        ("layers", "num_hidden_layers"),
        ("query_heads", "num_attention_heads"),
        ("kv_heads", "num_key_value_heads"),
        ("head_dim", "head_dim"),
        ("norm_epsilon", "rms_norm_eps"),
        ("tied_embeddings", "tie_word_embeddings"),
    ):
        expected = getattr(oracle, theirs, None)
        if expected is None:
            assert theirs == "head_dim"  # Qwen 2 has none
            expected = oracle.hidden_size // oracle.num_attention_heads
        assert getattr(config, ours) == expected, ours
    eos = oracle.eos_token_id
    assert config.eos_tokens == tuple(eos if isinstance(eos, list) else [eos])
    window = getattr(oracle, "sliding_window", None)
    types = getattr(oracle, "layer_types", None)
    windows = [
        None if types is not None and kind == "full_attention" else window
        for kind in (types or [""] * config.layers)
    ]
    assert [layer.window_tokens for layer in config.layer_options] == windows


def test_ropes_turn_as_transformers_turn(published: tuple[Path, Any]) -> None:
    from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

    directory, oracle = published
    config = read_config(directory)
    gemma = config.architecture == "Gemma3ForCausalLM"
    rotary = (Gemma3RotaryEmbedding if gemma else Qwen3RotaryEmbedding)(oracle)
    for layer in config.layer_options:
        prefix = ""
        if gemma:
            prefix = "full_attention_" if layer.window_tokens is None else "sliding_attention_"
        ours = inverse_frequencies(layer.rope, config.head_dim)
        theirs = getattr(rotary, prefix + "inv_freq").double()
        torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=0)
        scaling = layer.rope.scaling
        factor = scaling.attention_factor if isinstance(scaling, YarnScaling) else 1.0
        assert factor == pytest.approx(getattr(rotary, prefix + "attention_scaling"))


def test_what_sets_the_families_apart_is_read(tmp_path: Path) -> None:
    def read(raw: dict[str, Any]) -> Any:
        (tmp_path / "config.json").write_text(json.dumps(raw))
        return read_config(tmp_path)

    assert read(QWEN_2_5).qkv_bias
    assert not read(QWEN_2_5).output_bias
    assert read(QWEN_3).query_key_norms
    gemma = read(GEMMA_3_1B)
    assert gemma.sandwich_norms
    assert gemma.norms_around_one
    assert gemma.activation == "gelu_tanh"
    assert gemma.embedding_scale == 1152**0.5
    assert gemma.attention_scale == 1 / 16
    mixture = read(QWEN_3_30B_A3B)
    assert mixture.mixture.experts == 128
    assert all(layer.sparse for layer in mixture.layer_options)
    extended = read(QWEN_3 | {"rope_scaling": YARN})
    assert extended.max_context_tokens == 131072


def test_a_mistral_config_without_a_word_on_windows_has_the_familys(tmp_path: Path) -> None:
    raw = {name: value for name, value in MISTRAL_7B.items() if name != "sliding_window"}
    (tmp_path / "config.json").write_text(json.dumps(raw))
    assert read_config(tmp_path).layer_options[0].window_tokens == 4096
    (tmp_path / "config.json").write_text(json.dumps(raw | {"sliding_window": None}))
    assert read_config(tmp_path).layer_options[0].window_tokens is None
