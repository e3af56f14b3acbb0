"""The inferlets that ship, each in WebAssembly and natively, against a scripted model."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from pie_server.errors import GuestRaised, InvalidArguments
from pie_server.runtime import JsonValue, Registry
from tests.runtime.conftest import Runner
from tests.runtime.fake_host import Reply

registry = Registry()


async def run(runner: Runner, name: str, arguments: JsonValue, **scripted: Any) -> Any:
    with trio.fail_after(60):
        return await runner(registry.get(name), arguments, **scripted)


def test_every_inferlet_has_a_readme_and_says_what_it_does() -> None:
    programs = [registry.get(listed.name) for listed in registry.list()]
    assert {"text-completion", "react", "codeact", "tree-of-thought", "agent-rounds"} <= {
        program.name for program in programs
    }
    for program in programs:
        assert program.description
        assert program.parameters["additionalProperties"] is False
        assert len(program.source.splitlines()) <= 150


async def test_text_completion_streams_its_answer(both: Runner) -> None:
    result = await run(both, "text-completion", {"prompt": "hi"}, model=lambda text: Reply("yes"))
    assert result == "yes"
    assert both.host.messages == [{"stream": "yes"}]
    (fill,) = [operation["fill"] for operation in both.host.ops("context.generate")]
    assert fill == [{"system": "You are a helpful assistant."}, {"user": "hi"}, {"cue": True}]


def calculator_model(text: str) -> Reply:
    if "<tool>" not in text:
        calls = [{"name": "calculator", "arguments": {"expression": e}} for e in ("2+2", "1/0")]
        return Reply("Let me see. ", calls)
    return Reply("It is 4.")


async def calculator(name: str, arguments: dict[str, Any]) -> str:
    await trio.lowlevel.checkpoint()
    return {"2+2": "4"}.get(arguments["expression"], "error: division by zero")


async def test_react_runs_the_calls_of_a_turn_and_reads_their_results(both: Runner) -> None:
    result = await run(
        both, "react", {"question": "2+2?", "tools": ["calculator"]},
        model=calculator_model, tool=calculator,
    )  # fmt: skip
    assert result == "It is 4."
    assert both.host.messages == [{"stream": "Let me see. "}, {"stream": "It is 4."}]
    first, second = (operation["fill"] for operation in both.host.ops("context.generate"))
    assert [next(iter(segment)) for segment in first] == ["tools", "system", "user", "cue"]
    assert second == [
        {"message": {"role": "tool", "content": "4"}},
        {"message": {"role": "tool", "content": "error: division by zero"}},
        {"cue": True},
    ]
    calls = both.host.ops("tools.call")
    assert sorted(call["call_id"] for call in calls) == ["call_0", "call_1"]
    assert all(len(call["contexts"]) == 1 for call in calls)


async def test_react_gives_up_after_max_turns(both: Runner) -> None:
    loop = Reply("", [{"name": "calculator", "arguments": {"expression": "2+2"}}])
    with pytest.raises(GuestRaised, match="no answer after 2 turns"):
        await run(
            both, "react", {"question": "?", "max_turns": 2},
            model=lambda text: loop, tool=calculator,
        )  # fmt: skip


async def test_react_refuses_a_tool_that_does_not_exist(both: Runner) -> None:
    with pytest.raises(GuestRaised, match="no such tool: hammer; there are calculator"):
        await run(both, "react", {"question": "?", "tools": ["hammer"]})


async def test_codeact_has_only_python_and_runs_code_in_order(both: Runner) -> None:
    order: list[str] = []

    async def python(name: str, arguments: dict[str, Any]) -> str:
        assert name == "python"
        order.append(arguments["code"])
        return "8"

    def model(text: str) -> Reply:
        if "<tool>" in text:
            return Reply("8")
        return Reply("", [{"name": "python", "arguments": {"code": c}} for c in ("x=8", "x")])

    assert await run(both, "codeact", {"question": "?"}, model=model, tool=python) == "8"
    assert order == ["x=8", "x"]
    (tools, system, *_) = both.host.ops("context.generate")[0]["fill"]
    assert [tool["function"]["name"] for tool in tools["tools"]] == ["python"]
    assert system == {
        "system": "You are a helpful assistant. Solve problems by writing Python code."
    }


async def test_tree_of_thought_follows_tools_and_takes_the_majority(both: Runner) -> None:
    asked = 0

    def model(text: str) -> Reply:
        nonlocal asked
        asked += 1
        if "<tool>4" in text:
            return Reply("4" if asked % 2 else "The result is 4.", logprob=-2.0 - 0.1 * (asked % 2))
        if asked == 1:
            return Reply("It is 5.", logprob=-0.1)
        return Reply("", [{"name": "calculator", "arguments": {"expression": "2+2"}}])

    result = await run(
        both, "tree-of-thought", {"question": "2+2?", "branches": 3, "beam": 2},
        model=model, tool=calculator,
    )  # fmt: skip
    assert result == "The result is 4."
    *branches, verdict = both.host.messages
    assert verdict == {"best": "The result is 4.", "votes": {"It is 5.": 1, "The result is 4.": 6}}
    assert len(branches) == 3 + 2 * 3
    assert {branch["parent"] for branch in branches[:3]} == {"0"}
    # Every context but those still held at the end has been released: none was held.
    assert len(both.host.ops("context.release")) == 1 + len(branches)
    seeds = {operation["sampler"]["seed"] for operation in both.host.ops("context.generate")}
    assert len(seeds) == len(branches)


async def test_agent_rounds_keeps_exact_counts(both: Runner) -> None:
    result = await run(
        both, "agent-rounds",
        {"prompt_tokens": 100, "rounds": 3, "generate_tokens": 5, "append_tokens": [70, 71]},
    )  # fmt: skip
    assert result["generated"] == 15
    assert result["length"] == 100 + 3 * 5 + 2 * 2
    assert len(result["round_seconds"]) == 3
    assert len(both.host.ops("runtime.sleep")) == 3
    assert all(operation["ignore_eos"] for operation in both.host.ops("context.generate"))


async def test_wrong_parameters_are_named(both: Runner) -> None:
    with pytest.raises(InvalidArguments, match="max_turns: 0 is less than the minimum of 1"):
        await run(both, "react", {"question": "?", "max_turns": 0})
