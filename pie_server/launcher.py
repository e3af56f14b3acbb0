"""Runs the inferlets of one session: its nursery, its sandbox lease, and their end.

This is where a session's parts meet, and where they end together: when `launch` returns, all its
instances have ended (`instances.py`) and its sandbox is given back.
"""

from __future__ import annotations

import trio

from pie_sandbox.sandbox import PoolStatistics, Sandbox, SandboxPool
from pie_server.errors import InvalidRequest, SandboxUnavailable
from pie_server.host.ports import Services
from pie_server.instances import FamilyLimits, InstanceParts, SessionInstances
from pie_server.runtime.manifest import Program
from pie_server.runtime.port import InstanceLimits, JsonValue
from pie_server.runtime.registry import Registry
from pie_server.runtime.runtime import Runtime
from pie_server.sessions import Session

_SANDBOX_CLOSE_SECONDS = 10.0
# Shorter than the python tool's own deadline, so that its error can say what was waited for.
_SANDBOX_LEASE_SECONDS = 45.0


class SessionSandbox:
    """A session's one sandbox, leased when it is first needed and kept to the session's end."""

    def __init__(self, pool: SandboxPool, session: str) -> None:
        self._pool = pool
        self._session = session
        # Parallel tool calls of one turn must share one lease, so the second waits for the first.
        self._leasing = trio.Lock()
        self._lease: Sandbox | None = None

    async def get(self) -> Sandbox:
        """The lease. Raises SandboxUnavailable."""
        with trio.move_on_after(_SANDBOX_LEASE_SECONDS):
            async with self._leasing:
                if self._lease is None:
                    self._lease = await self._pool.lease(self._session)
                return self._lease
        raise _no_sandbox(self._pool.statistics())

    async def aclose(self) -> None:
        """Gives the lease back, whatever is cancelled around it."""
        if self._lease is not None:
            with trio.CancelScope(
                shield=True, deadline=trio.current_time() + _SANDBOX_CLOSE_SECONDS
            ):
                await self._lease.aclose()


class InferletLauncher:
    """The sessions' `Launcher`.

    Args:
        registry: The inferlets.
        runtime: Runs WebAssembly guests.
        services: What instances share.
        sandboxes: Where code runs.
        limits: Of each instance.
        allow_native: Whether clients may launch natively, where `limits` bound neither CPU time nor
            memory. What was uploaded never runs so.
        family: How many inferlets a session's inferlets may launch.
    """

    def __init__(
        self,
        registry: Registry,
        runtime: Runtime,
        services: Services,
        sandboxes: SandboxPool,
        limits: InstanceLimits,
        *,
        allow_native: bool = False,
        family: FamilyLimits | None = None,
    ) -> None:
        self._registry = registry
        self._services = services
        self._sandboxes = sandboxes
        self._parts = InstanceParts(registry, runtime, services, limits, family or FamilyLimits())
        self._allow_native = allow_native

    def check(self, inferlet: str, arguments: JsonValue, *, native: bool) -> None:
        """Refuses what cannot run. Raises InvalidRequest, UnknownInferlet, InvalidArguments."""
        if native and not self._allow_native:
            raise InvalidRequest(
                "native launches are switched off on this server.",
                hint="Launch without `native`, or start the server with --allow-native if all its "
                "clients are trusted.",
            )
        self._registry.check(inferlet, arguments)
        if native:
            _refuse_uploaded(self._registry.get(inferlet))

    async def launch(
        self, *, inferlet: str, arguments: JsonValue, session: Session, native: bool
    ) -> JsonValue:
        """Runs one inferlet to its end; see `sessions.ports.Launcher`."""
        program = self._registry.get(inferlet, session.id)
        if native:
            _refuse_uploaded(program)
        sandbox = SessionSandbox(self._sandboxes, session.id)
        try:
            async with trio.open_nursery() as nursery:
                instances = SessionInstances(
                    self._parts, session, nursery, sandbox.get, native=native
                )
                return await instances.run(program, arguments)
        finally:
            # An alias or a canary may have chosen it.
            session.usage = {**session.usage, "version": program.version}
            await sandbox.aclose()


def _refuse_uploaded(program: Program) -> None:
    if program.uploaded:
        raise InvalidRequest(
            f"{program.name!r} was uploaded, and uploads never run natively.",
            hint="Launch it without `native`, or put it into the directory of --inferlets.",
        )


def _no_sandbox(pool: PoolStatistics) -> SandboxUnavailable:
    waited = f"no sandbox for this session within {_SANDBOX_LEASE_SECONDS:g} s"
    if pool.leased < pool.capacity:
        return SandboxUnavailable(f"{waited}: none has started.", hint="Look at the server's log.")
    return SandboxUnavailable(
        f"{waited}: all {pool.capacity} sandboxes are leased.",
        hint="Sessions hold theirs to their end; try again later, or raise `sandbox_leases`.",
    )
