"""The tools as the generator and the evaluation use them: real, altered or failing.

Code runs in this process or in a child process only here, and only code that we generated or
that our own model wrote for our own questions. The server has a sandbox; this is not one.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import subprocess
import sys
import zlib
from collections.abc import Callable

from pie_scenarios.embedded_model.exchange import CALCULATOR, PYTHON, SEARCH, Call, Exchange
from pie_scenarios.embedded_model.lookups import NOT_FOUND
from pie_tools.calculator import CalculatorError, evaluate
from pie_tools.documents import DocumentIndex, Passage, render

CODE_LIMIT_SECONDS = 5.0

RunCode = Callable[[str], str]


def run_code_here(code: str) -> str:
    """Run trusted code, which this package wrote, in this process."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, {"__builtins__": __builtins__})
    except Exception as error:
        return f"error: {type(error).__name__}: {error}"
    return printed.getvalue().strip()


def run_code_in_child(code: str) -> str:
    """Run code that the model wrote in a child process with a time limit."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", code],
            capture_output=True,
            text=True,
            timeout=CODE_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "error: timed out"
    if done.returncode:
        return f"error: {done.stderr.strip().splitlines()[-1][:200]}"
    return done.stdout.strip()


class Toolbox:
    """Executes the calls of one exchange: over its documents, with its faults."""

    def __init__(self, asked: Exchange, run_code: RunCode, *, alter: bool = False) -> None:
        self._index = DocumentIndex(Passage(fact.title, fact.text) for fact in asked.facts)
        self._run_code = run_code
        self._alter = alter
        self._fault, self._faulty_calls = asked.fault, asked.faulty_calls

    def run(self, call: Call) -> str:
        """Return the result text of `call`; with `alter`, always the same wrong one."""
        if self._faulty_calls:
            self._faulty_calls -= 1
            return self._fault
        result = self._real(call)
        return altered(result) if self._alter and call.tool != SEARCH else result

    def _real(self, call: Call) -> str:
        if call.tool == CALCULATOR:
            try:
                return evaluate(call.text)
            except CalculatorError as error:
                return f"error: {error}"
        if call.tool == SEARCH:
            return render(self._index.search(call.text)) or NOT_FOUND
        if call.tool == PYTHON:
            return self._run_code(call.text)
        return f"error: unknown tool {call.tool}"


def altered(result: str, chance: random.Random | None = None) -> str:
    """Return a wrong result of the same form; without `chance`, always the same one."""
    if result.startswith("error:") or "\n" in result:
        return result
    if chance is None:
        result = _canonical(result)
        chance = random.Random(zlib.crc32(result.encode()))
    if result in ("True", "False"):
        return "False" if result == "True" else "True"
    if re.fullmatch(r"-?\d+(\.\d+)?", result):
        return _other_number(result, chance)
    if re.fullmatch(r"\w+", result):
        letters = list(result)
        chance.shuffle(letters)
        return "".join(letters)
    return re.sub(r"\d+", lambda match: _other_number(match[0], chance), result)


def _canonical(result: str) -> str:
    """Write a number in one way, so that 53 and 53.0 are altered alike."""
    try:
        return format(float(result), ".10g")
    except ValueError:
        return result


def _other_number(text: str, chance: random.Random) -> str:
    while True:
        digits = [str(chance.randrange(10)) if c.isdigit() else c for c in text]
        first = next(i for i, c in enumerate(digits) if c.isdigit())
        digits[first] = str(chance.randint(1, 9))
        if "." in digits and digits[-1] == "0":
            digits[-1] = "7"
        if "".join(digits) != text:
            return "".join(digits)
