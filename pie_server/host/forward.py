"""Forward passes: tokens or embeddings in, readouts at any position out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pie_server.engine.batch import Readout
from pie_server.engine.commands import ForwardCommand
from pie_server.errors import InvalidArguments, LimitExceeded, PieError
from pie_server.host import planning
from pie_server.host.held_matchers import MatcherLoans
from pie_server.host.held_tensors import check_vector_bytes
from pie_server.host.planning import Planned
from pie_server.host.readouts import answered, asked_of
from pie_server.host.requests import Fill, Forward
from pie_server.kv import Recipe
from pie_server.kv.recipe import hidden_from_visible

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost, Reply

MAX_MASK_RANGES = 65_536  # of one context's whole log


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
    loans = MatcherLoans(host, held.engine)
    asked: list[tuple[int, Readout]] = asked_of(host, held.engine, request, length, loans)
    recipes = _recipes(planned, request)
    host.check_pages(held, planned.length)

    def on_done(command: ForwardCommand, error: PieError | None) -> None:
        planning.settle(host, planned, command)
        if error is not None:
            loans.fail()
            reply.fail(error)
            return
        try:
            answers = answered(host, held.engine, request, command.answers, loans)
        except PieError as refused:
            loans.fail()
            reply.fail(refused)
        else:
            reply.complete({"length": len(command.context.tokens), **answers})

    command = ForwardCommand(
        held.context,
        planned.fill,
        asked=asked,
        recipes=recipes,
        vectors=vectors,
        vocab_size=held.engine.checkpoint.config.vocab_size,
        on_done=on_done,
        queue=held.queue,
    )
    loans.begin()
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
    check_vector_bytes(host, tensor)
    length = planned.length + count
    held.engine.room(length)
    fill = [-1 - index for index in range(count)]
    return Planned(held, fill, planned.chat, planned.before, length), list(tensor.rows)


Recipes = Callable[[int], Sequence[tuple[int, int, Recipe]]]


def _recipes(planned: Planned, request: Forward) -> Recipes | None:
    """Makes one recipe a token once the context's length is known, if the request asks for any.

    Raises:
        InvalidArguments: They do not fit the tokens, or a mask attends to nothing.
        LimitExceeded: The context's masks have too many ranges.
    """
    visible, positions = request.visible, request.positions
    if visible is None and positions is None:
        return None
    context, length = planned.held.context, len(planned.fill)
    for name, given in (("visible", visible), ("positions", positions)):
        if given is not None and len(given) != length:
            raise InvalidArguments(f"{name} has {len(given)} entries for {length} tokens")
    if positions is not None:
        _check_positions(positions, planned.held.engine.checkpoint.config.max_context_tokens)
    if visible is not None:
        _check_visible(visible, planned.length - length)
        ranges = sum(map(len, visible)) + context.recipes.range_count()
        if ranges > MAX_MASK_RANGES:
            raise LimitExceeded(f"the context's masks have more than {MAX_MASK_RANGES} ranges")

    def recipes(first: int) -> list[tuple[int, int, Recipe]]:
        made = []
        for offset, slot in enumerate(range(first, first + length)):
            hidden, shift = context.recipe.hidden, 0
            if visible is not None:
                hidden = hidden_from_visible(visible[offset], slot)
            if positions is not None:
                shift = positions[offset] - slot
            made.append((offset, offset + 1, Recipe(hidden, shift, context.recipe.adapter)))
        return made

    return recipes


def _check_positions(positions: Sequence[int], longest: int) -> None:
    for offset, position in enumerate(positions):
        if not 0 <= position < longest:
            raise InvalidArguments(f"positions[{offset}] must be between 0 and {longest - 1}")


def _check_visible(visible: Sequence[Sequence[tuple[int, int]]], first: int) -> None:
    for offset, ranges in enumerate(visible):
        end = first + offset + 1
        if not any(low < high for low, high in ranges) or not all(
            0 <= low <= high <= end for low, high in ranges
        ):
            raise InvalidArguments(
                f"visible[{offset}] attends to nothing, or to more than tokens 0..{end - 1}",
                hint="Give half-open ranges of tokens; a token always sees itself.",
            )
