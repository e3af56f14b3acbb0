"""Semantic versions 2.0: reading and ordering them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_NUMBER = r"(?:0|[1-9][0-9]{0,17})"
_IDENTIFIER = r"(?:0|[1-9][0-9]{0,17}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_PATTERN = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_LONGEST = 80


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version. Ordered by precedence, then, for a total order, by its build.

    Attributes:
        numbers: Major, minor, patch.
        prerelease: Identifiers behind the hyphen, e.g. ("rc", "1"); empty for a release.
        build: What stands behind the plus.
    """

    numbers: tuple[int, int, int]
    prerelease: tuple[str, ...] = ()
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `1.2.0`, `1.2.0-rc.1` or `1.2.0+build.5`.

        Raises:
            ValueError: It is no semantic version.
        """
        match = _PATTERN.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise ValueError(
                f"{text[:_LONGEST]!r} is no semantic version, such as 1.2.0 or 1.2.0-rc.1"
            )
        major, minor, patch, prerelease, build = match.groups()
        identifiers = tuple(prerelease.split(".")) if prerelease else ()
        return cls((int(major), int(minor), int(patch)), identifiers, build or "")

    def __str__(self) -> str:
        prerelease = f"-{'.'.join(self.prerelease)}" if self.prerelease else ""
        return ".".join(map(str, self.numbers)) + prerelease + (f"+{self.build}" * bool(self.build))

    def __lt__(self, other: Version) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[object, ...]:
        # A release comes after its prereleases; numeric identifiers before others.
        identifiers = tuple(
            (0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.prerelease
        )
        return self.numbers, not self.prerelease, identifiers, self.build
