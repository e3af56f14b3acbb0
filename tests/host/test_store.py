"""The key-value store: durable, scoped by tenant, bounded, and swapped atomically."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_server.errors import InvalidArguments, Overloaded, StoreError, StoreExceeded
from pie_server.services.key_value_file import KeyValueFile, Write, Written
from pie_server.services.key_values import KeyValueStore, StoreLimits

from .conftest import Guest, OpenWorld, World, value


@asynccontextmanager
async def open_store(
    directory: Path, limits: StoreLimits | None = None
) -> AsyncIterator[KeyValueStore]:
    store = KeyValueStore(directory / "store.sqlite", limits)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            yield store
            nursery.cancel_scope.cancel()


def with_store(world: World, store: KeyValueStore, tenant: str = "alice") -> Guest:
    guest = world.second_guest(tenant)
    guest.host.services = replace(world.host.services, store=store)
    return guest


async def test_what_was_put_is_there_after_a_restart(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world:
        async with open_store(tmp_path) as store:
            guest = with_store(world, store)
            assert await guest.do("store.get", key="a") is None
            first = value(await guest.do("store.put", key="a", value={"n": [1, None]}))
            await guest.do("store.put", key="b", value="gone")
            gone = value(await guest.do("store.delete", key="b"))
            assert gone == {"done": True, "version": 0, "existed": True}
            assert value(await guest.do("store.delete", key="b"))["existed"] is False
        with pytest.raises(StoreError, match="closed"):
            await guest.do("store.get", key="a")
        async with open_store(tmp_path) as store:
            guest = with_store(world, store)
            again = await guest.do("store.get", key="a")
            assert again == {"value": {"n": [1, None]}, "version": first["version"]}
            newer = value(await guest.do("store.put", key="b", value="new"))
            assert newer["version"] > 2  # type: ignore[operator] # never a version it had before


async def test_tenants_do_not_see_each_others_keys(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world, open_store(tmp_path) as store:
        mine, other = with_store(world, store), with_store(world, store, "bob")
        await mine.do("store.put", key="k", value="mine")
        assert await other.do("store.get", key="k") is None
        assert await other.do("store.list") == []
        await other.do("store.put", key="k", value="other's")
        await other.do("store.delete", key="k")
        assert value(await mine.do("store.get", key="k"))["value"] == "mine"


async def test_of_many_who_swap_at_once_exactly_one_wins(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    async with open_world() as world, open_store(tmp_path) as store:
        guest = with_store(world, store)
        started = [guest.start("store.put", key="k", value=n, version=0) for n in range(20)]
        answers = [value(await guest.wait(number)) for number in started]
        assert sum(answer["done"] is True for answer in answers) == 1
        assert {answer["version"] for answer in answers} == {answers[0]["version"]}
        stale = value(await guest.do("store.delete", key="k", version=77))
        assert (stale["done"], stale["existed"]) == (False, True)
        fresh = await guest.do("store.delete", key="k", version=answers[0]["version"])
        assert value(fresh)["done"] is True


async def test_concurrent_increments_by_swap_lose_none(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:

        async def increment() -> None:
            for _ in range(10):
                while True:
                    entry = await store.get("t", "n")
                    number, version = (int(entry.value), entry.version) if entry else (0, 0)
                    if (await store.put("t", "n", b"%d" % (number + 1), version)).done:
                        break

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(increment)
        entry = await store.get("t", "n")
        assert entry is not None
        assert entry.value == b"50"


async def test_keys_are_listed_by_prefix_in_pages(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world, open_store(tmp_path) as store:
        guest = with_store(world, store)
        for key in ("b/2", "a", "b/1", "b", "b/3", "c", "b0"):
            await guest.do("store.put", key=key, value=0)

        async def keys(**arguments: object) -> list[object]:
            found = await guest.do("store.list", **arguments)
            assert isinstance(found, list)
            return [value(item)["key"] for item in found]

        assert await keys() == ["a", "b", "b/1", "b/2", "b/3", "b0", "c"]
        assert await keys(prefix="b/", limit=2) == ["b/1", "b/2"]
        assert await keys(prefix="b/", after="b/2") == ["b/3"]
        assert await keys(prefix="x") == []


async def test_a_full_tenant_is_refused_and_others_are_not(tmp_path: Path) -> None:
    limits = StoreLimits(value_bytes=40, tenant_bytes=100, tenant_entries=3)
    async with open_store(tmp_path, limits) as store:
        with pytest.raises(StoreExceeded, match="41 bytes"):
            await store.put("t", "a", b"x" * 41)
        for key in ("a", "b"):
            await store.put("t", key, b"x" * 40)
        with pytest.raises(StoreExceeded, match="100 bytes"):
            await store.put("t", "c", b"x" * 40)
        await store.put("u", "c", b"x" * 40)
        await store.put("t", "a", b"x")  # smaller is fine, and makes room
        await store.put("t", "c", b"x" * 40)
        with pytest.raises(StoreExceeded, match="3 keys"):
            await store.put("t", "d", b"")
        await store.delete("t", "a")
        await store.put("t", "d", b"")


async def test_changes_that_pile_up_before_the_disk_are_refused_beyond_a_bound(
    tmp_path: Path,
) -> None:
    limits = StoreLimits(backlog_bytes=150, tenant_backlog_bytes=100)
    async with open_store(tmp_path, limits) as store:
        outcomes: list[bool] = []

        async def put(number: int, tenant: str = "t") -> None:
            try:
                outcomes.append((await store.put(tenant, f"{number:02}", b"x" * 30)).done)
            except Overloaded:
                outcomes.append(False)

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(put, number)
        assert (outcomes.count(True), outcomes.count(False)) == (3, 7)
        outcomes.clear()
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(put, number)
            nursery.start_soon(put, 0, "u")  # another tenant has room of its own
        assert outcomes == [True] * 4
        assert store._backlog == {}
        assert (await store.put("t", "later", b"x" * 30)).done


async def test_a_locked_file_fails_its_callers_and_works_again_afterwards(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.put("t", "a", b"1")
        blocker = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            await store.put("t", "a", b"2")
        entry = await store.get("t", "a")
        assert entry is not None
        assert entry.value == b"1"
        blocker.execute("ROLLBACK")
        blocker.close()
        assert (await store.put("t", "a", b"3")).done


WRITER = """
import sys, trio
from pathlib import Path
from pie_server.services.key_values import KeyValueStore

