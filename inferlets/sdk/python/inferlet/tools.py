"""Tools: what there is, what the model asked for, and running it beside the KV cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inferlet import chat
from inferlet._backend import control, operation
from inferlet.concurrency import gather

if TYPE_CHECKING:
    from inferlet.context import Context
    from inferlet.model import Model

_OPENING = re.compile(r"<tool_call>\s*")
_JSON = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of the model.

    Example:
        >>> tools.Call("calculator", {"expression": "2 + 2"})
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    id: str | None = None

    @classmethod
    def _from_wire(cls, raw: dict[str, Any]) -> Call:
        arguments = raw["arguments"]
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        return cls(raw["name"], arguments, raw.get("id"))


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool returned. A tool that failed is a result too: the model should see it.

    Attributes:
        call: What was called.
        content: Text for the model.
        is_error: Whether the tool failed.
        seconds: How long it took.
        backend: Where code ran ("docker" or "wasm"), None for other tools.

    Example:
        >>> result = await tools.call("calculator", {"expression": "1/0"})
        >>> result.is_error
        True
    """

    call: Call
    content: str
    is_error: bool = False
    seconds: float = 0.0
    backend: str | None = None


def schemas(names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """OpenAI function schemas of the server's tools, or of those named.

    Raises:
        ValueError: A name is unknown.

    Example:
        >>> [schema["function"]["name"] for schema in tools.schemas()]
    """
    known = {_name(schema): schema for schema in control("tools.list")}
    if names is None:
        return list(known.values())
    wanted = list(names)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"no such tool: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in wanted]


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("function", schema)["name"])


def parse(text: str, model: Model | None = None) -> list[Call]:
    """Tool calls in text that was generated token by token (`complete` parses by itself).

    Args:
        text: With the markup: decode the tokens without `skip_special`.
        model: In whose format they are; without one in that of Hermes and Qwen,
            `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`. What is not valid is left
            out.

    Example:
        >>> tools.parse('<tool_call>{"name": "python", "arguments": {}}</tool_call>')
    """
    if model is not None:
        return _parsed(text, model, ended=True)
    calls, at = [], 0
    while (opening := _OPENING.search(text, at)) is not None:
        at = opening.end()
        try:
            value, at = _JSON.raw_decode(text, at)
            calls.append(Call._from_wire(value))
        except (ValueError, KeyError, TypeError):
            continue
    return calls


def _parsed(text: str, model: Model, *, ended: bool) -> list[Call]:
    found = control("tools.parse", model=model.name, text=text, ended=ended)["tool_calls"]
    return [Call._from_wire(call) for call in found if "error" not in call]


async def call(
    call: Call | str,
    arguments: dict[str, Any] | None = None,
    *,
    contexts: Sequence[Context] = (),
) -> Result:
    """Run a tool and wait for it.

    Args:
        call: A call of the model, or a tool's name together with `arguments`.
        arguments: Arguments if `call` is a name.
        contexts: Contexts that wait for the result; the server then knows that their pages can
            be moved away under pressure and brought back in time.

    Example:
        >>> result = await tools.call(reply.tool_calls[0], contexts=[ctx])
        >>> ctx.tool_result(result.content)
    """
    if isinstance(call, str):
        call = Call(call, arguments or {})
    optional = {} if call.id is None else {"call_id": call.id}
    raw = await operation(
        "tools.call",
        name=call.name,
        arguments=call.arguments,
        contexts=[context.handle for context in contexts],
        **optional,
    )
    return Result(
        call=call,
        content=str(raw["content"]),
        is_error=bool(raw["is_error"]),
        seconds=float(raw["seconds"]),
        backend=raw.get("backend"),
    )


async def call_all(calls: Sequence[Call], *, contexts: Sequence[Context] = ()) -> list[Result]:
    """Run several calls at the same time; results in the order of the calls.

    Example:
        >>> for result in await tools.call_all(reply.tool_calls, contexts=[ctx]):
        ...     ctx.tool_result(result.content)
    """
    return await gather(*[call(item, contexts=contexts) for item in calls])


def equip_prefix(model: Model, tools: list[str | dict[str, Any]]) -> list[int]:
    """Tokens that tell the model about tools.

    Example:
        >>> ctx.append(tools.equip_prefix(model, tools.schemas(["calculator"])))
    """
    return chat.render(model, [{"tools": list(tools)}])


def answer_prefix(model: Model, name: str, value: Any) -> list[int]:
    """Tokens of a tool's result.

    Example:
        >>> ctx.append(tools.answer_prefix(model, "calculator", "4"))
    """
    content = value if isinstance(value, str) else json.dumps(value)
    return chat.render(model, [{"message": {"role": "tool", "name": name, "content": content}}])


class Event:
    """What `Decoder.feed` returns.

    Example:
        >>> match decoder.feed(out.tokens):
        ...     case tools.Event.Call(name=name, args=args): ...
    """

    @dataclass(frozen=True, slots=True)
    class Start:
        """No complete call yet."""

    @dataclass(frozen=True, slots=True)
    class Call:
        """A complete call; `args` is JSON."""

        name: str
        args: str


class Decoder:
    """Finds tool calls in tokens as they are generated, in the model's own format.

    Example:
        >>> decoder = tools.Decoder(model)
        >>> event = decoder.feed(out.tokens)
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Forget everything fed so far.

        Example:
            >>> decoder.reset()
        """
        self._tokens: list[int] = []
        self._reported = 0

    def feed(self, tokens: list[int]) -> Event.Start | Event.Call:
        """Take the tokens of one step; at most one call is reported each time.

        Example:
            >>> decoder.feed(out.tokens)
        """
        self._tokens += tokens
        text = self._model.tokenizer().decode(self._tokens)
        calls = _parsed(text, self._model, ended=False)
        if len(calls) <= self._reported:
            return Event.Start()
        found = calls[self._reported]
        self._reported += 1
        return Event.Call(found.name, json.dumps(found.arguments))
