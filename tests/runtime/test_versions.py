"""Semantic versions: which there are, and their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_server.runtime.versions import Version

# The order of the specification's own example (semver.org, section 11), with neighbours.
RISING = [
    "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
    "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "10.0.0",
]  # fmt: skip


def test_versions_have_the_order_of_the_specification() -> None:
    assert sorted(set(RISING), key=Version.parse) == RISING


def test_builds_do_not_change_precedence_but_give_a_total_order() -> None:
    assert Version.parse("1.0.0") < Version.parse("1.0.0+a") < Version.parse("1.0.0+b")
    assert Version.parse("1.0.0+b") < Version.parse("1.0.1")


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "v1.2.3", "1.2.x",
     "1.2.3 ", "1.2.3\n", "-1.2.3", "1.2.3+", f"1.2.{'3' * 100}", "１.2.3"],
)  # fmt: skip
def test_what_is_no_semantic_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no semantic version"):
        Version.parse(text)


numbers = st.integers(0, 10**6)
identifiers = st.one_of(numbers.map(str), st.from_regex(r"[a-z-][a-z0-9-]{0,5}", fullmatch=True))
versions = st.builds(
    Version,
    st.tuples(numbers, numbers, numbers),
    st.lists(identifiers, max_size=3).map(tuple),
    st.sampled_from(["", "b1", "x.5"]),
)


@given(versions, versions)
def test_text_and_order_survive_the_round_trip(one: Version, other: Version) -> None:
    assert Version.parse(str(one)) == one
    assert (one < other) + (one == other) + (other < one) == 1
