"""Uploads of strangers: what is taken in, what is refused, and that nothing is left behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import wasmtime

from pie_server.errors import (
    GuestRaised,
    InvalidArguments,
    InvalidInferlet,
    Overloaded,
    VersionExists,
)
from pie_server.host.operations import OPERATIONS
from pie_server.runtime import (
    InstanceLimits,
    Program,
    Registry,
    Runtime,
    Uploads,
    VersionStore,
    build_program,
    run_native,
    source_check,
)
from pie_server.runtime.source_check import Use
from tests.runtime.fake_host import FakeHost
from tests.runtime.test_building import RETURNS_INPUT, bomb, write

MANIFEST = '[inferlet]\nname = "one"\nversion = "1.0.0"\ndescription = "One."\n'
SOURCE = "async def main(input):\n    return input['n'] + 1\n"
Files = dict[str, bytes]


def upload(source: str = SOURCE, more: str = "", language: str = "python") -> Files:
    entry = {"python": "main.py", "javascript": "main.js"}[language]
    manifest = f'{MANIFEST}language = "{language}"\n{more}'
    return {"inferlet.toml": manifest.encode(), entry: source.encode()}


class World:
    """A registry with a store, and the way in."""

    def __init__(self, runtime: Runtime, nursery: trio.Nursery, directory: Path) -> None:
        self.runtime = runtime
        self.nursery = nursery
        self.directory = directory
        self.store = VersionStore(directory)
        self.registry = Registry(store=self.store)
        self.uploads = Uploads(self.registry, self.store, runtime, OPERATIONS)

    async def publish(self, files: Files) -> Any:
        with trio.fail_after(200):
            return await self.uploads.publish(files)

    async def refused(self, files: Files, message: str) -> InvalidInferlet:
        """The refusal; nothing may be left of the upload."""
        with pytest.raises(InvalidInferlet, match=message) as caught:
            await self.publish(files)
        assert self.store.names() == []
        assert str(self.directory) not in str(caught.value)
        left = [path for path in self.directory.rglob("*") if path.is_file()]
        assert left == []
        return caught.value

    async def run(self, reference: str, arguments: Any) -> Any:
        program = self.registry.get(reference)
        host = FakeHost(self.nursery)
        return await self.runtime.run_instance(program, arguments, host, InstanceLimits())


@pytest.fixture
def world(runtime: Runtime, nursery: trio.Nursery, tmp_path: Path) -> World:
    return World(runtime, nursery, tmp_path / "registry")


async def test_uploaded_python_runs_and_an_upload_again_is_no_new_version(world: World) -> None:
    done = await world.publish(upload())
    assert (done.name, done.version, done.created) == ("one", "1.0.0", True)
    again = await world.publish(upload())
    assert (again.digest, again.created) == (done.digest, False)
    assert await world.run("one", {"n": 41}) == 42
    assert await world.run(f"one@sha256:{done.digest}", {"n": 1}) == 2
    with pytest.raises(VersionExists):
        await world.publish(upload(SOURCE + "# changed\n"))


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("import json\n\nasync def main(input):\n    return json.)\n", 4, "line 4: SyntaxError"),
        ("async def main(input):\nreturn 1\n", 2, "line 2: IndentationError"),
        ("async def main(input):\n    return 1\nreturn 2\n", 3, "'return' outside function"),
        ("async def other(input):\n    return 1\n", 1, "defines no `main`"),
        ("main = 1\0\n", 1, "null bytes"),
    ],
)
async def test_python_with_a_mistake_is_refused_with_its_line(
    world: World, source: str, line: int, message: str
) -> None:
    error = await world.refused(upload(source), message)
    assert (error.details["file"], error.details["line"]) == ("main.py", line)


async def test_nothing_of_an_upload_is_executed_by_its_check(world: World) -> None:
    await world.publish(upload("raise SystemExit('executed')\n" + SOURCE))
    with pytest.raises(GuestRaised, match="executed"):
        await world.run("one", {"n": 1})


async def test_source_that_exhausts_its_interpreter_is_refused(world: World) -> None:
    await world.refused(upload("main = " + "(" * 5000), "call stack is exhausted")


async def test_source_that_takes_too_long_to_parse_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_check, "_LIMITS", InstanceLimits(cpu_seconds=0.1))
    source = SOURCE + "x = ((1, 2, 3), (4, 5, 6), -7 ** 8)\n" * 20_000
    await world.refused(upload(source), r"used its 0\.1 s of CPU time")


async def test_javascript_is_parsed_but_not_run(world: World) -> None:
    source = "throw new Error('executed');\nexport function main(input) { return input.n * 2; }\n"
    await world.publish(upload(source, language="javascript"))
    with pytest.raises(GuestRaised, match="executed"):
        await world.run("one", {"n": 1})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("export function main(input) {\n    return input.;\n}\n", r"main\.js, line 2"),
        ("export function other(input) {}\n", "exports no `main`"),
        ("import { nothing } from 'inferlet';\nexport function main() {}\n", "nothing"),
    ],
)
async def test_javascript_with_a_mistake_is_refused(
    world: World, source: str, message: str
) -> None:
    await world.refused(upload(source, language="javascript"), message)


@pytest.mark.rust
async def test_uploaded_component_is_compiled_once_and_runs(world: World, tmp_path: Path) -> None:
    component = build_program(write(tmp_path, "rust", dict(RETURNS_INPUT["rust"]))).component
    manifest = MANIFEST.replace("1.0.0", "2.0.0") + 'language = "rust"\n'
    done = await world.publish({"inferlet.toml": manifest.encode(), "inferlet.wasm": component})
    assert done.created
    program = world.registry.get("one")
    assert world.runtime._programs.loaded(world.runtime._programs.recipe(program))
    assert await world.run("one", {"n": 3}) == {"n": 3}


def wasm(module: bytes) -> Files:
    return {"inferlet.toml": f'{MANIFEST}language = "wasm"\n'.encode(), "main.wasm": module}


def described(description: str) -> Files:
    files = upload()
    files["inferlet.toml"] = files["inferlet.toml"].replace(b"One.", description.encode())
    return files


STRANGE = '(component (import "secret:files/all" (func)))'


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (wasm(b"hello"), "no WebAssembly module"),
        (wasm(bytes(wasmtime.wat2wasm("(module)"))), "does not export"),
        (wasm(bytes(wasmtime.wat2wasm(STRANGE))), "does not start here"),
        (wasm(bytes(wasmtime.wat2wasm("(component)"))), "does not start here"),
        (wasm(bomb()), "more CPU time"),
    ],
    ids=["text", "empty", "imports", "empty component", "bomb"],
)
async def test_component_that_cannot_run_here_is_refused(
    world: World, files: Files, message: str
) -> None:
    await world.refused(files, message)


@pytest.mark.parametrize("language", ["rust", "c", "cpp"])
async def test_sources_of_compiled_languages_are_not_built_for_strangers(
    world: World, language: str
) -> None:
    suffix = {"rust": "rs"}.get(language, language)
    files = {
        "inferlet.toml": f'{MANIFEST}language = "{language}"\n'.encode(),
        f"main.{suffix}": b'#include "/etc/passwd"\n',
    }
    await world.refused(files, "came as sources")


MANY = ", ".join(f'p{n} = {{ type = "string" }}' for n in range(600))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('needs = ["context", "teleport"]\n', "'teleport', which this server does not have"),
        ('needs = ["context.explode"]\n', r"'context\.explode'"),
        ('[parameters]\ntype = "array"\n', "not of type object"),
        ('[parameters]\ntype = "object"\n"$ref" = "#"\n', r"uses '\$ref'"),
        (
            '[parameters]\ntype = "object"\n[parameters.properties.n]\npattern = "(a+)+$"\n',
            r"`parameters\.n` uses 'pattern'",
        ),
        (
            f'[parameters]\ntype = "object"\nproperties = {{ {MANY} }}\n',
            "601 nodes",
        ),
        (
            '[parameters]\ntype = "object"\nproperties = { n = { const = 99999999999999999999 } }',
            "more than 64 bits",
        ),
        (
            '[parameters]\ntype = "object"\nproperties = { n = ' + "{ items = " * 20 + "{}"
            + "}" * 21,
            "levels deep",
        ),
        (
            '[parameters]\ntype = "object"\nproperties = { n = { default = ' + "[" * 20 + "]" * 20
            + " } }",
            "levels deep",
        ),
        (
            '[parameters]\ntype = "object"\nproperties = { n = { default = [' + "[], " * 600
            + "] } }",
            "603 nodes",
        ),
    ],
)  # fmt: skip
async def test_manifest_that_lies_or_asks_too_much_is_refused(
    world: World, more: str, message: str
) -> None:
    await world.refused(upload(more=more), message)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no inferlet.toml"),
        ({"main.py": b"x"}, "no inferlet.toml"),
        ({"inferlet.toml": b"\xff"}, "no TOML"),
        ({"inferlet.toml": b"a = " + b"[" * 50_000}, "no TOML"),
        ({"inferlet.toml": b"x" * 100_000}, "more than 65536 bytes"),
        ({"inferlet.toml": MANIFEST.encode()}, r"main\.py"),
        ({"inferlet.toml": b'[inferlet]\nname = "../../x"\n'}, "needs .inferlet. with a name"),
        ({**upload(), "../evil": b"x"}, "cannot be the name of a file"),
        ({**upload(), "a/b": b"x"}, "cannot be the name of a file"),
        (upload() | {f"f{n}": b"" for n in range(100)}, "files are too many"),
        ({**upload(), "big": b"x" * (9 << 20)}, "are allowed"),
        (upload(more="[[[["), "no TOML"),
        (upload(""), "is empty"),
        (upload(more=f"x{'.x' * 201} = 1\n"), "line 6: it has more than 200 dots"),
        (described("two\\nlines"), "not one printable line of at most 200"),
        (described("\\u001b[2J"), "not one printable line"),
        (described("x" * 201), "not one printable line"),
    ],
)
async def test_malformed_upload_is_refused(world: World, files: Files, message: str) -> None:
    await world.refused(files, message)


async def test_name_of_an_inferlet_of_the_server_cannot_be_taken(world: World) -> None:
    files = upload()
    files["inferlet.toml"] = MANIFEST.replace('"one"', '"react"').encode()
    await world.refused(files, "has an inferlet 'react' of its own")


def numbered(number: int) -> Files:
    files = upload()
    manifest = MANIFEST.replace('"one"', f'"one-{number}"')
    return files | {"inferlet.toml": manifest.encode()}


async def test_uploads_that_wait_for_their_check_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = trio.Event()
    check = world.uploads._check

    async def check_later(program: Program) -> None:
        await checked.wait()
        await check(program)

    monkeypatch.setattr(world.uploads, "_check", check_later)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for number in range(18):
                nursery.start_soon(world.publish, numbered(number))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(Overloaded, match="16 uploads are waiting") as caught:
                await world.publish(upload())
            assert "again" in caught.value.hint
            checked.set()
    assert (await world.publish(upload())).created


SCHEMA = """
[parameters]
type = "object"
[parameters.properties]
n = { items = { anyOf = [{ type = "string" }, { type = "null" }] } }
text = { type = "string" }
"""


async def test_arguments_that_cost_much_to_check_are_refused_for_an_upload(
    world: World, tmp_path: Path
) -> None:
    await world.publish(upload(more=SCHEMA))
    program = world.registry.get("one")
    assert program.uploaded
    nodes = 6
    most = 100_000 // nodes
    few: Any = {"n": ["x"] * 100, "text": "y" * 100_000}
    assert program.check(few) == few
    much: list[Any] = [{"n": [[]] * most}, {"text": "z" * 100 * most}, {"n": {"k" * 100 * most: 1}}]
    for many in much:
        with pytest.raises(InvalidArguments, match=f"a schema of {nodes} nodes") as caught:
            program.check(many)
        assert caught.value.details["limit"] == most
        assert len(str(caught.value)) < 500
    trusted = dataclasses.replace(program, uploaded=False)
    assert trusted.check({"text": "z" * 100 * most})


def test_imports_of_javascript_are_found_in_one_pass() -> None:
    """Each character is looked at a few times, however many imports there are."""

    class Text(str):
        counted = 0

        def count(self, part: str, start: int, end: int) -> int:  # type: ignore[override]
            Text.counted += end - start
            return super().count(part, start, end)

    source = Text("import { Context as C, tools }\n from 'inferlet';\n" * 1000)
    uses = list(source_check._javascript_uses(source))
    assert uses[:2] == [Use("Context", 1), Use("tools", 1)]
    assert uses[-1] == Use("tools", 1999)
    assert Text.counted <= len(source)
    # A search that goes on over the next brace begins anew at each of many.
    nested = "import { import { import { Context } from 'inferlet'"
    assert list(source_check._javascript_uses(nested)) == [Use("Context", 1)]


USES_TOOLS = "from inferlet import Context, tools\n" + SOURCE


async def test_source_that_imports_what_its_needs_do_not_name_is_refused(world: World) -> None:
    error = await world.refused(upload(USES_TOOLS, 'needs = ["context"]\n'), "uses 'tools'")
    assert (error.details["line"], error.details["need"]) == (1, "tools")
    script = "import { Context, tools } from 'inferlet';\nexport function main() {}\n"
    await world.refused(upload(script, 'needs = ["tools"]\n', "javascript"), "uses 'Context'")
    assert (await world.publish(upload(USES_TOOLS, 'needs = ["context", "tools.call"]\n'))).created


CALLS = """
from inferlet import _backend
async def main(input):
    return _backend.control(input["op"], **input["fields"])
"""


@pytest.mark.parametrize("native", [False, True])
async def test_operation_that_needs_do_not_name_is_refused_when_it_is_called(
    runtime: Runtime, tmp_path: Path, native: bool
) -> None:
    directory = tmp_path / "one"
    directory.mkdir()
    (directory / "inferlet.toml").write_text(f'{MANIFEST}needs = ["context.create"]\n')
    (directory / "main.py").write_text(CALLS)
    program = Program.from_directory(directory)

    async def run(operation: str, **fields: Any) -> tuple[Any, FakeHost]:
        async with trio.open_nursery() as nursery:
            host = FakeHost(nursery)
            start = run_native if native else runtime.run_instance
            call = {"op": operation, "fields": fields}
            try:
                return await start(program, call, host, InstanceLimits()), host
            except GuestRaised as error:
                return error, host

    made, host = await run("context.create", model="fake")
    assert "context" in made
    assert host.closed == 1
    error, host = await run("context.delete", model="fake", name="x")
    assert 'Add "context" to `needs`' in str(error.message)
    assert host.ops("context.delete") == []
    assert (await run("models.list"))[0]
