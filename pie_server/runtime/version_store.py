"""Keeps uploaded inferlets on disk: every version's files for good, and what names stand for.

    programs/<digest>/<name>/   the files of one version, never changed
    names/<name>.json           versions, aliases and their history (`releases`)
    incoming/                   uploads that are still being checked

A version's files are whole on disk before its name mentions them, and a name's file is replaced in
one step, so that a crash at any moment leaves the store as it was before or after. Several
processes may share a store: each change reads the name's file again under a lock. Methods that
touch the disk run in a thread. Checks nothing of what is stored; `uploads` does.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import trio

from pie_server.errors import ConfigurationError, LimitExceeded, UnknownInferlet
from pie_server.runtime.manifest import Program, is_name
from pie_server.runtime.program_cache import ProgramCache
from pie_server.runtime.releases import Choice, Releases, StoredVersion

_STORE_BYTES: Final = 4 << 30
# What a version costs at least, so that very many empty ones fill the store too.
_LEAST_BYTES: Final = 4096
# An upload that a crash left behind; a living one takes minutes at most.
_ABANDONED_SECONDS: Final = 3600.0
_disk: Final = trio.CapacityLimiter(2)


def digest_of(files: Mapping[str, bytes]) -> str:
    """What a version is known by: SHA-256 over the names and contents of its files."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


