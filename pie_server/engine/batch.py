"""One step as plain data: what the scheduler lays out and the device executes.

A batch is ragged: its rows stand one after the other in flat lists, whatever mix of prefill chunks
and single decode tokens they are. Nothing here refers to contexts or commands, so it can be handed
to another thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pie_server.engine.sampling import SamplingParams
from pie_server.errors import PieError
from pie_server.kv import PageCopy, Recipe

if TYPE_CHECKING:
    import torch

    from pie_server.engine.page_moves import PageMove
    from pie_server.engine.sampler import SamplerState
    from pie_server.model.decoder import Decoder
    from pie_server.model.kv_cache import KvCache


@dataclass(frozen=True, slots=True)
class Row:
    """The next tokens of one context.

    Attributes:
        tokens: Tokens to feed; a negative one stands for a vector of `vectors`.
        start: Slot of the first of them.
        pages: The context's physical pages, enough for `start + len(tokens)` slots.
        recipes: (first, stop, recipe) by offset in `tokens`, where tokens are not plain.
        vectors: (offset, [hidden] tensor) for tokens that are given as embeddings.
    """

    tokens: list[int]
    start: int
    pages: list[int]
    recipes: list[tuple[int, int, Recipe]] | None = None
    vectors: list[tuple[int, object]] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Choose a token after flat token `index` of the batch.

    Attributes:
        uniform: The randomness to use, in [0, 1); unused when greedy.
        state: Penalties and grammar of the generation, if it has any.
        draft: Tokens assumed to stand between the state and this position.
        advance: Whether the chosen token enters the state.
    """

    params: SamplingParams
    index: int = 0
    uniform: float = 0.0
    state: SamplerState | None = None
    draft: tuple[int, ...] = ()
    advance: bool = True


@dataclass(frozen=True, slots=True)
class Distribution:
    """Report the `top_k` most likely tokens after flat token `index`."""

    top_k: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Report the log-probabilities of given tokens after flat token `index`."""

    tokens: tuple[int, ...]
    index: int = 0


@dataclass(frozen=True, slots=True)
class Entropy:
    """Report the entropy (nats) of the distribution after flat token `index`."""

    index: int = 0


@dataclass(frozen=True, slots=True)
class Logits:
    """Keep the logits after flat token `index` on the device: [vocab] float32."""

    index: int = 0


@dataclass(frozen=True, slots=True)
class Hidden:
    """Keep the last hidden state of flat token `index` on the device: [hidden]."""

    index: int = 0


Readout: TypeAlias = Sample | Distribution | Logprobs | Entropy | Logits | Hidden


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A chosen token and the log-probability the model (temperature 1) gave it.

    Attributes:
        error: Why there is no token; of this row alone.
    """

    token: int
    logprob: float
    error: PieError | None = None


@dataclass(frozen=True, slots=True)
class TopTokens:
    """The head of a next-token distribution, most likely first."""

    tokens: list[int]
    probabilities: list[float]


Answer: TypeAlias = "SampledToken | TopTokens | list[float] | float | torch.Tensor"
"""Sample: SampledToken; Distribution: TopTokens; Logprobs: list; Entropy: float; else a tensor."""


class DeviceTask(Protocol):
    """Work for the device's thread that is no row of a forward pass."""

    def run(self, model: Decoder, cache: KvCache) -> object:
        """Does it; what it returns goes to the command's `accept_task`."""
        ...


@dataclass(slots=True)
class DecodeRun:
    """Steps that the device takes one after the other: each row is fed the token it has chosen.

    Whoever laid the batch out reserved the slots. The loop takes the results in while the device
    is at the next step.

    Attributes:
        steps: Most steps, the first included.
        stop_tokens: Behind one of these a row goes no further, and so ends the run.
        recipes: How the tokens that each row chooses are computed.
        interrupted: The step under way is the last one; set by the loop when there is other work.
    """

    steps: int
    stop_tokens: list[frozenset[int]]
    recipes: list[Recipe]
    interrupted: bool = False


@dataclass(slots=True)
class Batch:
    """Everything one step needs.

    Attributes:
        prelude: What comes before the forward pass, in the order in which it was laid out: a page
            may be read by one entry and written by the next.
        readouts: What is wanted of the forward pass, by flat token index.
        token_count: Tokens of all rows.
        run: Whether the device may go on by itself. Then each row feeds one token, and the readouts
            are one `Sample` a row.
    """

    number: int
    prelude: list[PageCopy | PageMove | DeviceTask] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    readouts: list[Readout] = field(default_factory=list)
    token_count: int = 0
    run: DecodeRun | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.rows and not self.prelude

    def interrupt(self) -> None:
        """There is other work: the step under way is the last one."""
        if self.run is not None:
            self.run.interrupted = True


@dataclass(frozen=True, slots=True)
class StepResult:
    """Answers in the order of the batch's readouts and tasks.

    Attributes:
        last: Whether the device is done with the batch; only a decode run has other results.
    """

    answers: list[Answer]
    task_results: list[object]
    seconds: float
    last: bool = True
