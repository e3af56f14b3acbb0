"""Finding programs and checking their arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from pie_server.errors import ConfigurationError, InvalidArguments, UnknownInferlet
from pie_server.runtime import JsonValue, Program, Registry

MANIFEST = """
[inferlet]
name = "one"
version = "1.2.3"
description = "The first."

[parameters]
type = "object"
required = ["n"]
additionalProperties = false
[parameters.properties]
n = { type = "integer" }
m = { type = "integer", default = 5 }
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    directory = tmp_path / "one"
    directory.mkdir()
    (directory / "inferlet.toml").write_text(MANIFEST)
    (directory / "main.py").write_text("def main(input):\n    return 1\n")
    (tmp_path / "not-an-inferlet").mkdir()
    return tmp_path


def test_program_is_read_from_its_directory(library: Path) -> None:
    program = Registry(library=library).get("one")
    assert (program.name, program.version, program.language) == ("one", "1.2.3", "python")
    assert program.description == "The first."
    assert program.source.startswith("def main")


def test_unknown_inferlet_is_refused_with_those_there_are(library: Path) -> None:
    for name in ("two", "../one", "", ".", "one/../one", "x" * 10_000, "not-an-inferlet"):
        with pytest.raises(UnknownInferlet, match="There are: one"):
            Registry(library=library).get(name)


def test_name_with_a_null_byte_is_unknown(library: Path) -> None:
    with pytest.raises(UnknownInferlet):
        Registry(library=library).get("one\0")


def test_defaults_are_filled_in_and_problems_named(library: Path) -> None:
    registry = Registry(library=library)
    assert registry.check("one", {"n": 1}) == {"n": 1, "m": 5}
    with pytest.raises(InvalidArguments, match=r"'n' is a required property.*It takes: n, m"):
        registry.check("one", {})
    with pytest.raises(InvalidArguments, match="m: 'x' is not of type 'integer'") as caught:
        registry.check("one", {"n": "y" * 5000, "m": "x"})
    assert len(caught.value.message) < 600
    with pytest.raises(InvalidArguments, match="is not of type 'object'"):
        registry.check("one", [1])


def test_changed_source_is_read_again(library: Path) -> None:
    registry = Registry(library=library)
    before = registry.get("one")
    assert registry.get("one") is before
    (library / "one" / "main.py").write_text("def main(input):\n    return 22\n")
    assert registry.get("one").digest != before.digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('version = "1.2.3"', "", "lacks 'version'"),
        ('name = "one"', 'name = "two"', "names the inferlet 'two'"),
        ('name = "one"', 'name = "one"\nlanguage = "cobol"', "language 'cobol'"),
        ('version = "1.2.3"', 'version = "1.2"', "no semantic version"),
        ('name = "one"', 'name = "one"\nneeds = ["Every Thing"]', "no operation or family"),
        ('name = "one"', 'name = "one"\nneeds = "context"', "no list of operations"),
        ('name = "one"', 'name = "one"\nmain = "../one/main.py"', "no file beside"),
        ('name = "one"', 'name = "one"\nmain = "/etc/passwd"', "no file beside"),
        ("default = 5", "default = 2020-01-01", "not JSON serializable"),
        ("default = 5", "default = inf", "cannot be read"),
        ('type = "object"', 'type = "thing"', "cannot be read"),
        ("[inferlet]", "[inferlet", "cannot be read"),
        ('description = "The first."', 'main = "gone.py"', "gone.py"),
    ],
)
def test_impossible_manifest_is_refused(library: Path, old: str, new: str, message: str) -> None:
    (library / "one" / "inferlet.toml").write_text(MANIFEST.replace(old, new))
    with pytest.raises(ConfigurationError, match=message):
        Registry(library=library).get("one")


