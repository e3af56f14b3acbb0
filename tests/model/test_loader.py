"""Checkpoints that are fine, and those that must be refused by name."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pie_server.errors import CheckpointError
from pie_server.model.decoder import Decoder
from pie_server.model.loader import load_checkpoint
from pie_server.model.rotary import LinearScaling, RopeOptions

from ..conftest import make_checkpoint
from .batches import Sequences
from .families import load_model, new_cache, save_family


@pytest.fixture
def checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that may be broken."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def edit_config(directory: Path, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(directory: Path, change: str, tensor: torch.Tensor | None) -> None:
    weights = load_file(directory / "model.safetensors")
    if tensor is None:
        del weights[change]
    else:
        weights[change] = tensor
    save_file(weights, directory / "model.safetensors")


def shard(directory: Path, parts: int = 2) -> None:
    """Spreads the tensors over several files, as large checkpoints do."""
    weights = load_file(directory / "model.safetensors")
    index = {}
    for number in range(parts):
        file = f"model-{number}.safetensors"
        part = sorted(weights)[number::parts]
        save_file({name: weights[name] for name in part}, directory / file)
        index |= dict.fromkeys(part, file)
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def logits_of(model: Decoder) -> torch.Tensor:
    return Sequences(model, new_cache(model), 1).feed((0, [3, 1, 4, 1, 5, 9]))[0]


def test_a_sharded_checkpoint_equals_the_single_file(checkpoint: Path) -> None:
    whole = load_checkpoint(str(checkpoint)).model
    shard(checkpoint)
    sharded = load_checkpoint(str(checkpoint)).model
    assert torch.equal(logits_of(whole), logits_of(sharded))


def test_tied_and_untied_embeddings_load(tmp_path: Path) -> None:
    tied = load_checkpoint(str(make_checkpoint(tmp_path / "tied", seed=1))).model
    untied = load_checkpoint(str(make_checkpoint(tmp_path / "untied", seed=2))).model

    def heads_own_embedding(model: Decoder) -> bool:
        """Whether logits are products with what `embed` returns."""
        vectors = model.embed(torch.arange(model.config.vocab_size))
        return torch.allclose(model.logits(vectors), vectors @ vectors.T, atol=1e-4)

    assert heads_own_embedding(tied)
    assert not heads_own_embedding(untied)


def test_a_tied_checkpoint_may_store_its_head_all_the_same(tmp_path: Path) -> None:
    directory = make_checkpoint(tmp_path, seed=1)
    expected = logits_of(load_checkpoint(str(directory)).model)
    weights = load_file(directory / "model.safetensors")
    edit_weights(
        directory, "lm_head.weight", torch.zeros_like(weights["model.embed_tokens.weight"])
    )
    assert torch.equal(logits_of(load_checkpoint(str(directory)).model), expected)


def test_progress_counts_every_byte_once_and_ends_at_the_total(checkpoint: Path) -> None:
    seen: list[tuple[int, int]] = []
    stored = sum(t.nbytes for t in load_file(checkpoint / "model.safetensors").values())
    shard(checkpoint, 3)
    load_checkpoint(str(checkpoint), dtype=torch.bfloat16, on_progress=lambda *at: seen.append(at))
    assert len(seen) > 10
    assert {total for _, total in seen} == {stored}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (stored, stored)


def test_a_model_is_never_twice_in_memory(tmp_path: Path) -> None:
    """In a process of its own; pages that the kernel can drop (the mapped files) do not count."""
    directory = make_checkpoint(
        tmp_path, hidden_size=512, intermediate_size=2048, num_hidden_layers=6
    )
    shard(directory)
    program = textwrap.dedent(
        """
        import sys, torch
        from pie_server.model.loader import load_checkpoint

        def own_bytes():
            lines = open("/proc/self/status").read().splitlines()
            return int(next(x for x in lines if x.startswith("RssAnon")).split()[1]) * 1024

        before, seen = own_bytes(), []
        checkpoint = load_checkpoint(
            sys.argv[1], on_progress=lambda *_: seen.append(own_bytes()), dtype=torch.float32
        )
        print(max(seen) - before, checkpoint.model.weight_bytes)
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(directory)],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    peak, weights = map(int, run.stdout.split())
    assert weights > 90e6
    assert 0.9 * weights < peak < 1.25 * weights


