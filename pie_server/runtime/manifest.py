"""One inferlet as its author wrote it: the manifest `inferlet.toml` and the source beside it.

Reads directories and checks arguments against the manifest's schema. Never compiles or runs
anything, and knows nothing of where versions are kept.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jsonschema
import referencing
from jsonschema.protocols import Validator
from referencing.exceptions import Unresolvable

from pie_server.errors import ConfigurationError, InvalidArguments
from pie_server.runtime.parameters import check_cost, count_nodes
from pie_server.runtime.port import JsonValue
from pie_server.runtime.versions import Version

MANIFEST: Final = "inferlet.toml"
# What a compiled inferlet is handed on as, in place of its sources.
COMPONENT: Final = "inferlet.wasm"
# Each language's entry point, where the manifest names none.
ENTRIES: Final = {
    "python": "main.py",
    "javascript": "main.js",
    "rust": "main.rs",
    "c": "main.c",
    "cpp": "main.cpp",
    "wasm": "main.wasm",
}
INTERPRETED: Final = frozenset({"python", "javascript"})
# What an inferlet in a compiled language is made of, beside the SDK.
_SOURCE_SUFFIXES: Final = {".rs", ".c", ".h", ".cpp", ".cc", ".hpp", ".wasm"}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_NEED: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")
_ANY_OBJECT: Final[dict[str, JsonValue]] = {"type": "object"}
# A list of many wrong items has as many problems; nobody reads more than these.
_PROBLEMS: Final = 100
# What an error quotes of a value, which may be a whole prompt.
_QUOTED_CHARACTERS: Final = 200


def is_name(text: str) -> bool:
    """Whether an inferlet may be called so. Such names are also safe as file names."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True)
