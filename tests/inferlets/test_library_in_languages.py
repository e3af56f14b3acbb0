"""Techniques in JavaScript, Rust and C++ say on the real engine what the Python ones say."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.inferlets.library_runs import registry, run
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded
from tests.runtime.conftest import BUILD_SECONDS

LANGUAGES = ("javascript", "rust", "cpp")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "best-of-n": {"prompt": "Tell me something.", "n": 5, "temperature": 1.5, "max_tokens": 20},
    "jacobi": {"prompt": "Hello! Who are you?"},
    "async-function-calling": {
        "question": "What is 3 + 4 and what is 8 * 9?",
        "tools": ["calculator"],
    },
}


@pytest.mark.parametrize("embedded", ["wasm"], indirect=True)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ARGUMENTS)
async def test_a_technique_is_the_same_in_each_language(
    embedded: RealRunner, name: str, language: str
) -> None:
    with trio.fail_after(BUILD_SECONDS):
        await embedded.runtime.compile(registry.get(f"{name}-{language}"))
    expected = await run(embedded, name, **ARGUMENTS[name])
    found = await run(embedded, f"{name}-{language}", **ARGUMENTS[name])
    assert rounded(found) == rounded(expected)


def rounded(result: Any) -> Any:
    """Without what the order of a batch's rows may change in a number."""
    match result:
        case float():
            return round(result, 3)
        case dict():
            return {key: rounded(value) for key, value in result.items()}
        case list():
            return [rounded(value) for value in result]
        case _:
            return result


@pytest.mark.parametrize("language", ["python", *LANGUAGES])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_parameters_are_the_same_in_each_language(name: str, language: str) -> None:
    other = registry.get(name if language == "python" else f"{name}-{language}")
    assert other.language == language
    assert other.parameters == registry.get(name).parameters
