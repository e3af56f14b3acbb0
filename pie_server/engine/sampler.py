"""Chooses tokens from logits, for all rows of a step at once.

Each row brings its own parameters, state and random number, and every operation here gives a row
the same bits whatever other rows there are, so a row's token does not depend on the batch. That is
why sums over the vocabulary are log-softmaxes and cumulative sums: `sum` and `logsumexp` split
their work differently for one row than for many. Rows that ask for nothing pay for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pie_server.engine.adjustments import adjust, is_adjusted
from pie_server.engine.batch import Sample, SampledToken, TopTokens
from pie_server.engine.draw import draw
from pie_server.engine.grammar_masks import Masks, fill_masks
from pie_server.engine.sampler_state import SamplerState as SamplerState
from pie_server.errors import InvalidArguments, PieError
from pie_server.model.transfer import HostCopy, to_device

# On a CPU rows are worked at a few at a time, so that what one operation writes is still in the
# cache when the next one reads it; enough to keep many cores busy.
_CHUNK_NUMBERS = 1 << 20


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen tokens that are still on the device.

    Attributes:
        tokens: [rows] int64; a next step may be fed from it before anyone has read it.
        host: They and their log-probabilities (the model's own) on their way to the host.
        samples: One a row.
        errors: Rows that have no token.
    """

    tokens: torch.Tensor
    host: HostCopy
    samples: Sequence[Sample]
    errors: dict[int, PieError]

    def read(self) -> list[SampledToken]:
        """Brings the tokens to the host and grammars forward. To be called once."""
        answers = []
        tokens, logprobs = self.host.lists()
        for row, (token, logprob) in enumerate(zip(tokens, logprobs, strict=True)):
            sample = self.samples[row]
            if row in self.errors:
                answers.append(SampledToken(-1, math.nan, self.errors[row]))
                continue
            if sample.advance and sample.state is not None and sample.state.matcher is not None:
                # Refused only where the logits are not finite; such a row fails by its logprob.
                sample.state.matcher.accept(token)
            answers.append(SampledToken(token, logprob))
        return answers


def sample(
    logits: torch.Tensor, requests: Sequence[Sample], masks: Masks | None = None
) -> list[SampledToken]:
    """Chooses one token a row and advances the rows' states.

    Args:
        logits: [rows, vocab] float32.
        requests: One a row.
        masks: Of these requests, if they were computed beforehand.
    """
    return choose(logits, requests, masks).read()


@torch.inference_mode()
def choose(logits: torch.Tensor, requests: Sequence[Sample], masks: Masks | None = None) -> Choice:
    """As `sample`, but leaves the tokens on the device.

    Penalties are advanced at once, grammars by `Choice.read`.
    """
    adjusted = [row for row, request in enumerate(requests) if is_adjusted(request)]
    errors: dict[int, PieError] = {}
    if not adjusted:
        tokens = _pick(logits, requests)
    else:
        masks = masks or fill_masks(requests)
        errors = _errors(requests, adjusted, masks)
        tokens = torch.empty(len(requests), dtype=torch.int64, device=logits.device)
        _pick_into(tokens, adjusted, adjust(logits, requests, adjusted, masks), requests)
        plain = sorted(set(range(len(requests))) - set(adjusted))
        if plain:
            _pick_into(tokens, plain, logits[to_device(plain, logits.device)], requests)
    host = HostCopy(tokens, _logprobs(logits, tokens))
    # Last, when nothing can fail any more: a step that failed is run again.
    _advance(tokens, requests, adjusted)
    return Choice(tokens, host, requests, errors)


def top_tokens(logits: torch.Tensor, top_ks: Sequence[int]) -> list[TopTokens]:
    """The `top_ks[i]` most likely tokens of row i, with their probabilities over all tokens."""
    widest = min(max(top_ks), logits.shape[-1])
    values, tokens = logits.softmax(dim=-1).topk(widest, dim=-1)
    return [
        TopTokens(row_tokens[:k], row_values[:k])
        for k, row_tokens, row_values in zip(top_ks, tokens.tolist(), values.tolist(), strict=True)
    ]


