"""Everything one running inferlet may touch: its contexts, its operations in flight, its session.

Implements the runtime's `Host`. Every operation gets exactly one answer; whatever happens, `close`
cancels what is in flight and gives every page back, synchronously.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import trio

from pie_server.engine.engine import Engine
from pie_server.engine.queues import CommandQueue
from pie_server.errors import (
    InvalidArguments,
    InvalidRequest,
    LimitExceeded,
    OperationCancelled,
    OperationsExceeded,
    PagesExceeded,
    PieError,
    UnknownHandle,
    UnknownModel,
    UnknownOperation,
)
from pie_server.host.children import MAX_CHILDREN, Child, ChildLauncher
from pie_server.host.files import ScratchFiles
from pie_server.host.fills import ChatState, FillRenderer
from pie_server.host.grammars import MAX_GRAMMARS, HostGrammar
from pie_server.host.handles import Handles
from pie_server.host.held_matchers import MAX_MATCHERS, HostMatcher
from pie_server.host.held_tensors import MAX_TENSORS, HostTensor
from pie_server.host.http import MAX_REQUESTS
from pie_server.host.messaging import MAX_SUBSCRIPTIONS
from pie_server.host.operations import OPERATIONS, Operation
from pie_server.host.ports import SandboxSource, Services, SessionPort, Usage
from pie_server.host.requests import Request
from pie_server.kv import Context
from pie_server.runtime.port import InstanceLimits, JsonValue, Mailbox
from pie_server.services.messaging import Subscription

_LOG = logging.getLogger(__name__)

MAX_CONTEXTS = 1024  # of one instance: a tree search has tens, a leak has thousands
MAX_QUEUES = 64


@dataclass(eq=False, slots=True)
class HostContext:
    """A context as its instance holds it.

    Attributes:
        chat: Where its conversation stands, behind all fills submitted so far.
        planned_tokens: Length of the log when everything submitted has run (at most).
        generating: A generation is queued or running, so neither is settled yet.
        queue: Whose priority its commands have; None: normal.
    """

    engine: Engine
    context: Context
    renderer: FillRenderer
    chat: ChatState
    planned_tokens: int
    generating: bool = False
    queue: CommandQueue | None = None

    def settle(self) -> None:
        """A command has ended: with no other queued, the log says how long it is."""
        if not self.engine.scheduler.is_busy(self.context):
            self.planned_tokens = len(self.context.tokens)


class Reply:
    """The one answer of one operation. The first call counts; later ones are ignored."""

    __slots__ = ("_host", "_mailbox", "cancel", "operation_id")

    def __init__(self, host: InstanceHost, mailbox: Mailbox, operation_id: int) -> None:
        self._host = host
        self._mailbox = mailbox
        self.operation_id = operation_id
        self.cancel: Callable[[], object] | None = None

    def complete(self, value: JsonValue) -> None:
        """Answers with a value."""
        if self._host.in_flight.pop(self.operation_id, None) is self:
            self._mailbox.complete(self.operation_id, value)

    def fail(self, error: PieError) -> None:
        """Answers with an error."""
        if self._host.in_flight.pop(self.operation_id, None) is self:
            self._mailbox.fail(self.operation_id, error)


class InstanceHost:
    """The host of one instance.

    Args:
        services: What all instances share.
        session: Whose instance it is.
        nursery: Where its tool calls and waits run; cancelled by whoever owns it.
        sandbox: Leases the session's sandbox on first use.
        limits: What the instance may hold.
        launcher: Starts further instances in the session; None: it may launch none.
        child: What the instance is to the one that launched it; None: a client launched it.
        http_turns: Its session's turns to make HTTP requests; its own if not given.
    """

    def __init__(
        self,
        services: Services,
        session: SessionPort,
        nursery: trio.Nursery,
        sandbox: SandboxSource,
        limits: InstanceLimits,
        *,
        launcher: ChildLauncher | None = None,
        child: Child | None = None,
        http_turns: trio.CapacityLimiter | None = None,
    ) -> None:
        self.services = services
        self.session = session
        self.nursery = nursery
        self.sandbox = sandbox
        self.limits = limits
        self.launcher = launcher
        self.child = child
        self.sender = services.messaging.sender(session.tenant)
        self.files = ScratchFiles()
        self.http_turns = http_turns or trio.CapacityLimiter(MAX_REQUESTS)
        self.usage = Usage()
        self.random = random.Random()
        self.in_flight: dict[int, Reply] = {}
        self.queues: Handles[CommandQueue] = Handles("queue", MAX_QUEUES)
        self.tensors: Handles[HostTensor] = Handles("tensor", MAX_TENSORS)
        self.grammars: Handles[HostGrammar] = Handles("grammar", MAX_GRAMMARS)
        self.matchers: Handles[HostMatcher] = Handles("matcher", MAX_MATCHERS)
        self.subscriptions: Handles[Subscription] = Handles("subscription", MAX_SUBSCRIPTIONS)
        self.children: Handles[Child] = Handles("child", MAX_CHILDREN)
        self._contexts: dict[int, HostContext] = {}
        self._renderers: dict[str, FillRenderer] = {}
        self._closed = False
        self._last_call = 0
        self._last_context = 0

    # -- Host ---------------------------------------------------------------------------------

    def submit(self, operations: Sequence[Mapping[str, JsonValue]], mailbox: Mailbox) -> None:
        """Starts operations; see `runtime.port.Host`."""
        for raw in operations:
            number = raw.get("id")
            if not isinstance(number, int) or isinstance(number, bool):
                _LOG.warning("instance of %s sent an operation without id", self.session.id)
                continue
            try:
                self._start(number, raw, mailbox)
            except PieError as error:
                mailbox.fail(number, error)

    def call(self, operation: Mapping[str, JsonValue]) -> JsonValue:
        """Answers one control operation now; see `runtime.port.Host`."""
        entry, request = self._parse(operation)
        if entry.control is None:
            raise InvalidRequest(f"{request.op} is asynchronous and must be awaited")
        return entry.control(self, request)

    def close(self) -> None:
        """Cancels what is in flight and frees all contexts. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            for reply in list(self.in_flight.values()):
                if reply.cancel is not None:
                    reply.cancel()
        finally:
            self.in_flight.clear()
            for child in self.children:
                child.parent_ended()
            for subscription in self.subscriptions:
                subscription.close()
            self.children.clear()
            self.subscriptions.clear()
            self.files.clear()
            for held in self._contexts.values():
                held.engine.release(held.context)
            self._contexts.clear()
            self.queues.clear()
            self.tensors.clear()
            self.grammars.clear()
            self.matchers.clear()

    def _start(self, number: int, raw: Mapping[str, JsonValue], mailbox: Mailbox) -> None:
        entry, request = self._parse(raw)
        if entry.control is not None:
            mailbox.complete(number, entry.control(self, request))
            return
        if number in self.in_flight:
            raise InvalidRequest(f"operation id {number} is in use")
        if len(self.in_flight) >= self.limits.operations_in_flight:
            raise OperationsExceeded(
                f"more than {self.limits.operations_in_flight} operations in flight",
                hint="Await some of them before submitting more.",
            )
        reply = Reply(self, mailbox, number)
        self.in_flight[number] = reply
        try:
            if entry.inference is not None:
                entry.inference(self, request, reply)
            else:
                self._start_task(entry, request, reply)
        except PieError:
            self.in_flight.pop(number, None)
            raise

    def _start_task(self, entry: Operation, request: Request, reply: Reply) -> None:
        scope = trio.CancelScope()
        reply.cancel = scope.cancel
        task = entry.task
        assert task is not None

        async def run() -> None:
            with scope:
                try:
                    value = await task(self, request)
                except PieError as error:
                    reply.fail(error)
                else:
                    reply.complete(value)
            if scope.cancelled_caught:
                reply.fail(OperationCancelled(f"{request.op} was cancelled"))

        self.nursery.start_soon(run)

    def _parse(self, raw: Mapping[str, JsonValue]) -> tuple[Operation, Request]:
        if self._closed:
            raise OperationCancelled("the instance has ended")
        name = raw.get("op")
        entry = OPERATIONS.get(name) if isinstance(name, str) else None
        if entry is None:
            raise UnknownOperation(f"there is no operation {name!r}")
        try:
            return entry, msgspec.convert(raw, entry.request)
        except msgspec.ValidationError as error:
            raise InvalidArguments(f"{name}: {error}") from None

    # -- what the operation families use --------------------------------------------------------

    def engine(self, model: str) -> Engine:
        """The engine of a model. Raises UnknownModel."""
        try:
            return self.services.engines[model]
        except KeyError:
            known = ", ".join(self.services.engines)
            raise UnknownModel(f"there is no model {model!r}", hint=f"Models: {known}.") from None

    def context(self, identifier: int) -> HostContext:
        """One of this instance's own contexts. Raises UnknownHandle for any other."""
        try:
            return self._contexts[identifier]
        except KeyError:
            raise UnknownHandle(f"there is no context {identifier} in this instance") from None

    def queue_of(self, handle: int | None) -> CommandQueue | None:
        """The queue that an operation names, if it names one. Raises UnknownHandle."""
        return None if handle is None else self.queues.get(handle)

    def contexts(self) -> Iterable[HostContext]:
        """All contexts of this instance."""
        return self._contexts.values()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Parks all contexts while the instance waits for its client or for another instance."""
        parked = list(self.contexts())
        for held in parked:
            held.engine.park(held.context)
        try:
            yield
        finally:
            for held in parked:
                held.engine.resume(held.context)

    def new_call_id(self) -> str:
        """A tool call's name, unique within the session."""
        self._last_call += 1
        return f"call_{self._last_call}"

    def check_contexts(self) -> None:
        """Refuses one context too many. Raises LimitExceeded."""
        if len(self._contexts) >= MAX_CONTEXTS:
            raise LimitExceeded(
                f"this instance has {MAX_CONTEXTS} contexts, the most it may have",
                hint="Release some of them first.",
            )

    def hold(self, engine: Engine, context: Context, chat: ChatState) -> int:
        """Takes a context over; returns its handle."""
        self._last_context += 1  # engines number theirs each on its own
        self._contexts[self._last_context] = HostContext(
            engine, context, self.renderer(engine), chat, len(context.tokens)
        )
        return self._last_context

    def renderer(self, engine: Engine) -> FillRenderer:
        """What turns fills into tokens for a model."""
        found = self._renderers.get(engine.checkpoint.name)
        if found is None:
            found = FillRenderer(engine.checkpoint, self._schemas)
            self._renderers[engine.checkpoint.name] = found
        return found

    def drop(self, identifier: int) -> None:
        """Releases a context."""
        held = self.context(identifier)
        del self._contexts[identifier]
        held.engine.release(held.context)

    def promised_pages(self) -> int:
        """KV pages this instance's contexts hold (shared ones once) and may still need."""
        pages: set[int] = set()
        more = 0
        for held in self._contexts.values():
            table, size = held.context.table, held.engine.settings.page_size_tokens
            pages.update(table.held_pages())
            more += max(0, -(-held.planned_tokens // size) - len(table.pages))
        return len(pages) + more

    def check_pages(self, held: HostContext, planned_tokens: int) -> None:
        """Refuses what would take the instance over its page limit. Raises PagesExceeded."""
        if self.limits.pages is None:
            return
        before, held.planned_tokens = held.planned_tokens, planned_tokens
        total = self.promised_pages()
        held.planned_tokens = before
        if total > self.limits.pages:
            raise PagesExceeded(
                f"this needs {total} KV pages, the instance may hold {self.limits.pages}",
                hint="Release or truncate contexts first.",
                details={"pages": total, "limit": self.limits.pages},
            )

    def check_tools(self, names: Sequence[str]) -> Sequence[str]:
        """Refuses names of tools that there are not. Raises InvalidArguments."""
        known = set(self.services.tools.names)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InvalidArguments(
                f"there is no tool {unknown[0]!r}", hint=f"Tools: {', '.join(sorted(known))}."
            )
        return names

    def _schemas(self, names: Sequence[str]) -> list[dict[str, object]]:
        schemas = self.services.tools.schemas(self.check_tools(names))
        return [dict(schema) for schema in schemas]
