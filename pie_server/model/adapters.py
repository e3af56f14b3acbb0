"""LoRA adapters (Hu et al. 2021) and which token of a batch uses which.

An adapter adds `up(down(x))` to some products of some layers. The base weights stay as they are, so
rows with different adapters, and rows with none, run in one batch: the base product runs once for
all of them, and each adapter then adds to the tokens that chose it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name every reader of torch code knows

from pie_server.model.linear import Linear
from pie_server.model.transfer import to_device

Product = Literal["qkv", "output", "gate_up", "down"]


@dataclass(frozen=True, slots=True)
class LowRank:
    """What is added to one product. Stacked products have stacked ranks and a block-diagonal up."""

    down: torch.Tensor  # [rank, inputs]
    up: torch.Tensor  # [outputs, rank], times the adapter's scale


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """One loaded adapter; see `adapter_loader.load_adapter`. Equal only to itself.

    Attributes:
        name: For people.
        layers: Its additions by layer and product.
    """

    name: str
    layers: tuple[Mapping[Product, LowRank], ...]


class AdapterRows:
    """Which adapter each token of a ragged batch uses. Made once per batch, used by every layer.

    Args:
        rows: Adapter (or None) and number of tokens of each row, in the batch's order.
        device: Where the batch runs.
    """

    def __init__(self, rows: Sequence[tuple[Adapter | None, int]], device: torch.device) -> None:
        tokens_by_adapter: dict[Adapter, list[int]] = {}
        start = 0
        for adapter, length in rows:
            if adapter is not None:
                tokens_by_adapter.setdefault(adapter, []).extend(range(start, start + length))
            start += length
        self._groups = [
            (adapter, to_device(tokens, device)) for adapter, tokens in tokens_by_adapter.items()
        ]

    def layer(self, index: int) -> LayerAdapters | None:
        """What adds to one layer's products; None if nothing does."""
        groups = [(adapter.layers[index], tokens) for adapter, tokens in self._groups]
        groups = [group for group in groups if group[0]]
        return LayerAdapters(groups) if groups else None


class LayerAdapters:
    """The additions to one layer, with the tokens they are for."""

    def __init__(self, groups: list[tuple[Mapping[Product, LowRank], torch.Tensor]]) -> None:
        self._groups = groups

    def add(self, product: Product, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Adds to `outputs` [tokens, outputs] in place what adapters make of `inputs`."""
        for additions, tokens in self._groups:
            addition = additions.get(product)
            if addition is not None:
                low = F.linear(inputs[tokens], addition.down)
                outputs.index_add_(0, tokens, F.linear(low, addition.up))


def project(
    linear: Linear, product: Product, inputs: torch.Tensor, adapters: LayerAdapters | None
) -> torch.Tensor:
    """A product with its adapters: [tokens, inputs] -> [tokens, outputs]."""
    outputs = linear(inputs)
    if adapters is not None:
        adapters.add(product, inputs, outputs)
    return outputs
