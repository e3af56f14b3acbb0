"""Every family's logits equal those of transformers, however the tokens are fed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from pie_server.engine.attention import BatchLayout, attention_for
from pie_server.model.decoder import Attention, Decoder

from .batches import Rows, Sequences
from .families import FAMILIES, WINDOW, load_model, new_cache, oracle_logits, save_family

LENGTH = 40  # beyond every window and every original context


@pytest.fixture(scope="module", params=FAMILIES)
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Decoder, Any]:
    directory = tmp_path_factory.mktemp("family")
    oracle = save_family(request.param, directory)
    return load_model(directory), oracle


def random_tokens(seed: int, length: int = LENGTH) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(96) for _ in range(length)]


def assert_same_logits(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(got.softmax(-1), expected.softmax(-1), atol=2e-5, rtol=1e-3)


def test_one_prefill_gives_the_oracles_logits(family: tuple[Decoder, Any]) -> None:
    model, oracle = family
    tokens = random_tokens(1)
    got = Sequences(model, new_cache(model), 1).feed((0, tokens))[0]
    assert_same_logits(got, oracle_logits(oracle, tokens))


def test_chunks_and_decode_rows_in_one_batch_give_the_oracles_logits(
    family: tuple[Decoder, Any],
) -> None:
    """Three contexts: one decodes from its second token on, two are prefilled in chunks."""
    model, oracle = family
    texts = [random_tokens(seed) for seed in range(3)]
    sequences = Sequences(model, new_cache(model), 3)
    got: list[list[torch.Tensor]] = [[], [], []]
    position = [0, 0, 0]
    while any(p < LENGTH for p in position):
        rows = []
        for number, width in ((2, 3), (0, 1), (1, 11)):
            fed = texts[number][position[number] : position[number] + width]
            if fed:
                rows.append((number, fed))
                position[number] += len(fed)
        for number, logits in sequences.feed(*rows).items():
            got[number].append(logits)
    for number, text in enumerate(texts):
        assert_same_logits(torch.cat(got[number]), oracle_logits(oracle, text))


def test_the_engines_own_attention_gives_the_oracles_logits(family: tuple[Decoder, Any]) -> None:
    """One context decodes while the other is prefilled in chunks."""
    model, oracle = family
    cache = new_cache(model)
    size = cache.page_size_tokens

    def plan(rows: Rows) -> Attention:
        layout = BatchLayout(
            [length for length, _ in rows],
            [len(slots) for _, slots in rows],
            [(slots[::size] // size).tolist() for _, slots in rows],
            size,
            model.device,
            {},
        )
        return attention_for(model.device).plan(layout)

    texts = [random_tokens(seed) for seed in (7, 8)]
    sequences = Sequences(model, cache, 2, plan)
    got: list[list[torch.Tensor]] = [[], []]
    for step in range(LENGTH):
        rows = [(0, texts[0][step : step + 1]), (1, texts[1][step * 9 : step * 9 + 9])]
        for number, logits in sequences.feed(*[row for row in rows if row[1]]).items():
            got[number].append(logits)
    for number, text in enumerate(texts):
        assert_same_logits(torch.cat(got[number]), oracle_logits(oracle, text))


def test_the_window_is_the_oracles_to_the_token(tmp_path: Path) -> None:
    """One layer: a token beyond the window changes nothing, the last one inside it does."""
    save_family("mistral", tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 1}))
    from safetensors.torch import load_file, save_file

    weights = load_file(tmp_path / "model.safetensors")
    kept = {k: v for k, v in weights.items() if ".layers." not in k or ".layers.0." in k}
    save_file(kept, tmp_path / "model.safetensors")
    model = load_model(tmp_path)
    tokens = random_tokens(5, 20)

    def last(changed: int) -> torch.Tensor:
        other = list(tokens)
        other[changed] = (other[changed] + 1) % 96
        return Sequences(model, new_cache(model), 1).feed((0, other))[0][-1]

    plain = Sequences(model, new_cache(model), 1).feed((0, tokens))[0][-1]
    assert torch.equal(last(19 - WINDOW), plain)
    assert not torch.equal(last(20 - WINDOW), plain)


def test_fused_experts_load_like_separate_ones(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    oracle = save_family("qwen 3 mixture", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    for layer in range(3):
        prefix = f"model.layers.{layer}.mlp.experts."

        def expert(number: int, name: str, prefix: str = prefix) -> torch.Tensor:
            return weights.pop(f"{prefix}{number}.{name}_proj.weight")

        weights[prefix + "gate_up_proj"] = torch.stack(
            [torch.cat((expert(n, "gate"), expert(n, "up"))) for n in range(6)]
        )
        weights[prefix + "down_proj"] = torch.stack([expert(n, "down") for n in range(6)])
    save_file(weights, tmp_path / "model.safetensors")
    model, tokens = load_model(tmp_path), random_tokens(2)
    got = Sequences(model, new_cache(model), 1).feed((0, tokens))[0]
    assert_same_logits(got, oracle_logits(oracle, tokens))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["llama, biases, wide heads", "gemma 3", "qwen 3 mixture"])
def test_half_precisions_stay_near_float32(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    oracle, tokens = save_family(name, tmp_path), random_tokens(3)
    model = load_model(tmp_path, dtype=dtype)
    assert model.dtype == dtype
    got = Sequences(model, new_cache(model), 1).feed((0, tokens))[0]
    expected = oracle_logits(oracle.to(dtype), tokens)
    wide = oracle_logits(oracle.float(), tokens)
    # As near to float32 as transformers is in the same dtype, on the average.
    assert (got - wide).abs().mean() < 1.5 * (expected - wide).abs().mean() + 1e-4
