"""Between a guest's request and the engine's queue: rendering, limits, and the books afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pie_server.engine.commands import Command
from pie_server.errors import InvalidRequest
from pie_server.host.fills import ChatState
from pie_server.host.requests import Fill, Forward

if TYPE_CHECKING:
    from pie_server.host.instance_host import HostContext, InstanceHost, Reply


@dataclass(frozen=True, slots=True)
class Planned:
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


def plan(host: InstanceHost, request: Fill | Forward) -> Planned:
    """Renders the request's fill behind everything submitted so far.

    Raises:
        InvalidRequest: The context is generating, so what comes before the fill is not known.
        ContextTooLong, PagesExceeded: It cannot fit.
    """
    held = host.context(request.context)
    if held.generating:
        raise InvalidRequest(
            f"context {request.context} is generating", hint="Await the generation first."
        )
    fill, chat = held.renderer.render(request.fill, held.chat, held.planned_tokens)
    length = held.planned_tokens + len(fill)
    held.engine.room(length)
    return Planned(held, fill, chat, held.chat, length)


def submit(
    host: InstanceHost, planned: Planned, planned_tokens: int, command: Command, reply: Reply
) -> None:
    """Queues the command; the context will then be at most `planned_tokens` long."""
    held = planned.held
    held.chat, held.planned_tokens = planned.chat, planned_tokens
    host.usage.prompt_tokens += len(command.fill)
    reply.cancel = lambda: held.engine.scheduler.cancel(command)
    held.engine.submit(command)


def settle(host: InstanceHost, planned: Planned, command: Command) -> None:
    """Takes a command's end into the books, however it ended."""
    held, tokens = planned.held, planned.held.context.tokens
    held.settle()
    if not command.begun:
        held.chat = planned.before  # it was cancelled in the queue: its fill was never appended
    elif tokens and held.planned_tokens == len(tokens):
        held.chat = replace(held.chat, tail=tokens[-1])
    host.usage.forward_steps += command.steps
    host.usage.reused_tokens += command.reused_tokens