def logprobs_of(logits: torch.Tensor, candidates: Sequence[Sequence[int]]) -> list[list[float]]:
    """Log-probabilities (nats) of the tokens `candidates[i]` in row i."""
    lengths = [len(tokens) for tokens in candidates]
    flat = [token for tokens in candidates for token in tokens]
    rows = [row for row, length in enumerate(lengths) for _ in range(length)]
    device = logits.device
    places = to_device(rows, device), to_device(flat, device)
    logprobs = logits.log_softmax(dim=-1)[places].tolist() if flat else []
    ends = torch.tensor(lengths).cumsum(dim=0).tolist()
    return [logprobs[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def entropies(logits: torch.Tensor) -> list[float]:
    """Entropy (nats) of each row's distribution."""
    logprobs = logits.log_softmax(dim=-1)
    # A token without any probability adds nothing: 0 * -inf would be NaN.
    terms = logprobs.exp() * logprobs.clamp(min=torch.finfo(torch.float32).min)
    found: list[float] = (-terms.cumsum(dim=-1)[:, -1]).tolist()
    return found


def _errors(
    requests: Sequence[Sample], rows: Sequence[int], masks: Masks | None
) -> dict[int, PieError]:
    errors = dict(masks.errors) if masks is not None else {}
    for row in rows:
        if requests[row].params.needs_state and requests[row].state is None:
            errors[row] = InvalidArguments(
                "penalties were asked for where there is no generation",
                hint="Use a sampler with penalties in `generate`.",
            )
    return errors


def _pick_into(
    tokens: torch.Tensor, rows: list[int], logits: torch.Tensor, requests: Sequence[Sample]
) -> None:
    """Fills in the tokens of some rows: `logits` has these only, `requests` all."""
    picked = _pick(logits, [requests[row] for row in rows])
    tokens[to_device(rows, tokens.device)] = picked


def _advance(tokens: torch.Tensor, requests: Sequence[Sample], rows: Sequence[int]) -> None:
    for row in rows:
        request = requests[row]
        if request.advance and request.params.needs_state and request.state is not None:
            request.state.history(tokens.device).extend(tokens[row : row + 1])


def _logprobs(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """[rows] log-probabilities of one token a row."""
    tokens = tokens[:, None]
    found = [
        logits[rows].log_softmax(dim=-1).gather(1, tokens[rows])[:, 0] for rows in _chunks(logits)
    ]
    return found[0] if len(found) == 1 else torch.cat(found)


def _chunks(logits: torch.Tensor) -> list[slice]:
    """The rows in pieces; one piece where the device has its own idea of a cache."""
    rows, vocabulary = logits.shape
    size = rows if logits.device.type != "cpu" else max(1, _CHUNK_NUMBERS // vocabulary)
    return [slice(start, start + size) for start in range(0, rows, max(1, size))]


def _pick(logits: torch.Tensor, requests: Sequence[Sample]) -> torch.Tensor:
    """[rows] tokens: the most likely ones of greedy rows, random ones of the others."""
    chunks = _chunks(logits)
    if len(chunks) == 1:
        return _pick_chunk(logits, requests)
    return torch.cat([_pick_chunk(logits[rows], requests[rows]) for rows in chunks])


def _pick_chunk(logits: torch.Tensor, requests: Sequence[Sample]) -> torch.Tensor:
    hot = [row for row, request in enumerate(requests) if not request.params.greedy]
    if len(hot) == len(requests):
        return draw(logits, requests)
    # As `argmax`, the first of equal ones too, but several times faster.
    tokens = logits.max(dim=-1).indices
    if hot:
        rows = to_device(hot, logits.device)
        tokens[rows] = draw(logits[rows], [requests[row] for row in hot])
    return tokens
