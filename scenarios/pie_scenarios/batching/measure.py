"""Runs the same inferlets under one batching policy.

They ask for each token themselves, so that what is ready at a moment depends on the guests, and a
policy has something to decide.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from pie_scenarios.engine_loop import open_engine, pages_for, random_prompts
from pie_scenarios.instances import run_instances
from pie_scenarios.token_programs import TokenProgram
from pie_server.engine.engine import EngineSettings
from pie_server.engine.policies import PolicyName
from pie_server.model.loader import Checkpoint
from pie_server.runtime import Runtime


@dataclass(frozen=True, slots=True)
class InferletsShape:
    """The inferlets of one run.

    Attributes:
        longest_prompt_tokens: Prompts are between an eighth of it and all of it.
    """

    inferlets: int = 128
    longest_prompt_tokens: int = 64
    output_tokens: int = 16


@dataclass(frozen=True, slots=True)
class Run:
    """One policy, once.

    Attributes:
        seconds: From the moment all inferlets were ready to the last token of the last.
        tokens: Of all inferlets together.
        steps: Of the engine.
        rows: Of all its steps.
    """

    seconds: float
    tokens: int
    steps: int
    rows: int

    @property
    def tokens_per_second(self) -> float:
        """Of all inferlets together."""
        return self.tokens / self.seconds

    @property
    def rows_per_step(self) -> float:
        """How full the batches were."""
        return self.rows / self.steps


async def run_policy(
    checkpoint: Checkpoint,
    runtime: Runtime,
    program: TokenProgram,
    shape: InferletsShape,
    policy: PolicyName,
    seed: int,
) -> Run:
    """Runs all inferlets to their end on an engine of their own.

    Args:
        program: A stepwise one.

    Raises:
        PieError: They did not generate what they should.
    """
    longest = shape.longest_prompt_tokens + shape.output_tokens
    settings = EngineSettings(pages=pages_for(shape.inferlets, longest))
    async with open_engine(checkpoint, replace(settings, policy=policy)) as engine:
        prompts = _prompts(shape, seed, checkpoint.config.vocab_size)
        arguments = program.arguments(prompts, shape.output_tokens)
        done = await run_instances(engine, runtime.run_instance, program.program, arguments)
        statistics = engine.scheduler.statistics
    program.check(done, shape.inferlets, shape.output_tokens)
    tokens = shape.inferlets * shape.output_tokens
    return Run(done.seconds, tokens, statistics.steps, statistics.rows)


def _prompts(shape: InferletsShape, seed: int, vocabulary: int) -> list[list[int]]:
    rng = random.Random(seed)
    longest = shape.longest_prompt_tokens
    prompts = random_prompts(rng, shape.inferlets, longest, vocabulary)
    return [prompt[: rng.randint(max(1, longest // 8), longest)] for prompt in prompts]
