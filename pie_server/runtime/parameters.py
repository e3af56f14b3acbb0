"""What the parameter schema of an uploaded inferlet may say, and what checking against it may cost.

Arguments are checked on the event loop, so a stranger's schema must be cheap to check whatever the
arguments: no references (they can double at each step), no patterns (they can backtrack without
end), few nodes, and no more arguments than that many nodes can be compared with. Schemas in the
server's own directories are the operator's and not limited.
"""

from __future__ import annotations

from typing import Any, Final

from pie_server.errors import InvalidArguments, InvalidInferlet
from pie_server.runtime.port import JsonValue

_WORDS: Final = frozenset({
    "type", "enum", "const", "default", "title", "description", "examples", "deprecated",
    "properties", "required", "additionalProperties", "minProperties", "maxProperties",
    "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "format",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "anyOf", "oneOf", "allOf", "not",
})  # fmt: skip
_NODES: Final = 512
_DEPTH: Final = 16
_LARGEST: Final = 2**63
# Nodes of a schema times values of arguments: each node may look at each value once.
_COST: Final = 100_000
# Each node that a text does not fit may quote it; so much of it costs as much as a value.
_QUOTED_CHARACTERS: Final = 100


def check_schema(parameters: dict[str, JsonValue]) -> None:
    """Refuse a schema that could cost the server much.

    Raises:
        InvalidInferlet: It does; the message has the place.
    """
    if parameters.get("type") != "object":
        raise InvalidInferlet(
            "`parameters` is not of type object.", hint='Write type = "object" below [parameters].'
        )
    nodes = count_nodes(parameters)
    if nodes > _NODES:
        raise InvalidInferlet(f"`parameters` has {nodes} nodes; {_NODES} are allowed.")


def count_nodes(parameters: dict[str, JsonValue]) -> int:
    """Schemas in a schema, and the values that it compares arguments with.

    Raises:
        InvalidInferlet: It is nested too deeply or uses what uploaded inferlets may not.
    """
    return _count_nodes(parameters, "parameters", 0)


def check_cost(nodes: int, arguments: JsonValue) -> None:
    """Refuse arguments that are much to compare with a schema of so many nodes.

    Raises:
        InvalidArguments: They are.
    """
    values = _weigh(arguments)
    if nodes * values > _COST:
        raise InvalidArguments(
            f"the arguments have {values} values, counting texts as one each "
            f"{_QUOTED_CHARACTERS} characters; a schema of {nodes} nodes may be compared with "
            f"{_COST // nodes}.",
            hint="Send less at the launch and the rest as messages, or let the inferlet's author "
            "make `parameters` simpler.",
            details={"values": values, "limit": _COST // nodes},
        )


def _weigh(arguments: JsonValue) -> int:
    weight, left = 0, [arguments]
    while left:
        value = left.pop()
        weight += 1
        if isinstance(value, dict):
            left.extend(value)
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif isinstance(value, str):
            weight += len(value) // _QUOTED_CHARACTERS
    return weight


def _count_nodes(schema: Any, where: str, depth: int) -> int:
    if depth > _DEPTH:
        raise _too_deep(where)
    if isinstance(schema, bool):
        return 1
    _check_words(schema, where)
    values = [schema[word] for word in ("enum", "const", "default") if word in schema]
    nodes = 1 + sum(_count_values(value, where, depth) for value in values)
    inner = dict(schema.get("properties", {}))
    inner |= {word: schema[word] for word in ("items", "additionalProperties", "not")
              if word in schema}  # fmt: skip
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        inner |= {f"{word}[{number}]": part for number, part in enumerate(schema.get(word, ()))}
    return nodes + sum(
        _count_nodes(part, f"{where}.{name}", depth + 1) for name, part in inner.items()
    )


def _check_words(schema: dict[str, Any], where: str) -> None:
    for word in schema:
        if word not in _WORDS:
            raise InvalidInferlet(
                f"`{where[:200]}` uses {word[:80]!r}, which uploaded inferlets may not.",
                hint=f"Check it in the inferlet. There are: {', '.join(sorted(_WORDS))}.",
            )


def _count_values(value: Any, where: str, depth: int) -> int:
    """Values that arguments are compared with, or filled up with, count too."""
    if depth > _DEPTH:
        raise _too_deep(where)
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise InvalidInferlet(f"`{where[:200]}` has a number of more than 64 bits.")
    if isinstance(value, dict):
        value = list(value.values())
    inner = value if isinstance(value, list) else ()
    return 1 + sum(_count_values(part, where, depth + 1) for part in inner)


def _too_deep(where: str) -> InvalidInferlet:
    return InvalidInferlet(f"`{where[:200]}` is nested more than {_DEPTH} levels deep.")
