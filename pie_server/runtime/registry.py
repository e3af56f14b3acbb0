"""Finds inferlets and checks their arguments.

Owns the programs of its directories: `<name>/inferlet.toml` beside its source. Reads them again
when they change on disk, so that an author can edit and run. Never runs anything.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.protocols import Validator

from pie_server.errors import ConfigurationError, InvalidArguments, UnknownInferlet
from pie_server.runtime.locations import inferlets_directory
from pie_server.runtime.port import JsonValue

_MANIFEST = "inferlet.toml"
# Each language's entry point, where the manifest names none.
_ENTRIES = {
    "python": "main.py",
    "javascript": "main.js",
    "rust": "main.rs",
    "c": "main.c",
    "cpp": "main.cpp",
    "wasm": "main.wasm",
}
_INTERPRETED = {"python", "javascript"}
# What an inferlet in a compiled language is made of, beside the SDK.
_SOURCE_SUFFIXES = {".rs", ".c", ".h", ".cpp", ".cc", ".hpp", ".wasm"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_ANY_OBJECT: dict[str, JsonValue] = {"type": "object"}


@dataclass(frozen=True)
class Program:
    """One version of an inferlet.

    Attributes:
        name: Its name, also shown in its tracebacks.
        version: As in its manifest.
        language: "python" and "javascript" run from their source; "rust", "c", "cpp" are compiled;
            "wasm" is a module or component compiled elsewhere.
        source: Text of its entry point; empty for "wasm".
        description: One line for people.
        parameters: JSON schema of its arguments.
        manifest: The whole manifest.
        directory: Where it lies; None for a program that was never a file.
        files: Names and SHA-256 of a compiled program's sources, the entry point included.
    """

    name: str
    version: str
    language: str
    source: str
    description: str = ""
    parameters: dict[str, JsonValue] = field(default_factory=lambda: dict(_ANY_OBJECT))
    manifest: dict[str, JsonValue] = field(default_factory=dict)
    directory: Path | None = None
    files: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_source(cls, name: str, text: str, language: str = "python") -> Program:
        """A program in an interpreted language, without a manifest, which takes any arguments."""
        return cls(name=name, version="0.0.0", language=language, source=text)

    @classmethod
    def from_directory(cls, directory: Path) -> Program:
        """Read `inferlet.toml` and the source it names.

        Raises:
            ConfigurationError: A file is missing or says something impossible.
        """
        try:
            manifest = tomllib.loads((directory / _MANIFEST).read_text())
            head = manifest["inferlet"]
            language = str(head.get("language", "python"))
            if language not in _ENTRIES:
                raise _unknown_language(directory, language)
            entry = directory / str(head.get("main", _ENTRIES[language]))
            program = cls(
                name=str(head["name"]),
                version=str(head["version"]),
                language=language,
                source="" if language == "wasm" else entry.read_text(),
                description=str(head.get("description", "")),
                parameters=manifest.get("parameters", dict(_ANY_OBJECT)),
                manifest=manifest,
                directory=directory,
                files=() if language in _INTERPRETED else _hash_sources(directory, entry),
            )
            jsonschema.Draft202012Validator.check_schema(program.parameters)
        except KeyError as error:
            raise ConfigurationError(
                f"{directory / _MANIFEST} lacks {error}.",
                hint="It needs [inferlet] with name, version and description.",
            ) from None
        except (OSError, ValueError, jsonschema.SchemaError) as error:
            raise ConfigurationError(
                f"The inferlet in {directory} cannot be read: {error}"
            ) from None
        if program.name != directory.name:
            raise ConfigurationError(
                f"{directory / _MANIFEST} names the inferlet {program.name!r}.",
                hint="Name the directory after the inferlet.",
            )
        return program

    @property
    def compiled(self) -> bool:
        """Whether it has a component of its own, which must be built before it runs."""
        return self.language not in _INTERPRETED

    @property
    def entry(self) -> str:
        """Name of the file with its entry point."""
        head: Any = self.manifest.get("inferlet", {})
        return str(head.get("main", _ENTRIES[self.language]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of language, sources and parameters: what decides how it behaves."""
        sources = (self.source, *(f"{name} {digest}" for name, digest in self.files))
        parts = (self.language, *sources, repr(sorted(self.parameters.items())))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @cached_property
    def _validator(self) -> Validator:
        return jsonschema.Draft202012Validator(self.parameters)

    def check(self, arguments: JsonValue) -> JsonValue:
        """The arguments with the schema's defaults filled in.

        Raises:
            InvalidArguments: They do not fit; the message names each parameter and why.
        """
        if isinstance(arguments, dict):
            arguments = {**self._defaults(), **arguments}
        problems = sorted(self._validator.iter_errors(arguments), key=lambda e: e.json_path)
        if problems:
            listed = "; ".join(_explain(problem) for problem in problems[:5])
            known: Any = self.parameters.get("properties", {})
            raise InvalidArguments(
                f"the arguments of {self.name!r} do not fit: {listed}.",
                hint=f"It takes: {', '.join(known)}." if known else "",
                details={"problems": [_explain(problem) for problem in problems[:20]]},
            )
        return arguments

    def _defaults(self) -> dict[str, JsonValue]:
        properties: Any = self.parameters.get("properties", {})
        return {
            name: schema["default"]
            for name, schema in properties.items()
            if isinstance(schema, dict) and "default" in schema
        }


