"""One forward pass as plain data: what the scheduler lays out and the device executes.

A batch is ragged: its rows stand one after the other in flat lists, whatever mix of prefill chunks
and single decode tokens they are. Nothing here refers to contexts or commands, so it can be handed
to another thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pie_server.engine.sampling import SamplingParams
from pie_server.kv import PageCopy


@dataclass(frozen=True, slots=True)
class Row:
    """The next tokens of one context.

    Attributes:
        tokens: Tokens to feed.
        start: Position of the first of them.
        pages: The context's physical pages, enough for `start + len(tokens)` slots.
    """

    tokens: list[int]
    start: int
    pages: list[int]


@dataclass(frozen=True, slots=True)
class Sample:
    """Choose a token after flat token `index` of the batch.

    Attributes:
        uniform: The randomness to use, in [0, 1); unused when greedy.
    """

    index: int
    params: SamplingParams
    uniform: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """Report the `top_k` most likely tokens after flat token `index`."""

    index: int
    top_k: int


@dataclass(slots=True)
class Batch:
    """Everything one step needs."""

    number: int
    copies: list[PageCopy] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    distributions: list[Distribution] = field(default_factory=list)
    token_count: int = 0


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A chosen token and the log-probability the model (temperature 1) gave it."""

    token: int
    logprob: float


@dataclass(frozen=True, slots=True)
class TopTokens:
    """The head of a next-token distribution, most likely first."""

    tokens: list[int]
    probabilities: list[float]


@dataclass(frozen=True, slots=True)
class StepResult:
    """Answers in the order of the batch's requests."""

    samples: list[SampledToken]
    distributions: list[TopTokens]
    seconds: float
