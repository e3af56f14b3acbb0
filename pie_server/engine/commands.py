"""Inference commands: what a context's queue holds and the scheduler turns into rows.

A command appends its tokens to the context's log when its turn comes; from then on it is done when
every token of the log up to its end has KV and every readout it asked for was answered. That is why
a context whose pages were dropped in between needs no special case: the log is simply fed again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pie_server.engine.batch import Distribution, Sample, SampledToken, TopTokens
from pie_server.engine.sampling import SamplingParams, uniform
from pie_server.errors import DeviceError, PieError
from pie_server.kv import Context

T = TypeVar("T")
A = TypeVar("A")


class Command(ABC):
    """One operation on one context.

    Attributes:
        context: What it works on.
        fill: Tokens it appends when it begins.
        arrival: Set by the scheduler; earlier goes first.
        finished: Nothing is left to do.
        steps: Steps it had a row in.
        blocked_steps: Steps in a row in which there was no page for it.
        reused_tokens: Tokens whose KV was there when it began.
    """

    def __init__(self, context: Context, fill: Sequence[int]) -> None:
        self.context = context
        self.fill = fill
        self.arrival = 0
        self.begun = False
        self.finished = False
        self.steps = 0
        self.blocked_steps = 0
        self.reused_tokens = 0

    def begin(self) -> None:
        """Its turn has come: the tokens join the log."""
        self.begun = True
        context = self.context
        context.tokens.extend(self.fill)
        if context.missing_tokens == 0:
            # A readout needs the hidden state of the last token, which no page holds.
            context.table.truncate(len(context.tokens) - 1)
        # KV that is there already is what this command does not have to compute.
        self.reused_tokens = context.table.length

    @property
    def first_readout(self) -> int:
        """Lowest position whose hidden state this command still needs."""
        return len(self.context.tokens) - 1

    @abstractmethod
    def samples(self, start: int, stop: int, base: int) -> list[Sample]:
        """Samples wanted among positions `start..stop`; position p is flat token base+p-start."""

    def distributions(self, start: int, stop: int, base: int) -> list[Distribution]:
        """Distributions wanted, like `samples`."""
        return []

    @abstractmethod
    def accept(self, samples: list[SampledToken], distributions: list[TopTokens]) -> None:
        """Takes the answers of one row and sets `finished`."""

    @abstractmethod
    def fail(self, error: PieError) -> None:
        """Ends the command without a result."""

    @abstractmethod
    def complete(self) -> None:
        """Hands out the result. Called once, when `finished`."""


class ForwardCommand(Command):
    """Feeds tokens once and reads out what was asked at chosen positions.

    Args:
        fill: Tokens to append, at least one unless the log has tokens without KV.
        samplers: (offset in `fill`, sampler); one answer each, in this order.
        top_ks: (offset in `fill`, number of most likely tokens to report); likewise.
        on_done: Receives the command with its answers, or an error.
    """

    def __init__(
        self,
        context: Context,
        fill: Sequence[int],
        *,
        samplers: Sequence[tuple[int, SamplingParams]],
        top_ks: Sequence[tuple[int, int]],
        on_done: Callable[[ForwardCommand, PieError | None], None],
    ) -> None:
        super().__init__(context, fill)
        self._samplers: _Readouts[SamplingParams, SampledToken] = _Readouts(samplers)
        self._top_ks: _Readouts[int, TopTokens] = _Readouts(top_ks)
        self._on_done = on_done

    @property
    def sampled(self) -> list[SampledToken]:
        """The answers of the samplers, once finished."""
        return self._samplers.answers()

    @property
    def top_tokens(self) -> list[TopTokens]:
        """The distributions, once finished."""
        return self._top_ks.answers()

    def begin(self) -> None:
        first = len(self.context.tokens)
        self._samplers.shift(first)
        self._top_ks.shift(first)
        super().begin()

    @property
    def first_readout(self) -> int:
        end = len(self.context.tokens)
        return min(self._samplers.first_waiting(end), self._top_ks.first_waiting(end))

    def samples(self, start: int, stop: int, base: int) -> list[Sample]:
        return [
            Sample(base + position - start, params, uniform(params.seed, position))
            for position, params in self._samplers.within(start, stop)
        ]

    def distributions(self, start: int, stop: int, base: int) -> list[Distribution]:
        return [
            Distribution(base + position - start, top_k)
            for position, top_k in self._top_ks.within(start, stop)
        ]

    def accept(self, samples: list[SampledToken], distributions: list[TopTokens]) -> None:
        self._samplers.accept(samples)
        self._top_ks.accept(distributions)
        self.finished = self.context.missing_tokens == 0

    def fail(self, error: PieError) -> None:
        self._on_done(self, error)

    def complete(self) -> None:
        self._on_done(self, None)


class GenerateCommand(Command):
    """Prefills, then decodes token after token until something stops it.

    Sampled tokens join the context's log; the KV of the last one is computed by whatever command
    comes next, not by a forward pass of its own.

    Args:
        stop_tokens: Sampling one of these ends the generation; it stays in the log.
        max_tokens: Most tokens to generate, at least 1.
        on_token: Called with each token; returning True ends the generation ("stop").
        on_done: Receives the command, or an error.
    """

    def __init__(
        self,
        context: Context,
        fill: Sequence[int],
        *,
        params: SamplingParams,
        max_tokens: int,
        stop_tokens: frozenset[int],
        on_token: Callable[[int], bool] | None,
        on_done: Callable[[GenerateCommand, PieError | None], None],
    ) -> None:
        super().__init__(context, fill)
        self._params = params
        self._max_tokens = max_tokens
        self._stop_tokens = stop_tokens
        self._on_token = on_token
        self._on_done = on_done
        self.generated: list[int] = []
        self.logprob = 0.0
        self.finish_reason = ""

    def samples(self, start: int, stop: int, base: int) -> list[Sample]:
        if stop < len(self.context.tokens):
            return []
        position = stop - 1
        number = uniform(self._params.seed, position) if self._params.temperature else 0.0
        return [Sample(base + position - start, self._params, number)]

    def accept(self, samples: list[SampledToken], distributions: list[TopTokens]) -> None:
        if not samples:
            return
        token, self.logprob = samples[0].token, self.logprob + samples[0].logprob
        self.context.tokens.append(token)
        self.generated.append(token)
        stopped = self._on_token is not None and self._on_token(token)
        if stopped or token in self._stop_tokens:
            self.finish_reason = "stop"
        elif len(self.generated) >= self._max_tokens:
            self.finish_reason = "length"
        self.finished = bool(self.finish_reason)

    def fail(self, error: PieError) -> None:
        self._on_done(self, error)

    def complete(self) -> None:
        self._on_done(self, None)


class _Readouts(Generic[T, A]):
    """What is asked at which position; each is answered once, even if its tokens are fed again."""

    def __init__(self, asked: Sequence[tuple[int, T]]) -> None:
        self._asked = list(asked)
        self._answers: dict[int, A] = {}
        self._row: list[int] = []  # indices of `_asked` that are in the row under way

    def shift(self, first: int) -> None:
        """Offsets become positions: the fill begins at position `first`."""
        self._asked = [(first + offset, what) for offset, what in self._asked]

    def first_waiting(self, end: int) -> int:
        """The lowest position without an answer; `end` if there is none."""
        waiting = (p for i, (p, _) in enumerate(self._asked) if i not in self._answers)
        return min(waiting, default=end)

    def within(self, start: int, stop: int) -> list[tuple[int, T]]:
        """What still waits for an answer among positions `start..stop`."""
        self._row = [
            index
            for index, (position, _) in enumerate(self._asked)
            if start <= position < stop and index not in self._answers
        ]
        return [self._asked[index] for index in self._row]

    def accept(self, answers: Sequence[A]) -> None:
        """The answers to what `within` returned last."""
        self._answers.update(zip(self._row, answers, strict=True))
        self._row = []

    def answers(self) -> list[A]:
        """All answers, in the order of the questions."""
        return [self._answers[index] for index in range(len(self._asked))]


def not_finite(samples: Sequence[SampledToken]) -> DeviceError | None:
    """An error if the model's logits were NaN or infinite in one of these readouts."""
    if all(sample.logprob - sample.logprob == 0.0 for sample in samples):
        return None
    return DeviceError(
        "the model's logits are not finite", hint="The checkpoint or its dtype is at fault."
    )
