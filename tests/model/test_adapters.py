"""LoRA adapters that PEFT wrote: alone, mixed in one batch, and those that must be refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pie_server.errors import CheckpointError
from pie_server.model.adapter_loader import load_adapter
from pie_server.model.adapters import AdapterRows
from pie_server.model.decoder import Decoder

from .batches import Sequences
from .families import load_model, new_cache, oracle_logits, save_family

# PEFT reads a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TOKENS = [(5 * i * i + 11) % 96 for i in range(24)]


def save_adapter(base: Any, directory: Path, *, seed: int, **settings: Any) -> Any:
    """Lets PEFT make and write an adapter, and returns its model, which is the oracle.

    PEFT puts its layers into the base model itself, so each adapter needs a base of its own.
    """
    import peft

    config = peft.LoraConfig(task_type="CAUSAL_LM", **{"r": 4, "lora_alpha": 6} | settings)
    model = peft.get_peft_model(base, config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:  # PEFT's own start, up = 0, would change nothing
                parameter.normal_(0, 0.3, generator=generator)
    model.save_pretrained(directory)
    return model


@pytest.fixture
def llama(tmp_path: Path) -> tuple[Callable[[], Any], Decoder]:
    """A function that makes fresh oracles without adapter, and our model."""
    return lambda: save_family("llama", tmp_path / "base"), make_model(tmp_path, "llama")


def make_model(tmp_path: Path, family: str) -> Decoder:
    save_family(family, tmp_path / "base")
    return load_model(tmp_path / "base")


def assert_same_logits(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, atol=3e-4, rtol=3e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": LINEARS},
        {"target_modules": ["q_proj", "v_proj"]},
        {"target_modules": "all-linear", "use_rslora": True},
        {"target_modules": r".*\.1\..*(k_proj|up_proj)"},
        {"target_modules": ["k_proj", "down_proj"], "layers_to_transform": [2]},
        {
            "target_modules": LINEARS,
            "rank_pattern": {"v_proj": 2, r"layers\.0\.mlp\.up_proj": 7},
            "alpha_pattern": {"v_proj": 9, "0.self_attn.o_proj": 1},
        },
    ],
    ids=["all", "query and value", "square root", "pattern", "one layer", "ranks and alphas"],
)
@pytest.mark.parametrize("family", ["llama, biases, wide heads", "gemma 3", "qwen 2"])
def test_an_adapters_logits_are_pefts(
    tmp_path: Path, family: str, settings: dict[str, Any]
) -> None:
    base = save_family(family, tmp_path / "base")
    plain = oracle_logits(base, TOKENS)
    oracle = save_adapter(base, tmp_path / "adapter", seed=3, **settings)
    model = load_model(tmp_path / "base")
    adapter = load_adapter(tmp_path / "adapter", model)
    assert adapter.name == "adapter"
    expected = oracle_logits(oracle, TOKENS)
    assert not torch.allclose(expected, plain, atol=0.05)
    got = Sequences(model, new_cache(model), 1).feed((0, TOKENS), adapters={0: adapter})[0]
    assert_same_logits(got, expected)


def test_each_row_of_a_batch_gets_its_own_adapter_and_others_none(
    tmp_path: Path, llama: tuple[Callable[[], Any], Decoder]
) -> None:
    """Prefill chunks and decode rows, with two rows of one adapter that are not neighbours."""
    fresh, model = llama
    first = save_adapter(fresh(), tmp_path / "a", seed=1, target_modules=LINEARS)
    second = save_adapter(fresh(), tmp_path / "b", seed=2, target_modules=["q_proj"], r=9)
    a, b = load_adapter(tmp_path / "a", model), load_adapter(tmp_path / "b", model, "other")
    assert b.name == "other"
    chosen = {0: a, 1: b, 3: a}
    oracles = [first, second, fresh(), first]
    texts = [[(t + 13 * n) % 96 for t in TOKENS] for n in range(4)]
    sequences = Sequences(model, new_cache(model), 4)
    got: list[list[torch.Tensor]] = [[] for _ in range(4)]
    widths = {0: 1, 1: 7, 2: 3, 3: 5}
    for start in range(len(TOKENS)):
        rows = [
            (n, texts[n][start * width : (start + 1) * width])
            for n, width in widths.items()
            if start * width < len(TOKENS)
        ]
        for number, logits in sequences.feed(*rows, adapters=chosen).items():
            got[number].append(logits)
    for number, oracle in enumerate(oracles):
        assert_same_logits(torch.cat(got[number]), oracle_logits(oracle, texts[number]))


def test_rows_without_adapter_are_bit_for_bit_those_of_a_plain_batch(
    tmp_path: Path, llama: tuple[Callable[[], Any], Decoder]
) -> None:
    fresh, model = llama
    save_adapter(fresh(), tmp_path / "a", seed=1, target_modules=LINEARS)
    adapter = load_adapter(tmp_path / "a", model)
    rows = [(0, TOKENS[:5]), (1, TOKENS[5:12])]
    plain = Sequences(model, new_cache(model), 2).feed(*rows)
    mixed = Sequences(model, new_cache(model), 2).feed(*rows, adapters={0: adapter})
    assert torch.equal(mixed[1], plain[1])
    assert not torch.equal(mixed[0], plain[0])


@pytest.mark.parametrize("quantization", [None, "int8"])
def test_adapters_work_on_prepacked_and_on_quantised_weights(
    tmp_path: Path, quantization: Any
) -> None:
    base = save_family("llama", tmp_path / "base")
    oracle = save_adapter(base, tmp_path / "a", seed=1, target_modules=LINEARS)
    model = load_model(tmp_path / "base", dtype=torch.bfloat16, quantization=quantization)
    adapter = load_adapter(tmp_path / "a", model)
    got = Sequences(model, new_cache(model), 1).feed((0, TOKENS), adapters={0: adapter})[0]
    expected = oracle_logits(oracle, TOKENS)
    correlation = torch.corrcoef(torch.stack((got.flatten(), expected.flatten())))[0, 1]
    assert correlation > 0.98


def test_a_mixtures_attention_takes_adapters(tmp_path: Path) -> None:
    base = save_family("qwen 3 mixture", tmp_path / "base")
    oracle = save_adapter(base, tmp_path / "a", seed=1, target_modules=["q_proj", "o_proj"])
    model = load_model(tmp_path / "base")
    adapter = load_adapter(tmp_path / "a", model)
    got = Sequences(model, new_cache(model), 1).feed((0, TOKENS), adapters={0: adapter})[0]
    assert_same_logits(got, oracle_logits(oracle, TOKENS))


def test_layers_that_no_adapter_touches_cost_nothing(
    tmp_path: Path, llama: tuple[Callable[[], Any], Decoder]
) -> None:
    fresh, model = llama
    save_adapter(
        fresh(), tmp_path / "a", seed=1, target_modules=["q_proj"], layers_to_transform=[1]
    )
    adapter = load_adapter(tmp_path / "a", model)
    rows = AdapterRows([(None, 3), (adapter, 2)], model.device)
    assert rows.layer(0) is None
    assert rows.layer(1) is not None


# --- what is refused ----------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Decoder, Path]:
    """A good adapter that a test may spoil."""
    base = save_family("llama", tmp_path / "base")
    save_adapter(base, tmp_path / "adapter", seed=1, target_modules=["q_proj", "down_proj"])
    return load_model(tmp_path / "base"), tmp_path / "adapter"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "use_dora=True is not supported"),
        ({"bias": "lora_only"}, "bias='lora_only' is not supported"),
        ({"lora_bias": True}, "lora_bias=True is not supported"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save=['lm_head'] is not supported"),
        ({"peft_type": "IA3"}, "peft_type='IA3' is not supported"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa' is not supported"),
        ({"r": 0}, "r must be a positive integer, not 0"),
        ({"r": 5}, "lora_A.weight in"),
        ({"lora_alpha": None}, "lora_alpha must be a positive number, not None"),
        ({"rank_pattern": {"q_proj": "big"}}, "rank 'big'"),
        ({"rank_pattern": {"q_proj(": 3}}, "pattern 'q_proj(' is not valid"),
        ({"target_modules": ["q_proj", "o_proj"]}, "names 'o_proj', but no tensor adapts it"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_named(
    saved: tuple[Decoder, Path], change: dict[str, object], message: str
) -> None:
    model, directory = saved
    path = directory / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError) as caught:
        load_adapter(directory, model)
    assert message in str(caught.value)


Q = "base_model.model.model.layers.0.self_attn.q_proj."


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (Q + "lora_B.weight", None, f"tensor {Q}lora_B.weight is missing"),
        (Q + "lora_A.weight", torch.zeros(4, 31), "is (4, 31), expected (4, 32)"),
        (Q + "lora_magnitude_vector", torch.zeros(32), "lora_magnitude_vector is for nothing"),
        (Q.replace("q_proj", "q_norm") + "lora_A.weight", torch.zeros(4, 8), "q_norm.lora_A"),
        (Q.replace("layers.0", "layers.3") + "lora_A.weight", torch.zeros(4, 32), "3 layers"),
        ("base_model.model.lm_head.lora_A.weight", torch.zeros(4, 32), "lm_head.lora_A"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    saved: tuple[Decoder, Path], name: str, tensor: torch.Tensor | None, message: str
) -> None:
    model, directory = saved
    weights = load_file(directory / "adapter_model.safetensors")
    if tensor is None:
        del weights[name]
    else:
        weights[name] = tensor
    save_file(weights, directory / "adapter_model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_adapter(directory, model)
    assert message in str(caught.value)


def test_an_adapter_of_another_model_is_refused(
    saved: tuple[Decoder, Path], tmp_path: Path
) -> None:
    _, directory = saved
    other = make_model(tmp_path / "other", "llama, biases, wide heads")
    with pytest.raises(CheckpointError, match=r"q_proj\.lora_B\.weight in .* expected \(96, 4\)"):
        load_adapter(directory, other)


def test_an_adapter_for_experts_is_refused(saved: tuple[Decoder, Path], tmp_path: Path) -> None:
    _, directory = saved
    other = make_model(tmp_path / "other", "qwen 3 mixture")
    with pytest.raises(CheckpointError, match="is a mixture of experts"):
        load_adapter(directory, other)


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_missing_file_is_named(saved: tuple[Decoder, Path], file: str) -> None:
    model, directory = saved
    (directory / file).unlink()
    with pytest.raises(CheckpointError, match=f"{file} does not exist"):
        load_adapter(directory, model)


def test_a_truncated_adapter_is_refused(saved: tuple[Decoder, Path]) -> None:
    model, directory = saved
    path = directory / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_adapter(directory, model)
