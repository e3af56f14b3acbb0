"""Generated pages are those that the code generates, and examples name what there is."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import inferlet

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("command", "page"),
    [
        ("operations-reference", "operations.md"),
        ("sdk-reference", "sdk-python.md"),
        ("sdk-reference-other javascript", "sdk-javascript.md"),
        ("sdk-reference-other rust", "sdk-rust.md"),
        ("sdk-reference-other c", "sdk-c.md"),
    ],
)
def test_generated_pages_are_up_to_date(command: str, page: str) -> None:
    script, *arguments = command.split()
    printed = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (ROOT / "docs" / page).read_text() == printed, f"run: scripts/{command} > docs/{page}"


def public_members() -> Iterator[tuple[str, object]]:
    """What an author can use of the Python SDK: functions, classes, their methods."""
    for name in inferlet.__all__:
        value = getattr(inferlet, name)
        if isinstance(value, ModuleType):
            home = value.__name__
            for inner, member in list(vars(value).items()):
                if not inner.startswith("_") and getattr(member, "__module__", "") == home:
                    yield from with_methods(f"{name}.{inner}", member)
        else:
            yield from with_methods(name, value)


def with_methods(path: str, member: object) -> Iterator[tuple[str, object]]:
    if inspect.isfunction(member):
        yield path, member
    if not inspect.isclass(member) or issubclass(member, BaseException):
        return  # an error's example would be the call that raises it
    yield path, member
    for name in dir(member):
        if not name.startswith("_") and not is_called_by_the_sdk(member, name):
            raw = inspect.getattr_static(member, name)
            function = raw.fget if isinstance(raw, property) else getattr(member, name)
            if inspect.isroutine(function) and ours(function):
                yield f"{path}.{name}", function


def ours(member: object) -> bool:
    return str(getattr(member, "__module__", "")).startswith("inferlet")


def is_called_by_the_sdk(kind: type, name: str) -> bool:
    """Methods of protocols are written by authors, not called; the class shows them."""
    protocols = (inferlet.Constraint, inferlet.Schema, inferlet.Speculator)
    return any(name in vars(protocol) for protocol in protocols) and (
        kind in protocols or any(issubclass(kind, p) for p in protocols if p is inferlet.Schema)
    )


def example_of(member: object) -> str:
    """The code of a docstring's example."""
    lines = (line.strip() for line in (inspect.getdoc(member) or "").splitlines())
    return "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... ")))


def test_every_public_function_of_the_sdk_has_an_example_that_parses() -> None:
    members = dict(public_members())
    assert len(members) > 150
    lacking = [path for path, member in members.items() if not example_of(member)]
    assert lacking == []
    for path, member in members.items():
        try:
            ast.parse(example_of(member))
        except SyntaxError as error:
            raise AssertionError(f"the example of {path} does not parse: {error}") from error


def test_examples_of_the_sdk_use_names_that_there_are() -> None:
    wrong = []
    for path, member in public_members():
        for node in ast.walk(ast.parse(example_of(member))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = node.value.id
                owner = getattr(inferlet, name) if name in inferlet.__all__ else None
                fields = getattr(owner, "__annotations__", {})
                if owner is not None and not hasattr(owner, node.attr) and node.attr not in fields:
                    wrong.append(f"{path}: {node.value.id}.{node.attr}")
    assert wrong == []


def test_every_link_in_the_documentation_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("inferlets/**/*.md")]
    broken = []
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for part in text.split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target and "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []
