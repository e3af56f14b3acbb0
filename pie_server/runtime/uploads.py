"""Takes uploaded inferlets in: checks everything, compiles what must be, then keeps the version.

Everything here is a stranger's: names, manifest, schema, sources, modules. Sources are parsed and
modules compiled outside the event loop with limits (`source_check`, `build_process`); whatever is
refused leaves nothing behind and tells its author the file, the line or the name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trio

from pie_server.errors import (
    ConfigurationError,
    GuestError,
    GuestTrapped,
    InvalidInferlet,
    InvalidRequest,
    OutputExceeded,
    Overloaded,
    PieError,
)
from pie_server.runtime.manifest import INTERPRETED, MANIFEST, Program, is_name
from pie_server.runtime.needs import check_needs, permits
from pie_server.runtime.parameters import check_schema
from pie_server.runtime.port import InstanceLimits
from pie_server.runtime.registry import Registry
from pie_server.runtime.runtime import Runtime
from pie_server.runtime.source_check import NoHost, Use, check_source
from pie_server.runtime.version_store import VersionStore, digest_of

_FILES: Final = 64
# What can be compiled to machine code within the limits of a build.
_TOTAL_BYTES: Final = 3 << 20
_MANIFEST_BYTES: Final = 64 << 10
_DESCRIPTION_CHARACTERS: Final = 200
# A key `a.b.c` makes one table a dot, and is compared with all its beginnings.
_DOTS_IN_A_LINE: Final = 200
# Checks at once; each may take a core for seconds.
_CHECKS: Final = 2
# Uploads that wait for one, each with its files in memory; at a second each they take 8 s.
_WAITING: Final = 16
# The first inferlet of a language may have to wait for its interpreter to be built.
_CHECK_SECONDS: Final = 300.0
# How long a component may run to show that it starts; it gets no answers and no arguments.
_START: Final = InstanceLimits(memory_bytes=64 << 20, cpu_seconds=0.2)
_START_SECONDS: Final = 2.0
_reading: Final = trio.CapacityLimiter(2)


@dataclass(frozen=True, slots=True)
class Published:
    """The answer to an upload.

    Attributes:
        name: Of the inferlet.
        version: That is in the store now.
        digest: SHA-256 of its files.
        created: False if the same content was there before.
    """

    name: str
    version: str
    digest: str
    created: bool


class Uploads:
    """The way into the store.

    Args:
        registry: Knows the names that are taken.
        store: Where versions are kept.
        runtime: Parses sources and compiles modules.
        operations: All that this server has, for `needs`.
    """

    def __init__(
        self,
        registry: Registry,
        store: VersionStore,
        runtime: Runtime,
        operations: Collection[str],
    ) -> None:
        self._registry = registry
        self._store = store
        self._runtime = runtime
        self._operations = operations
        self._checks = trio.Semaphore(_CHECKS)
        self._uploading = 0

    async def publish(self, files: Mapping[str, bytes]) -> Published:
        """Take an inferlet in.

        Args:
            files: By name: `inferlet.toml` and the source, or the component `inferlet.wasm`.

        Raises:
            InvalidInferlet: It cannot be one; the message says what is wrong where.
            VersionExists: The version exists with other content.
            LimitExceeded: The store is full.
            Overloaded: Too many uploads are waiting, or the check took too long.
            ConfigurationError: The server lacks what it needs to check this language.
        """
        if self._uploading >= _CHECKS + _WAITING:
            raise Overloaded(
                f"{_WAITING} uploads are waiting to be checked, the most this server lets wait.",
                hint="Send it again in some seconds.",
                details={"limit": _WAITING},
            )
        self._uploading += 1
        try:
            return await self._publish(files)
        finally:
            self._uploading -= 1

    async def _publish(self, files: Mapping[str, bytes]) -> Published:
        _check_files(files)
        name = _name_in(files[MANIFEST])
        if self._registry.directory_of(name) is not None:
            raise InvalidInferlet(
                f"the server has an inferlet {name!r} of its own.", hint="Choose another name."
            )
        digest = digest_of(files)
        async with self._store.staged(name, files) as directory:
            # Validating a large schema takes seconds, before it is refused for its size.
            program = await trio.to_thread.run_sync(_read, directory, limiter=_reading)
            releases = self._store.releases(name)
            if releases is not None and releases.has(name, program.version, digest):
                return Published(name, program.version, digest, created=False)
            with trio.move_on_after(_CHECK_SECONDS) as scope:
                async with self._checks:
                    await self._check(program)
            if scope.cancelled_caught:
                raise Overloaded(
                    f"checking {name!r} took more than {_CHECK_SECONDS:g} s.",
                    hint="Send it again when the server has less to do.",
                )
            created = await self._store.add(program, directory, files)
        return Published(name, program.version, digest, created)

    async def _check(self, program: Program) -> None:
        check_schema(program.parameters)
        if program.needs is not None:
            check_needs(program.needs, self._operations)
        if program.compiled:
            await self._check_component(program)
        else:
            self._check_uses(program, await check_source(program, self._runtime.run_instance))

    def _check_uses(self, program: Program, uses: list[Use]) -> None:
        """A source that imports a family of operations needs it."""
        if program.needs is None:
            return
        families = {operation.partition(".")[0] for operation in self._operations}
        families -= {need.partition(".")[0] for need in program.needs}
        families -= {family for family in families if permits(program.needs, family)}
        for use in uses:
            family = use.name.lower()
            if family in families:
                raise InvalidInferlet(
                    f"{program.entry}, line {use.line}: it uses {use.name!r}, but `needs` in "
                    f"{MANIFEST} does not name {family!r}.",
                    hint=f'Add "{family}" to `needs`.',
                    details={"file": program.entry, "line": use.line, "need": family},
                )

    async def _check_component(self, program: Program) -> None:
        if not program.prebuilt:
            raise InvalidInferlet(
                f"{program.name!r} is in {program.language} and came as sources.",
                hint="`pie-server inferlets push` builds them and sends the component.",
            )
        try:
            await self._runtime.compile(program)
        except (ConfigurationError, InvalidRequest) as error:
            raise InvalidInferlet(error.message, hint=error.hint) from None
        await self._start(program)

    async def _start(self, program: Program) -> None:
        """A component that asks for what there is not traps before its first operation."""
        host = NoHost()
        try:
            with trio.move_on_after(_START_SECONDS):
                await self._runtime.try_start(program, host, _START)
        except GuestTrapped as error:
            # Later traps are its own affair: it got no arguments.
            if not host.asked and _is_misfit(error):
                raise InvalidInferlet(
                    f"the component does not start here: {error.message}",
                    hint="It must fit inferlets/wit/world.wit.",
                ) from None
        except (GuestError, OutputExceeded):
            pass


def _is_misfit(error: GuestTrapped) -> bool:
    text = f"{error.message} {error.details.get('trap', '')}"
    return any(word in text for word in ("is missing", "does not export", "implementation was"))


def _check_files(files: Mapping[str, bytes]) -> None:
    if MANIFEST not in files:
        raise InvalidInferlet(f"there is no {MANIFEST} among the files.")
    if len(files) > _FILES:
        raise InvalidInferlet(f"{len(files)} files are too many; {_FILES} are allowed.")
    size = sum(map(len, files.values()))
    if size > _TOTAL_BYTES:
        raise InvalidInferlet(f"the files have {size} bytes; {_TOTAL_BYTES} are allowed.")
    if len(files[MANIFEST]) > _MANIFEST_BYTES:
        raise InvalidInferlet(f"{MANIFEST} has more than {_MANIFEST_BYTES} bytes.")
    for name in files:
        if not is_name(name):
            raise InvalidInferlet(
                f"{name[:100]!r} cannot be the name of a file.",
                hint="All files lie beside the manifest.",
            )


def _name_in(manifest: bytes) -> str:
    """The inferlet's name, which its directory has to have."""
    head = _parse(manifest).get("inferlet")
    name = head.get("name") if isinstance(head, dict) else None
    if not isinstance(name, str) or not is_name(name):
        raise InvalidInferlet(
            f"{MANIFEST} needs [inferlet] with a name, and has {str(name)[:100]!r}.",
            hint="Letters, digits, and `_`, `.`, `-` behind the first; at most 100.",
        )
    return name


