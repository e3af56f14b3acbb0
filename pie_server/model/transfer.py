"""Small tensors on their way between host and device, without making the host wait for the device.

`torch.tensor(..., device="cuda")` waits until the device has done everything it was given before:
its source is pageable memory. These copies start from, and end in, pinned memory. On the CPU they
are nothing but the tensors themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def to_device(
    values: Sequence[Any] | torch.Tensor, device: torch.device, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """A tensor on `device`; on CUDA it is there for whatever is launched from now on.

    Args:
        values: Numbers (of any nesting), or a tensor in host memory.
        device: Where to.
        dtype: Of the numbers; None: what torch makes of them.
    """
    host = values if isinstance(values, torch.Tensor) else torch.tensor(values, dtype=dtype)
    if device.type != "cuda":
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)


class HostCopy:
    """Numbers that leave the device as soon as it has computed them.

    Whoever reads them waits for that, and not for work that was launched later.

    Args:
        tensors: On one device, any at all. Not changed before they are read.
    """

    __slots__ = ("_event", "_host")

    def __init__(self, *tensors: torch.Tensor) -> None:
        self._host = tensors
        self._event: torch.cuda.Event | None = None
        device = tensors[0].device
        if device.type == "cuda":
            self._host = tuple(
                torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(
                    tensor, non_blocking=True
                )
                for tensor in tensors
            )
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call] # torch
            self._event.record(torch.cuda.current_stream(device))

    def lists(self) -> list[list[Any]]:
        """The numbers of each tensor."""
        if self._event is not None:
            self._event.synchronize()
        return [tensor.tolist() for tensor in self._host]
