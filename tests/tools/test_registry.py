"""The registry: whatever a tool does, its call ends in a result that the model can read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import jsonschema
import pytest
import trio
import trio.testing

from pie_sandbox import Sandbox
from pie_server.errors import ConfigurationError, SandboxUnavailable
from pie_tools import (
    FunctionTool,
    ToolCallContext,
    ToolFailure,
    ToolRegistry,
    ToolResult,
    default_registry,
    tool,
)
from pie_tools.registry import MAX_RESULT_CHARACTERS


async def no_sandbox() -> Sandbox:
    raise SandboxUnavailable("code execution is switched off on this server", hint="for operators")


def context() -> ToolCallContext:
    return ToolCallContext("session", "call", lambda text: None, no_sandbox)


async def call(registry: ToolRegistry, name: str, **arguments: object) -> ToolResult:
    return await registry.call(name, arguments, context())


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    (tmp_path / "tower.txt").write_text("Tower\nThe tower is 92 metres tall.\nIt opened in 1931.\n")
    return tmp_path


async def test_the_built_in_tools_are_the_ones_the_model_was_trained_on(documents: Path) -> None:
    def text(name: str) -> dict[str, object]:
        return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}

    found = [schema["function"] for schema in default_registry(documents).schemas()]
    assert found == [
        {
            "name": "calculator",
            "description": "Evaluate an arithmetic expression.",
            "parameters": text("expression"),
        },
        {
            "name": "search_documents",
            "description": "Search the document collection.",
            "parameters": text("query"),
        },
        {
            "name": "python",
            "description": "Run Python code and return what it prints.",
            "parameters": text("code"),
        },
    ]


async def test_calculator_and_search_answer_in_plain_text(documents: Path) -> None:
    registry = default_registry(documents)
    assert await call(registry, "calculator", expression="12*3") == ToolResult("36")
    found = await call(registry, "search_documents", query="how tall is the tower")
    assert found.content.splitlines()[0] == "Tower: The tower is 92 metres tall."
    nothing = await call(registry, "search_documents", query="zebra")
    assert nothing == ToolResult("error: no document matches", is_error=True)
    division = await call(registry, "calculator", expression="1/0")
    assert division.is_error
    assert division.content.startswith("error: ")


async def test_without_documents_there_is_no_search(tmp_path: Path) -> None:
    assert default_registry(None).names == ["calculator", "python"]
    with pytest.raises(ConfigurationError, match=r"\*\.txt"):
        default_registry(tmp_path)


async def test_schemas_can_be_chosen_by_name(documents: Path) -> None:
    registry = default_registry(documents)
    chosen = registry.schemas(["python", "calculator"])
    assert [schema["type"] for schema in chosen] == ["function", "function"]
    with pytest.raises(KeyError):
        registry.schemas(["nothing"])


@pytest.mark.parametrize(
    "arguments", [{}, {"expression": 5}, {"wrong": "1"}, [], None, "1+1", {"expression": None}]
)
async def test_arguments_that_do_not_fit_are_told_to_the_model(arguments: object) -> None:
    result = await default_registry(None).call("calculator", arguments, context())
    assert result.is_error
    assert result.content.startswith("error: invalid arguments for calculator: ")


async def test_an_unknown_tool_is_told_with_the_known_ones() -> None:
    result = await call(default_registry(None), "browser")
    assert result.content == "error: unknown tool browser; known: calculator, python"
    assert (await call(default_registry(None), "x" * 10**6)).is_error


async def test_every_exception_of_a_tool_becomes_a_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(kind: str) -> str:
        """Fail in many ways."""
        raise {
            "failure": ToolFailure("ask differently"),
            "value": ValueError("not a date"),
            "pie": SandboxUnavailable("no engine", hint="secret of the operator"),
            "bug": KeyError("x"),
            "group": ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
        }[kind]

    registry = ToolRegistry([FunctionTool(fail)])
    expected = {
        "failure": "error: ask differently",
        "value": "error: not a date",
        "pie": "error: no engine",
        "bug": "error: KeyError: 'x'",
        "group": "error: ExceptionGroup: two (2 sub-exceptions)",
    }
    for kind, content in expected.items():
        assert await call(registry, "fail", kind=kind) == ToolResult(content, is_error=True)
    assert "tool fail failed in call" in caplog.text


async def test_a_tool_that_hangs_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async def hang() -> str:
        """Hang."""
        await trio.sleep_forever()
        return ""

    registry = ToolRegistry([FunctionTool(hang, deadline_seconds=5)])
    assert (await call(registry, "hang")).content == "error: timed out after 5 s"
    assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_cancellation_passes_through() -> None:
    async def hang() -> str:
        """Hang."""
        await trio.sleep_forever()
        return ""

    with trio.move_on_after(0.05) as scope:
        await call(ToolRegistry([FunctionTool(hang)]), "hang")
    assert scope.cancelled_caught


async def test_a_result_that_is_too_long_is_cut_and_says_so() -> None:
    async def talk() -> str:
        """Talk."""
        return "x" * 10**6

    result = await call(ToolRegistry([FunctionTool(talk)]), "talk")
    assert result.content.endswith("\n[cut: 1000000 characters in all]")
    assert len(result.content) < MAX_RESULT_CHARACTERS + 100


async def test_a_typed_function_becomes_a_tool() -> None:
    @tool
    async def forecast(
        city: str,
        call: ToolCallContext,
        days: int = 1,
        unit: Literal["C", "F"] = "C",
        places: list[str] | None = None,
    ) -> dict[str, object]:
        """Forecast the weather
        of a city.

        More that the model need not read.

        Args:
            city: Where, by
                its name.
            days: How many.
        """
        return {"city": city, "days": days, "unit": unit, "call": call.call_id}

    registry = ToolRegistry([forecast])
    assert forecast.name == "forecast"
    assert forecast.description == "Forecast the weather of a city."
    assert forecast.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where, by its name."},
            "days": {"type": "integer", "description": "How many."},
            "unit": {"enum": ["C", "F"]},
            "places": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        },
        "required": ["city"],
    }
    jsonschema.Draft202012Validator.check_schema(forecast.parameters)
    result = await call(registry, "forecast", city="Oslo", unit="F")
    assert result.content == '{"city": "Oslo", "days": 1, "unit": "F", "call": "call"}'
    assert (await call(registry, "forecast", city="Oslo", unit="K")).is_error
    assert (await call(registry, "forecast", city="Oslo", days="two")).is_error
    unknown = await call(registry, "forecast", city="Oslo", color="red")
    assert unknown.content.startswith("error: unknown arguments color; known: city, days")


async def test_a_blocking_function_runs_beside_the_loop_and_is_left_at_its_deadline() -> None:
    import threading

    release = threading.Event()

    def block() -> str:
        """Block."""
        release.wait(30)
        return str(threading.current_thread() is threading.main_thread())

    registry = ToolRegistry([FunctionTool(block, deadline_seconds=0.2)])
    with trio.fail_after(5):
        assert "timed out" in (await call(registry, "block")).content
    release.set()
    assert (await call(registry, "block")).content == "False"


def test_what_cannot_be_a_tool_is_refused_with_a_reason() -> None:
    async def undocumented(x: str) -> str:
        return x

    async def strange(x: complex) -> str:
        """Take a strange type."""
        return str(x)

    async def open_ended(*words: str) -> str:
        """Take anything."""
        return ""

    for function, why in (
        (undocumented, "docstring"),
        (strange, r"strange\(x\): no JSON schema"),
        (open_ended, r"\*words"),
    ):
        with pytest.raises(TypeError, match=why):
            tool(function)


def test_names_are_unique_and_schemas_are_checked() -> None:
    async def same() -> str:
        """Do nothing."""
        return ""

    registry = ToolRegistry([FunctionTool(same)])
    with pytest.raises(ConfigurationError, match="two tools named same"):
        registry.register(FunctionTool(same))
    broken = FunctionTool(same, name="broken")
    broken._parameters = {"type": 5}
    with pytest.raises(ConfigurationError, match="broken"):
        registry.register(broken)
