"""Whatever a manifest says, its author gets a typed error and the server goes on."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pie_server.errors import InvalidArguments, InvalidInferlet
from pie_server.runtime import Program
from pie_server.runtime.needs import check_needs
from pie_server.runtime.parameters import check_schema
from pie_server.runtime.uploads import _check_files, _name_in, _read

VALID = b"""[inferlet]
name = "one"
version = "1.0.0"
needs = ["context", "tools.call"]
[parameters]
type = "object"
required = ["n"]
[parameters.properties]
n = { type = "integer", default = 5 }
m = { enum = [1, "a"], items = { anyOf = [true] } }
"""
# Pieces that mean something to TOML, to JSON Schema or to us.
PIECES = (
    b'"', b"[", b"]", b"{", b"}", b"=", b"\n", b".", b"inf", b"nan", b"true", b"-", b"2020-01-01",
    b"99999999999999999999", b'"$ref"', b'"#"', b"not", b"allOf", b"name", b"[inferlet]", b"''",
    b"[[inferlet]]", b"[parameters]", b'"integer"', b"{}", b"[]", b"\\uD800", b"\xff", b"\0",
)  # fmt: skip
edits = st.lists(
    st.tuples(st.integers(0, len(VALID)), st.integers(0, 12), st.sampled_from(PIECES)),
    min_size=1,
    max_size=4,
)
arguments = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("nmx"), inner),
    max_leaves=6,
)


def mutated(changes: list[tuple[int, int, bytes]]) -> bytes:
    text = VALID
    for place, dropped, piece in changes:
        text = text[:place] + piece + text[place + dropped :]
    return text


def admitted(manifest: bytes) -> Program:
    """As `Uploads.publish` does, up to where the runtime is needed."""
    files = {"inferlet.toml": manifest, "main.py": b"def main(input): pass\n"}
    _check_files(files)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / _name_in(manifest)
        directory.mkdir()
        for name, content in files.items():
            (directory / name).write_bytes(content)
        program = _read(directory)
    check_schema(program.parameters)
    check_needs(program.needs or (), {"context.create", "tools.call"})
    return program


@settings(max_examples=1500, deadline=None)
@given(edits, arguments)
@example([(0, len(VALID), b"inferlet = 5\nparameters = 5")], {})
@example([(0, len(VALID), b"inferlet = [1]")], {})
@example([(0, len(VALID), b'parameters = 5\n[inferlet]\nname = "one"\nversion = "1.0.0"')], {})
@example([(0, len(VALID), b'parameters = true\n[inferlet]\nname = "one"\nversion = "1.0.0"')], {})
@example([(0, len(VALID), b'[inferlet]\nname = "one"\nversion = 1.0')], {})
def test_any_manifest_is_taken_or_refused_with_a_typed_error(
    changes: list[tuple[int, int, bytes]], given_arguments: object
) -> None:
    refusal = ""
    try:
        program = admitted(mutated(changes))
        json.dumps(program.parameters, allow_nan=False)  # it can be listed
        program.check(given_arguments)  # type: ignore[arg-type] # any JSON
    except (InvalidInferlet, InvalidArguments) as error:
        refusal = error.message
    assert len(refusal) < 3000
    assert tempfile.gettempdir() not in refusal


def test_the_manifest_that_is_mutated_is_a_good_one() -> None:
    assert admitted(VALID).check({"n": 1}) == {"n": 1}
