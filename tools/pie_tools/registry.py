"""The tools of a server: finding, checking, bounding and containing their calls.

Owns the names. Called by the host for each tool call of an inferlet. Whatever a tool does, a call
ends in a `ToolResult`; only cancellation passes through.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import trio
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match

from pie_server.errors import ConfigurationError, PieError
from pie_tools.calculator import evaluate
from pie_tools.documents import DocumentIndex, render
from pie_tools.function_tool import FunctionTool, run_in_thread
from pie_tools.python import PythonTool
from pie_tools.tool import Arguments, Tool, ToolCallContext, ToolFailure, ToolResult

MAX_RESULT_CHARACTERS = 16_000
MAX_PASSAGES = 2

logger = logging.getLogger(__name__)


class ToolRegistry:
    """Tools by name."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, tuple[Tool, Draft202012Validator]] = {}
        for tool in tools:
            self.register(tool)

    @property
    def names(self) -> list[str]:
        """All names, in the order of registration."""
        return list(self._tools)

    def register(self, tool: Tool) -> None:
        """Add a tool.

        Raises:
            ConfigurationError: the name is taken, or the schema is none.
        """
        if tool.name in self._tools:
            raise ConfigurationError(f"there are two tools named {tool.name}")
        try:
            Draft202012Validator.check_schema(tool.parameters)
        except SchemaError as error:
            raise ConfigurationError(
                f"the parameters of tool {tool.name} are no JSON schema: {error.message}"
            ) from error
        self._tools[tool.name] = (tool, Draft202012Validator(tool.parameters))

    def schemas(self, names: Iterable[str] | None = None) -> list[dict[str, object]]:
        """Return OpenAI function schemas, of `names` in their order or of all tools.

        Raises:
            KeyError: a name is unknown.
        """
        chosen = self._tools if names is None else names
        return [_schema(self._tools[name][0]) for name in chosen]

    async def call(self, name: str, arguments: object, context: ToolCallContext) -> ToolResult:
        """Run a tool. Every failure is a result with `is_error`; nothing but Cancelled is raised.

        Args:
            name: As the model wrote it.
            arguments: Decoded JSON; checked against the tool's schema.
            context: Of this call.
        """
        found = self._tools.get(name)
        if found is None:
            known = ", ".join(self.names)
            return _bounded(ToolResult.error(f"unknown tool {name}; known: {known}"))
        tool, validator = found
        problem = best_match(validator.iter_errors(arguments))
        if problem is not None or not isinstance(arguments, dict):
            message = problem.message if problem is not None else "they must be an object"
            return _bounded(ToolResult.error(f"invalid arguments for {name}: {message}"))
        return _bounded(await _run(tool, arguments, context))


async def _run(tool: Tool, arguments: Arguments, context: ToolCallContext) -> ToolResult:
    with trio.move_on_after(tool.deadline_seconds):
        try:
            return await tool.run(arguments, context)
        except PieError as error:
            return ToolResult.error(error.message)
        except (ToolFailure, ValueError) as error:
            return ToolResult.error(str(error))
        except Exception as error:  # the barrier between a tool and its session
            logger.exception("tool %s failed in %s", tool.name, context.call_id)
            return ToolResult.error(f"{type(error).__name__}: {error}")
    return ToolResult.error(f"timed out after {tool.deadline_seconds:g} s")


def _bounded(result: ToolResult) -> ToolResult:
    length = len(result.content)
    if length <= MAX_RESULT_CHARACTERS:
        return result
    content = f"{result.content[:MAX_RESULT_CHARACTERS]}\n[cut: {length} characters in all]"
    return ToolResult(content, result.is_error, result.backend)


def _schema(tool: Tool) -> dict[str, object]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def default_registry(documents_directory: str | Path | None) -> ToolRegistry:
    """Return the built-in tools: calculator, python, and search_documents if there are documents.

    Args:
        documents_directory: A directory of ``*.txt`` files, or None.

    Raises:
        ConfigurationError: the directory holds no document.
    """
    registry = ToolRegistry([calculator()])
    if documents_directory is not None:
        registry.register(search_documents(documents_directory))
    registry.register(PythonTool())
    return registry


def calculator() -> Tool:
    """The calculator; its work is bounded, so it needs no thread."""

    async def run(expression: str) -> str:
        return evaluate(expression)

    return FunctionTool(run, name="calculator", description="Evaluate an arithmetic expression.")


def search_documents(directory: str | Path) -> Tool:
    """Keyword search over a directory of text files.

    Raises:
        ConfigurationError: the directory holds no document.
    """
    try:
        index = DocumentIndex.from_directory(directory)
    except OSError as error:
        raise ConfigurationError(
            f"no documents to search: {error}", hint="Name a directory with *.txt files."
        ) from error

    def search(query: str) -> str:
        found = index.search(query, MAX_PASSAGES)
        if not found:
            raise ToolFailure("no document matches")
        return render(found)

    async def run(query: str) -> str:
        return await run_in_thread(search, query)

    return FunctionTool(run, name="search_documents", description="Search the document collection.")
