"""Agent techniques of the library: tools beside decoding, map-reduce, retrieval as a graph."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from pie_server.errors import GuestRaised
from pie_tools.calculator import evaluate
from pie_tools.function_tool import FunctionTool
from pie_tools.registry import ToolRegistry, search_documents
from tests.inferlets.library_runs import run, run_with
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded

TWO_CALLS = "What is 3 + 4 and what is 8 * 9?"


async def test_asynchronous_calls_lead_to_the_same_answer(embedded: RealRunner) -> None:
    given = {"question": TWO_CALLS, "tools": ["calculator"]}
    plain = await run(embedded, "react", **given)
    assert "7" in plain
    assert "72" in plain
    assert await run(embedded, "async-function-calling", **given) == plain


async def test_a_tool_starts_before_the_turn_that_calls_it_has_ended(embedded: RealRunner) -> None:
    statistics = embedded.engine.scheduler.statistics
    started: list[int] = []

    async def run_calculator(expression: str) -> str:
        started.append(statistics.decode_tokens)
        await trio.lowlevel.checkpoint()
        return evaluate(expression)

    tools = ToolRegistry([FunctionTool(run_calculator, name="calculator", description="Adds.")])
    for name, is_early in (("react", False), ("async-function-calling", True)):
        started.clear()
        await run_with(embedded, name, tools, question=TWO_CALLS)
        assert len(started) == 2
        # Between the two starts the second call was decoded, or nothing.
        assert (started[0] < started[1]) is is_early


STORIES = {
    "Tom has 5 apples and buys 7 more.": 12,
    "Ann has 12 apples and buys 8 more.": 20,
    "Tim has 30 apples and buys 4 more.": 34,
    "Eva has 2 apples and buys 9 more.": 11,
    "Max has 6 apples and buys 6 more.": 12,
}


@pytest.mark.parametrize("width", [2, 4])
async def test_map_reduce_adds_up_what_stands_in_all_parts(
    embedded: RealRunner, width: int
) -> None:
    result = await run(
        embedded, "map-reduce", document="\n\n".join(STORIES), width=width,
        map="{part} How many apples are there?", reduce="What is {parts}?", join=" + ",
        extract="[0-9]+",
    )  # fmt: skip
    assert result["mapped"] == [str(apples) for apples in STORIES.values()]
    assert result["answer"] == str(sum(STORIES.values()))


async def test_an_answer_without_what_is_to_be_extracted_is_named(embedded: RealRunner) -> None:
    with pytest.raises(GuestRaised, match=r"'\[0-9\]\+' is not found in"):
        await run(
            embedded, "map-reduce",
            document="x", map="Hello!", reduce="{parts}", extract="[0-9]+",
        )  # fmt: skip


@pytest.fixture
def documents(tmp_path: Path) -> ToolRegistry:
    (tmp_path / "staff.txt").write_text("Staff\nThe mayor is Nora Webb.\nThe baker is Carl Lund.\n")
    (tmp_path / "town.txt").write_text("Town\nThe museum opens at 9:30.\n")
    return ToolRegistry([search_documents(tmp_path)])


async def test_retrieval_reads_what_was_found_and_says_whether_it_is_grounded(
    embedded: RealRunner, documents: ToolRegistry
) -> None:
    result = await run_with(
        embedded, "rag-graph", documents,
        question="Who is the mayor?", queries=["museum", "mayor"], keep=1,
    )  # fmt: skip
    assert result["grounded"]
    assert "Nora Webb" in result["answer"]
    # The passage that makes the question likely is read, not the one that was found first.
    assert result["passages"] == ["Staff: The mayor is Nora Webb."]


async def test_passages_of_all_queries_are_ranked_once_each(
    embedded: RealRunner, documents: ToolRegistry
) -> None:
    result = await run_with(
        embedded, "rag-graph", documents,
        question="Who is the baker?", queries=["baker", "mayor", "museum"], keep=16,
    )  # fmt: skip
    assert sorted(result["passages"]) == [
        "Staff: The baker is Carl Lund.",
        "Staff: The mayor is Nora Webb.",
        "Town: The museum opens at 9:30.",
    ]


async def test_an_answer_from_nothing_is_not_grounded(
    embedded: RealRunner, documents: ToolRegistry
) -> None:
    result = await run_with(embedded, "rag-graph", documents, question="Where is Atlantis?")
    assert result["passages"] == []
    assert not result["grounded"]
