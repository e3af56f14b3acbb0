"""What a name stands for: versions, aliases, canaries, rollbacks."""

from __future__ import annotations

import msgspec
import pytest

from pie_server.errors import InvalidRequest, UnknownInferlet, VersionExists
from pie_server.runtime.releases import Choice, Releases, StoredVersion


def releases(*versions: str) -> Releases:
    made = Releases()
    for version in versions:
        made = made.with_version("x", version, stored(version))
    return made


def stored(digest: str) -> StoredVersion:
    return StoredVersion(digest, 1.0, 10, "python", "")


def test_latest_is_the_highest_version_that_is_no_prerelease() -> None:
    made = releases("1.9.0", "1.10.0", "2.0.0-rc.1", "1.2.0")
    assert made.resolve("x") == made.resolve("x", "latest") == "1.10.0"
    assert made.newest_first() == ["2.0.0-rc.1", "1.10.0", "1.9.0", "1.2.0"]
    with pytest.raises(UnknownInferlet, match="no version 'latest'"):
        releases("1.0.0-a").resolve("x")


def test_name_alone_is_stable_where_that_is_set() -> None:
    made = releases("1.0.0", "2.0.0").with_alias("x", "stable", Choice("1.0.0", 1.0))
    assert made.resolve("x") == "1.0.0"
    assert made.resolve("x", "latest") == "2.0.0"


def test_version_can_be_named_by_its_digest() -> None:
    assert releases("1.0.0", "2.0.0").resolve("x", "sha256:2.0.0") == "2.0.0"


def test_unknown_version_is_refused_with_those_there_are() -> None:
    made = releases("1.0.0").with_alias("x", "stable", Choice("1.0.0", 1.0))
    with pytest.raises(UnknownInferlet, match=r"Versions: 1\.0\.0; aliases: latest, stable"):
        made.resolve("x", "3.0.0")
    with pytest.raises(UnknownInferlet, match=r"no version '3\.0\.0'"):
        made.with_alias("x", "stable", Choice("3.0.0", 1.0))


def test_version_with_other_content_is_refused_and_with_the_same_changes_nothing() -> None:
    made = releases("1.0.0")
    assert made.with_version("x", "1.0.0", stored("1.0.0")) == made
    with pytest.raises(VersionExists, match=r"x@1\.0\.0 exists"):
        made.with_version("x", "1.0.0", stored("other"))


def canary(share: float) -> Releases:
    return releases("1.0.0", "2.0.0").with_alias(
        "x", "stable", Choice("1.0.0", 1.0, "2.0.0", share)
    )


def test_canary_gets_its_share_and_each_session_the_same_side_every_time() -> None:
    keys = [f"session {number}" for number in range(4000)]
    chosen = {key: canary(0.05).resolve("x", "stable", key) for key in keys}
    assert chosen == {key: canary(0.05).resolve("x", "stable", key) for key in keys}
    share = sum(version == "2.0.0" for version in chosen.values()) / len(keys)
    assert 0.035 < share < 0.065  # four standard deviations; the keys are fixed


def test_growing_share_keeps_the_sessions_it_had() -> None:
    keys = [f"session {number}" for number in range(2000)]
    few, many = ({k for k in keys if canary(s).resolve("x", "", k) == "2.0.0"} for s in (0.1, 0.5))
    assert few < many
    assert all(canary(1.0).resolve("x", "", key) == "2.0.0" for key in keys)


def test_without_a_key_the_canary_is_left_out_but_named_as_a_candidate() -> None:
    assert canary(0.99).resolve("x") == "1.0.0"
    assert canary(0.99).candidates("x", "") == ("1.0.0", "2.0.0")
    assert canary(0.99).candidates("x", "2.0.0") == ("2.0.0",)
    assert canary(0.99).candidates("x", "latest") == ("2.0.0",)


def test_rollbacks_go_back_step_by_step_and_the_history_keeps_all() -> None:
    made = releases("1.0.0", "2.0.0", "3.0.0")
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        made = made.with_alias("x", "stable", Choice(version, 1.0))
    made = made.rolled_back("x", "stable")
    assert made.resolve("x") == "2.0.0"
    made = made.rolled_back("x", "stable")
    assert made.resolve("x") == "1.0.0"
    with pytest.raises(InvalidRequest, match="nothing to go back to"):
        made.rolled_back("x", "stable")
    assert [choice.undone for choice in made.aliases["stable"]] == [False, True, True]
    made = made.with_alias("x", "stable", Choice("3.0.0", 2.0)).rolled_back("x", "stable")
    assert made.resolve("x") == "1.0.0"


@pytest.mark.parametrize("alias", ["latest", "", "Stable", "1.0.0", "a b", "../x", "a" * 65, "é"])
def test_impossible_alias_is_refused(alias: str) -> None:
    with pytest.raises(InvalidRequest, match="alias"):
        releases("1.0.0").with_alias("x", alias, Choice("1.0.0", 1.0))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(InvalidRequest, match="between 0 and 1"):
        canary(share)


def test_history_is_bounded_and_survives_the_disk() -> None:
    made = releases("1.0.0")
    for number in range(300):
        made = made.with_alias("x", "stable", Choice("1.0.0", float(number)))
    assert len(made.aliases["stable"]) == 100
    assert msgspec.json.decode(msgspec.json.encode(made), type=Releases) == made
