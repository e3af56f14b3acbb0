"""Moving the KV of whole contexts between the device's pages and host memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

import torch

from pie_server.kv.residency import Blob
from pie_server.model.kv_cache import KvCache


@dataclass(eq=False, slots=True)
class PageMove:
    """Pages that leave for a blob, or come back from one.

    Attributes:
        pages: Physical pages.
        entries: Which pages of the blob they are; None to fill the blob with all of them.
        seconds: What it took, once it ran.
    """

    blob: Blob
    pages: list[int]
    entries: list[int] | None = None
    seconds: float = 0.0

    def run(self, cache: KvCache) -> None:
        """Does it, in the device's thread."""
        started = time.perf_counter()
        if self.entries is None:
            self.blob.data = cache.read_pages(self.pages)
        else:
            # [layers, 2, pages, page_size, kv_heads, head_dim]
            data = cast(torch.Tensor, self.blob.data)[:, :, self.entries]
            cache.write_pages(self.pages, data)
        self.seconds = time.perf_counter() - started
