"""The instances of one session: the one its client launched, and those that instances launch.

All run as tasks of the session's nursery. A child ends with the instance that launched it, unless
it was detached: then with the session, which lasts until its detached children have ended. Whatever
ends, its tool tasks are cancelled and its pages are free. A child's failure is its parent's to see.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import trio

from pie_server.errors import ChildrenExceeded, OperationCancelled, PieError
from pie_server.host.children import Child
from pie_server.host.http import MAX_REQUESTS
from pie_server.host.instance_host import InstanceHost
from pie_server.host.messaging import value_of
from pie_server.host.ports import SandboxSource, Services, SessionPort, Usage
from pie_server.runtime import (
    InstanceLimits,
    JsonValue,
    Program,
    Registry,
    Runtime,
    run_native,
)
from pie_server.sessions import Session
from pie_server.sessions.failure import contain


@dataclass(frozen=True, slots=True)
class FamilyLimits:
    """How many inferlets a session may run besides the one that its client launched.

    Attributes:
        children: At the same time.
        depth: Children of children; bounds inferlets that launch each other in a circle.
    """

    children: int = 64
    depth: int = 4


@dataclass(frozen=True, slots=True)
class InstanceParts:
    """What running an instance takes, the same for all sessions of a server."""

    registry: Registry
    runtime: Runtime
    services: Services
    limits: InstanceLimits
    family: FamilyLimits


class SessionInstances:
    """Runs a session's instances. Implements `ChildLauncher`.

    Args:
        parts: The server's.
        session: Theirs.
        nursery: The session's; children run in it.
        sandbox: Leases the session's one sandbox, which they share.
        native: Python inferlets run as trio tasks of the server.
    """

    def __init__(
        self,
        parts: InstanceParts,
        session: Session,
        nursery: trio.Nursery,
        sandbox: SandboxSource,
        *,
        native: bool,
    ) -> None:
        self._parts = parts
        self._session = session
        self._nursery = nursery
        self._sandbox = sandbox
        self._native = native
        self._http_turns = trio.CapacityLimiter(MAX_REQUESTS)
        self._started = trio.current_time()
        self._usage = Usage()
        self._launched = 0
        self._running = 0

    async def run(
        self, program: Program, arguments: JsonValue, child: Child | None = None
    ) -> JsonValue:
        """Runs one instance to its end; without `child` the session's first one.

        Raises:
            PieError: How it failed (perhaps in an exception group).
        """
        parts = self._parts
        run = run_native if self._runs_natively(program, child) else parts.runtime.run_instance
        session: SessionPort = (
            self._session if child is None else ChildSession(self._session, child)
        )
        async with trio.open_nursery() as nursery:
            host = InstanceHost(
                parts.services,
                session,
                nursery,
                self._sandbox,
                parts.limits,
                launcher=self,
                child=child,
                http_turns=self._http_turns,
            )
            try:
                return await run(program, arguments, host, parts.limits)
            finally:
                host.close()
                nursery.cancel_scope.cancel()
                self._count(host.usage)

    def _runs_natively(self, program: Program, child: Child | None) -> bool:
        """Children of a native inferlet do, unless they were uploaded or are not in Python."""
        if child is None or not self._native:
            return self._native
        return program.language == "python" and not program.uploaded

    def launch(self, parent: InstanceHost, program: str, arguments: dict[str, JsonValue]) -> Child:
        """Starts a child; see `ChildLauncher`."""
        family = self._parts.family
        depth = 1 + (parent.child.depth if parent.child else 0)
        if depth > family.depth:
            raise ChildrenExceeded(
                f"{program[:80]!r} would be inferlet number {depth} that launches another; "
                f"{family.depth} may",
                hint="Do inferlets launch each other in a circle?",
                details={"limit": family.depth},
            )
        if self._running >= family.children:
            raise ChildrenExceeded(
                f"{self._running} launched inferlets run in this session, the most it may have",
                hint="Join some of them before launching more.",
                details={"limit": family.children},
            )
        found = self._parts.registry.get(program, self._session.id)
        found.check(arguments)
        child = Child(f"c_{self._launched + 1}", found.name, depth)
        ChildSession(self._session, child).emit("started", {"inferlet": found.name})
        self._launched += 1
        self._running += 1
        self._nursery.start_soon(self._run_child, child, found, arguments)
        return child

    async def _run_child(self, child: Child, program: Program, arguments: JsonValue) -> None:
        """The barrier of one child: however it ends, its parent learns of it, and nobody else."""
        result: JsonValue = None
        error: PieError | None = OperationCancelled(f"{child.name} was cancelled")
        try:
            with child.scope:
                result = await self.run(program, arguments, child)
                error = None
        except* Exception as group:  # beside a Cancelled, too, which goes on to its owner
            failure = contain(f"{self._session.id} ({child.name})", group)
            # What a guest raises because it is being cancelled is no failure of its own.
            if not child.scope.cancel_called and not _is_cancelled():
                error = failure
        finally:
            self._running -= 1
            child.finish(result, error)
            with contextlib.suppress(PieError):  # the session may have said all it may say
                ChildSession(self._session, child).emit("done", {"status": child.state})

    def _count(self, usage: Usage) -> None:
        self._usage.add(usage)
        seconds = round(trio.current_time() - self._started, 4)
        self._session.usage = {**self._usage.to_json(), "wall_seconds": seconds}


def _is_cancelled() -> bool:
    """Whether the session around this task is being cancelled."""
    return trio.current_effective_deadline() == -math.inf


class ChildSession:
    """The session as a child sees it: its client is its parent. Implements `SessionPort`.

    What a child says to its parent goes through `Child`; everything else that happens to it is an
    event of the session, marked as the child's.
    """

    def __init__(self, session: Session, child: Child) -> None:
        self._session = session
        self._child = child

    @property
    def id(self) -> str:
        """The session's, and which of its children."""
        return f"{self._session.id}.{self._child.name}"

    @property
    def tenant(self) -> str:
        """The session's."""
        return self._session.tenant

    def emit(self, kind: str, data: dict[str, JsonValue]) -> None:
        """Appends an event `child` to the session's log. Raises OutputExceeded."""
        self._session.emit("child", {"child": self._child.name, "kind": kind, "data": data})

    async def receive(self) -> JsonValue:
        """Its parent's next message."""
        return value_of(await self._child.next_message())