def _unknown_language(directory: Path, language: str) -> ConfigurationError:
    return ConfigurationError(
        f"{directory / _MANIFEST} has language {language!r}.",
        hint=f"This server runs {', '.join(_ENTRIES)}.",
    )


def _hash_sources(directory: Path, entry: Path) -> tuple[tuple[str, str], ...]:
    """The sources of a compiled program lie beside its entry point."""
    files = {path for path in directory.iterdir() if path.suffix in _SOURCE_SUFFIXES} | {entry}
    return tuple(
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(files)
    )


def _explain(problem: jsonschema.ValidationError) -> str:
    where = problem.json_path.removeprefix("$").removeprefix(".")
    # Values can be long (a prompt): the message quotes only the beginning.
    message = problem.message if len(problem.message) <= 200 else f"{problem.message[:200]}..."
    return f"{where}: {message}" if where else message


class Registry:
    """The inferlets of the library that ships, and those of one more directory.

    Args:
        directory: Holds one directory per inferlet. Its inferlets win over the library's.
        library: The library; the one that ships if not given.
    """

    def __init__(self, directory: Path | None = None, library: Path | None = None) -> None:
        library = library or inferlets_directory() / "library"
        self._directories = [library] if directory is None else [directory, library]
        self._cache: dict[Path, tuple[tuple[int, ...], Program]] = {}

    def list(self) -> list[Program]:
        """All programs, by name.

        Raises:
            ConfigurationError: One of them cannot be read.
        """
        return [self._load(directory) for _, directory in sorted(self._found().items())]

    def get(self, name: str) -> Program:
        """The program called `name`.

        Raises:
            UnknownInferlet: There is none.
            ConfigurationError: It cannot be read.
        """
        # The pattern keeps a client from reading manifests elsewhere.
        if _NAME.fullmatch(name):
            for directory in self._directories:
                if (directory / name / _MANIFEST).is_file():
                    return self._load(directory / name)
        raise UnknownInferlet(
            f"there is no inferlet {name[:80]!r}.",
            hint=f"There are: {', '.join(sorted(self._found()))}.",
        )

    def check(self, name: str, arguments: JsonValue) -> JsonValue:
        """The arguments for the program called `name`, with defaults filled in.

        Raises:
            UnknownInferlet: There is no such program.
            InvalidArguments: The arguments do not fit its parameters.
        """
        return self.get(name).check(arguments)

    def _found(self) -> dict[str, Path]:
        return {
            path.parent.name: path.parent
            for directory in reversed(self._directories)
            for path in directory.glob(f"*/{_MANIFEST}")
        }

    def _load(self, directory: Path) -> Program:
        stamp = tuple(
            path.stat().st_mtime_ns for path in sorted(directory.iterdir()) if path.is_file()
        )
        cached = self._cache.get(directory)
        if cached is None or cached[0] != stamp:
            cached = self._cache[directory] = (stamp, Program.from_directory(directory))
        return cached[1]
