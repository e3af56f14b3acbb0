"""Times every form of a product at several row counts: `python -m tests.model.measure_linear`.

The table in `pie_server/model/linear.py` is this program's. One thread by default, because with two
on a busy machine barriers are what is measured; the best of several runs counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812

from pie_server.model import linear as forms

ROWS = (1, 2, 4, 8, 12, 16, 32, 128)
SHAPES = ((3072, 1152, 12), (2048, 8192, 3))  # outputs, inputs, layers


def best_milliseconds(run: Callable[[], object], repeats: int) -> float:
    run()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def report(name: str, layers: list[forms.Linear], dtype: torch.dtype, inputs: int, n: int) -> None:
    cells = []
    for rows in ROWS:
        batch = torch.randn(rows, inputs).to(dtype)
        cells.append(best_milliseconds(lambda batch=batch: [f(batch) for f in layers], n))
    print(f"{name:28}", *(f"{cell:8.1f}" for cell in cells), flush=True)


class FusedInt8(forms.Int8Linear):
    """The fused kernel at any row count."""

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        return torch._weight_int8pack_mm(input, self.weight, self.scale)


class WidenedInt8(forms.Int8Linear):
    """The bf16 copy at any row count."""

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        return self._widened(input)


class WholeInt8(forms.Int8Linear):
    """A bf16 copy of the whole weight instead of chunks."""

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        return F.linear(input, self.weight.to(input.dtype)) * self.scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for outputs, inputs, count in SHAPES:
        print(f"\n{count} products {outputs}x{inputs}, {options.threads} thread(s), ms for all")
        print(f"{'rows':28}", *(f"{rows:8}" for rows in ROWS))
        wide = [torch.randn(outputs, inputs) for _ in range(count)]
        half = [weight.bfloat16() for weight in wide]
        for name, make, weights in (
            ("F.linear float32", forms.PlainLinear, wide),
            ("F.linear bf16", forms.PlainLinear, half),
            ("oneDNN prepacked bf16", forms.PrepackedLinear, half),
            ("int8 fused", FusedInt8, half),
            ("int8 widened, whole", WholeInt8, half),
            ("int8 widened, in chunks", WidenedInt8, half),
            ("int8 as chosen", forms.Int8Linear, half),
            ("int8 widened to float32", WidenedInt8, wide),
        ):
            layers = [make(weight) for weight in weights]
            report(name, layers, weights[0].dtype, inputs, options.repeats)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