def _parse(manifest: bytes) -> dict[str, Any]:
    for number, line in enumerate(manifest.split(b"\n"), 1):
        if line.count(b".") > _DOTS_IN_A_LINE:
            raise InvalidInferlet(
                f"{MANIFEST}, line {number}: it has more than {_DOTS_IN_A_LINE} dots.",
                hint="Write nested tables under headings of their own, and long texts in lines.",
                details={"file": MANIFEST, "line": number},
            )
    try:
        return tomllib.loads(manifest.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidInferlet(f"{MANIFEST} is no TOML: {error}") from None


def _read(directory: Path) -> Program:
    try:
        program = Program.from_directory(directory)
    except PieError as error:
        # Paths of the server are no business of the author.
        message = error.message.replace(f"{directory}/", "").replace(str(directory), "it")
        raise InvalidInferlet(message, hint=error.hint) from None
    description = program.description
    if len(description) > _DESCRIPTION_CHARACTERS or not description.isprintable():
        raise InvalidInferlet(
            f"the description is not one printable line of at most {_DESCRIPTION_CHARACTERS} "
            "characters.",
            hint="Put what is longer into a README.md beside the manifest.",
        )
    if program.language in INTERPRETED and not program.source.strip():
        raise InvalidInferlet(f"{program.entry} is empty.")
    return program
