"""Library inferlets that exist in several languages do the same operations as the Python one."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from pie_server.runtime import JsonValue, Registry
from tests.runtime.conftest import BUILD_SECONDS, Runner
from tests.runtime.fake_host import EOS, Reply

LANGUAGES = ("javascript", "rust", "c")
STEPWISE = ("token-completion", *(f"token-completion-{language}" for language in LANGUAGES))
registry = Registry()


async def run(wasm: Runner, name: str, arguments: JsonValue) -> tuple[Any, list[dict[str, Any]]]:
    with trio.fail_after(BUILD_SECONDS):
        result = await wasm(registry.get(name), arguments, model=lambda text: Reply("yes"))
    return result, wasm.host.operations


def work_of(operations: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """What the model is asked for; arguments that are not given stand for their defaults."""
    defaults = {"stop": [], "stop_tokens": [EOS], "stream": None, "ignore_eos": False}
    return [
        {key: value for key, value in operation.items() if defaults.get(key, key) != value}
        | {"id": 0}
        for operation in operations
        if operation["op"] == name
    ]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_text_completion_does_the_same_in_each_language(wasm: Runner, language: str) -> None:
    arguments: JsonValue = {"prompt": "hi", "temperature": 0.5, "max_tokens": 9}
    expected, asked = await run(wasm, "text-completion", arguments)
    assert expected == "yes"
    result, operations = await run(wasm, f"text-completion-{language}", arguments)
    assert result == expected
    assert work_of(operations, "context.generate") == work_of(asked, "context.generate")
    assert wasm.host.messages == [{"stream": "yes"}]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_token_completion_does_the_same_in_each_language(wasm: Runner, language: str) -> None:
    arguments: JsonValue = {"tokens": [65, 66], "max_tokens": 5, "ignore_eos": True}
    expected, asked = await run(wasm, "token-completion", arguments)
    result, operations = await run(wasm, f"token-completion-{language}", arguments)
    assert result == expected
    assert work_of(operations, "context.generate") == work_of(asked, "context.generate")


@pytest.mark.parametrize("name", STEPWISE)
async def test_stepwise_completion_is_one_forward_pass_a_token(wasm: Runner, name: str) -> None:
    arguments: JsonValue = {"tokens": [65, 66], "max_tokens": 5, "stepwise": True}
    result, operations = await run(wasm, name, arguments)
    assert result == {"tokens": [67, 68, 69, 70, 71], "text": "CDEFG", "finish_reason": "length"}
    fills = [operation["fill"] for operation in operations if operation["op"] == "context.forward"]
    assert fills == [[{"tokens": tokens}] for tokens in ([65, 66], [67], [68], [69], [70])]


@pytest.mark.parametrize("name", STEPWISE)
async def test_stepwise_completion_ends_at_the_end_of_turn(wasm: Runner, name: str) -> None:
    arguments: JsonValue = {"tokens": [253], "max_tokens": 9, "stepwise": True}
    result, _ = await run(wasm, name, arguments)
    assert result["tokens"] == [254, 255]
    assert result["finish_reason"] == "stop"
