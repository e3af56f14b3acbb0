"""Contexts and their KV: create, fork, truncate, mask, copy, export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pie_server.engine.kv_commands import CopyCommand, KeepCommand
from pie_server.errors import InvalidArguments, InvalidRequest, LimitExceeded, PieError
from pie_server.host.fills import ChatState
from pie_server.host.requests import (
    ContextRequest,
    CopyTokens,
    CreateContext,
    Fill,
    KeepTokens,
    Mask,
    ModelRequest,
    Named,
    Range,
    Save,
    SetAdapter,
    Truncate,
)
from pie_server.kv import Context
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import HostContext, InstanceHost, Reply

MAX_HIDDEN_RANGES = 1024
MAX_MOVED_TOKENS = 1024  # of one copy or keep
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


def mask(host: InstanceHost, request: Mask) -> JsonValue:
    """Hides tokens `start..stop` from everything fed later, or shows them again."""
    held = _quiet(host, request.context, "mask")
    try:
        held.context.mask(request.start, request.stop, visible=request.visible)
    except ValueError as error:
        raise InvalidArguments(f"context.mask: {error}") from None
    _check_ranges(held)
    return None


def set_adapter(host: InstanceHost, request: SetAdapter) -> JsonValue:
    """What is fed from now on passes through this LoRA adapter (null: through none)."""
    held = _quiet(host, request.context, "change its adapter")
    known = held.engine.adapter_names
    if request.adapter is not None and request.adapter not in known:
        raise InvalidArguments(
            f"there is no adapter {request.adapter!r}",
            hint=f"Adapters: {', '.join(known)}." if known else "The server has none.",
        )
    held.context.recipe = replace(held.context.recipe, adapter=request.adapter)
    return None


def drop(host: InstanceHost, request: Range) -> JsonValue:
    """Hides tokens `start..stop` for good and frees the pages that hold nothing else."""
    held = _quiet(host, request.context, "drop")
    try:
        held.context.drop_range(request.start, request.stop)
    except ValueError as error:
        raise InvalidArguments(f"context.drop: {error}") from None
    _check_ranges(held)
    return {"pages": len(held.context.table.held_pages())}


def copy(host: InstanceHost, request: CopyTokens, reply: Reply) -> None:
    """Copies the KV of single tokens of `source` behind the context's last token."""
    source = _quiet(host, request.source, "be copied from")
    held = _quiet(host, request.context, "be copied to")
    if source.engine is not held.engine or source is held:
        raise InvalidArguments("context.copy goes between two contexts of one model")
    _check_tokens(request.tokens, 0, len(source.context.tokens))
    length = held.planned_tokens + len(request.tokens)
    held.engine.room(length)
    host.check_pages(held, length)
    command = CopyCommand(
        source.context, request.tokens, held.context, _moved(held, reply), held.queue
    )
    held.planned_tokens = length
    reply.cancel = lambda: held.engine.scheduler.cancel(command)
    held.engine.submit(command)


def keep(host: InstanceHost, request: KeepTokens, reply: Reply) -> None:
    """Leaves only some of the tokens behind the first `length`: an accepted path of a tree."""
    held = _quiet(host, request.context, "keep")
    if not 0 <= request.length <= len(held.context.tokens):
        raise InvalidArguments(f"length must be between 0 and {len(held.context.tokens)}")
    _check_tokens(request.tokens, request.length, len(held.context.tokens))
    tokens = held.context.tokens
    chat = held.chat.truncated(
        request.length, tokens[request.length - 1] if request.length else None
    )
    command = KeepCommand(
        held.context, request.length, request.tokens, _moved(held, reply, chat), held.queue
    )
    held.planned_tokens = request.length + len(request.tokens)
    reply.cancel = lambda: held.engine.scheduler.cancel(command)
    held.engine.submit(command)


def info(host: InstanceHost, request: ContextRequest) -> JsonValue:
    """Sizes and state."""
    held = host.context(request.context)
    context = held.context
    return {
        "tokens": len(context.tokens),
        "pages": len(context.table.held_pages()),
        "shared_pages": context.table.shared_pages(),
        "state": context.state.value,
        "adapter": context.recipe.adapter,
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
    names = held.engine.exports.names(host.session.tenant)
    if request.name not in names and len(names) >= MAX_EXPORTS:
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


def list_saved(host: InstanceHost, request: ModelRequest) -> JsonValue:
    """The names of the tenant's exported contexts."""
    return [*host.engine(request.model).exports.names(host.session.tenant)]


def delete_saved(host: InstanceHost, request: Named) -> JsonValue:
    """Forgets an export; whether there was one."""
    return host.engine(request.model).exports.delete(host.session.tenant, request.name)


def _moved(
    held: HostContext, reply: Reply, chat: ChatState | None = None
) -> Callable[[object, PieError | None], None]:
    def on_done(_: object, error: PieError | None) -> None:
        held.settle()
        if error is not None:
            reply.fail(error)
            return
        tokens = held.context.tokens
        held.chat = replace(chat or held.chat, tail=tokens[-1] if tokens else None)
        reply.complete({"tokens": len(tokens)})

    return on_done


def _check_ranges(held: HostContext) -> None:
    """Refuses more if the context hides very many ranges. Raises LimitExceeded."""
    if len(held.context.recipe.hidden) > MAX_HIDDEN_RANGES:
        raise LimitExceeded(
            f"the context hides more than {MAX_HIDDEN_RANGES} ranges of tokens",
            hint="Mask longer ranges.",
        )


def _check_tokens(tokens: Sequence[int], first: int, end: int) -> None:
    if len(tokens) > MAX_MOVED_TOKENS:
        raise InvalidArguments(f"move at most {MAX_MOVED_TOKENS} tokens in one operation")
    if not tokens or len(set(tokens)) != len(tokens):
        raise InvalidArguments("tokens must be given, and none of them twice")
    if any(not first <= token < end for token in tokens):
        raise InvalidArguments(f"tokens must be between {first} and {end - 1}")


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
