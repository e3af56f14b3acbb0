"""Sampling rules against their definitions, and independence of the batch."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_server.engine.batch import Sample
from pie_server.engine.sampler import sample, top_tokens
from pie_server.engine.sampling import SamplingParams, uniform
from pie_server.errors import InvalidArguments

LOGITS = torch.tensor([[2.0, 1.0, 0.5, -1.0, 0.0, 1.5]])


def draw(logits: torch.Tensor, params: SamplingParams, number: float) -> int:
    return sample(logits, [Sample(0, params, number)])[0].token


def allowed(logits: torch.Tensor, params: SamplingParams) -> set[int]:
    """The tokens a sampler may give, straight from the definitions."""
    probabilities = (logits[0] / params.temperature).softmax(-1)
    order = probabilities.argsort(descending=True).tolist()
    kept = set()
    before = 0.0
    for rank, token in enumerate(order):
        p = float(probabilities[token])
        if rank == 0 or (
            (not params.top_k or rank < params.top_k)
            and before < params.top_p
            and p >= params.min_p * float(probabilities.max())
        ):
            kept.add(token)
        before += p
    return kept


@settings(max_examples=150, deadline=None)
@given(
    temperature=st.floats(0.1, 3),
    top_k=st.integers(0, 6),
    top_p=st.floats(0.05, 1),
    min_p=st.floats(0, 1),
    number=st.floats(0, 1, exclude_max=True),
)
def test_only_allowed_tokens_are_drawn(
    temperature: float, top_k: int, top_p: float, min_p: float, number: float
) -> None:
    params = SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    assert draw(LOGITS, params, number) in allowed(LOGITS, params)


def test_frequencies_follow_the_distribution() -> None:
    params = SamplingParams(temperature=1.0, top_k=4, seed=3)
    counts = Counter(draw(LOGITS, params, uniform(3, i)) for i in range(4000))
    kept = LOGITS[0].topk(4)
    for token, p in zip(kept.indices.tolist(), kept.values.softmax(-1).tolist(), strict=True):
        assert counts[token] / 4000 == pytest.approx(p, abs=4 * math.sqrt(p / 4000))
    assert set(counts) == set(kept.indices.tolist())


def test_greedy_rows_among_sampled_rows_take_the_most_likely_token() -> None:
    logits = torch.randn(8, 50, generator=torch.Generator().manual_seed(1))
    hot = SamplingParams(temperature=2.0)
    requests = [Sample(i, SamplingParams() if i % 2 else hot, uniform(i, 5)) for i in range(8)]
    mixed = sample(logits, requests)
    for row in range(1, 8, 2):
        assert mixed[row].token == int(logits[row].argmax())
    for row, request in enumerate(requests):
        assert sample(logits[row : row + 1], [request])[0].token == mixed[row].token


def test_logprobs_are_the_models_own() -> None:
    found = sample(LOGITS, [Sample(0, SamplingParams(temperature=5.0), 0.9)])[0]
    assert found.logprob == pytest.approx(float(LOGITS[0].log_softmax(-1)[found.token]), abs=1e-5)


def test_top_tokens_are_sorted_and_of_the_asked_width() -> None:
    tops = top_tokens(LOGITS.repeat(2, 1), [2, 6])
    assert [len(top.tokens) for top in tops] == [2, 6]
    assert tops[1].probabilities == sorted(tops[1].probabilities, reverse=True)
    assert sum(tops[1].probabilities) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -1.0),
        ("temperature", math.nan),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("min_p", 2.0),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InvalidArguments, match=f"sampler.{field}"):
        SamplingParams(**{field: value})  # type: ignore[arg-type]


def test_ties_fall_the_same_way_beside_sampled_rows() -> None:
    logits = torch.randn(64, 40, generator=torch.Generator().manual_seed(2)).round()
    greedy = [Sample(i, SamplingParams(), 0.0) for i in range(64)]
    alone = [found.token for found in sample(logits, greedy)]
    hot = SamplingParams(temperature=1.0)
    mixed = sample(torch.cat((logits, logits[:1])), [*greedy, Sample(64, hot, 0.5)])
    assert [found.token for found in mixed[:64]] == alone