def test_inferlet_that_cannot_be_read_is_left_out_of_the_list_and_logged_once(
    library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = library / "two"
    broken.mkdir()
    (broken / "inferlet.toml").write_text("[inferlet")
    registry = Registry(library=library)
    for _ in range(3):
        assert [listed.name for listed in registry.list()] == ["one"]
    (logged,) = caplog.messages
    assert str(broken) in logged
    (broken / "inferlet.toml").write_text(MANIFEST.replace('"one"', '"two"'))
    (broken / "main.py").write_text("def main(input):\n    return 1\n")
    assert [listed.name for listed in registry.list()] == ["one", "two"]


def test_schema_that_is_none_is_refused_without_being_quoted_whole(library: Path) -> None:
    wrong = ", ".join(f'"{number}"' for number in range(5000))
    manifest = MANIFEST.replace("default = 5", f"type = [{wrong}]").replace(
        'type = "integer", type', "type"
    )
    (library / "one" / "inferlet.toml").write_text(manifest)
    with pytest.raises(ConfigurationError, match="no JSON schema") as caught:
        Registry(library=library).get("one")
    assert len(caught.value.message) < 1000


def test_arguments_that_are_nested_too_deeply_are_refused(library: Path) -> None:
    arguments: JsonValue = "innermost"
    for _ in range(5000):
        arguments = [arguments]
    with pytest.raises(InvalidArguments, match="nested too deeply"):
        Registry(library=library).check("one", {"n": arguments})


def test_refusal_quotes_only_the_beginning_of_names(library: Path) -> None:
    manifest = MANIFEST + f'[parameters.properties.{"x" * 5000}]\ntype = "integer"\n'
    (library / "one" / "inferlet.toml").write_text(manifest)
    with pytest.raises(InvalidArguments) as caught:
        Registry(library=library).check("one", {"n": 1, "x" * 5000: "y"})
    assert len(str(caught.value)) < 1000


def test_digest_depends_on_what_decides_the_behaviour() -> None:
    one, same, other = (Program.from_source("x", text) for text in ("a", "a", "b"))
    assert one.digest == same.digest != other.digest


def test_own_directory_comes_beside_the_library_and_wins(library: Path, tmp_path: Path) -> None:
    assert {"one", "react"} <= {program.name for program in Registry(library).list()}
    own = tmp_path / "own" / "one"
    own.mkdir(parents=True)
    (own / "inferlet.toml").write_text(MANIFEST.replace("1.2.3", "9.9.9"))
    (own / "main.py").write_text("def main(input):\n    return 9\n")
    registry = Registry(own.parent, library)
    assert registry.get("one").version == "9.9.9"
    assert [program.version for program in registry.list()] == ["9.9.9"]


def test_program_in_a_compiled_language_is_known_by_all_its_sources(library: Path) -> None:
    directory = library / "one"
    manifest = MANIFEST.replace('name = "one"', 'name = "one"\nlanguage = "c"')
    (directory / "inferlet.toml").write_text(manifest)
    with pytest.raises(ConfigurationError, match=r"main\.c"):
        Registry(library=library).get("one")
    (directory / "main.c").write_text('#include "part.h"')
    (directory / "part.h").write_text("int one;")
    before = Registry(library=library).get("one")
    assert before.compiled
    assert [name for name, _ in before.files] == ["main.c", "part.h"]
    (directory / "part.h").write_text("int two;")
    assert Registry(library=library).get("one").digest != before.digest


def test_program_in_javascript_runs_from_its_source(library: Path) -> None:
    directory = library / "one"
    manifest = MANIFEST.replace('name = "one"', 'name = "one"\nlanguage = "javascript"')
    (directory / "inferlet.toml").write_text(manifest)
    (directory / "main.js").write_text("export function main() {}")
    program = Registry(library=library).get("one")
    assert not program.compiled
    assert program.source == "export function main() {}"


def test_compiled_program_may_come_as_its_component_instead_of_sources(library: Path) -> None:
    directory = library / "one"
    manifest = MANIFEST.replace('name = "one"', 'name = "one"\nlanguage = "rust"')
    (directory / "inferlet.toml").write_text(manifest)
    (directory / "inferlet.wasm").write_bytes(b"\0asm")
    program = Registry(library=library).get("one")
    assert (program.prebuilt, program.entry, program.source) == (True, "inferlet.wasm", "")
    (directory / "main.rs").write_text("fn main() {}")
    program = Registry(library=library).get("one")
    assert (program.prebuilt, program.entry) == (False, "main.rs")


def test_program_of_a_directory_has_one_version(library: Path) -> None:
    registry = Registry(library=library)
    for reference in ("one", "one@latest", "one@1.2.3"):
        assert registry.get(reference).version == "1.2.3"
    with pytest.raises(UnknownInferlet, match=r"has no version '1\.0\.0'.*It is 1\.2\.3"):
        registry.get("one@1.0.0")
    assert registry.describe("one")["uploaded"] is False


def test_schema_that_refers_elsewhere_is_never_fetched(library: Path) -> None:
    path = library / "one" / "inferlet.toml"
    path.write_text(MANIFEST.replace('{ type = "integer" }', '{ "$ref" = "http://127.0.0.1:9/x" }'))
    with pytest.raises(ConfigurationError, match="refer to what they do not have"):
        Registry(library=library).check("one", {"n": 1})
