"""Whether graphs, and launching ahead, change a single token.

Three ways to take the same decode steps: as graphs; as the same padded work launched one by one;
and as plain steps. The first two must agree token for token. Plain steps run products with another
number of rows, whose kernels add up in another order, so near ties may fall the other way: how many
tokens agree with them is reported, and fails nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch

from pie_scenarios.engine_loop import (
    Completed,
    open_contexts,
    open_engine,
    pages_for,
    random_prompts,
    release_contexts,
)
from pie_server.engine.commands import GenerateCommand
from pie_server.engine.cuda_graphs import CudaRecording, DecodeGraphs
from pie_server.engine.engine import Engine, EngineSettings
from pie_server.engine.sampling import SamplingParams
from pie_server.model.loader import Checkpoint

_CONTEXTS = 5  # padded to eight
_PROMPT_TOKENS, _TOKENS = 40, 64


class Launched:
    """A recording that is none: the work itself, into the same tensor each time."""

    def __init__(self, work: Callable[[], torch.Tensor]) -> None:
        self._work = work
        self.output = torch.empty_like(work())

    def replay(self) -> None:
        self.output.copy_(self._work())


@dataclass(frozen=True, slots=True)
class Equality:
    """What was compared.

    Attributes:
        replayed_steps: Steps that were graphs, in the run with graphs.
        graphs: Whether graphs and the same work without them gave the same tokens.
        ahead: Whether launching ahead and waiting for each token gave the same tokens.
        plain_share: Share of tokens, up to the first difference of each context, that plain steps
            chose too.
    """

    replayed_steps: int
    graphs: bool
    ahead: bool
    plain_share: float

    @property
    def passed(self) -> bool:
        return self.graphs and self.ahead and self.replayed_steps > 0


async def compare(checkpoint: Checkpoint) -> Equality:
    """Generates the same texts in all ways."""
    on_cuda = checkpoint.model.device.type == "cuda"
    recording: type[CudaRecording | Launched] = CudaRecording if on_cuda else Launched
    graphed, replays = await _tokens(checkpoint, recording, ahead=True)
    waiting, _ = await _tokens(checkpoint, recording, ahead=False)
    launched, _ = await _tokens(checkpoint, Launched, ahead=True)
    plain, _ = await _tokens(checkpoint, None, ahead=True)
    same = sum(map(_common_length, graphed, plain))
    return Equality(replays, graphed == launched, graphed == waiting, same / sum(map(len, plain)))


async def _tokens(
    checkpoint: Checkpoint, recording: type[CudaRecording | Launched] | None, *, ahead: bool
) -> tuple[list[list[int]], int]:
    """All contexts' tokens, and how many steps were replayed."""
    settings = EngineSettings(pages=pages_for(_CONTEXTS, _PROMPT_TOKENS + _TOKENS))
    async with open_engine(checkpoint, settings) as engine:
        runner = engine.runner
        runner.ahead = ahead
        runner.graphs = None
        if recording is not None:
            runner.graphs = DecodeGraphs(
                runner.model, runner.cache, runner.attention, settings.pages, recording
            )
        tokens = await _generate(engine)
        if runner.graphs is not None and runner.graphs.off:
            return tokens, 0
        return tokens, runner.graphs.replays if runner.graphs is not None else 0


async def _generate(engine: Engine) -> list[list[int]]:
    vocabulary = engine.checkpoint.config.vocab_size
    prompts = random_prompts(random.Random(5), _CONTEXTS, _PROMPT_TOKENS, vocabulary)
    contexts = open_contexts(engine, _CONTEXTS)
    completed = Completed(_CONTEXTS)
    commands = [
        GenerateCommand(
            context,
            prompt,
            params=SamplingParams(temperature=0.8 if number % 2 else 0.0, seed=number),
            max_tokens=_TOKENS,
            stop_tokens=frozenset(),
            on_token=None,
            on_done=completed,
        )
        for number, (context, prompt) in enumerate(zip(contexts, prompts, strict=True))
    ]
    for command in commands:
        engine.submit(command)
    await completed.wait()
    release_contexts(engine, contexts)
    return [command.generated for command in commands]


def _common_length(a: list[int], b: list[int]) -> int:
    differences = [index for index, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    return differences[0] if differences else len(a)