def test_a_missing_tensor_is_named(checkpoint: Path) -> None:
    edit_weights(checkpoint, "model.norm.weight", None)
    with pytest.raises(CheckpointError, match=r"model\.norm\.weight is missing"):
        load_checkpoint(str(checkpoint))


def test_an_extra_tensor_is_named(checkpoint: Path) -> None:
    edit_weights(checkpoint, "model.surprise", torch.zeros(1))
    with pytest.raises(CheckpointError, match=r"model\.surprise"):
        load_checkpoint(str(checkpoint))


def test_a_misshapen_tensor_is_named_with_both_shapes(checkpoint: Path) -> None:
    edit_weights(checkpoint, "model.norm.weight", torch.zeros(31))
    with pytest.raises(CheckpointError, match=r"\(31,\), expected \(32,\)"):
        load_checkpoint(str(checkpoint))


def test_a_truncated_file_is_refused(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(str(checkpoint))


def test_an_unknown_architecture_is_refused(checkpoint: Path) -> None:
    edit_config(checkpoint, architectures=["MambaForCausalLM"])
    with pytest.raises(CheckpointError, match="MambaForCausalLM is not supported"):
        load_checkpoint(str(checkpoint))


@pytest.mark.parametrize(
    ("rope", "message"),
    [
        ({"rope_type": "longrope"}, "rope scaling 'longrope' is not supported"),
        ({"rope_type": "yarn"}, "factor must be a positive number"),
        ({"rope_type": "linear", "factor": -2}, "factor must be a positive number, not -2"),
        ({"rope_type": "linear", "factor": 2, "surprise": 1}, "'linear' with surprise"),
        ({"rope_type": "default", "partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"type": "mrope", "mrope_section": [1, 2, 3]}, "rope scaling 'mrope' is not supported"),
        (
            {"rope_type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 1},
            "high_freq_factor must be greater",
        ),
        ("fast", "rope_parameters must be an object"),
    ],
)
def test_a_rope_that_is_not_known_exactly_is_refused(
    checkpoint: Path, rope: object, message: str
) -> None:
    edit_config(checkpoint, rope_parameters=rope)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load_checkpoint(str(checkpoint))


def test_the_older_names_of_rope_settings_are_read(checkpoint: Path) -> None:
    path = checkpoint / "config.json"
    raw = json.loads(path.read_text())
    del raw["rope_parameters"]
    scaling = {"type": "linear", "factor": 4.0}
    path.write_text(json.dumps(raw | {"rope_theta": 2e4, "rope_scaling": scaling}))
    rope = load_checkpoint(str(checkpoint)).config.layer_options[0].rope
    assert rope == RopeOptions(2e4, LinearScaling(4.0))


def test_yarn_extends_the_context_beyond_the_original(checkpoint: Path) -> None:
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}
    edit_config(checkpoint, max_position_embeddings=512, rope_parameters=yarn)
    assert load_checkpoint(str(checkpoint)).config.max_context_tokens == 2048


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "relu"}, "activation 'relu' is not supported"),
        ({"hidden_size": None}, "hidden_size must be a positive integer, not None"),
        ({"num_hidden_layers": -1}, "num_hidden_layers must be a positive integer, not -1"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps must be a positive number, not 'small'"),
        ({"num_key_value_heads": 3}, "must be a multiple of num_key_value_heads"),
        ({"head_dim": 7}, "head_dim must be even"),
        ({"attention_bias": 1}, "attention_bias must be true or false, not 1"),
        ({"quantization_config": {"quant_method": "gptq"}}, "stored quantised"),
        ({"architectures": "LlamaForCausalLM"}, "architectures must be a list of strings"),
        ({"architectures": ["Qwen2ForCausalLM"], "layer_types": ["full_attention"]}, "1 entries"),
        (
            {"architectures": ["Qwen2ForCausalLM"], "layer_types": ["full_attention", "ssm"]},
            "layer type 'ssm' is not supported",
        ),
        (
            {"architectures": ["Qwen3ForCausalLM"], "layer_types": ["sliding_attention"] * 2},
            "no sliding window is set",
        ),
        (
            {"architectures": ["Qwen3MoeForCausalLM"], "num_experts": 2, "num_experts_per_tok": 3},
            "num_experts_per_tok is 3, but there are 2 experts",
        ),
        (
            {"architectures": ["Gemma3ForCausalLM"], "attn_logit_softcapping": 50.0},
            "attn_logit_softcapping is not supported",
        ),
    ],
)
def test_a_setting_that_cannot_be_followed_is_named(
    checkpoint: Path, change: dict[str, object], message: str
) -> None:
    edit_config(checkpoint, **change)
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        load_checkpoint(str(checkpoint))
    assert "config.json" in str(caught.value)


