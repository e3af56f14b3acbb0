"""What a row of mixed work can be: one entry for each technique of the engine.

Every technique decodes the same number of tokens behind a context whose prompt is computed. A new
one is a function with a `Seat` and a line in `TECHNIQUES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pie_server.engine.batch import (
    Distribution,
    Entropy,
    Logprobs,
    Readout,
    Sample,
    SampledToken,
    TopTokens,
)
from pie_server.engine.commands import Command, ForwardCommand, GenerateCommand
from pie_server.engine.engine import Engine
from pie_server.engine.grammar import Grammar
from pie_server.engine.queues import CommandQueue, Priority
from pie_server.engine.sampling import SamplingParams
from pie_server.errors import PieError
from pie_server.kv import Context

OnDone = Callable[[Command, PieError | None], None]

_SINK_TOKENS = 4  # StreamingLLM keeps as many
_TOP_K = 256
_CANDIDATES = 16


@dataclass(frozen=True, slots=True)
class Seat:
    """A context with its prompt computed but for the last token, and what it has to do.

    Attributes:
        last_token: Of the prompt.
        tokens: To decode.
        seed: Of its randomness.
        grammar: One that allows letters without end.
        on_done: To be called once, at the end.
        keep: Takes contexts that the technique made; they are released with the seat's own.
    """

    engine: Engine
    context: Context
    last_token: int
    tokens: int
    seed: int
    grammar: Grammar
    on_done: OnDone
    keep: Callable[[Context], None]

    @property
    def prompt_tokens(self) -> int:
        """Tokens in the context now."""
        return len(self.context.tokens)

    def generate(
        self,
        params: SamplingParams,
        grammar: Grammar | None = None,
        queue: CommandQueue | None = None,
    ) -> None:
        """Decodes all tokens as one command."""
        self.engine.submit(
            GenerateCommand(
                self.context,
                [self.last_token],
                params=params,
                max_tokens=self.tokens,
                stop_tokens=frozenset(),
                on_token=None,
                on_done=self.on_done,
                matcher=None if grammar is None else grammar.matcher(),
                vocab_size=self.engine.checkpoint.config.vocab_size,
                queue=queue,
            )
        )


def _greedy(seat: Seat) -> None:
    seat.generate(SamplingParams())


def _nucleus(seat: Seat) -> None:
    seat.generate(SamplingParams(temperature=0.8, top_p=0.9, seed=seat.seed))


def _top_k(seat: Seat) -> None:
    seat.generate(SamplingParams(temperature=1.0, top_k=40, min_p=0.05, seed=seat.seed))


def _penalties(seat: Seat) -> None:
    params = SamplingParams(
        temperature=0.8, seed=seat.seed, repetition_penalty=1.1, frequency_penalty=0.2
    )
    seat.generate(params)


def _biases(seat: Seat) -> None:
    seat.generate(SamplingParams(logit_bias=tuple((token, -5.0) for token in range(8))))


def _grammar(seat: Seat) -> None:
    seat.generate(SamplingParams(), seat.grammar)


def _high_priority(seat: Seat) -> None:
    seat.generate(SamplingParams(), queue=CommandQueue(Priority.HIGH))


def _attention_sink(seat: Seat) -> None:
    # The first tokens and the last half stay in sight.
    seat.context.mask(_SINK_TOKENS, seat.prompt_tokens // 2, visible=False)
    _greedy(seat)


def _trimmed(seat: Seat) -> None:
    # As above, but the pages in between are given back.
    seat.context.drop_range(_SINK_TOKENS, seat.prompt_tokens // 2)
    _greedy(seat)


def _fork(seat: Seat) -> None:
    # The original stays, so every page is shared and the last one is copied at the first write.
    seat.keep(seat.engine.fork(seat.context))
    _greedy(seat)


def _distribution(seat: Seat) -> None:
    def choose(answers: Sequence[object]) -> int:
        (top,) = answers
        assert isinstance(top, TopTokens)
        return top.tokens[0]

    _step(seat, [Distribution(_TOP_K)], choose, seat.last_token, seat.tokens)


def _probes(seat: Seat) -> None:
    def choose(answers: Sequence[object]) -> int:
        sampled = answers[0]
        assert isinstance(sampled, SampledToken)
        return sampled.token

    asked: list[Readout] = [
        Sample(SamplingParams()),
        Logprobs(tuple(range(_CANDIDATES))),
        Entropy(),
    ]
    _step(seat, asked, choose, seat.last_token, seat.tokens)


TECHNIQUES: dict[str, Callable[[Seat], None]] = {
    "greedy": _greedy,
    "nucleus": _nucleus,
    "top-k, min-p": _top_k,
    "penalties": _penalties,
    "logit biases": _biases,
    "grammar": _grammar,
    "high priority": _high_priority,
    "attention sink": _attention_sink,
    "trimmed pages": _trimmed,
    "fork": _fork,
    "distribution": _distribution,
    "probes": _probes,
}
PLAIN = "greedy"


def _step(
    seat: Seat,
    asked: Sequence[Readout],
    choose: Callable[[Sequence[object]], int],
    token: int,
    left: int,
) -> None:
    """Decodes token by token: feeds one, looks at the answers, and chooses the next."""

    def on_done(command: ForwardCommand, error: PieError | None) -> None:
        if error is not None or left == 1:
            seat.on_done(command, error)
        else:
            _step(seat, asked, choose, choose(command.answers), left - 1)

    seat.engine.submit(
        ForwardCommand(
            seat.context, [token], asked=[(0, readout) for readout in asked], on_done=on_done
        )
    )
