"""Each form of a product against float64, at every kind of row count and size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pie_server.model import linear as forms
from pie_server.model.linear import FUSED_INT8_ROWS, Quantization, make_linear, quantize_int8

from .batches import Sequences
from .families import load_model, new_cache, save_family

ROWS = [1, 2, 5, FUSED_INT8_ROWS, FUSED_INT8_ROWS + 1, 40]
SIZES = [(48, 32), (1, 64), (1100, 96), (50, 33)]  # outputs, inputs; 1100 is more than one chunk
HAS_BF16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()


def random_product(
    outputs: int, inputs: int, rows: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weight, bias and input; outputs of very different size, so that scales matter."""
    generator = torch.Generator().manual_seed(outputs + inputs + rows)
    weight = torch.randn(outputs, inputs, generator=generator)
    weight *= torch.logspace(-2, 1, outputs)[:, None]
    bias, input = (
        torch.randn(outputs, generator=generator),
        torch.randn(rows, inputs, generator=generator),
    )
    return weight.to(dtype), bias.to(dtype), input.to(dtype)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("with_bias", [False, True])
def test_unquantised_products_are_exact_up_to_rounding(
    size: tuple[int, int], rows: int, dtype: torch.dtype, with_bias: bool
) -> None:
    weight, bias, input = random_product(*size, rows, dtype)
    got = make_linear(weight, bias if with_bias else None)(input)
    exact = input.double() @ weight.double().T + (bias.double() if with_bias else 0)
    assert got.dtype == dtype
    # The sum of magnitudes is what rounding errors are relative to.
    bound = input.double().abs() @ weight.double().abs().T + bias.double().abs()
    assert ((got.double() - exact).abs() <= 2 * torch.finfo(dtype).eps * bound + 1e-6).all()


@pytest.mark.skipif(not HAS_BF16, reason="needs a CPU that multiplies bf16")
def test_bf16_on_such_a_cpu_is_prepacked() -> None:
    weight = torch.randn(48, 32, dtype=torch.bfloat16)
    assert isinstance(make_linear(weight), forms.PrepackedLinear)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("with_bias", [False, True])
def test_int8_is_off_by_at_most_half_a_scale_per_weight(
    size: tuple[int, int], rows: int, dtype: torch.dtype, with_bias: bool
) -> None:
    weight, bias, input = random_product(*size, rows, dtype)
    got = make_linear(weight, bias if with_bias else None, "int8")(input)
    exact = input.double() @ weight.double().T + (bias.double() if with_bias else 0)
    assert got.dtype == dtype
    eps = torch.finfo(dtype).eps
    # Half a scale for rounding a weight, and up to eps of it where the largest one is clamped.
    scale = weight.double().abs().amax(dim=1) / 127
    quantising = input.double().abs().sum(dim=1, keepdim=True) * scale * (0.5 + 127 * eps)
    rounding = 3 * eps * (input.double().abs() @ weight.double().abs().T + bias.double().abs())
    assert ((got.double() - exact).abs() <= quantising + rounding + 1e-6).all()


def test_int8_gives_the_same_below_and_above_the_crossover() -> None:
    weight, _, input = random_product(96, 64, FUSED_INT8_ROWS + 1, torch.bfloat16)
    linear = make_linear(weight, None, "int8")
    whole, part = linear(input), linear(input[:FUSED_INT8_ROWS])
    torch.testing.assert_close(whole[:FUSED_INT8_ROWS], part, atol=0.05, rtol=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_outputs_of_zeros_and_of_tiny_weights_stay_finite(dtype: torch.dtype) -> None:
    weight = torch.stack((torch.zeros(32), torch.full((32,), 1e-7), torch.ones(32))).to(dtype)
    quantized, scale = quantize_int8(weight)
    assert scale.isfinite().all()
    assert quantized[0].abs().max() == 0
    output = make_linear(weight, None, "int8")(torch.ones(1, 32, dtype=dtype))
    torch.testing.assert_close(
        output.float(), torch.tensor([[0.0, 3.2e-6, 32.0]]), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("rows", [1, 20])
def test_int8_sums_do_not_overflow_float16(rows: int) -> None:
    """They fit with their scales, but not as sums of integers up to 127."""
    linear = make_linear(torch.full((8, 64), 0.5, dtype=torch.float16), None, "int8")
    output = linear(torch.full((rows, 64), 300.0, dtype=torch.float16))
    torch.testing.assert_close(output, torch.full_like(output, 9600), rtol=0.01, atol=0)


@pytest.mark.parametrize("quantization", [None, "int8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_no_rows_give_no_rows(dtype: torch.dtype, quantization: Quantization | None) -> None:
    linear = make_linear(torch.ones(48, 32, dtype=dtype), torch.ones(48, dtype=dtype), quantization)
    assert linear(torch.empty(0, 32, dtype=dtype)).shape == (0, 48)


def test_int8_takes_a_quarter_of_float32() -> None:
    weight = torch.randn(128, 512)
    plain, small = make_linear(weight), make_linear(weight, None, "int8")
    assert small.weight_bytes == weight.nbytes // 4 + 128 * 4
    assert plain.weight_bytes == weight.nbytes


@pytest.mark.parametrize(
    "name", ["llama, tied, one KV head", "qwen 2", "gemma 3", "qwen 3 mixture, partly dense"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_int8_models_distribution_stays_near_the_full_ones(
    tmp_path: Path, name: str, dtype: torch.dtype
) -> None:
    save_family(name, tmp_path)
    tokens = [(7 * i * i + 3) % 96 for i in range(30)]
    full, small = load_model(tmp_path), load_model(tmp_path, dtype=dtype, quantization="int8")
    assert small.weight_bytes < 0.3 * full.weight_bytes
    expected = Sequences(full, new_cache(full), 1).feed((0, tokens))[0]
    one = Sequences(small, new_cache(small), 1)
    # Prefill above the crossover, then decode below it.
    got = torch.cat([one.feed((0, part))[0] for part in (tokens[:20], *[[t] for t in tokens[20:]])])
    correlation = torch.corrcoef(torch.stack((got.flatten(), expected.flatten())))[0, 1]
    assert correlation > 0.99
    # The weights really were rounded.
    assert not torch.allclose(got, expected, atol=1e-4)
