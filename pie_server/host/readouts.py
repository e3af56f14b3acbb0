"""What a guest asks about positions, as the engine's readouts, and the answers as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, cast

from pie_server.engine.batch import (
    Answer,
    Distribution,
    Entropy,
    Hidden,
    Logits,
    Logprobs,
    Readout,
    Sample,
    SampledToken,
    TopTokens,
)
from pie_server.engine.engine import Engine
from pie_server.engine.sampler_state import SamplerState
from pie_server.engine.sampling import SamplingParams
from pie_server.errors import InvalidArguments
from pie_server.host.held_matchers import MatcherLoans, check_tokens
from pie_server.host.held_tensors import check_tensor_bytes, hold_answers
from pie_server.host.requests import Readouts, SampleAt
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

MAX_READOUTS = 4096  # of one operation
MAX_PENALISED = 64  # samplers that count all tokens before them
MAX_DRAFTED = 65_536  # tokens in all drafts of one operation
MAX_NUMBERS = 1 << 18  # in one answer: a whole distribution of the widest vocabularies


def asked_of(
    host: InstanceHost,
    engine: Engine,
    request: Readouts,
    length: int,
    loans: MatcherLoans,
    *,
    counts: bool = True,
) -> list[tuple[int, Readout]]:
    """(offset, readout) for everything asked of `length` positions, kind after kind.

    Args:
        loans: Lends the matchers that samplers follow; the caller begins and ends the loans.
        counts: Whether there are tokens that penalties could count.

    Raises:
        InvalidArguments: An index, a sampler, a width or a token is out of range, or too much is
            asked at once.
        LimitExceeded: The tensors that are asked for are too large.
        UnknownHandle, InvalidRequest: A matcher is not there, or about to be moved.
    """
    _check_amount(host, engine, request)
    vocabulary = engine.checkpoint.config.vocab_size
    asked: list[tuple[int, Readout]] = []
    for sampler in request.samplers:
        params = sampler.sampler.params(host.random.getrandbits(63), vocabulary)
        if params.needs_state and not counts:
            raise InvalidArguments("hidden states have no tokens that penalties could count")
        asked.append((_offset(sampler.index, length), _sample(sampler, params, engine, loans)))
    for top in request.distributions:
        if not 0 <= top.top_k <= vocabulary:
            raise InvalidArguments(f"distribution.top_k must be between 0 (all) and {vocabulary}")
        asked.append((_offset(top.index, length), Distribution(top.top_k or vocabulary)))
    for candidates in request.logprobs:
        if any(not 0 <= token < vocabulary for token in candidates.tokens):
            raise InvalidArguments(f"logprobs.tokens must be between 0 and {vocabulary - 1}")
        asked.append((_offset(candidates.index, length), Logprobs(tuple(candidates.tokens))))
    asked += ((_offset(index, length), Entropy()) for index in request.entropies)
    asked += ((_offset(index, length), Logits()) for index in request.logits)
    asked += ((_offset(index, length), Hidden()) for index in request.hidden)
    return asked


def _sample(asked: SampleAt, params: SamplingParams, engine: Engine, loans: MatcherLoans) -> Sample:
    if asked.matcher is None:
        if asked.draft or asked.advance:
            raise InvalidArguments("samplers.draft and samplers.advance go with a matcher")
        return Sample(params)
    if asked.draft and asked.advance:
        raise InvalidArguments("a sampler advances its matcher, or has a draft, not both")
    check_tokens("samplers.draft", asked.draft, engine)
    matcher = loans.lend(asked.matcher, advances=asked.advance)
    state = SamplerState(params, (), matcher.vocab_size, matcher)
    # The guest's matcher moves when the answer is there; the device's copy stands still.
    return Sample(params, state=state, draft=tuple(asked.draft), advance=False)


def _check_amount(host: InstanceHost, engine: Engine, request: Readouts) -> None:
    """Prices what is asked, before any of it is made."""
    config = engine.checkpoint.config
    count = len(request.samplers) + len(request.distributions) + len(request.logprobs)
    count += len(request.entropies) + len(request.logits) + len(request.hidden)
    if count > MAX_READOUTS:
        raise InvalidArguments(f"ask for at most {MAX_READOUTS} readouts in one operation")
    drafted = sum(len(sampler.draft) for sampler in request.samplers)
    if drafted > MAX_DRAFTED:
        raise InvalidArguments(f"the samplers' drafts have {drafted} tokens of {MAX_DRAFTED}")
    numbers = sum(top.top_k or config.vocab_size for top in request.distributions)
    numbers += sum(len(candidates.tokens) for candidates in request.logprobs)
    if numbers > MAX_NUMBERS:
        raise InvalidArguments(
            f"the answer would have {numbers} numbers, it may have {MAX_NUMBERS}",
            hint="Ask for narrower distributions, or for logits, which stay on the device.",
        )
    penalised = [
        s.sampler for s in request.samplers if s.sampler.params(0, config.vocab_size).needs_state
    ]
    if len(penalised) > MAX_PENALISED:
        raise InvalidArguments(f"ask for at most {MAX_PENALISED} samplers with penalties at once")
    if request.logits or request.hidden:
        floats = len(request.logits) * config.vocab_size + len(request.hidden) * config.hidden_size
        check_tensor_bytes(host, floats * 4)


def answered(
    host: InstanceHost,
    engine: Engine,
    request: Readouts,
    answers: Iterable[Answer],
    loans: MatcherLoans,
) -> dict[str, JsonValue]:
    """The answers to `asked_of(request)`, in its order; matchers have then taken their tokens.

    Raises:
        LimitExceeded: The instance holds too many tensors to get another.
        PieError: What is wrong with a sampled token.
    """
    rest = iter(answers)

    def take(asked: Sequence[object]) -> list[Answer]:
        return list(islice(rest, len(asked)))

    sampled = cast(list[SampledToken], take(request.samplers))
    error = next((token.error for token in sampled if token.error is not None), None)
    if error is not None:
        raise error
    tops = cast(list[TopTokens], take(request.distributions))
    found: dict[str, JsonValue] = {
        "tokens": [token.token for token in sampled],
        "distributions": [
            {"tokens": [*top.tokens], "probabilities": [*top.probabilities]} for top in tops
        ],
    }
    if request.logprobs:
        found["logprobs"] = cast(JsonValue, take(request.logprobs))
    if request.entropies:
        found["entropies"] = cast(JsonValue, take(request.entropies))
    if request.logits:
        found["logits"] = hold_answers(host, engine, "logits", take(request.logits))
    if request.hidden:
        found["hidden"] = hold_answers(host, engine, "hidden", take(request.hidden))
    chosen = zip(request.samplers, sampled, strict=True)
    loans.finish({s.matcher: t.token for s, t in chosen if s.advance and s.matcher is not None})
    return found


def _offset(index: int, length: int) -> int:
    offset = index + length if index < 0 else index
    if not 0 <= offset < length:
        raise InvalidArguments(f"index {index} is outside the {length} tokens of the fill")
    return offset
