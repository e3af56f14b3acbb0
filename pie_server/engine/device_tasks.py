"""Work on the device beside forward passes: embedding, copying KV, reading kept states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pie_server.engine.batch import Answer, Readout
from pie_server.engine.readouts import read_out
from pie_server.model.decoder import Decoder
from pie_server.model.kv_cache import KvCache


@dataclass(frozen=True, slots=True)
class EmbedTokens:
    """Makes [tokens, hidden] embeddings of tokens."""

    tokens: Sequence[int]

    def run(self, model: Decoder, cache: KvCache) -> torch.Tensor:
        """See `DeviceTask.run`."""
        return model.embed(torch.tensor(self.tokens, device=model.device))


@dataclass(frozen=True, slots=True)
class CopySlots:
    """Copies the KV of single tokens, physical slot by slot, in every layer."""

    sources: list[int]
    targets: list[int]

    def run(self, model: Decoder, cache: KvCache) -> None:
        """See `DeviceTask.run`."""
        cache.copy_slots(self.sources, self.targets)


@dataclass(frozen=True, slots=True)
class ReadHidden:
    """Answers readouts about hidden states that were kept: [rows, hidden]."""

    hidden: torch.Tensor
    readouts: Sequence[Readout]

    def run(self, model: Decoder, cache: KvCache) -> list[Answer]:
        """See `DeviceTask.run`."""
        return read_out(model.logits, self.hidden, self.readouts)
