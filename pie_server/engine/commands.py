"""Inference commands: what a context's queue holds and the scheduler turns into rows.

A command appends its tokens to the context's log when its turn comes; from then on it is done when
every token of the log up to its end has KV and every readout it asked for was answered. That is why
a context whose pages were dropped in between needs no special case: the log is simply fed again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from pie_server.engine.batch import Answer, DeviceTask, Readout, Sample, SampledToken
from pie_server.engine.grammar import Matcher
from pie_server.engine.queues import CommandQueue
from pie_server.engine.sampler import SamplerState
from pie_server.engine.sampling import SamplingParams, uniform
from pie_server.errors import DeviceError, PieError
from pie_server.kv import Context, Recipe


class Command(ABC):
    """One operation on one context.

    Attributes:
        context: What it works on.
        fill: Tokens it appends when it begins.
        queue: Whose priority it has; None: normal priority.
        arrival: Set by the scheduler; earlier goes first.
        submitted_at: Set by the scheduler; `time.monotonic` seconds.
        finished: Nothing is left to do.
        steps: Steps it had a row in.
        blocked_steps: Steps in a row in which there was no page for it.
        reused_tokens: Tokens whose KV was there when it began.
    """

    def __init__(
        self, context: Context, fill: Sequence[int], queue: CommandQueue | None = None
    ) -> None:
        self.context = context
        self.fill = fill
        self.queue = queue
        self.arrival = 0
        self.submitted_at = 0.0
        self.begun = False
        self.finished = False
        self.steps = 0
        self.blocked_steps = 0
        self.reused_tokens = 0

    def begin(self) -> None:
        """Its turn has come: the tokens join the log."""
        self.begun = True
        context = self.context
        self.append_fill()
        reads_last = context.fed == len(context.tokens) and self.first_readout < context.fed
        if context.missing_tokens == 0 or (reads_last and not self.fill):
            # A readout needs the hidden state of the last token, which no page holds, be they on
            # the device or away.
            context.feed_last_again()
        # KV that is there already is what this command does not have to compute.
        self.reused_tokens = context.table.length

    def append_fill(self) -> None:
        """Appends `fill` to the log, computed like the context's next tokens."""
        self.context.append(self.fill)

    @property
    def first_readout(self) -> int:
        """Lowest position whose hidden state this command still needs."""
        return len(self.context.tokens) - 1

    @abstractmethod
    def readouts(self, start: int, stop: int, base: int) -> list[Readout]:
        """What is wanted of positions `start..stop`; position p is flat token base+p-start."""

    @abstractmethod
    def accept(self, answers: Sequence[Answer]) -> PieError | None:
        """Takes the answers of one row and sets `finished`; an error ends the command."""

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
        asked: (offset in `fill`, readout); one answer each, in this order. Flat indices and the
            randomness of samples are filled in here.
        recipes: Given the context's length when the command begins, (first, stop, recipe) by offset
            in `fill`, in order and without gaps; None if the tokens are computed like the context's
            next ones.
        vectors: Embeddings that negative tokens of `fill` stand for: -1-i is the i-th of these.
        vocab_size: The model's; needed for samplers with penalties.
        on_done: Receives the command with its answers, or an error.

    Attributes:
        answers: In the order of `asked`, once finished.
    """

    def __init__(
        self,
        context: Context,
        fill: Sequence[int],
        *,
        asked: Sequence[tuple[int, Readout]],
        on_done: Callable[[ForwardCommand, PieError | None], None],
        recipes: Callable[[int], Sequence[tuple[int, int, Recipe]]] | None = None,
        vectors: Sequence[object] = (),
        vocab_size: int = 0,
        queue: CommandQueue | None = None,
    ) -> None:
        super().__init__(context, fill, queue)
        self._asked = list(asked)
        self._recipes = recipes
        self._vectors = vectors
        self._vocab_size = vocab_size
        self._answered: dict[int, Answer] = {}
        self._row: list[int] = []  # indices of `_asked` that are in the row under way
        self._on_done = on_done

    @property
    def answers(self) -> list[Answer]:
        """All answers, in the order of the questions."""
        return [self._answered[index] for index in range(len(self._asked))]

    def begin(self) -> None:
        first = len(self.context.tokens)
        super().begin()
        self._asked = [
            (first + offset, self._with_state(first + offset, readout))
            for offset, readout in self._asked
        ]

    def _with_state(self, position: int, readout: Readout) -> Readout:
        """A sampler with penalties counts every token up to its position, as prompt."""
        if not isinstance(readout, Sample) or not readout.params.needs_state:
            return readout
        seen = [token for token in self.context.tokens[: position + 1] if token >= 0]
        matcher = None if readout.state is None else readout.state.matcher
        state = SamplerState(readout.params, seen, self._vocab_size, matcher)
        return replace(readout, state=state)

    def append_fill(self) -> None:
        context = self.context
        first = len(context.tokens)
        fill = context.adopt_vectors(self.fill, self._vectors) if self._vectors else self.fill
        if self._recipes is None:
            context.append(fill)
            return
        for begin, stop, recipe in self._recipes(first):
            context.append(fill[begin:stop], recipe)

    @property
    def first_readout(self) -> int:
        waiting = (p for i, (p, _) in enumerate(self._asked) if i not in self._answered)
        return min(waiting, default=len(self.context.tokens))

    def readouts(self, start: int, stop: int, base: int) -> list[Readout]:
        # Each is answered once, even if its tokens are fed again.
        self._row = [
            index
            for index, (position, _) in enumerate(self._asked)
            if start <= position < stop and index not in self._answered
        ]
        return [self._placed(*self._asked[index], base - start) for index in self._row]

    def accept(self, answers: Sequence[Answer]) -> PieError | None:
        self._answered.update(zip(self._row, answers, strict=True))
        self._row = []
        self.finished = self.context.missing_tokens == 0
        return next(filter(None, map(error_of, answers)), None)

    def fail(self, error: PieError) -> None:
        self._on_done(self, error)

    def complete(self) -> None:
        self._on_done(self, None)

    @staticmethod
    def _placed(position: int, readout: Readout, shift: int) -> Readout:
        if isinstance(readout, Sample):
            number = uniform(readout.params.seed, position)
            return replace(readout, index=position + shift, uniform=number)
        return replace(readout, index=position + shift)


class GenerateCommand(Command):
    """Prefills, then decodes token after token until something stops it.

    Sampled tokens join the context's log; the KV of the last one is computed by whatever command
    comes next, not by a forward pass of its own.

    Args:
        matcher: Where it stands in its grammar, if it has one.
        vocab_size: The model's; needed for penalties and grammars.
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
        matcher: Matcher | None = None,
        vocab_size: int = 0,
        queue: CommandQueue | None = None,
    ) -> None:
        super().__init__(context, fill, queue)
        self._params = params
        self._matcher = matcher
        self._vocab_size = vocab_size
        self._state: SamplerState | None = None
        self._max_tokens = max_tokens
        self._stop_tokens = stop_tokens
        self._on_token = on_token
        self._on_done = on_done
        self.generated: list[int] = []
        self.logprob = 0.0
        self.finish_reason = ""

    @property
    def stop_tokens(self) -> frozenset[int]:
        """Tokens that end the generation."""
        return self._stop_tokens

    @property
    def remaining_tokens(self) -> int:
        """Most tokens that are still to be generated."""
        return self._max_tokens - len(self.generated)

    def begin(self) -> None:
        super().begin()
        if self._params.needs_state or self._matcher is not None:
            prompt = [token for token in self.context.tokens if token >= 0]
            self._state = SamplerState(self._params, prompt, self._vocab_size, self._matcher)

    def readouts(self, start: int, stop: int, base: int) -> list[Readout]:
        if stop < len(self.context.tokens):
            return []
        position = stop - 1
        number = uniform(self._params.seed, position) if self._params.temperature else 0.0
        return [Sample(self._params, base + position - start, number, self._state)]

    def accept(self, answers: Sequence[Answer]) -> PieError | None:
        if not answers:
            return None
        (sampled,) = cast(Sequence[SampledToken], answers)
        error = error_of(sampled)
        if error is not None:
            return error
        token, self.logprob = sampled.token, self.logprob + sampled.logprob
        self.context.append((token,))
        self.generated.append(token)
        stopped = self._on_token is not None and self._on_token(token)
        if stopped or token in self._stop_tokens:
            self.finish_reason = "stop"
        elif len(self.generated) >= self._max_tokens:
            self.finish_reason = "length"
        self.finished = bool(self.finish_reason)
        return None

    def fail(self, error: PieError) -> None:
        self._on_done(self, error)

    def complete(self) -> None:
        self._on_done(self, None)