class VersionStore:
    """The uploaded inferlets of one server.

    Args:
        directory: Where they are kept; made when it is first needed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names: dict[str, Releases] = {}
        self._programs = ProgramCache()

    def open(self) -> None:
        """Read what there is, and clear away what a crash left behind. Blocks.

        Raises:
            ConfigurationError: A file is damaged.
        """
        if not self._directory.is_dir():
            return
        with self._locked():
            for place in self._children("names"):
                if place.suffix == ".json":
                    self._names[place.stem] = self._read(place.stem)
                elif place.suffix == ".part":  # whoever writes one has the lock
                    place.unlink()
            known = {v.digest for names in self._names.values() for v in names.versions.values()}
            for place in (*self._children("incoming"), *self._children("programs")):
                if place.name not in known and _age(place) > _ABANDONED_SECONDS:
                    shutil.rmtree(place, ignore_errors=True)

    def names(self) -> list[str]:
        """The names of all inferlets in the store."""
        return sorted(self._names)

    def releases(self, name: str) -> Releases | None:
        """What a name stands for; None if the store does not have it."""
        return self._names.get(name)

    def program(self, name: str, version: str) -> Program:
        """A version's program. Read from disk once, in about a millisecond.

        Raises:
            UnknownInferlet: There is no such version.
            ConfigurationError: Its files are damaged.
        """
        stored = self._names.get(name, Releases()).versions.get(version)
        if stored is None:
            raise UnknownInferlet(f"there is no inferlet {name[:80]!r} {version[:80]!r}.")
        return self._programs.get(f"{stored.digest}/{name}", lambda: self._load(name, stored))

    @asynccontextmanager
    async def staged(self, name: str, files: Mapping[str, bytes]) -> AsyncIterator[Path]:
        """A directory with these files, to check them; gone behind the block unless `add`ed."""
        place = self._directory / "incoming" / secrets.token_hex(8)

        def write() -> Path:
            directory = place / name
            directory.mkdir(parents=True)
            for file, content in files.items():
                _write(directory / file, content)
            # `add` renames it as it is: what it holds must be on disk before.
            _sync(directory)
            _sync(place)
            return directory

        try:
            yield await trio.to_thread.run_sync(write, limiter=_disk)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    async def add(self, program: Program, staged: Path, files: Mapping[str, bytes]) -> bool:
        """Keep a staged version; whether it is new.

        Raises:
            VersionExists: The version is there with other content.
            LimitExceeded: The store is full.
        """
        stored = StoredVersion(
            digest=digest_of(files),
            uploaded=time.time(),
            bytes=sum(map(len, files.values())),
            language=program.language,
            description=program.description,
        )
        self._check_room(stored.bytes)
        before = self.releases(program.name)
        is_new = before is None or program.version not in before.versions

        def move() -> None:
            target = self._directory / "programs" / stored.digest
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                os.replace(staged.parent, target)
                _sync(target.parent)

        await self._change(
            program.name, lambda old: old.with_version(program.name, program.version, stored), move
        )
        return is_new

    async def set_alias(self, name: str, alias: str, choice: Choice) -> None:
        """Point an alias at a version, and perhaps a share of the sessions at another.

        Raises:
            InvalidRequest: There cannot be such an alias.
            UnknownInferlet: There is no such version.
        """
        self._require(name)
        await self._change(name, lambda old: old.with_alias(name, alias, choice))

    async def set_canary(self, name: str, alias: str, version: str, share: float) -> None:
        """Send a share of an alias's sessions to a second version; a share of 0 ends that.

        Raises:
            InvalidRequest: The share is not between 0 and 1, or there cannot be such an alias.
            UnknownInferlet: There is no such version, or the alias is not set.
        """
        self._require(name)
        since = time.time()
        await self._change(name, lambda old: old.with_canary(name, alias, version, share, since))

    async def roll_back(self, name: str, alias: str) -> None:
        """Take the newest choice of an alias back.

        Raises:
            InvalidRequest: There is nothing before it.
            UnknownInferlet: There is no such inferlet in the store.
        """
        self._require(name)
        await self._change(name, lambda old: old.rolled_back(name, alias))

    def _require(self, name: str) -> None:
        if name not in self._names:
            raise UnknownInferlet(
                f"no inferlet {name[:80]!r} was uploaded.",
                hint=f"There are: {', '.join(self.names()[:50]) or 'none'}. Inferlets in the "
                "server's directories have no versions.",
            )

    async def _change(
        self,
        name: str,
        change: Callable[[Releases], Releases],
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Replace a name's file by its changed self; memory follows when the disk has it."""

        def work() -> Releases:
            place = self._directory / "names"
            place.mkdir(parents=True, exist_ok=True)
            with self._locked():
                changed = change(self._read(name))
                before()
                scratch = place / f"{name}.{secrets.token_hex(4)}.part"
                _write(scratch, msgspec.json.encode(changed))
                os.replace(scratch, self._place(name))
                _sync(place)
                return changed

        # Not abandoned when cancelled: memory and disk would differ.
        with trio.CancelScope(shield=True):
            self._names[name] = await trio.to_thread.run_sync(work, limiter=_disk)

    def _check_room(self, size: int) -> None:
        versions = (v for names in self._names.values() for v in names.versions.values())
        used = sum(max(_LEAST_BYTES, version.bytes) for version in versions)
        if used + size > _STORE_BYTES:
            raise LimitExceeded(
                f"the store of inferlets is full: {used} of {_STORE_BYTES} bytes.",
                hint="The operator can delete names/NAME.json of an inferlet that nobody launches, "
                "and start the server again.",
            )

    def _read(self, name: str) -> Releases:
        place = self._place(name)
        try:
            return msgspec.json.decode(place.read_bytes(), type=Releases)
        except FileNotFoundError:
            return Releases()
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{place} is damaged: {error}",
                hint="Restore it from a backup, or delete it and upload its versions again.",
            ) from None

    def _load(self, name: str, stored: StoredVersion) -> Program:
        directory = self._directory / "programs" / stored.digest / name
        try:
            files = {path.name: path.read_bytes() for path in directory.iterdir()}
        except OSError:
            files = {}
        if digest_of(files) != stored.digest:
            raise ConfigurationError(
                f"the files of {name!r} in {directory} are not those that were uploaded.",
                hint="Restore them from a backup.",
            )
        return replace(Program.from_directory(directory), uploaded=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other processes from changing anything but what is incoming."""
        with (self._directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _place(self, name: str) -> Path:
        assert is_name(name)
        return self._directory / "names" / f"{name}.json"

    def _children(self, name: str) -> Iterator[Path]:
        place = self._directory / name
        return place.iterdir() if place.is_dir() else iter(())


def _age(place: Path) -> float:
    """In seconds; 0 for what another process has just cleared away."""
    try:
        return time.time() - place.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Makes the renames in a directory survive a crash."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
