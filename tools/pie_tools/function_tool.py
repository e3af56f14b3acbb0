"""Makes a tool from a typed function and its docstring.

    @tool
    async def weather(city: str, days: int = 1) -> str:
        '''Forecast the weather.'''

Parameters become a JSON schema, the docstring's first paragraph the description and its ``Args:``
section the parameters' descriptions. A parameter annotated `ToolCallContext` gets the call's
context and is not shown to the model. A plain (not async) function runs in a thread.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import trio

from pie_tools.tool import Arguments, JsonSchema, ToolCallContext, ToolFailure, ToolResult

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE_SECONDS = 30.0
TOOL_THREADS = trio.CapacityLimiter(16)
"""A tool that hangs keeps its thread; the others must go on."""

JSON_TYPES: Mapping[object, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


async def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function beside the loop.

    When the call is cancelled or its deadline passes the thread is left to end by itself: Python
    cannot end it, and a session must not hang on it.
    """
    return await trio.to_thread.run_sync(
        lambda: function(*args, **kwargs), limiter=TOOL_THREADS, abandon_on_cancel=True
    )


class FunctionTool:
    """A tool whose work is one function."""

    def __init__(
        self,
        function: Callable[..., object],
        *,
        name: str | None = None,
        description: str | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.name: str = name or function.__name__
        self.description: str = description or _summary(function)
        self.deadline_seconds = deadline_seconds
        self._function = function
        properties, required, self._context_parameter = _read_signature(function)
        self._known = list(properties)
        self._parameters: JsonSchema = {
            "type": "object",
            "properties": properties,
            "required": required,
        }

    @property
    def parameters(self) -> JsonSchema:
        """The schema made from the function's annotations."""
        return self._parameters

    async def run(self, arguments: Arguments, call: ToolCallContext) -> ToolResult:
        """Call the function; what is neither text nor a `ToolResult` is shown as JSON."""
        values: dict[str, object] = dict(arguments)
        if unknown := values.keys() - self._known:
            known = ", ".join(self._known) or "none"
            raise ToolFailure(f"unknown arguments {', '.join(sorted(unknown))}; known: {known}")
        if self._context_parameter is not None:
            values[self._context_parameter] = call
        if inspect.iscoroutinefunction(self._function):
            answer: object = await self._function(**values)
        else:
            answer = await run_in_thread(self._function, **values)
            if isinstance(answer, Awaitable):
                answer = await answer
        if isinstance(answer, ToolResult):
            return answer
        return ToolResult(answer if isinstance(answer, str) else json.dumps(answer, default=str))


def tool(function: Callable[..., object]) -> FunctionTool:
    """Make a tool of a function; see the module's docstring.

    Raises:
        TypeError: a parameter's type has no JSON schema here, or there is no description.
    """
    return FunctionTool(function)


def _summary(function: Callable[..., object]) -> str:
    text = inspect.getdoc(function)
    if not text:
        raise TypeError(f"{function.__name__} needs a docstring: the model reads its first lines")
    return " ".join(text.split("\n\n")[0].split())


def _read_signature(
    function: Callable[..., object],
) -> tuple[dict[str, object], list[str], str | None]:
    """Return the properties' schemas, the required names, and the context's parameter."""
    hints = get_type_hints(function)
    described = _described_arguments(inspect.getdoc(function) or "")
    properties: dict[str, object] = {}
    required: list[str] = []
    context: str | None = None
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{function.__name__} takes *{name}; name its parameters one by one")
        if hints.get(name) is ToolCallContext:
            context = name
            continue
        schema = _schema(hints.get(name), f"{function.__name__}({name})")
        if name in described:
            schema["description"] = described[name]
        if parameter.default is parameter.empty:
            required.append(name)
        properties[name] = schema
    return properties, required, context


def _schema(annotation: object, where: str) -> dict[str, object]:
    if isinstance(annotation, type) and annotation in JSON_TYPES:
        return {"type": JSON_TYPES[annotation]}
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": list(args)}
    if origin is list or annotation is list:
        return {"type": "array", **({"items": _schema(args[0], where)} if args else {})}
    if origin is dict or annotation is dict:
        value = {"additionalProperties": _schema(args[1], where)} if args else {}
        return {"type": "object", **value}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(choice, where) for choice in args]}
    raise TypeError(
        f"{where}: no JSON schema for {annotation}; use str, int, float, bool, None, "
        "list[...], dict[str, ...], Literal[...] or a union of these"
    )


def _described_arguments(doc: str) -> dict[str, str]:
    """Read the ``Args:`` section of a Google-style docstring."""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", doc, re.MULTILINE)
    if section is None:
        return {}
    pairs = re.findall(r"^ {4}(\w+)[^:\n]*: (.*(?:\n {5,}.*)*)", section[1], re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in pairs}
