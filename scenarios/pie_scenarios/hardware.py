"""What the machine can do at most, measured in the same run as what is compared with it.

Memory bandwidth bounds decoding, the matrix rate bounds prefill. Both are the best of several ways
and repetitions, because a limit that is measured too low flatters whatever is divided by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of torch code knows

# Several times the largest last-level caches: what fits into a cache is no memory.
_BUFFER_BYTES = 1 << 30
_COLUMNS = 4096
_MATRIX_SIZE = 2048
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class HardwareLimits:
    """Best rates of this machine with torch's present number of threads.

    Attributes:
        read_bytes_per_second: Summing a large vector, or multiplying a matrix with one vector.
        copy_bytes_per_second: Copying; each byte counts once as read and once as written.
        matrix_flops_per_second: Square products of the model's dtype; an addition and a
            multiplication count as two.
    """

    read_bytes_per_second: float
    copy_bytes_per_second: float
    matrix_flops_per_second: float

    @property
    def bytes_per_second(self) -> float:
        """The memory bandwidth that decoding is measured against."""
        return max(self.read_bytes_per_second, self.copy_bytes_per_second)

    def best_with(self, other: HardwareLimits) -> HardwareLimits:
        """The better rate of two measurements, one by one."""
        return HardwareLimits(
            max(self.read_bytes_per_second, other.read_bytes_per_second),
            max(self.copy_bytes_per_second, other.copy_bytes_per_second),
            max(self.matrix_flops_per_second, other.matrix_flops_per_second),
        )


@torch.inference_mode()
def measure_limits(
    dtype: torch.dtype,
    device: torch.device,
    *,
    buffer_bytes: int = _BUFFER_BYTES,
    matrix_size: int = _MATRIX_SIZE,
) -> HardwareLimits:
    """Measures all three rates; takes a few seconds."""
    read, copied = _memory_seconds(buffer_bytes, device)
    matrix = torch.randn(matrix_size, matrix_size, device=device).to(dtype)
    multiplied = _best_seconds(lambda: matrix @ matrix, device)
    return HardwareLimits(
        buffer_bytes / read, 2 * buffer_bytes / copied, 2 * matrix_size**3 / multiplied
    )


def _memory_seconds(buffer_bytes: int, device: torch.device) -> tuple[float, float]:
    """To read a buffer, in the faster of two ways; to copy it."""
    source = torch.ones(buffer_bytes // (4 * _COLUMNS), _COLUMNS, device=device)
    vector = torch.ones(1, _COLUMNS, device=device)
    target = torch.empty_like(source)
    summed = _best_seconds(source.sum, device)
    multiplied = _best_seconds(lambda: F.linear(vector, source), device)
    return min(summed, multiplied), _best_seconds(lambda: target.copy_(source), device)


def _best_seconds(call: Callable[[], object], device: torch.device) -> float:
    best = float("inf")
    for _ in range(_REPEATS + 1):  # the first warms up
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return best
