"""The inferlets that benchmarks complete tokens with, one a language, and how they are launched.

All of them take prompts as tokens and give tokens back: with one `generate` for all of them, or
step by step with a forward pass for each.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from pie_scenarios import token_by_token
from pie_scenarios.instances import InstancesRun
from pie_server.errors import PieError, UnknownInferlet
from pie_server.runtime import JsonValue, Program, Registry
from pie_server.runtime.toolchains import missing_tool

GENERATE = "generate"
PYTHON = "python"
_COARSE = "token-completion"
_LANGUAGES = ("rust", "javascript", "c", "cpp")


@dataclass(frozen=True, slots=True)
class TokenProgram:
    """An inferlet that completes tokens.

    Attributes:
        stepwise: It asks for each token itself.
    """

    program: Program
    stepwise: bool

    def arguments(self, prompts: Sequence[Sequence[int]], tokens: int) -> list[JsonValue]:
        """What the instances are launched with, to generate exactly `tokens` tokens each."""
        shared: dict[str, JsonValue] = {
            "max_tokens": tokens,
            "ignore_eos": True,
            "prefix_reuse": False,
        }
        if "stepwise" in cast("dict[str, object]", self.program.parameters.get("properties", {})):
            shared["stepwise"] = self.stepwise
        return [{**shared, "tokens": [*prompt]} for prompt in prompts]

    def check(self, done: InstancesRun, instances: int, tokens: int) -> None:
        """Refuses a run that generated another number of tokens, or by other operations.

        Raises:
            PieError: It did.
        """
        expected = (
            Counter({"context.forward": instances * tokens})
            if self.stepwise
            else Counter({"context.generate": instances})
        )
        asked = Counter({name: done.operations[name] for name in _INFERENCE})
        lengths = {len(cast("dict[str, list[int]]", r)["tokens"]) for r in done.results}
        if asked != expected or lengths != {tokens} or len(done.results) != instances:
            raise PieError(
                f"{self.program.name} did other work than it should: {dict(asked)} and "
                f"{sorted(lengths)} tokens of {len(done.results)} instances, instead of "
                f"{dict(expected)} and {tokens} of {instances}"
            )


_INFERENCE = ("context.generate", "context.forward")


def generate_program(registry: Registry) -> TokenProgram:
    """The one that generates with a single operation."""
    return TokenProgram(registry.get(_COARSE), stepwise=False)


def stepwise_programs(registry: Registry) -> tuple[dict[str, TokenProgram], list[str]]:
    """Those that go token by token, by language, and why a language is not among them."""
    found, missing = {}, []
    for language in _LANGUAGES:
        try:
            program = registry.get(f"{_COARSE}-{language}")
        except UnknownInferlet:
            continue
        hint = missing_tool(program.language)
        if hint is None:
            found[language] = TokenProgram(program, stepwise=True)
        else:
            missing.append(f"{language}: not measured, its compiler is missing: {hint}")
    source = Program.from_source("token-by-token", inspect.getsource(token_by_token))
    # Its arguments are those of the library's program, schema and defaults included.
    program = replace(source, parameters=registry.get(_COARSE).parameters)
    return found | {PYTHON: TokenProgram(program, stepwise=True)}, missing
