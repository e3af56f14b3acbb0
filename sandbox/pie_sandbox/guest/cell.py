"""Runs one cell of Python inside a sandbox and describes how it ended.

Guest code: the interpreter in a Docker container and the WebAssembly guest both carry a copy, so
it needs nothing but the standard library. It contains no protection of its own (the walls are
outside the interpreter) and never runs in the server's process.
"""

from __future__ import annotations

import ast
import linecache
import sys
import traceback
import types

MAX_TRACEBACK_CHARACTERS = 8_000
MAX_EXCEPTION_CHARACTERS = 2_000
CLIPPED = "... (cut)"


def new_namespace() -> dict[str, object]:
    """Install a fresh module `__main__` and return its namespace, in which cells run."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    return main.__dict__


def run_cell(
    code: str, namespace: dict[str, object], number: int, value_characters: int
) -> dict[str, object]:
    """Run `code` in `namespace`, as a notebook does.

    Returns:
        ok, value (repr of a last expression that is not None), exception (one line), traceback,
        limit ("memory" when an allocation failed).
    """
    result: dict[str, object] = {
        "ok": False,
        "value": None,
        "exception": None,
        "traceback": None,
        "limit": None,
    }
    name = f"<cell {number}>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    try:
        result["value"] = _run(code, namespace, name, value_characters)
        result["ok"] = True
    except SystemExit as error:
        result["ok"] = error.code in (None, 0)
        result["exception"] = None if result["ok"] else _clip(describe(error), 200)
    except MemoryError:
        # Nothing is formatted here: that would need memory too.
        result["exception"] = "MemoryError: the code needs more memory than it may use"
        result["limit"] = "memory"
    except BaseException as error:  # whatever a cell raises is its result
        result["exception"] = _clip(describe(error), MAX_EXCEPTION_CHARACTERS)
        result["traceback"] = _clip(_traceback(error, name), MAX_TRACEBACK_CHARACTERS)
    return result


def describe(error: BaseException) -> str:
    """Return ``"NameError: name 'x' is not defined"``."""
    if isinstance(error, SyntaxError) and error.lineno:
        text = error.msg if error.lineno == 1 else f"{error.msg} (line {error.lineno})"
    else:
        try:
            text = str(error)
        except BaseException:  # a cell's own exception class may raise anything
            text = "(its text cannot be printed)"
    kind = type(error).__qualname__
    if type(error).__module__ not in ("builtins", "__main__"):
        kind = f"{type(error).__module__}.{kind}"
    return f"{kind}: {text}" if text else kind


def _run(code: str, namespace: dict[str, object], name: str, value_characters: int) -> str | None:
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    if not isinstance(last, ast.Expr):
        return None
    value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    if value is None:
        return None
    namespace["_"] = value
    return _clip(repr(value), value_characters)


def _traceback(error: BaseException, name: str) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != name:
        trace = trace.tb_next  # frames of this file tell the reader nothing
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:  # see describe()
        return ""


def _clip(text: str, limit: int) -> str:
    text = text if len(text) <= limit else text[:limit] + CLIPPED
    return text.encode("utf-8", "backslashreplace").decode()  # lone surrogates end JSON readers
