"""Forward passes and generation: the operations that reach the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pie_server.engine.commands import Command, ForwardCommand, GenerateCommand
from pie_server.engine.sampling import SamplingParams
from pie_server.errors import ContextTooLong, InvalidArguments, InvalidRequest, PieError
from pie_server.host.fills import Segment
from pie_server.host.generation import GeneratedText, TokenSink, text_of
from pie_server.host.requests import Fill, Forward, Generate
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import HostContext, InstanceHost, Reply


def flush(host: InstanceHost, request: Fill, reply: Reply) -> None:
    """Appends the fill to the context and computes its KV."""
    held, fill = _fill(host, request.context, request.fill)
    if not fill and held.context.missing_tokens == 0:
        reply.complete({"tokens": len(held.context.tokens)})
        return
    _submit_forward(host, held, fill, {}, {}, reply)


def forward(host: InstanceHost, request: Forward, reply: Reply) -> None:
    """Appends the fill and reads out tokens and distributions at chosen offsets."""
    held, fill = _fill(host, request.context, request.fill)
    if not fill:
        raise InvalidArguments("context.forward needs at least one token to feed")
    samplers: dict[int, SamplingParams] = {}
    for position in request.samplers:
        samplers[_offset(position.index, len(fill))] = position.sampler.params(
            host.random.getrandbits(63)
        )
    top_ks: dict[int, int] = {}
    vocabulary = held.engine.checkpoint.config.vocab_size
    for wanted in request.distributions:
        if not 0 <= wanted.top_k <= vocabulary:
            raise InvalidArguments(f"distribution.top_k must be between 0 (all) and {vocabulary}")
        top_ks[_offset(wanted.index, len(fill))] = wanted.top_k or vocabulary
    order = [_offset(position.index, len(fill)) for position in request.samplers]
    heads = [_offset(wanted.index, len(fill)) for wanted in request.distributions]
    _submit_forward(host, held, fill, samplers, top_ks, reply, order, heads)


def generate(host: InstanceHost, request: Generate, reply: Reply) -> None:
    """Appends the fill and decodes until a stop token, a stop string or `max_tokens`."""
    held, fill = _fill(host, request.context, request.fill)
    context, checkpoint = held.context, held.engine.checkpoint
    if not fill and not context.tokens:
        raise InvalidArguments("context.generate needs a context or a fill to continue from")
    if request.max_tokens < 1:
        raise InvalidArguments(f"max_tokens is {request.max_tokens}, it must be at least 1")
    room = held.engine.room(context, held.reserved_tokens + len(fill))
    if room < 1:
        raise ContextTooLong("the context is full: nothing can be generated")
    most = min(request.max_tokens, room)
    host.check_pages(held, len(fill) + most)
    stops = frozenset(
        request.stop_tokens if request.stop_tokens is not None else checkpoint.config.eos_tokens
    )
    sink: TokenSink | None = None
    if request.stream or request.stop:
        emit = (lambda text: host.session.emit("text", {"text": text})) if request.stream else None
        sink = TokenSink(checkpoint.tokenizer, request.stop, emit)
    reserved = len(fill) + most

    def on_done(command: GenerateCommand, error: PieError | None) -> None:
        held.generating = False
        held.reserved_tokens -= reserved
        tail = context.tokens[-1] if context.tokens else None
        held.chat = replace(held.chat, tail=tail)
        _count(host, command)
        host.usage.generated_tokens += len(command.generated)
        # A watched generation that fails still shows what was said before.
        text = sink.finish() if sink else text_of(checkpoint.tokenizer, command.generated)
        if error is not None:
            reply.fail(error)
        else:
            reply.complete(_generated(host, command, text))

    command = GenerateCommand(
        context,
        fill,
        params=request.sampler.params(host.random.getrandbits(63)),
        max_tokens=most,
        stop_tokens=frozenset() if request.ignore_eos else stops,
        on_token=sink.feed if sink else None,
        on_done=on_done,
    )
    held.generating = True
    held.reserved_tokens += reserved
    _submit(host, held, command, reply)


def _generated(host: InstanceHost, command: GenerateCommand, text: GeneratedText) -> JsonValue:
    tokens: list[JsonValue] = []
    tokens.extend(command.generated)
    calls: list[JsonValue] = []
    for call in text.tool_calls:
        entry: dict[str, JsonValue] = {
            "id": host.new_call_id(),
            "name": call.name,
            "arguments": call.arguments,  # type: ignore[dict-item] # parsed from JSON
        }
        if call.error:
            entry["error"] = call.error
        calls.append(entry)
    return {
        "tokens": tokens,
        "text": text.text,
        "content": text.content,
        "tool_calls": calls,
        "finish_reason": command.finish_reason,
        "logprob": command.logprob,
        "length": len(command.context.tokens),
    }


def _submit_forward(
    host: InstanceHost,
    held: HostContext,
    fill: list[int],
    samplers: dict[int, SamplingParams],
    top_ks: dict[int, int],
    reply: Reply,
    order: Sequence[int] = (),
    heads: Sequence[int] = (),
) -> None:
    held.engine.room(held.context, held.reserved_tokens + len(fill))
    host.check_pages(held, len(fill))

    def on_done(command: ForwardCommand, error: PieError | None) -> None:
        held.reserved_tokens -= len(fill)
        _count(host, command)
        if error is not None:
            reply.fail(error)
            return
        length = len(command.context.tokens)
        if not order and not heads:
            reply.complete({"tokens": length})
            return
        tops = [command.top_tokens[offset] for offset in heads]
        reply.complete(
            {
                "length": length,
                "tokens": [command.sampled[offset].token for offset in order],
                "distributions": [
                    {"tokens": list(top.tokens), "probabilities": list(top.probabilities)}
                    for top in tops
                ],
            }
        )

    held.reserved_tokens += len(fill)
    command = ForwardCommand(held.context, fill, samplers=samplers, top_ks=top_ks, on_done=on_done)
    _submit(host, held, command, reply)


def _submit(host: InstanceHost, held: HostContext, command: Command, reply: Reply) -> None:
    host.usage.prompt_tokens += len(command.fill)
    reply.cancel = lambda: held.engine.scheduler.cancel(command)
    held.engine.submit(command)


def _count(host: InstanceHost, command: Command) -> None:
    host.usage.forward_steps += command.steps
    host.usage.reused_tokens += command.reused_tokens


def _fill(
    host: InstanceHost, identifier: int, segments: Sequence[Segment]
) -> tuple[HostContext, list[int]]:
    held = host.context(identifier)
    if held.generating:
        raise InvalidRequest(
            f"context {identifier} is generating", hint="Await the generation first."
        )
    fill, chat = held.renderer.render(segments, held.chat)
    held.engine.room(held.context, held.reserved_tokens + len(fill))
    held.chat = chat
    return held, fill


def _offset(index: int, length: int) -> int:
    offset = index + length if index < 0 else index
    if not 0 <= offset < length:
        raise InvalidArguments(f"index {index} is outside the {length} tokens of the fill")
    return offset
