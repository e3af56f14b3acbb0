"""An engine on its own: contexts and commands submitted straight to it, without any inferlet.

What a benchmark compares inferlets with, and what those that are about the engine alone use. The
process's event loop is the caller's.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import trio

from pie_scenarios.stopwatch import Stopwatch
from pie_server.engine.commands import Command, ForwardCommand, GenerateCommand
from pie_server.engine.engine import Engine, EngineSettings
from pie_server.engine.sampling import SamplingParams
from pie_server.errors import PieError
from pie_server.kv import Context
from pie_server.model.loader import Checkpoint

_FIRST_ORDINARY_TOKEN = 16  # the first ids are special tokens; a prompt of them is no prompt
_RUN_SECONDS = 600.0
GREEDY = SamplingParams()


@asynccontextmanager
async def open_engine(checkpoint: Checkpoint, settings: EngineSettings) -> AsyncIterator[Engine]:
    """A running engine; afterwards its books must balance."""
    engine = Engine(checkpoint, settings)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield engine
        engine.check_integrity()
        nursery.cancel_scope.cancel()


def watch_model(engine: Engine) -> Stopwatch:
    """Counts the time inside an engine's model (not sampling) under `model`."""
    watch = Stopwatch()
    for method in ("embed", "forward", "logits"):
        watch.attach(engine.runner.model, method, "model")
    return watch


def random_prompts(rng: random.Random, count: int, tokens: int, vocabulary: int) -> list[list[int]]:
    """Prompts of ordinary tokens, all different."""
    return [
        [rng.randrange(_FIRST_ORDINARY_TOKEN, vocabulary) for _ in range(tokens)]
        for _ in range(count)
    ]


def pages_for(contexts: int, tokens: int, page_size_tokens: int = 16) -> int:
    """Pages that so many contexts of so many tokens need, and one more each to write on."""
    return contexts * (-(-tokens // page_size_tokens) + 1)


class Completed:
    """Receives the ends of commands; `wait` returns once all have come.

    Args:
        count: How many there will be.
    """

    def __init__(self, count: int) -> None:
        self._left = count
        self._all = trio.Event()
        self._error: PieError | None = None
        if not count:
            self._all.set()

    def __call__(self, command: Command, error: PieError | None) -> None:
        """The `on_done` of every command."""
        self._left -= 1
        self._error = self._error or error
        if not self._left:
            self._all.set()

    async def wait(self) -> None:
        """Waits for the last of them.

        Raises:
            PieError: The first that failed.
            TooSlowError: It takes longer than any benchmark should.
        """
        with trio.fail_after(_RUN_SECONDS):
            await self._all.wait()
        if self._error is not None:
            raise self._error


def open_contexts(engine: Engine, count: int) -> list[Context]:
    """Empty contexts that find nothing in the prefix tree."""
    return [engine.create_context("benchmark", prefix_reuse=False) for _ in range(count)]


def release_contexts(engine: Engine, contexts: Iterable[Context]) -> None:
    """Gives all pages back."""
    for context in contexts:
        engine.release(context)


async def prefill(
    engine: Engine, contexts: Sequence[Context], prompts: Sequence[Sequence[int]]
) -> None:
    """Computes the KV of a prompt in each context; nothing is sampled."""
    completed = Completed(len(contexts))
    for context, prompt in zip(contexts, prompts, strict=True):
        engine.submit(ForwardCommand(context, prompt, asked=[], on_done=completed))
    await completed.wait()


async def generate(
    engine: Engine,
    contexts: Sequence[Context],
    fills: Sequence[Sequence[int]],
    *,
    tokens: int,
    params: SamplingParams = GREEDY,
) -> None:
    """Generates exactly `tokens` tokens in each context, behind its fill (which may be empty).

    Raises:
        PieError: A generation failed, or ended early.
    """
    completed = Completed(len(contexts))
    commands = [
        GenerateCommand(
            context,
            fill,
            params=params,
            max_tokens=tokens,
            stop_tokens=frozenset(),
            on_token=None,
            on_done=completed,
        )
        for context, fill in zip(contexts, fills, strict=True)
    ]
    for command in commands:
        engine.submit(command)
    await completed.wait()
    if any(len(command.generated) != tokens for command in commands):
        raise PieError("a generation of the benchmark ended early")
