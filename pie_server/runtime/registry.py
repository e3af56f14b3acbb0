"""Finds inferlets: those in directories, which an author edits, and the uploaded versions.

A reference is `name`, `name@1.2.0`, `name@stable` or `name@sha256:DIGEST`. Inferlets of directories
are read again when they change on disk, so that an author can edit and run; names in directories
win over names in the store. Never runs anything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pie_server.errors import ConfigurationError, InvalidArguments, PieError, UnknownInferlet
from pie_server.runtime.locations import inferlets_directory
from pie_server.runtime.manifest import MANIFEST, Program, is_name
from pie_server.runtime.port import JsonValue
from pie_server.runtime.releases import LATEST, Choice, Releases
from pie_server.runtime.version_store import VersionStore

_NAMED_AT_MOST = 50
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listed:
    """One inferlet in the list of all.

    Attributes:
        name: Its name.
        version: That the name alone stands for.
        language: As in its manifest.
        description: As in its manifest.
        parameters: JSON schema of its arguments; None for an uploaded one, see `describe`.
    """

    name: str
    version: str
    language: str
    description: str
    parameters: dict[str, JsonValue] | None = None


class Registry:
    """The inferlets of the library that ships, of one more directory, and of a store.

    Args:
        directory: Holds one directory per inferlet. Its inferlets win over the library's.
        library: The library; the one that ships if not given.
        store: The uploaded versions.
    """

    def __init__(
        self,
        directory: Path | None = None,
        library: Path | None = None,
        store: VersionStore | None = None,
    ) -> None:
        library = library or inferlets_directory() / "library"
        self._directories = [library] if directory is None else [directory, library]
        self._cache: dict[Path, tuple[tuple[int, ...], Program]] = {}
        self._unreadable: dict[Path, str] = {}
        self.store = store

    def list(self) -> list[Listed]:
        """What each name alone stands for, by name; names with prereleases only are left out.

        Reads no file of an uploaded version. An inferlet of a directory that cannot be read is left
        out, and the log says why.
        """
        places = self._found()
        listed = [found for place in places.values() if (found := self._listed(place))]
        for name, releases in self._stored():
            if name not in places and releases.latest is not None:
                version = releases.resolve(name)
                stored = releases.versions[version]
                listed.append(Listed(name, version, stored.language, stored.description))
        return sorted(listed, key=lambda found: found.name)

    def get(self, reference: str, key: str = "") -> Program:
        """The program that a reference means.

        Args:
            reference: A name, alone or with `@` and a version, an alias or a digest.
            key: Of the session that asks; decides about a canary, the same way each time.

        Raises:
            UnknownInferlet: There is none.
            ConfigurationError: It cannot be read.
        """
        name, _, selector = reference.partition("@")
        # The check keeps a client from reading manifests elsewhere.
        directory = self.directory_of(name) if is_name(name) else None
        if directory is not None:
            return self._of_directory(directory, selector)
        releases = self.store.releases(name) if self.store else None
        if self.store is None or releases is None:
            raise self._unknown(name)
        return self.store.program(name, releases.resolve(name, selector, key))

    def check(self, reference: str, arguments: JsonValue) -> JsonValue:
        """The arguments for the program that a reference means, with defaults filled in.

        Where it may mean two versions, arguments that fit one of them will do: which one a session
        gets is decided when it exists, and its own version checks them again.

        Raises:
            UnknownInferlet: There is no such program.
            InvalidArguments: The arguments do not fit its parameters.
        """
        first, *others = self._candidates(reference)
        try:
            return first.check(arguments)
        except InvalidArguments:
            for other in others:
                return other.check(arguments)
            raise

    def directory_of(self, name: str) -> Path | None:
        """Where an inferlet of the server's directories lies; None if there is none so called."""
        places = (directory / name for directory in self._directories)
        return next((place for place in places if (place / MANIFEST).is_file()), None)

    def describe(self, name: str) -> dict[str, object]:
        """All versions and aliases of a name, and the parameters of what it alone stands for.

        Raises:
            UnknownInferlet: There is no such inferlet.
        """
        releases = self.store.releases(name) if self.store and is_name(name) else None
        if releases is None or self.directory_of(name) is not None:
            program = self.get(name)
            version = {"version": program.version, "language": program.language,
                       "description": program.description}  # fmt: skip
            return {
                "name": program.name,
                "uploaded": False,
                "parameters": program.parameters,
                "versions": [version],
                "aliases": {},
            }
        return {
            "name": name,
            "uploaded": True,
            "parameters": self._parameters_of(name),
            "versions": [
                {"version": version, **msgspec.to_builtins(releases.versions[version])}
                for version in releases.newest_first()
            ],
            "aliases": _describe_aliases(releases),
        }

    async def set_alias(self, name: str, alias: str, version: str) -> dict[str, object]:
        """Point an alias at a version, for all sessions from now on; see `describe` for the result.

        Raises:
            InvalidRequest: There cannot be such an alias.
            UnknownInferlet: There is no such version, or the inferlet was not uploaded.
        """
        await self._store_of(name).set_alias(name, alias, Choice(version, time.time()))
        return self.describe(name)

    async def set_canary(
        self, name: str, alias: str, version: str, share: float
    ) -> dict[str, object]:
        """Send a share of an alias's sessions to a second version; a share of 0 ends that.

        Raises:
            InvalidRequest: The alias is not set, or the share is not between 0 and 1.
            UnknownInferlet: There is no such version, or the inferlet was not uploaded.
        """
        await self._store_of(name).set_canary(name, alias, version, share)
        return self.describe(name)

    async def roll_back(self, name: str, alias: str) -> dict[str, object]:
        """Take the newest change of an alias back.

        Raises:
            InvalidRequest: There is nothing before it.
            UnknownInferlet: The inferlet was not uploaded.
        """
        await self._store_of(name).roll_back(name, alias)
        return self.describe(name)

    def _store_of(self, name: str) -> VersionStore:
        if self.store is None or not is_name(name):
            raise self._unknown(name)
        return self.store

    def _of_directory(self, directory: Path, selector: str) -> Program:
        program = self._load(directory)
        if selector not in ("", LATEST, program.version):
            raise UnknownInferlet(
                f"the inferlet {program.name!r} has no version {selector[:80]!r}.",
                hint=f"It is {program.version}, in {directory.parent.name}/; only uploaded "
                "inferlets have several.",
            )
        return program

    def _candidates(self, reference: str) -> Iterable[Program]:
        name, _, selector = reference.partition("@")
        usual = self.get(reference)
        releases = self.store.releases(name) if self.store else None
        if self.store is None or releases is None or self.directory_of(name) is not None:
            return [usual]
        versions = releases.candidates(name, selector)
        return [self.store.program(name, version) for version in versions]

    def _parameters_of(self, name: str) -> dict[str, JsonValue] | None:
        """None if the name alone stands for nothing, or for what cannot be read."""
        try:
            return self.get(name).parameters
        except UnknownInferlet:
            return None
        except PieError as error:
            _log.warning("an uploaded inferlet cannot be read: %s", error)
            return None

    def _unknown(self, name: str) -> UnknownInferlet:
        names = sorted({*self._found(), *(self.store.names() if self.store else ())})
        more = ", ..." if len(names) > _NAMED_AT_MOST else ""
        return UnknownInferlet(
            f"there is no inferlet {name[:80]!r}.",
            hint=f"There are: {', '.join(names[:_NAMED_AT_MOST])}{more}.",
        )

    def _stored(self) -> Iterable[tuple[str, Releases]]:
        for name in self.store.names() if self.store else ():
            releases = self.store.releases(name) if self.store else None
            if releases is not None:
                yield name, releases

    def _found(self) -> dict[str, Path]:
        return {
            path.parent.name: path.parent
            for directory in reversed(self._directories)
            for path in directory.glob(f"*/{MANIFEST}")
        }

    def _listed(self, directory: Path) -> Listed | None:
        try:
            program = self._load(directory)
        except (ConfigurationError, OSError) as error:
            # Once: lists are asked for often.
            if self._unreadable.get(directory) != str(error):
                self._unreadable[directory] = str(error)
                _log.warning("an inferlet is left out of the list: %s", error)
            return None
        self._unreadable.pop(directory, None)
        return Listed(
            program.name,
            program.version,
            program.language,
            program.description,
            program.parameters,
        )

    def _load(self, directory: Path) -> Program:
        stamp = tuple(
            path.stat().st_mtime_ns for path in sorted(directory.iterdir()) if path.is_file()
        )
        cached = self._cache.get(directory)
        if cached is None or cached[0] != stamp:
            cached = self._cache[directory] = (stamp, Program.from_directory(directory))
        return cached[1]


def _describe_aliases(releases: Releases) -> dict[str, object]:
    aliases: dict[str, object] = {LATEST: {"version": releases.latest}} if releases.latest else {}
    for alias, choices in releases.aliases.items():
        now = releases.current(alias)
        history = [msgspec.to_builtins(choice) for choice in choices]
        current = {"version": now.version, "canary": now.canary, "share": now.share} if now else {}
        aliases[alias] = {**current, "history": history}
    return aliases
