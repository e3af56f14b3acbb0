"""Forward passes: tokens or embeddings in, readouts at any position out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pie_server.engine.batch import Readout
from pie_server.engine.commands import ForwardCommand
from pie_server.errors import InvalidArguments, PieError
from pie_server.host import planning
from pie_server.host.planning import Planned
from pie_server.host.readouts import answered, asked_of
from pie_server.host.requests import Fill, Forward
from pie_server.kv import Recipe
from pie_server.kv.recipe import hidden_from_visible

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost, Reply

MAX_MASK_RANGES = 65_536  # of one operation


def flush(host: InstanceHost, request: Fill, reply: Reply) -> None:
    """Appends the fill to the context and computes its KV."""
    planned = planning.plan(host, request)
    held = planned.held
    idle = not held.engine.scheduler.is_busy(held.context)
    if not planned.fill and idle and held.context.missing_tokens == 0:
        held.chat = planned.chat
        reply.complete({"tokens": planned.length})
        return
    host.check_pages(held, planned.length)

    def on_done(command: ForwardCommand, error: PieError | None) -> None:
        planning.settle(host, planned, command)
        if error is not None:
            reply.fail(error)
        else:
            reply.complete({"tokens": len(command.context.tokens)})

    command = ForwardCommand(
        held.context, planned.fill, asked=(), on_done=on_done, queue=held.queue
    )
    planning.submit(host, planned, planned.length, command, reply)


def forward(host: InstanceHost, request: Forward, reply: Reply) -> None:
    """Appends tokens or embeddings and reads out what is asked at chosen offsets."""
    planned, vectors = _with_embeddings(host, planning.plan(host, request), request)
    held, length = planned.held, len(planned.fill)
    if not length:
        raise InvalidArguments("context.forward needs at least one token to feed")
    vocabulary = held.engine.checkpoint.config.vocab_size
    asked: list[tuple[int, Readout]] = asked_of(
        host, request, length, vocabulary, [*held.context.tokens, *planned.fill]
    )
    recipes = _recipes(planned, request)
    host.check_pages(held, planned.length)

    def on_done(command: ForwardCommand, error: PieError | None) -> None:
        planning.settle(host, planned, command)
        if error is not None:
            reply.fail(error)
            return
        try:
            answers = answered(host, held.engine, request, command.answers)
        except PieError as refused:
            reply.fail(refused)
        else:
            reply.complete({"length": len(command.context.tokens), **answers})

    command = ForwardCommand(
        held.context,
        planned.fill,
        asked=asked,
        recipes=recipes,
        vectors=vectors,
        on_done=on_done,
        queue=held.queue,
    )
    planning.submit(host, planned, planned.length, command, reply)


def _with_embeddings(
    host: InstanceHost, planned: Planned, request: Forward
) -> tuple[Planned, Sequence[object]]:
    """The plan with embeddings in place of a fill, where some are given."""
    if request.embeddings is None:
        return planned, ()
    if planned.fill:
        raise InvalidArguments("context.forward takes a fill or embeddings, not both")
    tensor, held = host.tensors.get(request.embeddings), planned.held
    if tensor.kind == "logits" or tensor.engine is not held.engine:
        raise InvalidArguments(f"tensor {request.embeddings} is no input of this context's model")
    count = len(tensor.rows)
    length = planned.length + count
    held.engine.room(length)
    fill = [-1 - index for index in range(count)]
    return Planned(held, fill, planned.chat, planned.before, length), list(tensor.rows)


def _recipes(planned: Planned, request: Forward) -> Sequence[tuple[int, int, Recipe]]:
    """One recipe a token, if the request has masks or positions of its own.

    Raises:
        InvalidArguments: They do not fit the tokens, or a mask attends to nothing.
    """
    if request.visible is None and request.positions is None:
        return ()
    held, length = planned.held, len(planned.fill)
    first = planned.length - length
    for name, given in (("visible", request.visible), ("positions", request.positions)):
        if given is not None and len(given) != length:
            raise InvalidArguments(f"{name} has {len(given)} entries for {length} tokens")
    if request.visible is not None and sum(map(len, request.visible)) > MAX_MASK_RANGES:
        raise InvalidArguments(f"a mask has more than {MAX_MASK_RANGES} ranges")
    longest = held.engine.checkpoint.config.max_context_tokens
    recipes = []
    for offset in range(length):
        slot = first + offset
        hidden, shift = held.context.recipe.hidden, 0
        if request.visible is not None:
            ranges = request.visible[offset]
            if not any(0 <= low < high <= slot + 1 for low, high in ranges) or any(
                not 0 <= low <= high <= slot + 1 for low, high in ranges
            ):
                raise InvalidArguments(
                    f"visible[{offset}] attends to nothing, or to more than tokens 0..{slot}",
                    hint="Give half-open ranges of tokens; a token always sees itself.",
                )
            hidden = hidden_from_visible(ranges, slot)
        if request.positions is not None:
            position = request.positions[offset]
            if not 0 <= position < longest:
                raise InvalidArguments(f"positions[{offset}] must be between 0 and {longest - 1}")
            shift = position - slot
        recipes.append((offset, offset + 1, Recipe(hidden, shift, held.context.recipe.adapter)))
    return recipes
