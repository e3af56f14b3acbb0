"""Grammars: the engine lets the model write only what fits. And Pie's constraints.

A `Schema` (`JsonSchema`, `AnyJson`, `Regex`, `Ebnf`, `ToolCallFormat`, or a class of your own with
`build_constraint`) goes to `constrain=` of `ctx.complete` and `ctx.generate`. A `Constraint` is
Python code that masks tokens, one round trip a token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeAlias, runtime_checkable

from inferlet._backend import control, operation
from inferlet._releasable import Releasable
from inferlet.matcher import Matcher

if TYPE_CHECKING:
    from inferlet.model import Model


class Grammar:
    """What text must look like, for any model. Compiled when it is used.

    Example:
        >>> grammar = Grammar.from_regex(r"\\d{3}-\\d{4}")
        >>> await ctx.complete(Sampler.argmax(), constrain=grammar)
    """

    __slots__ = ("_source",)

    def __init__(self, source: dict[str, Any]) -> None:
        self._source = source

    @classmethod
    def from_json_schema(cls, schema: str | Mapping[str, Any]) -> Grammar:
        """JSON that fits a schema, given as text or as a dict.

        Example:
            >>> Grammar.from_json_schema({"type": "array", "items": {"type": "integer"}})
        """
        parsed = json.loads(schema) if isinstance(schema, str) else dict(schema)
        if parsed is True:
            parsed = {}
        if not isinstance(parsed, dict):
            raise ValueError(f"a JSON schema is an object, not {parsed!r}")
        return cls({"json_schema": parsed})

    @classmethod
    def json(cls) -> Grammar:
        """Any JSON value.

        Example:
            >>> Grammar.json()
        """
        return cls({"json_schema": {}})

    @classmethod
    def from_regex(cls, pattern: str) -> Grammar:
        """Text that a regular expression matches as a whole (no look-around).

        Example:
            >>> Grammar.from_regex("(yes|no)")
        """
        return cls({"regex": pattern})

    @classmethod
    def from_ebnf(cls, ebnf: str) -> Grammar:
        """A context-free grammar: GBNF (`root ::= ...`) or Lark (`start: ...`).

        Example:
            >>> Grammar.from_ebnf('root ::= "hello" | "world"')
        """
        return cls({"ebnf": ebnf})

    @classmethod
    def tool_calls(cls, tools: Iterable[str], *, required: bool = True) -> Grammar:
        """The model's tool-call format, for these tools of the server.

        Args:
            tools: Their names.
            required: Whether it must be a call; otherwise text may do.

        Example:
            >>> Grammar.tool_calls(["calculator"])
        """
        return cls({"tools": list(tools), "required": required})

    async def compile(self, model: Model) -> CompiledGrammar:
        """Compile it for a model now, to use it often.

        Raises:
            InvalidOperation: It is not well-formed, or nothing fits it.

        Example:
            >>> with await grammar.compile(model) as compiled:
            ...     replies = await gather(*[c.complete(s, constrain=compiled) for c in contexts])
        """
        made = await operation("grammar.compile", model=model.name, **self._source)
        return CompiledGrammar(int(made["grammar"]))

    def __repr__(self) -> str:
        return f"Grammar({self._source!r})"


class CompiledGrammar(Releasable):
    """A grammar for one model. Freed by `release`, by `with`, or when the inferlet ends.

    Example:
        >>> compiled = await Grammar.from_regex("(yes|no)").compile(model)
        >>> await ctx.complete(Sampler.argmax(), constrain=compiled)
    """

    __slots__ = ("handle",)

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def release(self) -> None:
        """Free it; generations that follow it go on.

        Example:
            >>> compiled.release()
        """
        control("grammar.release", grammar=self.handle)

    def __repr__(self) -> str:
        return f"CompiledGrammar({self.handle})"


@runtime_checkable
class Constraint(Protocol):
    """Python code that says which tokens may come next.

    Example:
        >>> class OnlyDigits:
        ...     def step(self, accepted): return mask_of(digits, model.vocab_size)
        >>> await ctx.generate(Sampler.argmax(), constrain=OnlyDigits()).collect_text()
    """

    def step(self, accepted: list[int]) -> list[int]:
        """The mask (see `inferlet.masks`) of the next token; `[]` allows everything.

        A constraint that has `rollback(n)` too, which takes back the last `n` accepted tokens, goes
        together with a speculator.

        Args:
            accepted: Tokens that were accepted since the last call.
        """


class GrammarConstraint:
    """A grammar as Pie's schemas build it. The engine follows it, so it has no `step` to call.

    Example:
        >>> GrammarConstraint.from_grammar(Grammar.json(), model)
    """

    __slots__ = ("grammar",)

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar

    @classmethod
    def from_grammar(cls, grammar: Grammar, model: Model) -> GrammarConstraint:
        """Of a grammar; `model` is there for Pie.

        Example:
            >>> GrammarConstraint.from_grammar(Grammar.json(), model)
        """
        return cls(grammar)

    @classmethod
    def from_json_schema(cls, schema: str, model: Model) -> GrammarConstraint:
        """Of a JSON schema.

        Example:
            >>> GrammarConstraint.from_json_schema('{"type": "integer"}', model)
        """
        return cls(Grammar.from_json_schema(schema))

    @classmethod
    def json(cls, model: Model) -> GrammarConstraint:
        """Of any JSON value.

        Example:
            >>> GrammarConstraint.json(model)
        """
        return cls(Grammar.json())

    @classmethod
    def from_regex(cls, pattern: str, model: Model) -> GrammarConstraint:
        """Of a regular expression.

        Example:
            >>> GrammarConstraint.from_regex("[0-9]+", model)
        """
        return cls(Grammar.from_regex(pattern))

    @classmethod
    def from_ebnf(cls, ebnf: str, model: Model) -> GrammarConstraint:
        """Of a context-free grammar.

        Example:
            >>> GrammarConstraint.from_ebnf('root ::= "a"+', model)
        """
        return cls(Grammar.from_ebnf(ebnf))

    def step(self, accepted: list[int]) -> NoReturn:
        """Refused: the engine has the masks.

        Example:
            >>> ctx.generate(sampler, constrain=constraint)  # instead
        """
        raise NotImplementedError(
            "a grammar's masks stay in the engine: give the grammar to constrain= of ctx.generate "
            "or ctx.complete, or make a Matcher of it"
        )


@runtime_checkable
class Schema(Protocol):
    """Something that a constraint can be built from.

    Example:
        >>> class Digits:
        ...     def build_constraint(self, model):
        ...         return GrammarConstraint.from_regex("[0-9]+", model)
    """

    def build_constraint(self, model: Model) -> GrammarConstraint | Constraint:
        """The constraint for a model."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """JSON that fits a schema, given as text or as a dict.

    Example:
        >>> await ctx.complete(Sampler.argmax(), constrain=JsonSchema({"type": "object"}))
    """

    schema: str | Mapping[str, Any]

    def build_constraint(self, model: Model) -> GrammarConstraint:
        """See `Schema`."""
        return GrammarConstraint(Grammar.from_json_schema(self.schema))


@dataclass(frozen=True, slots=True)
class AnyJson:
    """Any JSON value.

    Example:
        >>> await ctx.generate(Sampler.argmax(), constrain=AnyJson()).collect_text()
    """

    def build_constraint(self, model: Model) -> GrammarConstraint:
        """See `Schema`."""
        return GrammarConstraint(Grammar.json())


@dataclass(frozen=True, slots=True)
class Regex:
    """Text that a regular expression matches as a whole.

    Example:
        >>> await ctx.complete(Sampler.argmax(), constrain=Regex("(yes|no)"))
    """

    pattern: str

    def build_constraint(self, model: Model) -> GrammarConstraint:
        """See `Schema`."""
        return GrammarConstraint(Grammar.from_regex(self.pattern))


@dataclass(frozen=True, slots=True)
class Ebnf:
    """Text of a context-free grammar.

    Example:
        >>> await ctx.complete(Sampler.argmax(), constrain=Ebnf('root ::= "yes" | "no"'))
    """

    source: str

    def build_constraint(self, model: Model) -> GrammarConstraint:
        """See `Schema`."""
        return GrammarConstraint(Grammar.from_ebnf(self.source))


@dataclass(frozen=True, slots=True)
class ToolCallFormat:
    """Calls of these tools, in the model's own format and fitting the tools' schemas.

    Attributes:
        tools: Names of tools of the server.
        required: Whether it must be a call; otherwise text may do.

    Example:
        >>> await ctx.complete(Sampler.argmax(), constrain=ToolCallFormat(["calculator"]))
    """

    tools: Iterable[str]
    required: bool = True

    def build_constraint(self, model: Model) -> GrammarConstraint:
        """See `Schema`."""
        return GrammarConstraint(Grammar.tool_calls(self.tools, required=self.required))


Constrain: TypeAlias = (
    "Schema | Constraint | GrammarConstraint | Grammar | CompiledGrammar | Matcher"
)


def built(constrain: Constrain, model: Model) -> Grammar | CompiledGrammar | Matcher | Constraint:
    """What follows `constrain` in the end: a grammar in the engine, or the inferlet's code.

    Raises:
        TypeError: It is nothing of the kind.
    """
    if isinstance(constrain, (Grammar, CompiledGrammar, Matcher)):
        return constrain
    if not isinstance(constrain, GrammarConstraint) and isinstance(constrain, Schema):
        constrain = constrain.build_constraint(model)
    if isinstance(constrain, GrammarConstraint):
        return constrain.grammar
    if isinstance(constrain, Constraint):
        return constrain
    raise TypeError(
        f"{type(constrain).__name__} is no constraint: it has neither build_constraint (a Schema) "
        "nor step (a Constraint)"
    )
