"""Contexts and their KV: create, fork, truncate, export. Control operations only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pie_server.errors import InvalidArguments, InvalidRequest, LimitExceeded
from pie_server.host.fills import ChatState
from pie_server.host.requests import (
    ContextRequest,
    CreateContext,
    Fill,
    Named,
    Save,
    Truncate,
)
from pie_server.kv import Context
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import HostContext, InstanceHost

MAX_EXPORTS = 256  # of one tenant: their token logs stay in memory, their pages in the pool


def create(host: InstanceHost, request: CreateContext) -> JsonValue:
    """An empty context."""
    host.check_contexts()
    engine = host.engine(request.model)
    context = engine.create_context(host.session.tenant, prefix_reuse=request.prefix_reuse)
    return {"context": host.hold(engine, context, ChatState())}


def fork(host: InstanceHost, request: ContextRequest) -> JsonValue:
    """A context over the same pages."""
    host.check_contexts()
    held = _quiet(host, request.context, "fork")
    context = held.engine.fork(held.context)
    return {"context": host.hold(held.engine, context, held.chat)}


def release(host: InstanceHost, request: ContextRequest) -> JsonValue:
    """Ends a context; its commands are cancelled."""
    host.drop(request.context)
    return None


def truncate(host: InstanceHost, request: Truncate) -> JsonValue:
    """Keeps the first `length` tokens."""
    held = _quiet(host, request.context, "truncate")
    try:
        held.context.truncate(request.length)
    except ValueError as error:
        raise InvalidArguments(f"context.truncate: {error}") from None
    tokens = held.context.tokens
    held.chat = held.chat.truncated(request.length, tokens[-1] if tokens else None)
    held.settle()
    return None


def info(host: InstanceHost, request: ContextRequest) -> JsonValue:
    """Sizes and state."""
    held = host.context(request.context)
    context = held.context
    return {
        "tokens": len(context.tokens),
        "pages": len(context.table.pages),
        "shared_pages": context.table.shared_pages(),
        "state": context.state.value,
        "pending_tokens": held.planned_tokens - len(context.tokens),
    }


def render(host: InstanceHost, request: Fill) -> JsonValue:
    """The tokens that a fill would append; changes nothing."""
    held = _settled(host, request.context)
    tokens: list[JsonValue] = []
    tokens.extend(held.renderer.render(request.fill, held.chat, held.planned_tokens)[0])
    return tokens


def save(host: InstanceHost, request: Save) -> JsonValue:
    """Exports a context under a name of the tenant."""
    held = _quiet(host, request.context, "save")
    if held.engine.exports.count(host.session.tenant) >= MAX_EXPORTS:
        raise LimitExceeded(
            f"the tenant has saved {MAX_EXPORTS} contexts, the most it may",
            hint="Delete some of them first.",
        )
    held.context.memo = held.chat
    held.engine.save(held.context, request.name)
    return None


def open_saved(host: InstanceHost, request: Named) -> JsonValue:
    """A fork of an exported context, or null."""
    host.check_contexts()
    engine = host.engine(request.model)
    context = engine.open(host.session.tenant, request.name)
    if context is None:
        return None
    return {"context": host.hold(engine, context, _chat_of(context))}


def take_saved(host: InstanceHost, request: Named) -> JsonValue:
    """The exported context itself, or null; the name is free again."""
    host.check_contexts()
    engine = host.engine(request.model)
    context = engine.take(host.session.tenant, request.name)
    if context is None:
        return None
    return {"context": host.hold(engine, context, _chat_of(context))}


def delete_saved(host: InstanceHost, request: Named) -> JsonValue:
    """Forgets an export; whether there was one."""
    return host.engine(request.model).exports.delete(host.session.tenant, request.name)


def _settled(host: InstanceHost, identifier: int) -> HostContext:
    """A context whose chat state is known.

    Raises:
        InvalidRequest: It is generating.
    """
    held = host.context(identifier)
    if held.generating:
        raise InvalidRequest(
            f"context {identifier} is generating", hint="Await the generation first."
        )
    return held


def _quiet(host: InstanceHost, identifier: int, verb: str) -> HostContext:
    """A context without queued commands.

    Raises:
        InvalidRequest: It has some, so what to `verb` is not settled.
    """
    held = host.context(identifier)
    if held.engine.scheduler.is_busy(held.context):
        raise InvalidRequest(
            f"context {identifier} has operations in flight, so it cannot {verb}",
            hint="Await them first.",
        )
    return held


def _chat_of(context: Context) -> ChatState:
    """The chat state that was saved with an export."""
    assert isinstance(context.memo, ChatState)
    return context.memo
