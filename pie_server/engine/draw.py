"""Random tokens by temperature, top-k, top-p and min-p.

A row's random number goes through the inverse of its distribution: over the tokens in their own
order where no rule counts ranks, else from the most likely one down. The result depends on the
row alone, and not on how many ranks were looked at to find it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pie_server.engine.batch import Sample
from pie_server.model.transfer import to_device

# Ranks that are looked at before the whole vocabulary is sorted. A topk of 256 costs a twentieth of
# a sort of 128,256; most rows with a top-p need no more.
_FIRST_RANKS = (256, 4096)
_BELOW_ONE = 1.0 - 2.0**-24  # the largest float32 below 1


def draw(logits: torch.Tensor, requests: Sequence[Sample]) -> torch.Tensor:
    """[rows] random tokens.

    Args:
        logits: [rows, vocab] float32.
        requests: One a row, none of them greedy.
    """
    columns = _Columns.of(requests, logits.device)
    probabilities = (logits / columns.temperature).softmax(dim=-1)
    ranked = [row for row, r in enumerate(requests) if r.params.top_k or r.params.top_p < 1.0]
    if not ranked:
        return _draw_unranked(probabilities, columns)
    if len(ranked) == len(requests):
        return _draw_ranked(probabilities, columns)
    drawn = torch.empty(len(requests), dtype=torch.int64, device=logits.device)
    by_rank = to_device(ranked, logits.device)
    others = to_device(sorted(set(range(len(requests))) - set(ranked)), logits.device)
    drawn[by_rank] = _draw_ranked(probabilities[by_rank], columns[by_rank])
    drawn[others] = _draw_unranked(probabilities[others], columns[others])
    return drawn


@dataclass(frozen=True, slots=True)
class _Columns:
    """Parameters of random rows: [rows, 1] float32 each, all in one tensor."""

    values: torch.Tensor

    @classmethod
    def of(cls, requests: Sequence[Sample], device: torch.device) -> _Columns:
        rows = [
            # A top_k is below 2^24, so that it is exact.
            (p.temperature, p.top_k or math.inf, p.top_p, p.min_p, min(r.uniform, _BELOW_ONE))
            for r in requests
            for p in (r.params,)
        ]
        return cls(to_device(rows, device, torch.float32))

    def __getitem__(self, rows: torch.Tensor) -> _Columns:
        return _Columns(self.values[rows])

    @property
    def temperature(self) -> torch.Tensor:
        return self.values[:, 0:1]

    @property
    def top_k(self) -> torch.Tensor:
        return self.values[:, 1:2]

    @property
    def top_p(self) -> torch.Tensor:
        return self.values[:, 2:3]

    @property
    def min_p(self) -> torch.Tensor:
        return self.values[:, 3:4]

    @property
    def uniform(self) -> torch.Tensor:
        return self.values[:, 4:5]


def _draw_unranked(probabilities: torch.Tensor, columns: _Columns) -> torch.Tensor:
    """Draws where no rule counts ranks, so nothing has to be sorted."""
    most, likeliest = probabilities.max(dim=-1, keepdim=True)
    # As numbers, because the product with booleans is ten times slower.
    keep = torch.ge(probabilities, columns.min_p * most, out=torch.empty_like(probabilities))
    return _invert(keep.mul_(probabilities), columns.uniform, likeliest)


def _draw_ranked(probabilities: torch.Tensor, columns: _Columns) -> torch.Tensor:
    """Draws from the most likely tokens, looking at as many as each row needs."""
    device, vocabulary = probabilities.device, probabilities.shape[-1]
    # Elsewhere the host would have to wait in order to know which rows need more.
    first = [width for width in _FIRST_RANKS if 2 * width <= vocabulary and device.type == "cpu"]
    waiting = torch.arange(len(probabilities), device=device)
    drawn = torch.empty_like(waiting)
    for width in (*first, vocabulary):
        head, tokens = _head(probabilities, width)
        weights = _kept(head, columns)
        ranks = _invert(weights, columns.uniform, torch.zeros_like(tokens[:, :1]))
        drawn[waiting] = tokens.gather(1, ranks[:, None])[:, 0]
        if width == vocabulary:
            break
        # Decided if every kept token is more likely than the last one looked at: then none of those
        # that were not looked at could be kept, nor stand between two that were.
        undecided = ((weights > 0) & (head <= head[:, -1:])).any(dim=-1)
        if not bool(undecided.any()):
            break
        waiting = waiting[undecided]
        probabilities, columns = probabilities[undecided], columns[undecided]
    return drawn


def _head(probabilities: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `width` most likely tokens of each row, the lower token first among equals."""
    if width == probabilities.shape[-1]:
        sorted_all = probabilities.sort(dim=-1, descending=True, stable=True)
        return sorted_all.values, sorted_all.indices
    tokens = probabilities.topk(width, dim=-1, sorted=False).indices.sort(dim=-1).values
    head, order = probabilities.gather(1, tokens).sort(dim=-1, descending=True, stable=True)
    return head, tokens.gather(1, order)


def _kept(head: torch.Tensor, columns: _Columns) -> torch.Tensor:
    """Probabilities, most likely first, with those that some rule drops set to 0.

    Each rule is applied to the distribution that the model gave, not to what another rule left. The
    first token always stays: nothing is before it and nothing is more likely.
    """
    before = head.cumsum(dim=-1) - head
    ranks = torch.arange(head.shape[-1], device=head.device)
    keep = (ranks < columns.top_k) & (before < columns.top_p)
    return head * (keep & (head >= columns.min_p * head[:, :1]))


def _invert(weights: torch.Tensor, uniforms: torch.Tensor, fallback: torch.Tensor) -> torch.Tensor:
    """[rows] the index at which each row's share `uniforms` of its weight is passed.

    `fallback` are indices with weight, [rows, 1].
    """
    cumulative = weights.cumsum(dim=-1)
    # Strictly below the end, as `uniforms` are below 1: a token with weight is found.
    threshold = uniforms * cumulative[:, -1:]
    # The clamp is for NaN logits, whose row fails later by its log-probability.
    found = torch.searchsorted(cumulative, threshold, right=True)
    found = found.clamp_(max=weights.shape[-1] - 1)
    # A device may add in another order at each place, so that the sum grows where a weight is 0.
    return torch.where(weights.gather(1, found) > 0, found, fallback)[:, 0]
