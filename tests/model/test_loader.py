"""Checkpoints that are fine, and those that must be refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pie_server.errors import CheckpointError
from pie_server.model.loader import load_checkpoint

from ..conftest import make_checkpoint


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


def test_a_sharded_checkpoint_equals_the_single_file(checkpoint: Path) -> None:
    whole = load_checkpoint(str(checkpoint)).model.weights
    weights = load_file(checkpoint / "model.safetensors")
    names = sorted(weights)
    index = {}
    for number, part in enumerate((names[::2], names[1::2])):
        file = f"model-{number}.safetensors"
        save_file({name: weights[name] for name in part}, checkpoint / file)
        index |= dict.fromkeys(part, file)
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    sharded = load_checkpoint(str(checkpoint)).model.weights
    assert torch.equal(whole.layers[1].gate_up, sharded.layers[1].gate_up)


def test_tied_and_untied_embeddings_load(tmp_path: Path) -> None:
    tied = load_checkpoint(str(make_checkpoint(tmp_path / "tied", seed=1))).model.weights
    untied = load_checkpoint(str(make_checkpoint(tmp_path / "untied", seed=2))).model.weights
    assert tied.head is tied.embedding
    assert not torch.equal(untied.head, untied.embedding)


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


def test_rope_scaling_is_refused_rather_than_ignored(checkpoint: Path) -> None:
    edit_config(checkpoint, rope_parameters={"rope_type": "yarn", "rope_theta": 1e4})
    with pytest.raises(CheckpointError, match="yarn"):
        load_checkpoint(str(checkpoint))


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
