"""Generation: decode in the engine until something stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pie_server.engine.commands import GenerateCommand
from pie_server.engine.engine import Engine
from pie_server.errors import ContextTooLong, InvalidArguments, PieError
from pie_server.host import planning
from pie_server.host.generation import GeneratedText, TokenSink, text_of
from pie_server.host.held_matchers import HostMatcher, MatcherLoan
from pie_server.host.held_matchers import get as get_matcher
from pie_server.host.requests import Generate
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost, Reply


def generate(host: InstanceHost, request: Generate, reply: Reply) -> None:
    """Appends the fill and decodes until a stop token, a stop string or `max_tokens`."""
    planned = planning.plan(host, request)
    held, checkpoint = planned.held, planned.held.engine.checkpoint
    if not planned.length:
        raise InvalidArguments("context.generate needs a context or a fill to continue from")
    if request.max_tokens < 1:
        raise InvalidArguments(f"max_tokens is {request.max_tokens}, it must be at least 1")
    room = held.engine.room(planned.length)
    if room < 1:
        raise ContextTooLong("the context is full: nothing can be generated")
    most = min(request.max_tokens, room)
    vocabulary = checkpoint.config.vocab_size
    params = request.sampler.params(host.random.getrandbits(63), vocabulary)
    host.check_pages(held, planned.length + most)
    stops = request.stop_tokens
    if stops is None:
        stops = list(checkpoint.config.eos_tokens)
    if request.ignore_eos:
        stops = []
    loan = _loan(host, held.engine, request)
    if loan is not None:  # after the end a grammar allows nothing but the end
        stops = [*stops, *checkpoint.config.eos_tokens]
    sink: TokenSink | None = None
    tool_format = checkpoint.chat_template.tool_format
    if request.stream or request.stop:
        emit = (lambda text: host.session.emit("text", {"text": text})) if request.stream else None
        sink = TokenSink(checkpoint.tokenizer, tool_format, request.stop, emit)

    def on_done(command: GenerateCommand, error: PieError | None) -> None:
        held.generating = False
        planning.settle(host, planned, command)
        host.usage.generated_tokens += len(command.generated)
        if loan is not None:
            loan.end(command.generated)  # so far it came, even if it failed
        # A watched generation that fails still shows what was said before.
        tokens = command.generated
        text = sink.finish() if sink else text_of(checkpoint.tokenizer, tool_format, tokens)
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
        stop_tokens=frozenset(stops),
        on_token=sink.feed if sink else None,
        on_done=on_done,
        matcher=None if loan is None else loan.copy,
        vocab_size=vocabulary,
        queue=held.queue,
    )
    held.generating = True
    if loan is not None:
        loan.begin()
    planning.submit(host, planned, planned.length + most, command, reply)


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


def _loan(host: InstanceHost, engine: Engine, request: Generate) -> MatcherLoan | None:
    """The guest's matcher, or one at the beginning of its grammar, if the generation has one."""
    if request.matcher is not None:
        if request.grammar is not None:
            raise InvalidArguments("context.generate follows a grammar or a matcher, not both")
        held = get_matcher(host, request.matcher, engine)
        held.check_free(request.matcher)
        return MatcherLoan(held, advances=True)
    if request.grammar is None:
        return None
    compiled = host.grammars.get(request.grammar)
    if compiled.engine is not engine:
        raise InvalidArguments(f"grammar {request.grammar} was compiled for another model")
    return MatcherLoan(HostMatcher(engine, compiled.grammar.matcher()), advances=False)