class TaskCommand(Command):
    """Work for the device that is no forward pass: copies, embeddings, readouts of kept states.

    If the context has tokens without KV, these are fed first, as rows. Nothing of the context
    changes before the task has run, so that a step that failed can be run again.

    Args:
        on_done: Receives what the task returned, or an error.
    """

    def __init__(
        self,
        context: Context,
        on_done: Callable[[object, PieError | None], None],
        queue: CommandQueue | None = None,
    ) -> None:
        super().__init__(context, (), queue)
        self.result: object = None
        self._on_done = on_done

    @property
    def reads(self) -> Sequence[Context]:
        """Other contexts whose KV must be there, all of it."""
        return ()

    @property
    def writes(self) -> int:
        """Tokens that it appends to the context, with KV of its own making."""
        return 0

    @property
    def sound_tokens(self) -> int:
        """Tokens whose KV is sound although the task has run and was not taken in."""
        return self.context.table.length

    @abstractmethod
    def prepare(self) -> DeviceTask:
        """Makes the task, once all KV is there and pages are reserved; may be called again.

        Raises:
            PieError: It cannot be done.
        """

    def accept_task(self, result: object) -> None:
        """The task has run: takes what it did into the log."""
        self.result = result
        self.finished = True

    def begin(self) -> None:
        self.begun = True

    @property
    def first_readout(self) -> int:
        return len(self.context.tokens)

    def readouts(self, start: int, stop: int, base: int) -> list[Readout]:
        return []

    def accept(self, answers: Sequence[Answer]) -> PieError | None:
        return None

    def fail(self, error: PieError) -> None:
        self._on_done(None, error)

    def complete(self) -> None:
        self._on_done(self.result, None)


def error_of(answer: Answer) -> PieError | None:
    """What is wrong with a readout: its own error, or logits that are NaN or infinite."""
    if not isinstance(answer, SampledToken):
        return None
    if answer.error is not None or answer.logprob - answer.logprob == 0.0:
        return answer.error
    return DeviceError(
        "the model's logits are not finite", hint="The checkpoint or its dtype is at fault."
    )
