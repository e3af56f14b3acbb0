"""Grammars that constrain generations: compiled once by an instance, used by many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pie_server.engine.engine import Engine
from pie_server.engine.grammar import Grammar
from pie_server.engine.grammar_sources import (
    Ebnf,
    GrammarSource,
    JsonObject,
    JsonSchema,
    Regex,
    ToolCalls,
)
from pie_server.errors import InvalidArguments
from pie_server.host.requests import CompileGrammar, GrammarRequest
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

MAX_GRAMMARS = 64


@dataclass(frozen=True, slots=True)
class HostGrammar:
    """A grammar and the engine whose tokens it knows."""

    engine: Engine
    grammar: Grammar


async def compile_grammar(host: InstanceHost, request: CompileGrammar) -> JsonValue:
    """Compiles a JSON schema, regular expression, EBNF or tool-call format for a model."""
    engine = host.engine(request.model)
    grammar = await engine.grammars.compile(_source(host, request))
    return {"grammar": host.grammars.add(HostGrammar(engine, grammar))}


def release(host: InstanceHost, request: GrammarRequest) -> JsonValue:
    """Forgets a grammar; generations that follow it go on."""
    host.grammars.release(request.grammar)
    return None


def _source(host: InstanceHost, request: CompileGrammar) -> GrammarSource:
    sources: list[GrammarSource] = []
    if request.json_schema is not None:
        sources.append(JsonSchema(request.json_schema))
    if request.json:
        sources.append(JsonObject())
    if request.regex is not None:
        sources.append(Regex(request.regex))
    if request.ebnf is not None:
        sources.append(Ebnf(request.ebnf))
    if request.tools is not None:
        schemas = host.services.tools.schemas(host.check_tools(request.tools))
        sources.append(ToolCalls(tuple(schemas), required=request.required))
    if len(sources) != 1:
        raise InvalidArguments(
            "grammar.compile takes exactly one of json_schema, json, regex, ebnf and tools"
        )
    return sources[0]
