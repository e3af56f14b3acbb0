"""The store on disk: immutable versions, crashes, other processes, many versions."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

import pytest
import trio

from pie_server.errors import ConfigurationError, UnknownInferlet, VersionExists
from pie_server.runtime import Program, Registry, VersionStore
from pie_server.runtime.program_cache import ProgramCache
from pie_server.runtime.releases import Choice

MANIFEST = '[inferlet]\nname = "{}"\nversion = "{}"\ndescription = "Number {}."\n'


def files(version: str, text: str = "", name: str = "one") -> dict[str, bytes]:
    source = f"async def main(input):\n    return {text or version!r}\n"
    manifest = MANIFEST.format(name, version, version)
    return {"inferlet.toml": manifest.encode(), "main.py": source.encode()}


async def add(store: VersionStore, version: str, text: str = "", name: str = "one") -> bool:
    given = files(version, text, name)
    async with store.staged(name, given) as directory:
        return await store.add(Program.from_directory(directory), directory, given)


def reopened(store: VersionStore) -> VersionStore:
    again = VersionStore(store._directory)
    again.open()
    return again


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    made = VersionStore(tmp_path / "registry")
    made.open()
    return made


async def test_versions_and_aliases_survive_a_restart(store: VersionStore, tmp_path: Path) -> None:
    assert await add(store, "1.0.0")
    assert await add(store, "1.1.0")
    await store.set_alias("one", "stable", Choice("1.0.0", 1.0))
    registry = Registry(library=tmp_path, store=reopened(store))
    assert registry.get("one").version == "1.0.0"
    assert registry.get("one@latest").source == "async def main(input):\n    return '1.1.0'\n"
    assert [program.version for program in registry.list()] == ["1.0.0"]


async def test_same_content_again_is_no_new_version_and_other_content_is_refused(
    store: VersionStore,
) -> None:
    assert await add(store, "1.0.0")
    assert not await add(store, "1.0.0")
    with pytest.raises(VersionExists):
        await add(store, "1.0.0", "other")
    assert "1.0.0" in store.program("one", "1.0.0").source
    assert list((store._directory / "incoming").iterdir()) == []
    assert len(list((store._directory / "programs").iterdir())) == 1


async def test_program_that_was_resolved_stays_when_the_alias_moves_on(
    store: VersionStore, tmp_path: Path
) -> None:
    await add(store, "1.0.0")
    registry = Registry(library=tmp_path, store=store)
    running = registry.get("one")
    await add(store, "2.0.0")
    assert registry.get("one").version == "2.0.0"
    assert (running.version, "1.0.0" in running.source) == ("1.0.0", True)


async def test_crash_between_the_files_and_the_name_leaves_the_old_state(
    store: VersionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(store, "1.0.0")
    replace = os.replace

    def crash(source: Path, target: Path) -> None:
        if str(target).endswith(".json"):
            raise OSError("the power failed")
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", crash)
        with pytest.raises(OSError, match="power"):
            await add(store, "2.0.0")
    again = reopened(store)
    releases = again.releases("one")
    assert releases is not None
    assert releases.newest_first() == ["1.0.0"]
    assert await add(again, "2.0.0")  # over what the crash left
    assert reopened(store).program("one", "2.0.0").version == "2.0.0"


async def test_what_a_crash_left_is_cleared_away_when_it_is_old(store: VersionStore) -> None:
    await add(store, "1.0.0")
    old, new = (store._directory / "incoming" / name for name in ("old", "new"))
    orphan = store._directory / "programs" / "orphan"
    for place in (old, new, orphan):
        place.mkdir()
    past = time.time() - 10_000
    for place in (old, orphan, *(store._directory / "programs").iterdir()):
        os.utime(place, (past, past))
    again = reopened(store)
    assert not old.exists()
    assert not orphan.exists()
    assert new.exists()
    assert again.program("one", "1.0.0").version == "1.0.0"


async def test_half_written_names_are_cleared_away_and_nobody_changes_anything_meanwhile(
    store: VersionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(store, "1.0.0")
    part = store._directory / "names" / "one.0123abcd.part"
    part.write_text("{")
    orphan = store._directory / "programs" / "orphan"
    orphan.mkdir()
    os.utime(orphan, (1.0, 1.0))
    cleared = []

    def clear(place: Path, *, ignore_errors: bool) -> None:
        with (store._directory / "lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        cleared.append(place)

    monkeypatch.setattr(shutil, "rmtree", clear)
    again = reopened(store)
    assert cleared == [orphan]
    assert not part.exists()
    assert again.names() == ["one"]


async def test_files_and_their_directories_are_on_disk_before_a_name_mentions_them(
    store: VersionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        fsync(handle)
        events.append(os.readlink(f"/proc/self/fd/{handle}"))

    def replaced(source: Path, target: Path) -> None:
        replace(source, target)
        events.append(f"to {target}")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    await add(store, "1.0.0")
    (digest,) = (store._directory / "programs").iterdir()
    renamed = events.index(f"to {digest}")
    before = {Path(event).name for event in events[:renamed]}
    (staged,) = {Path(event).parent.name for event in events[:renamed] if event.endswith("/one")}
    assert before == {"inferlet.toml", "main.py", "one", staged}
    assert events[renamed + 1] == str(digest.parent)
    assert events[-2:] == [
        f"to {store._directory / 'names' / 'one.json'}",
        str(store._directory / "names"),
    ]


async def test_canary_goes_beside_what_the_alias_stands_for_now(store: VersionStore) -> None:
    other = reopened(store)
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        await add(store, version)
    await store.set_alias("one", "stable", Choice("1.0.0", 1.0))
    other.open()
    await store.set_alias("one", "stable", Choice("2.0.0", 2.0))
    await other.set_canary("one", "stable", "3.0.0", 0.5)  # it has not seen the change
    releases = other.releases("one")
    assert releases is not None
    choice = releases.current("stable")
    assert choice is not None
    assert (choice.version, choice.canary, choice.share) == ("2.0.0", "3.0.0", 0.5)
    with pytest.raises(UnknownInferlet):
        await other.set_canary("one", "beta", "3.0.0", 0.5)


def test_programs_in_memory_are_bounded_by_number_and_by_the_bytes_of_their_sources() -> None:
    loads: list[str] = []

    def get(cache: ProgramCache, key: str, size: int) -> Program:
        def load() -> Program:
            loads.append(key)
            return Program.from_source(key, "x" * size)

        return cache.get(key, load)

    cache = ProgramCache(programs=3, source_bytes=10_000)
    for key in ("a", "b", "c", "a", "d"):
        get(cache, key, 1000)
    assert (len(cache), loads) == (3, ["a", "b", "c", "d"])
    get(cache, "a", 1000)
    get(cache, "b", 1000)  # it was used longest ago
    assert loads == ["a", "b", "c", "d", "b"]
    get(cache, "large", 9500)
    assert (len(cache), cache.source_bytes < 10_000) == (1, True)
    assert len(get(cache, "too large", 20_000).source) == 20_000
    get(cache, "a", 1000)
    assert (len(cache), cache.source_bytes < 2000) == (1, True)


async def test_two_processes_do_not_lose_each_others_versions(store: VersionStore) -> None:
    other = reopened(store)
    await add(store, "1.0.0")
    await add(other, "2.0.0")
    await add(store, "3.0.0")
    releases = reopened(store).releases("one")
    assert releases is not None
    assert releases.newest_first() == ["3.0.0", "2.0.0", "1.0.0"]
    with pytest.raises(VersionExists):
        await add(other, "3.0.0", "other")


async def test_uploads_at_the_same_time_all_arrive(store: VersionStore) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(add, store, f"1.{number}.0")
    releases = reopened(store).releases("one")
    assert releases is not None
    assert len(releases.versions) == 20


async def test_damaged_files_are_noticed(store: VersionStore) -> None:
    await add(store, "1.0.0")
    (source,) = store._directory.glob("programs/*/one/main.py")
    source.write_text("async def main(input):\n    return 'evil'\n")
    with pytest.raises(ConfigurationError, match="not those that were uploaded"):
        reopened(store).program("one", "1.0.0")
    registry = Registry(library=store._directory, store=reopened(store))
    assert [listed.version for listed in registry.list()] == ["1.0.0"]
    assert registry.describe("one")["parameters"] is None
    (store._directory / "names" / "one.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"one\.json is damaged"):
        reopened(store)


async def test_unknown_names_and_versions_are_refused(store: VersionStore) -> None:
    await add(store, "1.0.0")
    with pytest.raises(UnknownInferlet, match="was uploaded"):
        await store.set_alias("two", "stable", Choice("1.0.0", 1.0))
    with pytest.raises(UnknownInferlet):
        store.program("one", "2.0.0")
    assert store.names() == ["one"]


async def test_hundreds_of_versions_are_listed_and_found_with_few_reads(
    store: VersionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # the disk is not what is tested
    for number in range(300):
        await add(store, f"1.{number}.0", name=f"name-{number % 10}")
    again = reopened(store)
    registry = Registry(library=tmp_path, store=again)
    reads = []
    load = Program.from_directory
    monkeypatch.setattr(Program, "from_directory", lambda place: reads.append(place) or load(place))
    for _ in range(50):
        assert len(registry.list()) == 10
        assert registry.get("name-3").version == "1.293.0"
        assert registry.get("name-3@1.3.0").version == "1.3.0"
    assert len(reads) == 2  # each program that was asked for, once; a list reads none
    described = registry.describe("name-3")
    assert described["parameters"] == {"type": "object"}
    assert len(described["versions"]) == 30  # type: ignore[arg-type]
