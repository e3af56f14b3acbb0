"""Engines over small random checkpoints, and an oracle for their logits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import torch
import trio

from pie_server.engine.batch import Distribution, TopTokens
from pie_server.engine.commands import ForwardCommand, GenerateCommand
from pie_server.engine.engine import Engine, EngineSettings
from pie_server.engine.sampling import SamplingParams
from pie_server.errors import PieError
from pie_server.kv import Context
from pie_server.model.loader import load_checkpoint

Oracle = Callable[[list[int]], torch.Tensor]
OpenEngine = Callable[..., AbstractAsyncContextManager[Engine]]


@pytest.fixture(scope="session")
def oracle(tiny_checkpoint: Path) -> Oracle:
    """Next-token probabilities at each position, [tokens, vocab], by transformers."""
    return make_oracle(tiny_checkpoint)


def make_oracle(directory: Path) -> Oracle:
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    model.eval()

    def probabilities(tokens: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            return model(torch.tensor([tokens])).logits[0].float().softmax(dim=-1)

    return probabilities


@pytest.fixture
def open_engine(tiny_checkpoint: Path) -> OpenEngine:
    """Opens a running engine; its pool's books are checked at the end."""

    @asynccontextmanager
    async def opener(
        directory: Path | str = tiny_checkpoint, **settings: object
    ) -> AsyncIterator[Engine]:
        engine = Engine(load_checkpoint(str(directory)), EngineSettings(**settings))  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            yield engine
            engine.check_integrity()
            nursery.cancel_scope.cancel()

    return opener


async def forward(
    engine: Engine, context: Context, fill: list[int], positions: list[int] | None = None
) -> dict[int, torch.Tensor]:
    """Feeds `fill`; returns full distributions by offset (all offsets by default)."""
    offsets = range(len(fill)) if positions is None else positions
    vocabulary = engine.checkpoint.config.vocab_size
    done = trio.Event()
    errors: list[PieError] = []

    def on_done(_: ForwardCommand, error: PieError | None) -> None:
        if error is not None:
            errors.append(error)
        done.set()

    command = ForwardCommand(
        context, fill, asked=[(o, Distribution(vocabulary)) for o in offsets], on_done=on_done
    )
    engine.submit(command)
    with trio.fail_after(60):
        await done.wait()
    if errors:
        raise errors[0]
    dense = {}
    for offset, top in zip(offsets, command.answers, strict=True):
        assert isinstance(top, TopTokens)
        row = torch.zeros(vocabulary)
        row[top.tokens] = torch.tensor(top.probabilities)
        dense[offset] = row
    return dense


async def generate(
    engine: Engine,
    context: Context,
    fill: list[int],
    *,
    max_tokens: int = 8,
    params: SamplingParams | None = None,
    stop_tokens: frozenset[int] = frozenset(),
) -> GenerateCommand:
    """Generates to the end."""
    done = trio.Event()
    errors: list[PieError] = []

    def on_done(_: GenerateCommand, error: PieError | None) -> None:
        if error is not None:
            errors.append(error)
        done.set()

    command = GenerateCommand(
        context,
        fill,
        params=params or SamplingParams(),
        max_tokens=max_tokens,
        stop_tokens=stop_tokens,
        on_token=None,
        on_done=on_done,
    )
    engine.submit(command)
    with trio.fail_after(60):
        await done.wait()
    if errors:
        raise errors[0]
    return command
