"""Reasoning techniques of the library: votes, graphs, recursion and search do what they say."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import trio

from pie_server.errors import GuestRaised
from tests.inferlets.library_runs import module_of, registry, run
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded
from tests.runtime.conftest import Runner
from tests.runtime.fake_host import Reply


async def scripted(runner: Runner, name: str, model: Any, **arguments: Any) -> Any:
    """With a scripted model, for decisions that a small model cannot be relied on to make."""
    with trio.fail_after(60):
        return await runner(registry.get(name), {"tools": [], **arguments}, model=model)


async def test_self_consistency_solves_and_counts_votes(embedded: RealRunner) -> None:
    given = {"question": "What is 12 * 34?", "samples": 5, "temperature": 0.8}
    result = await run(embedded, "self-consistency", **given)
    assert "408" in result["answer"]
    assert sum(result["votes"].values()) == 5
    assert result["agreement"] == result["votes"]["408"] / 5
    assert result == await run(embedded, "self-consistency", **given)


async def test_self_consistency_takes_the_majority_over_the_first_answer(both: Runner) -> None:
    replies = iter(["It is 5.", "4", "The result is 4.", "7", "Four: 4."])
    result = await scripted(
        both, "self-consistency", lambda text: Reply(next(replies)), question="2+2?", samples=5
    )
    assert result["votes"] == {"5": 1, "4": 3, "7": 1}
    assert "4" in result["answer"]


async def test_a_graph_of_thoughts_merges_all_items(embedded: RealRunner) -> None:
    items = ["12", "34", "56", "78", "5"]
    result = await run(embedded, "graph-of-thought", items=items)
    assert result == {"result": str(sum(map(int, items))), "thoughts": len(items) - 1}


async def test_a_thought_is_what_most_tries_agree_on(both: Runner) -> None:
    """The scripted model is wrong once about each question."""
    asked: Counter[tuple[str, str]] = Counter()

    def model(text: str) -> Reply:
        a, b = text.rsplit("add ", 1)[1].split("<")[0].split(" and ")
        asked[a, b] += 1
        return Reply(str(int(a) + int(b) + (asked[a, b] == 1)))

    result = await scripted(
        both, "graph-of-thought", model, items=["1", "2", "3", "4"], merge="add {a} and {b}"
    )
    assert result["result"] == "10"
    assert asked == {("1", "2"): 3, ("3", "4"): 3, ("3", "7"): 3}
    thoughts = [news["from"] for news in both.host.messages]
    assert sorted(thoughts) == [["1", "2"], ["3", "4"], ["3", "7"]]


async def test_sub_questions_are_answered_in_contexts_of_their_own(embedded: RealRunner) -> None:
    question = "What is [What is 3 + 4?] * [What is 20 - [What is 2 * 6?]?]?"
    result = await run(embedded, "recursion-of-thought", question=question)
    assert "56" in result["answer"]
    assert result["questions"] == 4


async def test_the_model_may_divide_a_question_itself(both: Runner) -> None:
    seen = []

    def model(text: str) -> Reply:
        seen.append(text)
        if "long" in text:
            return Reply("sum of [left?] and [right?]")
        return Reply("3" if "left" in text else "4" if "right" in text else "7")

    result = await scripted(both, "recursion-of-thought", model, question="a long one")
    assert result["answer"] == "7"
    assert any("sum of 3 and 4" in text and "long" not in text for text in seen)


async def test_endless_division_is_an_error(both: Runner) -> None:
    with pytest.raises(GuestRaised, match="more than 3 questions inside each other"):
        await scripted(
            both, "recursion-of-thought", lambda text: Reply("[why?]"), question="why?", depth=3
        )


async def test_the_points_of_a_skeleton_are_written_side_by_side(embedded: RealRunner) -> None:
    statistics = embedded.engine.scheduler.statistics
    result = await run(embedded, "skeleton-of-thought", question="How does it work?", points=4)
    assert len(result["skeleton"]) == len(result["points"]) == 4
    for number, (title, text) in enumerate(
        zip(result["skeleton"], result["points"], strict=True), 1
    ):
        assert 3 <= len(title) <= 40
        assert f"{number}. {title}: {text}" in result["answer"]
    assert statistics.steps < statistics.decode_tokens


async def test_tree_search_answers_and_visits_what_goes_well(embedded: RealRunner) -> None:
    given = {"question": "What is 12 * 34?", "iterations": 8, "branches": 2, "temperature": 1.0}
    result = await run(embedded, "mcts", **given)
    assert "408" in result["answer"]
    assert sum(result["visits"]) == 8
    assert len(result["visits"]) == 2
    assert result["answer"] == (await run(embedded, "mcts", **given))["answer"]


def test_selection_follows_reward_or_what_was_seldom_visited() -> None:
    mcts = module_of("mcts")
    root = mcts.Node("0", None, visits=11)
    good = mcts.Node("0.0", None, root, visits=10, reward=8.0)
    rare = mcts.Node("0.1", None, root, visits=1, reward=0.1)
    root.children = [good, rare]
    for exploration, chosen in ((0.0, good), (10.0, rare)):
        given = {"branches": 2, "max_turns": 4, "exploration": exploration}
        assert mcts.Search(root, given).select() is chosen
    assert rare.worth(1.0) == pytest.approx(0.1 + math.sqrt(math.log(11)))
    assert mcts.Search(root, {"branches": 3, "max_turns": 4, "exploration": 0.0}).select() is root
    good.answer = "done"  # an end is visited again, and not gone on from
    assert mcts.Search(root, {"branches": 2, "max_turns": 4, "exploration": 0.0}).select() is good


async def test_a_lesson_of_a_failed_attempt_leads_to_the_next(both: Runner) -> None:
    def model(text: str) -> Reply:
        if "differently" in text:
            return Reply("I will use metres.")
        return Reply("2 metres" if "I will use metres." in text else "6 feet")

    result = await scripted(both, "reflexion", model, question="How tall?", accept="metres")
    assert result == {"answer": "2 metres", "attempts": 2, "lessons": ["I will use metres."]}
    assert both.host.messages == [{"failed": "6 feet", "lesson": "I will use metres."}]


async def test_reflexion_on_the_real_model_stops_at_success_and_gives_up_in_the_end(
    embedded: RealRunner,
) -> None:
    solved = await run(embedded, "reflexion", question="What is 12 * 34?", accept="408")
    assert solved["attempts"] == 1
    with pytest.raises(GuestRaised, match="none of 2 attempts was accepted"):
        await run(embedded, "reflexion", question="Hello!", accept="never", attempts=2)
