"""The tensors behind the page numbers: keys and values of every layer.

Owned by the model runner. Knows nothing of contexts or of who holds which page: it fills, copies,
saves and restores what it is told to.
"""

from __future__ import annotations

import torch

from pie_server.model.config import ModelConfig
from pie_server.model.transfer import to_device


class KvCache:
    """Keys and values of all pages.

    Attributes:
        keys, values: One tensor a layer, [pages * page_size, kv_heads, head_dim].
    """

    def __init__(
        self,
        config: ModelConfig,
        pages: int,
        page_size_tokens: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (pages * page_size_tokens, config.kv_heads, config.head_dim)
        self.page_size_tokens = page_size_tokens
        # Zeroed, not empty: masked slots still enter 0 * v, and NaN bits would survive that.
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.layers)]
        self.values = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.layers)]

    @property
    def page_bytes(self) -> int:
        """Size of one page, keys and values of all layers."""
        one = self.keys[0]
        slot_bytes = one[0].numel() * one.element_size()
        return 2 * len(self.keys) * self.page_size_tokens * slot_bytes

    def copy_pages(self, sources: list[int], targets: list[int]) -> None:
        """Copies whole pages in every layer (copy on write)."""
        source, target = self._index(sources), self._index(targets)
        for cache in (*self.keys, *self.values):
            pages = self._paged(cache)
            pages[target] = pages[source]

    def copy_slots(self, sources: list[int], targets: list[int]) -> None:
        """Copies single tokens in every layer. Reads all sources before it writes any target."""
        source, target = self._index(sources), self._index(targets)
        for cache in (*self.keys, *self.values):
            cache[target] = cache[source]

    def read_pages(self, pages: list[int]) -> torch.Tensor:
        """Pages in host memory, for offloading; complete when this returns.

        Returns:
            [layers, 2, pages, page_size, kv_heads, head_dim], keys before values; pinned when the
            cache is on CUDA.
        """
        first = self.keys[0]
        shape = (len(self.keys), 2, len(pages), self.page_size_tokens, *first.shape[1:])
        data = torch.empty(shape, dtype=first.dtype, pin_memory=first.is_cuda)
        index = self._index(pages)
        for layer, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            data[layer, 0].copy_(self._paged(keys)[index], non_blocking=True)
            data[layer, 1].copy_(self._paged(values)[index], non_blocking=True)
        if first.is_cuda:
            torch.cuda.current_stream(first.device).synchronize()
        return data

    def write_pages(self, pages: list[int], data: torch.Tensor) -> None:
        """Puts back what `read_pages` returned, into these pages.

        On CUDA the copies are queued, not awaited: keep `data` until the device has run them.
        """
        index, device = self._index(pages), self.keys[0].device
        for layer, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            self._paged(keys)[index] = data[layer, 0].to(device, non_blocking=True)
            self._paged(values)[index] = data[layer, 1].to(device, non_blocking=True)

    def _paged(self, cache: torch.Tensor) -> torch.Tensor:
        return cache.view(-1, self.page_size_tokens, *cache.shape[1:])

    def _index(self, numbers: list[int]) -> torch.Tensor:
        return to_device(numbers, self.keys[0].device, torch.int64)