def test_end_tokens_come_from_the_generation_settings_first(checkpoint: Path) -> None:
    generation = checkpoint / "generation_config.json"
    generation.write_text(json.dumps({"eos_token_id": [7, 8]}))
    edit_config(checkpoint, eos_token_id=2)
    assert load_checkpoint(str(checkpoint)).config.eos_tokens == (7, 8)
    generation.unlink()
    assert load_checkpoint(str(checkpoint)).config.eos_tokens == (2,)
    edit_config(checkpoint, eos_token_id="</s>")
    with pytest.raises(CheckpointError, match="eos_token_id must be token numbers"):
        load_checkpoint(str(checkpoint))


@pytest.mark.parametrize("field", ["vocab_size", "intermediate_size"])
def test_sizes_beyond_all_memory_are_refused_before_memory_is_asked_for(
    checkpoint: Path, field: str
) -> None:
    edit_config(checkpoint, **{field: 10**15})
    with pytest.raises(CheckpointError, match="expected"):
        load_checkpoint(str(checkpoint))


def test_weights_of_another_family_do_not_load(checkpoint: Path) -> None:
    edit_config(checkpoint, architectures=["Qwen2ForCausalLM"])
    with pytest.raises(CheckpointError, match=r"q_proj\.bias is missing"):
        load_checkpoint(str(checkpoint))


def test_a_tensor_of_integers_is_refused(checkpoint: Path) -> None:
    edit_weights(checkpoint, "model.norm.weight", torch.zeros(32, dtype=torch.int8))
    with pytest.raises(CheckpointError, match=r"model\.norm\.weight in .* is stored as I8"):
        load_checkpoint(str(checkpoint))


def test_a_tensor_that_two_shards_hold_is_refused(checkpoint: Path) -> None:
    shard(checkpoint)
    first = load_file(checkpoint / "model-0.safetensors")
    second = load_file(checkpoint / "model-1.safetensors")
    name = next(iter(first))
    save_file(second | {name: first[name]}, checkpoint / "model-1.safetensors")
    with pytest.raises(CheckpointError, match=re.escape(name)):
        load_checkpoint(str(checkpoint))


def test_a_missing_shard_is_named(checkpoint: Path) -> None:
    shard(checkpoint)
    (checkpoint / "model-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-1\.safetensors does not exist"):
        load_checkpoint(str(checkpoint))


@pytest.mark.parametrize("file", ["../model.safetensors", "/etc/passwd"])
def test_an_index_may_not_point_outside_its_directory(checkpoint: Path, file: str) -> None:
    index = checkpoint / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"model.norm.weight": file}}))
    with pytest.raises(CheckpointError, match="outside its directory"):
        load_checkpoint(str(checkpoint))


@pytest.mark.parametrize("length", [0, 7, 8, 1000])
def test_a_file_cut_anywhere_is_refused(checkpoint: Path, length: int) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(str(checkpoint))


def test_experts_that_are_missing_are_named(tmp_path: Path) -> None:
    save_family("qwen 3 mixture", tmp_path)
    edit_weights(tmp_path, "model.layers.1.mlp.experts.4.up_proj.weight", None)
    with pytest.raises(CheckpointError, match=r"layers\.1\.mlp\.experts\.4\.up_proj\.weight"):
        load_model(tmp_path)


def test_a_tokenizer_that_does_not_fit_is_refused(checkpoint: Path) -> None:
    path = checkpoint / "tokenizer.json"
    raw = json.loads(path.read_text())
    raw["added_tokens"].append(
        {"id": 5000, "content": "<x>", "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
    )  # fmt: skip
    for number in range(1000):
        raw["added_tokens"].append(raw["added_tokens"][-1] | {"content": f"<x{number}>"})
    path.write_text(json.dumps(raw))
    with pytest.raises(CheckpointError, match="another model"):
        load_checkpoint(str(checkpoint))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        load_checkpoint(str(checkpoint))


def test_a_directory_that_does_not_exist_says_what_a_model_is(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"A model is a directory with config\.json"):
        load_checkpoint(str(tmp_path / "nothing"))
