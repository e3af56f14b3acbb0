"""Matrix products with weights, in the form that is fastest for the device and dtype.

`make_linear` picks the form once, when the model is loaded; a form keeps one copy of its weight.
Milliseconds for all of some layers' products, one thread, 36 MiB of bf16 weights 3072x1152 | 96 MiB
2048x8192, by number of rows (`python -m tests.model.measure_linear` measures them again):

    rows                          1          4          8          32         128
    F.linear, float32         13 | 13    25 | 28    34 | 41    36 | 41    96 | 112
    F.linear, bfloat16        22 | 9     13 | 9     19 | 9     15 | 11    22 | 23
    oneDNN prepacked, bf16    12 | 9      8 | 8     10 | 8     11 | 10    16 | 22
    int8, unpacked in product 10 | 4     11 | 6     19 | 12    53 | 48   183 | 172
    int8, made bf16 first     21 | 19    25 | 19    20 | 19    24 | 21    29 | 31

So on the CPU: float32 takes torch's own product; bf16 the prepacked weight at every row count; int8
the fused kernel up to `FUSED_INT8_ROWS` rows and a bf16 copy of `_CHUNK_OUTPUTS` outputs at a time
(which stays in the cache) above. int8 kernels for float32 activations are several times slower than
float32 itself: int8 with float32 saves memory only, and bf16 is the default beside it.
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of torch code knows

Quantization = Literal["int8"]

FUSED_INT8_ROWS = 8
_FUSED_INPUTS_MULTIPLE = 16  # with any other number of inputs torch's kernel reads out of bounds
_CHUNK_OUTPUTS = 1024


class Linear(Protocol):
    """A product with a fixed weight.

    Attributes:
        weight_bytes: What is read for a product with few rows.
    """

    weight_bytes: int

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] -> [rows, outputs]."""
        ...


def make_linear(
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    quantization: Quantization | None = None,
) -> Linear:
    """The best form of a product on the weight's device in its dtype.

    Args:
        weight: [outputs, inputs]. Not copied by the plain form.
        bias: [outputs].
        quantization: How to store the weight, if not as it is.
    """
    if quantization == "int8":
        return Int8Linear(weight, bias)
    if weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and _prepacks_bf16():
        return PrepackedLinear(weight, bias)
    return PlainLinear(weight, bias)


class PlainLinear:
    """Torch's own product."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.weight = weight
        self.bias = bias
        self.weight_bytes = weight.nbytes

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        """See `Linear`."""
        return F.linear(input, self.weight, self.bias)


class PrepackedLinear:
    """A bf16 weight in oneDNN's own blocked layout, on CPUs that multiply bf16."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        # The layout is the same for all row counts; the operator wants an example.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, 8)
        self._bias = bias
        self.weight_bytes = weight.nbytes

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        """See `Linear`."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            input, self._packed, self._bias, "none", [], ""
        )
        return product


class Int8Linear:
    """Weights as int8 with one symmetric scale for each output; activations keep their dtype.

    A weight is off by about half a scale, that is 1/254 of the largest weight of its output.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.weight, self.scale = quantize_int8(weight)
        self.bias = bias
        self.weight_bytes = self.weight.nbytes + self.scale.nbytes
        self._fused = (
            weight.device.type == "cpu"
            and weight.dtype == torch.bfloat16
            and weight.shape[1] % _FUSED_INPUTS_MULTIPLE == 0
        )

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        """See `Linear`."""
        if self._fused and input.shape[0] <= FUSED_INT8_ROWS:
            output: torch.Tensor = torch._weight_int8pack_mm(input, self.weight, self.scale)
        else:
            output = self._widened(input)
        return output if self.bias is None else output + self.bias

    def rows(self, indices: torch.Tensor) -> torch.Tensor:
        """[n] outputs' weights as vectors, [n, inputs]: an embedding that is tied to the head."""
        return self.weight[indices].to(self.scale.dtype) * self.scale[indices][:, None]

    def _widened(self, input: torch.Tensor) -> torch.Tensor:
        """The product through a temporary copy of the weight in the activations' dtype."""
        outputs = self.weight.shape[0]
        output = input.new_empty(input.shape[0], outputs)
        step = _CHUNK_OUTPUTS if input.device.type == "cpu" else outputs
        for start in range(0, outputs, step):
            part = slice(start, start + step)
            weight, scale = self.weight[part].to(input.dtype), self.scale[part]
            if input.dtype == torch.float16:  # sums without their scale would overflow
                output[:, part] = F.linear(input, weight.mul_(scale[:, None]))
            else:
                output[:, part] = F.linear(input, weight).mul_(scale)
        return output


def quantize_int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Symmetric int8 per output.

    Args:
        weight: [outputs, inputs].

    Returns:
        [outputs, inputs] int8 and [outputs] scales in the weight's dtype; the weight is about their
        product.
    """
    quantized = torch.empty_like(weight, dtype=torch.int8)
    scale = weight.new_empty(weight.shape[0])
    for start in range(0, weight.shape[0], _CHUNK_OUTPUTS):  # bounds the float32 copy
        part = slice(start, start + _CHUNK_OUTPUTS)
        wide = weight[part].float()
        scale[part] = wide.abs().amax(dim=1) / 127
        # An output that is zero, or so small that its scale is, becomes zero.
        scale[part].masked_fill_(scale[part] == 0, 1)
        # Divided by the scale that products will use, which has the weight's dtype.
        quantized[part] = (wide / scale[part, None].float()).round().clamp(-127, 127)
    return quantized, scale


def _prepacks_bf16() -> bool:
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call] # torch
    return bool(available and torch.ops.mkldnn._is_mkldnn_bf16_supported())
