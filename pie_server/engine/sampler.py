"""Chooses tokens from logits, for all rows of a step at once.

Each row brings its own parameters and its own random number, so a row's token does not depend on
the other rows. Greedy steps skip everything but the argmax.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pie_server.engine.batch import Sample, SampledToken, TopTokens


def sample(logits: torch.Tensor, requests: Sequence[Sample]) -> list[SampledToken]:
    """Chooses one token a row.

    Args:
        logits: [rows, vocab] float32.
        requests: One a row.
    """
    if all(request.params.greedy for request in requests):
        chosen = logits.argmax(dim=-1)
    else:
        chosen = _draw(logits, requests)
    logprobs = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(dim=-1)
    return [
        SampledToken(token, logprob)
        for token, logprob in zip(chosen.tolist(), logprobs.tolist(), strict=True)
    ]


def top_tokens(logits: torch.Tensor, top_ks: Sequence[int]) -> list[TopTokens]:
    """The `top_ks[i]` most likely tokens of row i, with their probabilities over all tokens."""
    widest = min(max(top_ks), logits.shape[-1])
    values, tokens = logits.softmax(dim=-1).topk(widest, dim=-1)
    return [
        TopTokens(row_tokens[:k], row_values[:k])
        for k, row_tokens, row_values in zip(top_ks, tokens.tolist(), values.tolist(), strict=True)
    ]


def _draw(logits: torch.Tensor, requests: Sequence[Sample]) -> torch.Tensor:
    device = logits.device
    params = [request.params for request in requests]

    def column(values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None]

    temperature = column([p.temperature or 1.0 for p in params])
    scaled, tokens = (logits / temperature).sort(dim=-1, descending=True)
    probabilities = scaled.softmax(dim=-1)
    vocabulary = logits.shape[-1]
    top_k = column([p.top_k or vocabulary for p in params])
    top_p = column([p.top_p for p in params])
    min_p = column([p.min_p for p in params])
    before = probabilities.cumsum(dim=-1) - probabilities
    # Each rule is applied to the distribution that the model gave, not to what another rule left.
    # The first token always stays: its `before` is 0 and its probability is the largest.
    keep = (
        (torch.arange(vocabulary, device=device) < top_k)
        & (before < top_p)
        & (probabilities >= min_p * probabilities[:, :1])
    )
    cumulative = (probabilities * keep).cumsum(dim=-1)
    threshold = column([request.uniform for request in requests]) * cumulative[:, -1:]
    ranks = torch.searchsorted(cumulative, threshold, right=True)
    # Rounding can push the threshold onto the last kept rank's end; NaN logits keep no rank at all
    # (their row fails later, by its log-probability).
    ranks = ranks.minimum(keep.sum(dim=-1, keepdim=True) - 1).clamp_(min=0)
    drawn = tokens.gather(1, ranks)[:, 0]
    # The same operation as in an all-greedy step, so that ties fall the same way.
    greedy = torch.tensor([p.greedy for p in params], device=device)
    return torch.where(greedy, logits.argmax(dim=-1), drawn)
