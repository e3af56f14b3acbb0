"""What changes logits before a token is chosen: biases, grammar masks, penalties, in this order.

Works on a copy of the rows that ask for something; the model's own logits stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch

from pie_server.engine.batch import Sample
from pie_server.engine.grammar_masks import Masks


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
    adjusted = logits.clone() if len(rows) == len(logits) else logits[list(rows)]
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
        places = torch.tensor(rows, device=device), torch.tensor(tokens, device=device)
        logits[places] += torch.tensor(biases, dtype=torch.float32, device=device)


def _apply_masks(logits: torch.Tensor, masks: Masks, rows: list[int]) -> None:
    # [rows, words * 4] indices of the table's lines, each of which is the limits of eight tokens
    octets = masks.bits.to(logits.device, non_blocking=True).view(torch.uint8).to(torch.int32)
    limits = _limit_table(logits.device)[octets.flatten()].view(len(rows), -1)
    limits = limits[:, : logits.shape[-1]]
    if len(rows) == len(logits):
        torch.minimum(logits, limits, out=logits)
    else:
        logits[rows] = torch.minimum(logits[rows], limits)


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
    lengths = torch.tensor([len(row_tokens) for row_tokens in seen], device=device)
    params = [samples[row].params for row in rows]
    table = torch.tensor(
        [(p.repetition_penalty, p.frequency_penalty, p.presence_penalty) for p in params],
        dtype=torch.float32,
        device=device,
    )
    repetition, frequency, presence = table.repeat_interleave(lengths, dim=0).unbind(dim=1)
    places = torch.tensor(rows, device=device).repeat_interleave(lengths), torch.cat(seen)
    count = torch.cat(counts)
    found = logits[places]
    found = torch.where(found > 0, found / repetition, found * repetition)
    # A token that was seen twice is here twice, with equal results.
    logits[places] = found - frequency * count - presence * (count > 0)
