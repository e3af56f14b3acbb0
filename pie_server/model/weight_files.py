"""The tensors of a checkpoint's safetensors files, memory-mapped and taken one by one.

A tensor is copied once, to the device and dtype where it is used; a file is let go when its last
tensor has been taken. So beside the model itself there is never more in memory than what the
operating system keeps of the files as cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open

from pie_server.errors import CheckpointError
from pie_server.model.config import read_json

OnProgress = Callable[[int, int], None]
"""Called with bytes done and bytes in total."""

_BYTES_BY_DTYPE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


class WeightFiles:
    """All tensors of a model, or of an adapter, by name.

    Args:
        paths: The files.
        device: Where tensors are wanted.
        dtype: In which dtype.
        on_progress: Told after each tensor.

    Raises:
        CheckpointError: A file is missing, truncated or holds something that is not a float.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        device: torch.device,
        dtype: torch.dtype,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.device = device
        self.dtype = dtype
        self.bytes_total = 0
        self._bytes_done = 0
        self._on_progress = on_progress
        self._where = paths[0].parent
        self._stored: dict[str, _Stored] = {}
        for path in paths:
            for name, stored in _File(path).contents():
                if name in self._stored:
                    other = self._stored[name].file.path
                    raise CheckpointError(f"tensor {name} is in {other} and in {path}")
                self._stored[name] = stored
                self.bytes_total += stored.bytes

    def __contains__(self, name: str) -> bool:
        return name in self._stored

    def names(self) -> list[str]:
        """Of the tensors that have not been taken."""
        return list(self._stored)

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """One tensor, a copy of its own.

        Raises:
            CheckpointError: It is missing or has another shape.
        """
        return self.take_stacked([name], shape[:1], *shape[1:])

    def take_stacked(self, names: Sequence[str], rows: Sequence[int], *rest: int) -> torch.Tensor:
        """Several tensors as one, one after the other along the first dimension.

        Args:
            names: Of the parts.
            rows: Their first dimensions.
            rest: The other dimensions, which they share.

        Raises:
            CheckpointError: One is missing or has another shape.
        """
        for name, size in zip(names, rows, strict=True):  # before memory is asked for
            self._check(name, (size, *rest))
        stacked = torch.empty((sum(rows), *rest), dtype=self.dtype, device=self.device)
        for name, part in zip(names, torch.split(stacked, list(rows)), strict=True):
            stored = self._stored.pop(name)
            part.copy_(stored.file.take(name))
            self._bytes_done += stored.bytes
            if self._on_progress is not None:
                self._on_progress(self._bytes_done, self.bytes_total)
        return stacked

    def _check(self, name: str, shape: tuple[int, ...]) -> None:
        stored = self._stored.get(name)
        if stored is None:
            raise CheckpointError(f"tensor {name} is missing in {self._where}")
        if stored.shape != shape:
            raise CheckpointError(
                f"tensor {name} in {stored.file.path} is {stored.shape}, expected {shape}"
            )

    def drop(self, name: str) -> None:
        """Leaves out a tensor that is not needed."""
        stored = self._stored.pop(name, None)
        if stored is not None:
            stored.file.take(name)
            self._bytes_done += stored.bytes

    def finish(self) -> None:
        """Reports the end. Raises CheckpointError if tensors are left over."""
        if self._stored:
            extra = list(self._stored)[:5]
            raise CheckpointError(
                f"{self._where} holds tensors this model has no place for: {', '.join(extra)}"
            )
        if self._on_progress is not None:
            self._on_progress(self.bytes_total, self.bytes_total)


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a tensor is."""

    file: _File
    shape: tuple[int, ...]
    bytes: int


class _File:
    """One memory-mapped file, open until all its tensors have been taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise CheckpointError(f"{path} does not exist")
        try:
            self._handle = cast(Any, safe_open(str(path), framework="pt"))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error
        self._names = list(self._handle.keys())
        self._left = len(self._names)

    def contents(self) -> Iterator[tuple[str, _Stored]]:
        """All tensors, as the file's header describes them."""
        for name in self._names:
            part = self._handle.get_slice(name)
            element_bytes = _BYTES_BY_DTYPE.get(part.get_dtype())
            if element_bytes is None:
                raise CheckpointError(
                    f"tensor {name} in {self.path} is stored as {part.get_dtype()}",
                    hint=f"Supported: {', '.join(_BYTES_BY_DTYPE)}.",
                )
            shape = tuple(part.get_shape())
            yield name, _Stored(self, shape, math.prod(shape) * element_bytes)

    def take(self, name: str) -> torch.Tensor:
        """A view of the mapped file."""
        try:
            tensor: torch.Tensor = self._handle.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self.path}: tensor {name} cannot be read: {error}") from error
        self._left -= 1
        if not self._left:
            self._handle = None
        return tensor


def weight_paths(directory: Path) -> list[Path]:
    """A model's safetensors files: those its index names, or the single one.

    Raises:
        CheckpointError: There are none, or the index is not one.
    """
    index = directory / "model.safetensors.index.json"
    if index.exists():
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise CheckpointError(f"{index} has no weight_map")
        names = sorted(set(map(str, shards.values())))
        for name in names:
            if Path(name).name != name:
                raise CheckpointError(f"{index} names a file outside its directory: {name}")
        return [directory / name for name in names]
    single = directory / "model.safetensors"
    if not single.exists():
        raise CheckpointError(
            f"{directory} holds no model.safetensors",
            hint="Weights must be in safetensors format.",
        )
    return [single]
