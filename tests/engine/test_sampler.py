"""Sampling rules against their definitions, and independence of the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pie_server.engine import draw
from pie_server.engine.batch import Sample
from pie_server.engine.sampler import (
    SamplerState,
    choose,
    entropies,
    logprobs_of,
    sample,
    top_tokens,
)
from pie_server.engine.sampling import SamplingParams, uniform
from pie_server.errors import InvalidArguments

VOCABULARY = 12
STRATA = 2000  # evenly spaced random numbers: how often a token is drawn is its probability


def reference(
    logits: Sequence[float],
    params: SamplingParams,
    prompt: Sequence[int] = (),
    output: Sequence[int] = (),
) -> tuple[list[float], float]:
    """Probabilities by the definitions, number by number, and how near a rule came to tipping."""
    adjusted = list(logits)
    for token, bias in params.logit_bias:
        adjusted[token] += bias
    for token in range(len(adjusted)):
        count = list(output).count(token)
        if count or token in prompt:
            factor = params.repetition_penalty
            adjusted[token] *= factor if adjusted[token] <= 0 else 1 / factor
        adjusted[token] -= params.frequency_penalty * count
        adjusted[token] -= params.presence_penalty if count else 0.0
    if params.greedy:
        best = max(range(len(adjusted)), key=lambda token: (adjusted[token], -token))
        order = sorted(adjusted)
        return [float(token == best) for token in range(len(adjusted))], order[-1] - order[-2]
    powers = [math.exp((x - max(adjusted)) / params.temperature) for x in adjusted]
    probabilities = [power / sum(powers) for power in powers]
    order = sorted(range(len(adjusted)), key=lambda token: (-probabilities[token], token))
    kept, before, margin = [0.0] * len(adjusted), 0.0, 1.0
    for rank, token in enumerate(order):
        p, least = probabilities[token], params.min_p * probabilities[order[0]]
        margin = min(margin, abs(before - params.top_p) if rank else 1.0)
        margin = min(margin, abs(p - least) if rank else 1.0)
        allowed = before < params.top_p and p >= least and rank < (params.top_k or math.inf)
        kept[token] = p if allowed or rank == 0 else 0.0
        before += p
    return [weight / sum(kept) for weight in kept], margin


def drawn_shares(logits: torch.Tensor, request: Sample) -> list[float]:
    """How often each token comes out for evenly spaced random numbers."""
    rows = [
        replace(request, uniform=(stratum + 0.5) / STRATA, advance=False)
        for stratum in range(STRATA)
    ]
    found = choose(logits.expand(STRATA, -1), rows).tokens
    shares: list[float] = (found.bincount(minlength=logits.shape[-1]) / STRATA).tolist()
    return shares


tokens = st.integers(0, VOCABULARY - 1)
samplers = st.builds(
    SamplingParams,
    temperature=st.just(0.0) | st.floats(0.2, 3),
    top_k=st.just(0) | st.integers(1, VOCABULARY),
    top_p=st.just(1.0) | st.floats(0.05, 1),
    min_p=st.just(0.0) | st.floats(0, 1),
    repetition_penalty=st.just(1.0) | st.floats(0.5, 2),
    presence_penalty=st.just(0.0) | st.floats(-2, 2),
    frequency_penalty=st.just(0.0) | st.floats(-2, 2),
    logit_bias=st.dictionaries(tokens, st.floats(-100, 100), max_size=3).map(
        lambda biases: tuple(biases.items())
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    logits=st.lists(st.floats(-4, 4, width=32), min_size=VOCABULARY, max_size=VOCABULARY),
    params=samplers,
    prompt=st.lists(tokens, max_size=6),
    output=st.lists(tokens, max_size=6),
    draft=st.lists(tokens, max_size=3),
)
def test_tokens_come_as_often_as_the_definitions_say(
    logits: list[float],
    params: SamplingParams,
    prompt: list[int],
    output: list[int],
    draft: list[int],
) -> None:
    expected, margin = reference(logits, params, prompt, output + draft)
    assume(margin > 1e-4)
    state = SamplerState(params, prompt, VOCABULARY)
    state.accept(output)
    request = Sample(params, state=state, draft=tuple(draft))
    shares = drawn_shares(torch.tensor([logits]), request)
    for share, probability in zip(shares, expected, strict=True):
        assert share == pytest.approx(probability, abs=1.5 / STRATA)
        assert probability or not share


def test_drawn_tokens_enter_the_state_and_can_be_taken_back() -> None:
    params = SamplingParams(frequency_penalty=2.0, repetition_penalty=1.3)
    logits = torch.tensor([[5.0, 4.0, 2.5, 1.0]])
    state = SamplerState(params, [0], 4)
    request = Sample(params, state=state)
    drawn: list[int] = []
    for _ in range(6):
        expected, _ = reference(logits[0].tolist(), params, [0], drawn)
        drawn.append(sample(logits, [request])[0].token)
        assert expected[drawn[-1]] == 1.0
    assert len(set(drawn)) > 1
    twin = state.fork()
    state.rollback(4)
    again = [sample(logits, [request])[0].token for _ in range(4)]
    assert again == drawn[2:]
    # The twin stands where it was forked, whatever the other one did since.
    expected, _ = reference(logits[0].tolist(), params, [0], drawn)
    assert expected[sample(logits, [Sample(params, state=twin)])[0].token] == 1.0


def test_a_state_forgets_accepted_tokens_before_and_after_its_first_step() -> None:
    params = SamplingParams(presence_penalty=2.0)
    logits = torch.tensor([[1.0, 0.0, -0.5]])
    state = SamplerState(params, [], 3)
    request = Sample(params, state=state, advance=False)
    state.accept([0, 1])
    state.rollback(1)
    assert sample(logits, [request])[0].token == 1
    state.accept([1])
    assert sample(logits, [request])[0].token == 2
    state.rollback(2)
    assert sample(logits, [request])[0].token == 0
    state.rollback(99)
    assert sample(logits, [request])[0].token == 0


def test_penalties_without_a_state_fail_their_row_only() -> None:
    rows = [Sample(SamplingParams(presence_penalty=1.0)), Sample(SamplingParams())]
    penalised, plain = sample(torch.tensor([[0.0, 1.0], [0.0, 1.0]]), rows)
    assert isinstance(penalised.error, InvalidArguments)
    assert penalised.token == -1
    assert plain.token == 1


def test_a_history_grows_past_its_first_room() -> None:
    params = SamplingParams(frequency_penalty=0.01)
    state = SamplerState(params, range(50), 64)
    logits = torch.zeros(1, 64)
    drawn = [sample(logits, [Sample(params, state=state)])[0].token for _ in range(640)]
    assert [drawn.count(token) for token in range(64)] == [10] * 64


@pytest.mark.parametrize("shape", ["peaked", "flat", "tied"])
def test_looking_at_the_first_ranks_only_changes_nothing(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(7)
    logits = torch.randn(48, 9000, generator=generator)
    logits = {"peaked": logits * 6, "flat": logits / 4, "tied": (logits * 2).round()}[shape]
    kinds = [
        SamplingParams(temperature=1.0, top_k=40),
        SamplingParams(temperature=0.7, top_p=0.9),
        SamplingParams(temperature=1.3, top_p=0.99, min_p=0.05),
        SamplingParams(temperature=1.0, top_k=1000, top_p=0.8),
        SamplingParams(temperature=1.0, top_k=256),
        SamplingParams(temperature=2.0, top_p=0.5),
    ]
    requests = [Sample(kinds[row % 6], uniform=uniform(row, 3)) for row in range(48)]
    quick = [found.token for found in sample(logits, requests)]
    monkeypatch.setattr(draw, "_FIRST_RANKS", ())
    assert [found.token for found in sample(logits, requests)] == quick


@pytest.mark.parametrize("vocabulary", [2048, 50257, 128256])
def test_a_row_gives_the_same_bits_alone_and_among_64(vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(vocabulary)
    logits = torch.randn(64, vocabulary, generator=generator) * 3
    logits[1::2] = logits[1::2].to(torch.bfloat16).float()  # with many equal ones
    kinds = [
        SamplingParams(),
        SamplingParams(temperature=0.8),
        SamplingParams(temperature=1.1, top_p=0.95),
        SamplingParams(temperature=0.9, top_k=50, min_p=0.01),
        SamplingParams(temperature=1.0, repetition_penalty=1.2, logit_bias=((5, 3.0),)),
        SamplingParams(temperature=3.0, top_p=0.9),
        SamplingParams(frequency_penalty=0.5),
    ]

    def request(row: int) -> Sample:
        params = kinds[row % len(kinds)]
        state = (
            SamplerState(params, range(row, 9 * row), vocabulary) if params.needs_state else None
        )
        return Sample(params, uniform=uniform(row, 11), state=state)

    together = sample(logits, [request(row) for row in range(64)])
    some = range(0, 64, 3)
    assert [sample(logits[row : row + 1], [request(row)])[0] for row in some] == [
        together[row] for row in some
    ]
    assert [sample(logits[row : row + 7], [request(r) for r in range(row, row + 7)])[0]
            for row in (0, 17, 50)] == [together[row] for row in (0, 17, 50)]  # fmt: skip
    entropy = entropies(logits)
    tops = top_tokens(logits, [5] * 64)
    for row in some:
        assert entropies(logits[row : row + 1]) == entropy[row : row + 1]
        assert top_tokens(logits[row : row + 1], [5]) == tops[row : row + 1]


def test_logprobs_are_the_models_own() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.5, -1.0, 0.0, 1.5]])
    params = SamplingParams(temperature=5.0, logit_bias=((3, 100.0),))
    found = sample(logits, [Sample(params, uniform=0.9)])[0]
    assert found.token == 3
    assert found.logprob == pytest.approx(float(logits[0].log_softmax(-1)[3]), abs=1e-5)


def test_logits_that_are_not_finite_are_told_by_the_logprob() -> None:
    logits = torch.zeros(4, 300)
    logits[1, 7] = math.nan
    logits[2, :] = math.nan
    params = [
        SamplingParams(temperature=1.0),
        SamplingParams(temperature=1.0, top_p=0.5),
        SamplingParams(temperature=1.0),
        SamplingParams(),
    ]
    found = sample(logits, [Sample(p, uniform=0.3) for p in params])
    assert [math.isnan(answer.logprob) for answer in found] == [False, True, True, False]


def test_the_largest_random_number_never_draws_a_dropped_token() -> None:
    logits = torch.full((1, 5000), -100.0)
    logits[0, :3] = 1.0
    logits[0, 3:] = -math.inf
    for params in (SamplingParams(temperature=1.0), SamplingParams(temperature=1.0, top_p=0.999)):
        assert sample(logits, [Sample(params, uniform=1.0 - 2.0**-53)])[0].token == 2


def test_top_tokens_are_sorted_and_of_the_asked_width() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.5, -1.0, 0.0, 1.5]])
    tops = top_tokens(logits.repeat(2, 1), [2, 6])
    assert [len(top.tokens) for top in tops] == [2, 6]
    assert tops[1].probabilities == sorted(tops[1].probabilities, reverse=True)
    assert sum(tops[1].probabilities) == pytest.approx(1.0, abs=1e-5)


def test_logprobs_of_candidates_are_log_softmax() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.5], [0.0, 0.0, -math.inf], [1.0, 2.0, 3.0]])
    found = logprobs_of(logits, [[2, 0], [], [1]])
    total = math.log(sum(math.exp(x) for x in (2.0, 1.0, 0.5)))
    assert found[0] == pytest.approx([0.5 - total, 2.0 - total], abs=1e-6)
    assert found[1] == []
    assert found[2] == pytest.approx(
        [2.0 - math.log(sum(math.exp(x) for x in (1, 2, 3)))], abs=1e-6
    )
    assert logprobs_of(logits, [[], [], []]) == [[], [], []]


def test_entropies_are_in_nats_and_know_impossible_tokens() -> None:
    logits = torch.tensor([[0.0] * 4, [0.0, 0.0, -math.inf, -math.inf], [100.0, 0.0, 0.0, 0.0]])
    assert entropies(logits) == pytest.approx([math.log(4), math.log(2), 0.0], abs=1e-6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -1.0),
        ("temperature", math.nan),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("min_p", 2.0),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", math.nan),
        ("presence_penalty", 2.5),
        ("frequency_penalty", -math.inf),
        ("logit_bias", ((3, 101.0),)),
        ("logit_bias", ((3, math.nan),)),
        ("logit_bias", ((-1, 1.0),)),
        ("logit_bias", ((3, 1.0), (3, 2.0))),
        ("logit_bias", tuple((token, 1.0) for token in range(5000))),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidArguments, match=f"sampler.{field}"):
        SamplingParams(**{field: value})  # type: ignore[arg-type]


def test_biases_of_tokens_outside_the_vocabulary_are_refused() -> None:
    params = SamplingParams(logit_bias=((2, 1.0), (100, 1.0)))
    params.check_vocabulary(101)
    with pytest.raises(InvalidArguments, match="token 100"):
        params.check_vocabulary(100)


def test_ties_fall_the_same_way_beside_sampled_rows() -> None:
    logits = torch.randn(64, 40, generator=torch.Generator().manual_seed(2)).round()
    greedy = [Sample(SamplingParams()) for _ in range(64)]
    alone = [found.token for found in sample(logits, greedy)]
    hot = SamplingParams(temperature=1.0)
    mixed = sample(torch.cat((logits, logits[:1])), [*greedy, Sample(hot, uniform=0.5)])
    assert [found.token for found in mixed[:64]] == alone
    assert alone == logits.argmax(dim=-1).tolist()