async def main():
    store = KeyValueStore(Path(sys.argv[1]) / "store.sqlite")

    async def put(tenant):
        for number in range(100_000):
            await store.put(tenant, "n", b"%d" % number)
            print(tenant, number, flush=True)

    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        for tenant in "abc":
            nursery.start_soon(put, tenant)

trio.run(main)
"""


async def test_what_was_answered_survives_a_server_that_is_killed(tmp_path: Path) -> None:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    printed = b""
    with trio.fail_after(60):
        while printed.count(b"\n") < 60:
            printed += await process.stdout.receive_some()
        process.kill()
        async for data in process.stdout:
            printed += data
        await process.wait()
    await process.stdout.aclose()
    answered = dict(line.split() for line in printed.decode().splitlines()[:-1])
    assert set(answered) == set("abc")
    async with open_store(tmp_path) as store:
        for tenant, number in answered.items():
            entry = await store.get(tenant, "n")
            assert entry is not None
            assert int(entry.value) >= int(number)


def test_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE t (x)")
    foreign.close()
    with pytest.raises(StoreError, match="no key-value store"):
        KeyValueFile.open(path, 1, 1)
    path.unlink()
    KeyValueFile.open(path, 1, 1).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="newer version"):
        KeyValueFile.open(path, 1, 1)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        KeyValueFile.open(path, 1, 1)


async def test_bad_keys_and_values_are_typed_errors(open_world: OpenWorld, tmp_path: Path) -> None:
    async with open_world() as world, open_store(tmp_path) as store:
        guest = with_store(world, store)
        for key in ("", "x" * 513, "nul\0", "\ud800", 7):
            with pytest.raises(InvalidArguments, match="key"):
                await guest.do("store.put", key=key, value=1)
        with pytest.raises(InvalidArguments, match="no JSON"):
            await guest.do("store.put", key="k", value=object())
        with pytest.raises(InvalidArguments, match="limit"):
            await guest.do("store.list", limit=1001)
        with pytest.raises(InvalidArguments, match="version"):
            await guest.do("store.put", key="k", value=1, version=-1)
        await guest.do("store.put", key="ключ/🔑", value="✓")
        assert value(await guest.do("store.get", key="ключ/🔑"))["value"] == "✓"


KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
KEYS |= st.sampled_from(["a\U0010ffff", "\U0010ffff", "\ud7ff", "a", "aa", "b"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=20))), KEYS, KEYS)
def test_the_file_behaves_as_a_sorted_dictionary(
    changes: list[tuple[str, bytes | None]], prefix: str, after: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = KeyValueFile.open(Path(directory) / "s", 1 << 20, 1000)
        model: dict[str, bytes] = {}
        outcomes = file.write([Write("t", key, content) for key, content in changes])
        for (key, content), written in zip(changes, outcomes, strict=True):
            assert isinstance(written, Written)
            assert written.existed is (key in model)
            if content is None:
                model.pop(key, None)
            else:
                model[key] = content
        listed = [key for key, _ in file.keys("t", prefix, after, 1000)]
        expected = [key for key in model if key.startswith(prefix) and key > after]
        assert listed == sorted(expected)
        for key, content in model.items():
            entry = file.read("t", key)
            assert entry is not None
            assert entry.value == content
        row = file._reader.execute("SELECT entries, bytes FROM usage").fetchone() or (0, 0)
        size = sum(len(key.encode()) + len(content) for key, content in model.items())
        assert row == (len(model), size)
        file.close()
