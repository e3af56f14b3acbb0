"""Loads an inferlet's source, calls its `main`, and describes how it failed.

Used by the guest's entry point and by the native runner, so that both say the same.
"""

from __future__ import annotations

import inspect
import json
import linecache
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

from inferlet import _backend

MODULE_NAME = "__inferlet__"
_SIGNATURE = "async def main(input: dict) -> str"


class InvalidProgram(Exception):
    """The source is no inferlet, or returned what cannot be sent."""


def load(source: str, filename: str, module_name: str = MODULE_NAME) -> Callable[[Any], Any]:
    """The `main` of an inferlet's source, which becomes the module `module_name`.

    Raises:
        InvalidProgram: It defines none.
        Exception: Whatever its top level raises.
    """
    # Lets tracebacks show lines of source that is in no file.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = types.ModuleType(module_name)
    module.__file__ = filename
    sys.modules[module_name] = module  # dataclasses and typing look their classes' module up
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    main = getattr(module, "main", None)
    if not callable(main):
        raise InvalidProgram(f"the source defines no `main`; an inferlet is `{_SIGNATURE}`")
    return main  # type: ignore[no-any-return] # checked to be callable


async def call(main: Callable[[Any], Any], arguments: Any) -> Any:
    """Run `main` to its end, then say which tasks failed without anybody awaiting them."""
    result = main(arguments)
    if inspect.isawaitable(result):
        result = await result
    for task, error in _backend.current().failures.items():
        _backend.control(
            "log",
            level="warning",
            message=f"{task} failed and was never awaited: {type(error).__name__}: {error}",
        )
    return result


def encode_result(result: Any) -> str:
    """The result as JSON.

    Raises:
        InvalidProgram: It is not JSON.
    """
    try:
        return json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidProgram(
            f"main returned {type(result).__name__}, which is not JSON ({error}); "
            "return a string, or numbers, lists and dicts of them"
        ) from None


def describe(error: BaseException, filename: str) -> dict[str, Any]:
    """The wire form of an exception that left the inferlet.

    The traceback keeps the frames of the inferlet's own source and drops those of the SDK and the
    runtime: the author can mend only the former.
    """
    summary = traceback.TracebackException.from_exception(error)
    lines = _keep_own_frames(summary, filename, set())
    if isinstance(error, SyntaxError) and error.filename == filename:
        lines = [error.lineno or 1]
    operation = None
    if isinstance(getattr(error, "code", None), str):
        operation = {name: getattr(error, name, "") for name in ("code", "hint", "operation")}
    return {
        "exception": type(error).__name__,
        "message": str(error),
        "traceback": "".join(summary.format()),
        "line": lines[-1] if lines else None,
        "operation": operation,
    }


def _keep_own_frames(
    summary: traceback.TracebackException, filename: str, seen: set[int]
) -> list[int]:
    if id(summary) in seen:
        return []
    seen.add(id(summary))
    own = [frame for frame in summary.stack if frame.filename == filename]
    summary.stack = traceback.StackSummary.from_list(own)
    for linked in (summary.__cause__, summary.__context__, *(summary.exceptions or ())):
        if linked is not None:
            _keep_own_frames(linked, filename, seen)
    return [frame.lineno for frame in own if frame.lineno is not None]
