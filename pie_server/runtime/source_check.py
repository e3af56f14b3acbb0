"""Reads uploaded source in the interpreter that will run it: syntax, `main`, what it imports.

The source is a stranger's, so it is parsed where it would run: in a WebAssembly guest with limits,
by the very version of its language. Nothing of it is executed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pie_server.errors import GuestError, GuestRaised, InvalidInferlet, OperationCancelled
from pie_server.runtime.manifest import Program
from pie_server.runtime.port import Host, InstanceLimits, JsonValue, Mailbox

# A megabyte of Python takes 3 s to parse in WebAssembly, and fits into this.
_LIMITS: Final = InstanceLimits(memory_bytes=256 << 20, cpu_seconds=10.0)

_PYTHON: Final = """
import ast

def main(input):
    source, name = input["source"], input["name"]
    try:
        code = compile(source, name, "exec", dont_inherit=True)
        tree = ast.parse(source, name)
    except (SyntaxError, ValueError) as error:
        return {"line": getattr(error, "lineno", None) or 1, "problem": f"{type(error).__name__}: "
                f"{getattr(error, 'msg', error)}"}
    if "main" not in code.co_names:
        return {"line": 1, "problem": "it defines no `main`; an inferlet is "
                "`async def main(input: dict) -> str`"}
    return {"uses": [use for node in ast.walk(tree) for use in uses(node)]}

def uses(node):
    if isinstance(node, ast.ImportFrom) and node.module == "inferlet":
        return [[alias.name, node.lineno] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inferlet."):
        return [[node.module.split(".")[1], node.lineno]]
    if isinstance(node, ast.Import):
        names = [alias.name.split(".") for alias in node.names]
        return [[name[1], node.lineno] for name in names if name[0] == "inferlet" and name[1:]]
    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "inferlet":
        return [[node.attr, node.lineno]]
    return []
"""
# Imports come first wherever they stand, so the whole module is read and linked before this runs.
_JAVASCRIPT_MARK: Final = "the source was read"
_JAVASCRIPT_HEAD: Final = f'throw new Error("{_JAVASCRIPT_MARK}");'
_JAVASCRIPT_IMPORT: Final = re.compile(
    r"import\s{0,20}\{([^{}]{0,2000})\}\s{0,20}from\s{0,20}[\"']inferlet[\"']"
)

# Runs a program to its end (`Runtime.run_instance`).
Run = Callable[[Program, JsonValue, Host, InstanceLimits], Awaitable[JsonValue]]


@dataclass(frozen=True, slots=True)
class Use:
    """One name of the SDK that a source uses, and in which line."""

    name: str
    line: int


class NoHost:
    """A host for programs that are only looked at: every operation fails.

    Attributes:
        asked: Whether there was one.
    """

    asked = False

    def submit(self, operations: Sequence[Mapping[str, JsonValue]], mailbox: Mailbox) -> None:
        """Refuse all; see `Host`."""
        self.asked = True
        for operation in operations:
            number = operation["id"]
            assert isinstance(number, int)
            mailbox.fail(number, OperationCancelled("the program is only being checked."))

    def call(self, operation: Mapping[str, JsonValue]) -> JsonValue:
        """Refuse it; see `Host`."""
        raise OperationCancelled("the program is only being checked.")

    def close(self) -> None:
        """Nothing to close."""


async def check_source(program: Program, run: Run) -> list[Use]:
    """What an interpreted program uses of the SDK.

    Raises:
        InvalidInferlet: The source has a mistake; the message has its line.
        ConfigurationError: The language's interpreter cannot be built.
    """
    try:
        check = _check_python if program.language == "python" else _check_javascript
        return await check(program, run)
    except GuestRaised as error:
        line = error.details.get("line")
        raise _mistake(program, line if isinstance(line, int) else 1, error.message) from None
    except GuestError as error:
        raise InvalidInferlet(
            f"{program.entry} cannot be checked: {error.message}", hint="Make it smaller."
        ) from None


async def _check_python(program: Program, run: Run) -> list[Use]:
    probe = Program.from_source(program.name, _PYTHON)
    found: Any = await run(
        probe, {"source": program.source, "name": program.entry}, NoHost(), _LIMITS
    )
    if "problem" in found:
        raise _mistake(program, found["line"], found["problem"])
    return [Use(name, line) for name, line in found["uses"]]


async def _check_javascript(program: Program, run: Run) -> list[Use]:
    probe = Program.from_source(program.name, _JAVASCRIPT_HEAD + program.source, "javascript")
    try:
        await run(probe, {}, NoHost(), _LIMITS)
    except GuestRaised as error:
        if _JAVASCRIPT_MARK not in error.message:
            raise
    if not re.search(r"\bmain\b", program.source):
        raise _mistake(
            program, 1, "it exports no `main`; an inferlet is `export async function main(input)`"
        )
    return list(_javascript_uses(program.source))


def _javascript_uses(source: str) -> Iterator[Use]:
    line, counted = 1, 0
    for found in _JAVASCRIPT_IMPORT.finditer(source):
        # From the last import on: a source may have as many imports as lines.
        line += source.count("\n", counted, found.start())
        counted = found.start()
        for name in found.group(1).split(","):
            yield Use(name.split(" as ")[0].strip(), line)


def _mistake(program: Program, line: int, problem: str) -> InvalidInferlet:
    return InvalidInferlet(
        f"{program.entry}, line {line}: {problem}",
        hint="Mend the source and upload it again.",
        details={"file": program.entry, "line": line, "source": _line_of(program, line)},
    )


def _line_of(program: Program, line: int) -> str:
    lines = program.source.splitlines()
    return lines[line - 1][:200] if 0 < line <= len(lines) else ""
