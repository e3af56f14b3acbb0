"""What a name stands for: its versions, its aliases and their history. Pure values.

A version never changes. An alias is a list of choices, of which the newest that was not undone
counts; a choice may send a share of the sessions to a second version, the canary. `latest` is
computed, all other aliases are set by hand.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from pie_server.errors import InvalidRequest, UnknownInferlet, VersionExists
from pie_server.runtime.versions import Version

LATEST: Final = "latest"
STABLE: Final = "stable"
_ALIAS: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
# Beyond it the oldest choices of an alias are forgotten, so that its file stays small.
_KEPT_CHOICES: Final = 100
_MOST_ALIASES: Final = 100


class StoredVersion(msgspec.Struct, frozen=True):
    """One version of an inferlet in the store.

    Attributes:
        digest: SHA-256 of all its files.
        uploaded: When, in Unix seconds.
        bytes: Size of its files.
        language: As in its manifest.
        description: As in its manifest.
    """

    digest: str
    uploaded: float
    bytes: int
    language: str
    description: str


class Choice(msgspec.Struct, frozen=True):
    """What an alias stood for from some time on.

    Attributes:
        version: Of most sessions.
        since: Unix seconds.
        canary: Of the others; None if there are no others.
        share: Which part of the sessions gets the canary, 0 to 1.
        undone: Whether a rollback took it back.
    """

    version: str
    since: float
    canary: str | None = None
    share: float = 0.0
    undone: bool = False


class Releases(msgspec.Struct, frozen=True):
    """All versions and aliases of one name."""

    versions: dict[str, StoredVersion] = {}
    aliases: dict[str, tuple[Choice, ...]] = {}

    @property
    def latest(self) -> str | None:
        """The highest version that is no prerelease."""
        releases = [v for v in map(Version.parse, self.versions) if not v.prerelease]
        return str(max(releases)) if releases else None

    def newest_first(self) -> list[str]:
        """All versions, the highest first."""
        return [str(version) for version in sorted(map(Version.parse, self.versions), reverse=True)]

    def current(self, alias: str) -> Choice | None:
        """What an alias stands for now."""
        choices = reversed(self.aliases.get(alias, ()))
        return next((choice for choice in choices if not choice.undone), None)

    def resolve(self, name: str, selector: str = "", key: str = "") -> str:
        """The version that `name@selector` means.

        Args:
            name: Of the inferlet.
            selector: A version, an alias, "sha256:" and a digest, or nothing: then `stable`, or
                `latest` where that is not set.
            key: Who asks; the same key gets the same side of a canary every time. Without one,
                the canary is left out.

        Raises:
            UnknownInferlet: There is no such version.
        """
        if not selector:
            selector = STABLE if self.current(STABLE) else LATEST
        if selector in self.versions:
            return selector
        choice = self.current(selector)
        if choice is not None:
            if key and choice.canary and _position(name, choice, key) < choice.share:
                return choice.canary
            return choice.version
        if selector == LATEST and self.latest is not None:
            return self.latest
        for version, stored in self.versions.items():
            if selector == f"sha256:{stored.digest}":
                return version
        raise self._unknown(name, selector)

    def candidates(self, name: str, selector: str) -> tuple[str, ...]:
        """All versions that `name@selector` may mean, the usual one first."""
        choice = self.current(selector or STABLE)
        usual = self.resolve(name, selector)
        if choice is None or choice.canary is None or usual != choice.version:
            return (usual,)
        return usual, choice.canary

    def with_version(self, name: str, version: str, stored: StoredVersion) -> Releases:
        """After an upload.

        Raises:
            VersionExists: The version is there and has other content.
        """
        if self.has(name, version, stored.digest):
            return self
        return msgspec.structs.replace(self, versions={**self.versions, version: stored})

    def has(self, name: str, version: str, digest: str) -> bool:
        """Whether a version with this content is there.

        Raises:
            VersionExists: It is there with other content.
        """
        before = self.versions.get(version)
        if before is not None and before.digest != digest:
            raise VersionExists(
                f"{name}@{version} exists with other content.",
                hint="Versions never change: raise the version in inferlet.toml.",
                details={"digest": before.digest},
            )
        return before is not None

    def with_alias(self, name: str, alias: str, choice: Choice) -> Releases:
        """After an alias was pointed somewhere.

        Raises:
            InvalidRequest: There cannot be such an alias or share.
            UnknownInferlet: There is no such version.
        """
        _check_alias(alias)
        if alias not in self.aliases and len(self.aliases) >= _MOST_ALIASES:
            raise InvalidRequest(f"{name!r} has {_MOST_ALIASES} aliases, which is the most.")
        if not 0 <= choice.share <= 1:
            raise InvalidRequest(
                f"the share {choice.share!r} is not between 0 and 1.", hint="0.05 is 5 %."
            )
        for version in (choice.version, choice.canary):
            if version is not None and version not in self.versions:
                raise self._unknown(name, version)
        return self._with_choices(alias, (*self.aliases.get(alias, ()), choice))

    def with_canary(
        self, name: str, alias: str, version: str, share: float, since: float
    ) -> Releases:
        """After a share of an alias's sessions was sent to a second version; 0 ends that.

        Raises:
            InvalidRequest: There cannot be such an alias or share.
            UnknownInferlet: There is no such version, or the alias is not set.
        """
        usual = self.resolve(name, alias)
        canary = version if share else None
        return self.with_alias(name, alias, Choice(usual, since, canary, share))

    def rolled_back(self, name: str, alias: str) -> Releases:
        """After the newest choice of an alias was taken back.

        Raises:
            InvalidRequest: There is nothing before it.
        """
        _check_alias(alias)
        choices = self.aliases.get(alias, ())
        standing = [number for number, choice in enumerate(choices) if not choice.undone]
        if len(standing) < 2:
            raise InvalidRequest(
                f"the alias {alias!r} of {name!r} has nothing to go back to.",
                hint="`pie-server inferlets list NAME` shows its history.",
            )
        undone = msgspec.structs.replace(choices[standing[-1]], undone=True)
        return self._with_choices(
            alias, (*choices[: standing[-1]], undone, *choices[standing[-1] + 1 :])
        )

    def _unknown(self, name: str, selector: str) -> UnknownInferlet:
        return UnknownInferlet(
            f"the inferlet {name!r} has no version {selector[:80]!r}.",
            hint=f"Versions: {', '.join(self.newest_first()[:10])}; "
            f"aliases: {', '.join(sorted({*self.aliases, LATEST}))}.",
        )

    def _with_choices(self, alias: str, choices: tuple[Choice, ...]) -> Releases:
        return msgspec.structs.replace(
            self, aliases=self.aliases | {alias: choices[-_KEPT_CHOICES:]}
        )


def _check_alias(alias: str) -> None:
    if alias == LATEST:
        raise InvalidRequest(
            "`latest` is always the highest version that is no prerelease.",
            hint="Set another alias, such as `stable`.",
        )
    if not _ALIAS.fullmatch(alias):
        raise InvalidRequest(
            f"{alias[:80]!r} cannot be an alias.",
            hint="Use small letters, digits and hyphens, a letter first.",
        )


def _position(name: str, choice: Choice, key: str) -> float:
    """Where in 0..1 a key lies; a share that grows keeps those it had."""
    digest = hashlib.sha256(f"{name}\0{choice.canary}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
