"""What changes logits before a token is chosen: biases, grammar masks, penalties, in this order.

Works on a copy of the rows that ask for something; the model's own logits stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch

from pie_server.engine.batch import Sample
from pie_server.engine.grammar_masks import Masks
from pie_server.model.transfer import to_device


def is_adjusted(sample: Sample) -> bool:
    """Whether the row's logits have to change."""
    params, state = sample.params, sample.state
    return (
        bool(params.logit_bias)
        or params.needs_state
        or (state is not None and state.matcher is not None)
    )


def adjust(
    logits: torch.Tensor, samples: Sequence[Sample], rows: Sequence[int], masks: Masks | None
) -> torch.Tensor:
    """The adjusted logits of some rows.

    Args:
        logits: [batch, vocab] float32.
        samples: One a row of `logits`.
        rows: The rows to adjust.
        masks: Of the whole batch.

    Returns:
        [len(rows), vocab].
    """
    all_rows = len(rows) == len(logits)
    adjusted = logits.clone() if all_rows else logits[to_device(rows, logits.device)]
    of_rows = [samples[row] for row in rows]
    _add_biases(adjusted, of_rows)
    if masks is not None:
        places = {row: at for at, row in enumerate(rows)}
        _apply_masks(adjusted, masks, [places[row] for row in masks.rows])
    _apply_penalties(adjusted, of_rows)
    return adjusted


def _add_biases(logits: torch.Tensor, samples: Sequence[Sample]) -> None:
    rows, tokens, biases = [], [], []
    for row, sample in enumerate(samples):
        for token, bias in sample.params.logit_bias:
            rows.append(row)
            tokens.append(token)
            biases.append(bias)
    if rows:
        device = logits.device
        places = to_device(rows, device), to_device(tokens, device)
        logits[places] += to_device(biases, device, torch.float32)


def _apply_masks(logits: torch.Tensor, masks: Masks, rows: list[int]) -> None:
    # [rows, words * 4] indices of the table's lines, each of which is the limits of eight tokens
    octets = to_device(masks.bits, logits.device).view(torch.uint8).to(torch.int32)
    limits = _limit_table(logits.device)[octets.flatten()].view(len(rows), -1)
    limits = limits[:, : logits.shape[-1]]
    if len(rows) == len(logits):
        torch.minimum(logits, limits, out=logits)
    else:
        places = to_device(rows, logits.device)
        logits[places] = torch.minimum(logits[places], limits)


@cache
def _limit_table(device: torch.device) -> torch.Tensor:
    """[256, 8]: infinity where an octet's bit is set, minus infinity where it is not."""
    bits = (torch.arange(256)[:, None] >> torch.arange(8)) & 1
    infinity = torch.tensor(float("inf"))
    return torch.where(bits == 1, infinity, -infinity).to(device)


def _apply_penalties(logits: torch.Tensor, samples: Sequence[Sample]) -> None:
    rows: list[int] = []
    seen: list[torch.Tensor] = []
    counts: list[torch.Tensor] = []
    for row, sample in enumerate(samples):
        if sample.params.needs_state and sample.state is not None:
            row_tokens, row_counts = sample.state.history(logits.device).seen(sample.draft)
            rows.append(row)
            seen.append(row_tokens)
            counts.append(row_counts)
    if not rows:
        return
    device = logits.device
    lengths = [len(row_tokens) for row_tokens in seen]
    params = [samples[row].params for row in rows]
    table = to_device(
        [(p.repetition_penalty, p.frequency_penalty, p.presence_penalty) for p in params],
        device,
        torch.float32,
    )
    # Without the size the host would have to ask the device for the sum.
    owners = torch.repeat_interleave(to_device(lengths, device), output_size=sum(lengths))
    repetition, frequency, presence = table[owners].unbind(dim=1)
    places = to_device(rows, device)[owners], torch.cat(seen)
    count = torch.cat(counts)
    found = logits[places]
    found = torch.where(found > 0, found / repetition, found * repetition)
    # A token that was seen twice is here twice, with equal results.
    logits[places] = found - frequency * count - presence * (count > 0)
