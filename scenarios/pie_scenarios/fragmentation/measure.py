"""Runs one mix of techniques over a pool with gaps."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers

from pie_scenarios.engine_loop import (
    Completed,
    open_contexts,
    prefill,
    random_prompts,
    release_contexts,
)
from pie_scenarios.fragmentation.pages import fragmentation, occupy_pages
from pie_scenarios.fragmentation.techniques import TECHNIQUES, Seat
from pie_server.engine.engine import Engine
from pie_server.engine.grammar import Grammar, GrammarCompiler
from pie_server.engine.grammar_sources import Regex
from pie_server.errors import PieError
from pie_server.model.loader import EMBEDDED, EMBEDDED_DIRECTORY, Checkpoint

# Longer than anything generated here, so that the grammar never ends.
_LETTERS = "[a-z ]{4000}"


@dataclass(frozen=True, slots=True)
class MixShape:
    """Work of one run; every row does the same number of tokens."""

    rows: int = 64
    prompt_tokens: int = 128
    output_tokens: int = 32


@dataclass(frozen=True, slots=True)
class Run:
    """One mix, once.

    Attributes:
        seconds: Of decoding; the prompts were computed before.
        fragmentation: Of the page tables while it ran, before any technique changed them.
        steps: Steps of the engine.
    """

    seconds: float
    tokens: int
    fragmentation: float
    steps: int

    @property
    def tokens_per_second(self) -> float:
        """Decoded by all rows together."""
        return self.tokens / self.seconds


async def letters_grammar(checkpoint: Checkpoint, source: str) -> Grammar:
    """The grammar that the technique `grammar` follows.

    Args:
        source: What the checkpoint was loaded from.
    """
    directory = EMBEDDED_DIRECTORY if source == EMBEDDED else Path(source)
    tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    config = checkpoint.config
    compiler = GrammarCompiler(tokenizer, config.vocab_size, config.eos_tokens)
    return await compiler.compile(Regex(_LETTERS))


async def run_mix(
    engine: Engine,
    grammar: Grammar,
    names: Sequence[str],
    shape: MixShape,
    occupied: float,
    seed: int,
) -> Run:
    """Prefills all rows, then decodes them together, technique after technique in turn.

    Args:
        names: Techniques to mix.
        occupied: Share of the pool's pages that others hold, here and there.

    Raises:
        PieError: A row failed, or decoded another number of tokens.
    """
    rng = random.Random(seed)
    held = occupy_pages(engine.pool, occupied, rng)
    vocabulary = engine.checkpoint.config.vocab_size
    prompts = random_prompts(rng, shape.rows, shape.prompt_tokens, vocabulary)
    contexts = open_contexts(engine, shape.rows)
    kept = list(contexts)
    try:
        await prefill(engine, contexts, [prompt[:-1] for prompt in prompts])
        measured = fragmentation([context.table.pages for context in contexts])
        completed = Completed(shape.rows)
        steps, started = engine.scheduler.statistics.steps, time.perf_counter()
        for row, context in enumerate(contexts):
            seat = Seat(
                engine, context, prompts[row][-1], shape.output_tokens, row, grammar, completed,
                kept.append,
            )  # fmt: skip
            TECHNIQUES[names[row % len(names)]](seat)
        await completed.wait()
        seconds = time.perf_counter() - started
        _check_work(shape, [len(context.tokens) for context in contexts])
    finally:
        release_contexts(engine, kept)
        engine.pool.release(held)
    steps = engine.scheduler.statistics.steps - steps
    return Run(seconds, shape.rows * shape.output_tokens, measured, steps)


def _check_work(shape: MixShape, lengths: list[int]) -> None:
    # A step-wise technique does not feed its last token, a generation's log has it already.
    end = shape.prompt_tokens + shape.output_tokens
    if not set(lengths) <= {end - 1, end}:
        raise PieError(f"rows of the mix have {sorted(set(lengths))} tokens, not {end}")
