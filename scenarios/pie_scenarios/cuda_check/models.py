"""Models of real sizes with random weights, made where they are used: no checkpoint is written."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch

from pie_scenarios.checkpoints import SHAPES, Shape, write_description
from pie_server.model.architectures import read_config
from pie_server.model.assembly import assemble
from pie_server.model.chat_template import ChatTemplate
from pie_server.model.loader import Checkpoint
from pie_server.model.tokenizer import Tokenizer
from pie_server.model.weight_files import WeightFiles

ALL_SHAPES = SHAPES | {"8b": Shape(128_256, 4096, 14_336, 32, 32, 8, head_dim=128)}


class _RandomWeights:
    """What `assemble` asks of weight files, drawn on the device."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        self._generator = torch.Generator(device).manual_seed(0)

    def __contains__(self, name: str) -> bool:
        return False

    def take(self, name: str, *shape: int) -> torch.Tensor:
        tensor = torch.empty(shape, device=self.device, dtype=self.dtype)
        if len(shape) == 1:  # a norm
            return tensor.fill_(1)
        # Keeps activations near unit size through any number of layers, so that none overflows.
        return tensor.normal_(0.0, shape[-1] ** -0.5, generator=self._generator)

    def take_stacked(self, names: Sequence[str], rows: Sequence[int], *rest: int) -> torch.Tensor:
        return self.take(names[0], sum(rows), *rest)

    def names(self) -> list[str]:
        return []

    def drop(self, name: str) -> None:
        pass

    def finish(self) -> None:
        pass


def random_checkpoint(name: str, device: torch.device, dtype: torch.dtype) -> Checkpoint:
    """One of `ALL_SHAPES`."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        write_description(directory, ALL_SHAPES[name])
        weights = cast(WeightFiles, _RandomWeights(device, dtype))
        return Checkpoint(
            name,
            assemble(weights, read_config(directory)),
            Tokenizer.from_directory(directory),
            ChatTemplate.from_directory(directory),
        )
