"""What the residency policy expects things to cost, and whom it chooses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pie_server.kv.residency import Average, Blob, Candidate, Costs, Parcel, ToolTimes, victims

NOW = 100.0
PARKED = Candidate(
    tokens=160, pages=10, parked=True, returns_at=NOW + 1.0, last_used=5, recomputable=True
)
IDLE = replace(PARKED, parked=False, returns_at=None)


def test_an_average_forgets_its_guess_at_the_first_measurement() -> None:
    average = Average(1.0)
    average.observe(0.1)
    assert average.value == 0.1
    average.observe(0.2)
    assert average.value == pytest.approx(0.12)


def test_contexts_that_nobody_waits_for_go_before_parked_ones() -> None:
    assert victims([PARKED, IDLE], Costs(), NOW) == [1, 0]


def test_of_parked_contexts_the_one_whose_tool_takes_longest_goes_first() -> None:
    soon, late = replace(PARKED, returns_at=NOW + 0.01), replace(PARKED, returns_at=NOW + 30)
    overdue = replace(PARKED, returns_at=NOW - 5)
    assert victims([soon, overdue, late], Costs(), NOW) == [2, 0, 1]


def test_a_long_context_is_dearer_to_recompute_but_not_to_move() -> None:
    costs = Costs(Average(1.0), Average(1e-9))  # moving is nearly free
    short, long = replace(IDLE, tokens=16, pages=1), replace(IDLE, tokens=160, pages=10)
    assert victims([long, short], costs, NOW) in ([0, 1], [1, 0])
    pinned = replace(long, recomputable=False)
    costs = Costs(Average(1e-9), Average(1.0))  # computing is nearly free, moving is not
    assert victims([pinned, short], costs, NOW) == [1, 0]


def test_contexts_without_pages_of_their_own_are_not_victims() -> None:
    assert victims([replace(IDLE, pages=0)], Costs(), NOW) == []


def test_tools_are_learnt_one_by_one() -> None:
    times = ToolTimes()
    assert times.expected_seconds("python") is None
    times.observe("python", 0.5)
    times.observe("search", 0.01)
    assert times.known() == {"python": 0.5, "search": 0.01}


def test_a_truncated_parcel_ends_where_the_log_does() -> None:
    parcel = Parcel(Blob(1), 40, (0, 1, 2))
    assert parcel.truncated(50) is parcel
    assert parcel.truncated(0) is None
    cut = parcel.truncated(17)
    assert cut is not None
    assert (cut.length, cut.held) == (17, (0, 1, 2))