class Program:
    """One version of an inferlet.

    Attributes:
        name: Its name, also shown in its tracebacks.
        version: A semantic version, as in its manifest.
        language: "python" and "javascript" run from their source; "rust", "c", "cpp" are compiled;
            "wasm" is a module or component compiled elsewhere.
        source: Text of its entry point; empty for what is compiled already.
        description: One line for people.
        parameters: JSON schema of its arguments.
        needs: Operations, or families of them, that it may use; None for all.
        manifest: The whole manifest.
        directory: Where it lies; None for a program that was never a file.
        files: Names and SHA-256 of a compiled program's sources, the entry point included.
        uploaded: Whether a stranger wrote it; checking its arguments has a bounded cost then.
    """

    name: str
    version: str
    language: str
    source: str
    description: str = ""
    parameters: dict[str, JsonValue] = field(default_factory=lambda: dict(_ANY_OBJECT))
    needs: tuple[str, ...] | None = None
    manifest: dict[str, JsonValue] = field(default_factory=dict)
    directory: Path | None = None
    files: tuple[tuple[str, str], ...] = ()
    uploaded: bool = False

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
            manifest = tomllib.loads((directory / MANIFEST).read_text())
            return cls._from_manifest(manifest, directory)
        except KeyError as error:
            raise ConfigurationError(
                f"{directory / MANIFEST} lacks {error}.",
                hint="It needs [inferlet] with name, version and description.",
            ) from None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise ConfigurationError(
                f"The inferlet in {directory} cannot be read: {_shorten(str(error), 1000)}"
            ) from None
        except jsonschema.SchemaError as error:
            raise ConfigurationError(
                f"The inferlet in {directory} cannot be read: `parameters` is no JSON schema: "
                f"{_explain(error)}"
            ) from None

    @classmethod
    def _from_manifest(cls, manifest: dict[str, Any], directory: Path) -> Program:
        head = manifest["inferlet"]
        name, language = str(head["name"]), str(head.get("language", "python"))
        if language not in ENTRIES:
            raise _unknown_language(directory, language)
        if name != directory.name or not is_name(name):
            raise ConfigurationError(
                f"{directory / MANIFEST} names the inferlet {name[:100]!r}.",
                hint="Name the directory after the inferlet: letters, digits, and `_`, `.`, `-` "
                "behind the first.",
            )
        entry = directory / str(head.get("main", ENTRIES[language]))
        if not is_name(entry.name) or entry.parent != directory:
            raise ValueError("`main` is no file beside the manifest")
        if language not in INTERPRETED and not entry.exists() and _prebuilt(directory).exists():
            entry = _prebuilt(directory)
        parameters = manifest.get("parameters", dict(_ANY_OBJECT))
        if not isinstance(parameters, dict):
            raise ValueError("`parameters` is no table")
        jsonschema.Draft202012Validator.check_schema(parameters)
        json.dumps(parameters, allow_nan=False)  # TOML's dates and infinities are not JSON
        return cls(
            name=name,
            version=str(Version.parse(str(head["version"]))),
            language=language,
            source="" if entry.suffix == ".wasm" else entry.read_text(),
            description=str(head.get("description", "")),
            parameters=parameters,
            needs=_needs(head),
            manifest=manifest,
            directory=directory,
            files=() if language in INTERPRETED else _hash_sources(directory, entry),
        )

    @property
    def compiled(self) -> bool:
        """Whether it has a component of its own, which must be built before it runs."""
        return self.language not in INTERPRETED

    @property
    def prebuilt(self) -> bool:
        """Whether it is handed on as a module or component instead of sources."""
        return self.compiled and self.entry.endswith(".wasm")

    @cached_property
    def entry(self) -> str:
        """Name of the file with its entry point."""
        head: Any = self.manifest.get("inferlet", {})
        named = str(head.get("main", ENTRIES[self.language]))
        files = {name for name, _ in self.files}
        return COMPONENT if COMPONENT in files and named not in files else named

    @cached_property
    def digest(self) -> str:
        """SHA-256 of language, sources and parameters: what decides how it behaves."""
        sources = (self.source, *(f"{name} {digest}" for name, digest in self.files))
        parts = (self.language, *sources, repr(sorted(self.parameters.items())))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @cached_property
    def _nodes(self) -> int:
        return count_nodes(self.parameters)

    @cached_property
    def _validator(self) -> Validator:
        # With a registry of its own the schema cannot make the server fetch what it refers to.
        return jsonschema.Draft202012Validator(self.parameters, registry=referencing.Registry())

    def check(self, arguments: JsonValue) -> JsonValue:
        """The arguments with the schema's defaults filled in.

        Raises:
            InvalidArguments: They do not fit; the message names each parameter and why.
            ConfigurationError: The schema refers to what it does not have.
        """
        if self.uploaded:
            check_cost(self._nodes, arguments)
        if isinstance(arguments, dict):
            arguments = {**self._defaults(), **arguments}
        try:
            found = itertools.islice(self._validator.iter_errors(arguments), _PROBLEMS)
            problems = sorted(found, key=lambda e: e.json_path)
        except Unresolvable as error:
            raise ConfigurationError(
                f"the parameters of {self.name!r} refer to what they do not have: {error}"
            ) from None
        except RecursionError:
            raise InvalidArguments(
                f"the arguments of {self.name!r} are nested too deeply to be checked.",
                hint="Send what is nested so deeply as a text.",
            ) from None
        if problems:
            listed = "; ".join(_explain(problem) for problem in problems[:5])
            known: Any = self.parameters.get("properties", {})
            raise InvalidArguments(
                f"the arguments of {self.name!r} do not fit: {listed}.",
                hint=f"It takes: {_shorten(', '.join(known))}." if known else "",
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


def _prebuilt(directory: Path) -> Path:
    return directory / COMPONENT


def _needs(head: dict[str, Any]) -> tuple[str, ...] | None:
    needs = head.get("needs")
    if needs is None:
        return None
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        raise ValueError("`needs` is no list of operations")
    for need in needs:
        if not _NEED.fullmatch(need):
            raise ValueError(f"`needs` has {need[:80]!r}, which is no operation or family of them")
    return tuple(needs)


def _unknown_language(directory: Path, language: str) -> ConfigurationError:
    return ConfigurationError(
        f"{directory / MANIFEST} has language {language[:80]!r}.",
        hint=f"This server runs {', '.join(ENTRIES)}.",
    )


def _hash_sources(directory: Path, entry: Path) -> tuple[tuple[str, str], ...]:
    """The sources of a compiled program lie beside its entry point."""
    if entry.suffix == ".wasm":
        files = {entry}
    else:
        suffixes = _SOURCE_SUFFIXES
        files = {path for path in directory.iterdir() if path.suffix in suffixes} | {entry}
    return tuple(
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(files)
    )


def _explain(problem: jsonschema.ValidationError | jsonschema.SchemaError) -> str:
    where = _shorten(problem.json_path.removeprefix("$").removeprefix("."))
    message = _shorten(problem.message)
    return f"{where}: {message}" if where else message


def _shorten(text: str, characters: int = _QUOTED_CHARACTERS) -> str:
    return text if len(text) <= characters else f"{text[:characters]}..."
