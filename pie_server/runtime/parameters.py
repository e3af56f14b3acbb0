"""What the parameter schema of an uploaded inferlet may say.

Arguments are checked on the event loop, so a stranger's schema must be cheap to check whatever the
arguments: no references (they can double at each step), no patterns (they can backtrack without
end), few nodes. Schemas in the server's own directories are the operator's and not limited.
"""

from __future__ import annotations

from typing import Any, Final

from pie_server.errors import InvalidInferlet
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


def check_schema(parameters: dict[str, JsonValue]) -> None:
    """Refuse a schema that could cost the server much.

    Raises:
        InvalidInferlet: It does; the message has the place.
    """
    if parameters.get("type") != "object":
        raise InvalidInferlet(
            "`parameters` is not of type object.", hint='Write type = "object" below [parameters].'
        )
    nodes = _count_nodes(parameters, "parameters", 0)
    if nodes > _NODES:
        raise InvalidInferlet(f"`parameters` has {nodes} nodes; {_NODES} are allowed.")


def _count_nodes(schema: Any, where: str, depth: int) -> int:
    if depth > _DEPTH:
        raise InvalidInferlet(f"`{where[:200]}` is nested more than {_DEPTH} levels deep.")
    if isinstance(schema, bool):
        return 1
    _check_words(schema, where)
    values = [schema[word] for word in ("enum", "const", "default") if word in schema]
    nodes = 1 + _count_values(values, where)
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


def _count_values(value: Any, where: str) -> int:
    """Values that arguments are compared with, or filled up with, count too."""
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise InvalidInferlet(f"`{where[:200]}` has a number of more than 64 bits.")
    if isinstance(value, dict):
        value = list(value.values())
    return sum(_count_values(part, where) for part in value) if isinstance(value, list) else 1
