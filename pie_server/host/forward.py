"""Forward passes and generation: the operations that reach the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pie_server.engine.commands import Command, ForwardCommand, GenerateCommand
from pie_server.engine.sampling import SamplingParams
from pie_server.errors import ContextTooLong, InvalidArguments, InvalidRequest, PieError
from pie_server.host.fills import ChatState
from pie_server.host.generation import GeneratedText, TokenSink, text_of
from pie_server.host.requests import Fill, Forward, Generate
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import HostContext, InstanceHost, Reply


def flush(host: InstanceHost, request: Fill, reply: Reply) -> None:
    """Appends the fill to the context and computes its KV."""
    planned = _plan(host, request)
    held = planned.held
    idle = not held.engine.scheduler.is_busy(held.context)
    if not planned.fill and idle and held.context.missing_tokens == 0:
        held.chat = planned.chat
        reply.complete({"tokens": planned.length})
        return
    _submit_forward(host, planned, [], [], reply, _flushed)


def forward(host: InstanceHost, request: Forward, reply: Reply) -> None:
    """Appends the fill and reads out tokens and distributions at chosen offsets."""
    planned = _plan(host, request)
    length = len(planned.fill)
    if not length:
        raise InvalidArguments("context.forward needs at least one token to feed")
    samplers = [
        (_offset(wanted.index, length), wanted.sampler.params(host.random.getrandbits(63)))
        for wanted in request.samplers
    ]
    vocabulary = planned.held.engine.checkpoint.config.vocab_size
    top_ks: list[tuple[int, int]] = []
    for wanted in request.distributions:
        if not 0 <= wanted.top_k <= vocabulary:
            raise InvalidArguments(f"distribution.top_k must be between 0 (all) and {vocabulary}")
        top_ks.append((_offset(wanted.index, length), wanted.top_k or vocabulary))
    _submit_forward(host, planned, samplers, top_ks, reply, _forwarded)


def generate(host: InstanceHost, request: Generate, reply: Reply) -> None:
    """Appends the fill and decodes until a stop token, a stop string or `max_tokens`."""
    planned = _plan(host, request)
    held, checkpoint = planned.held, planned.held.engine.checkpoint
    if not planned.length:
        raise InvalidArguments("context.generate needs a context or a fill to continue from")
    if request.max_tokens < 1:
        raise InvalidArguments(f"max_tokens is {request.max_tokens}, it must be at least 1")
    room = held.engine.room(planned.length)
    if room < 1:
        raise ContextTooLong("the context is full: nothing can be generated")
    most = min(request.max_tokens, room)
    params = request.sampler.params(host.random.getrandbits(63))
    host.check_pages(held, planned.length + most)
    stops = request.stop_tokens
    if stops is None:
        stops = list(checkpoint.config.eos_tokens)
    sink: TokenSink | None = None
    if request.stream or request.stop:
        emit = (lambda text: host.session.emit("text", {"text": text})) if request.stream else None
        sink = TokenSink(checkpoint.tokenizer, request.stop, emit)

    def on_done(command: GenerateCommand, error: PieError | None) -> None:
        held.generating = False
        _settle(host, planned, command)
        host.usage.generated_tokens += len(command.generated)
        # A watched generation that fails still shows what was said before.
        text = sink.finish() if sink else text_of(checkpoint.tokenizer, command.generated)
        error = error or (sink.error if sink else None)
        if error is not None:
            reply.fail(error)
        else:
            reply.complete(_generated(host, command, text))

    command = GenerateCommand(
        held.context,
        planned.fill,
        params=params,
        max_tokens=most,
        stop_tokens=frozenset() if request.ignore_eos else frozenset(stops),
        on_token=sink.feed if sink else None,
        on_done=on_done,
    )
    held.generating = True
    _submit(host, planned, planned.length + most, command, reply)


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
    planned: _Planned,
    samplers: Sequence[tuple[int, SamplingParams]],
    top_ks: Sequence[tuple[int, int]],
    reply: Reply,
    answer: Callable[[ForwardCommand], JsonValue],
) -> None:
    host.check_pages(planned.held, planned.length)

    def on_done(command: ForwardCommand, error: PieError | None) -> None:
        _settle(host, planned, command)
        if error is not None:
            reply.fail(error)
        else:
            reply.complete(answer(command))

    command = ForwardCommand(
        planned.held.context, planned.fill, samplers=samplers, top_ks=top_ks, on_done=on_done
    )
    _submit(host, planned, planned.length, command, reply)


def _flushed(command: ForwardCommand) -> JsonValue:
    return {"tokens": len(command.context.tokens)}


def _forwarded(command: ForwardCommand) -> JsonValue:
    return {
        "length": len(command.context.tokens),
        "tokens": [sampled.token for sampled in command.sampled],
        "distributions": [
            {"tokens": [*top.tokens], "probabilities": [*top.probabilities]}
            for top in command.top_tokens
        ],
    }


@dataclass(frozen=True, slots=True)
class _Planned:
    """A fill that was rendered and fits, but changes nothing yet.

    Attributes:
        chat: The chat state behind it.
        before: The chat state without it.
        length: Tokens of the context behind it.
    """

    held: HostContext
    fill: list[int]
    chat: ChatState
    before: ChatState
    length: int


def _plan(host: InstanceHost, request: Fill) -> _Planned:
    held = host.context(request.context)
    if held.generating:
        raise InvalidRequest(
            f"context {request.context} is generating", hint="Await the generation first."
        )
    fill, chat = held.renderer.render(request.fill, held.chat, held.planned_tokens)
    length = held.planned_tokens + len(fill)
    held.engine.room(length)
    return _Planned(held, fill, chat, held.chat, length)


def _submit(
    host: InstanceHost, planned: _Planned, planned_tokens: int, command: Command, reply: Reply
) -> None:
    held = planned.held
    held.chat, held.planned_tokens = planned.chat, planned_tokens
    host.usage.prompt_tokens += len(command.fill)
    reply.cancel = lambda: held.engine.scheduler.cancel(command)
    held.engine.submit(command)


def _settle(host: InstanceHost, planned: _Planned, command: Command) -> None:
    """Takes a command's end into the books, however it ended."""
    held, tokens = planned.held, planned.held.context.tokens
    held.settle()
    if not command.begun:
        held.chat = planned.before  # it was cancelled in the queue: its fill was never appended
    elif tokens and held.planned_tokens == len(tokens):
        held.chat = replace(held.chat, tail=tokens[-1])
    host.usage.forward_steps += command.steps
    host.usage.reused_tokens += command.reused_tokens


def _offset(index: int, length: int) -> int:
    offset = index + length if index < 0 else index
    if not 0 <= offset < length:
        raise InvalidArguments(f"index {index} is outside the {length} tokens of the fill")
    return offset
