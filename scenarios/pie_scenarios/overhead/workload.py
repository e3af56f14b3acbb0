"""Which sides there are, and what each of them has to do: the same completions, all of them."""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.token_programs import (
    GENERATE,
    TokenProgram,
    generate_program,
    stepwise_programs,
)
from pie_server.runtime import Registry

ENGINE = "engine"
HEADLINE_KEYS = {
    GENERATE: "generate_ratio",
    "rust tokens": "rust_token_ratio",
    "javascript tokens": "js_token_ratio",
    "python tokens": "python_token_ratio",
}


@dataclass(frozen=True, slots=True)
class CompletionShape:
    """One completion."""

    prompt_tokens: int = 16
    output_tokens: int = 64


def inferlet_sides(registry: Registry) -> tuple[dict[str, TokenProgram], list[str]]:
    """The inferlets to measure, by side, and notes on those that cannot be."""
    stepwise, missing = stepwise_programs(registry)
    sides = {f"{language} tokens": program for language, program in stepwise.items()}
    return {GENERATE: generate_program(registry), **sides}, missing
