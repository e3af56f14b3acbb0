"""What the pool needs from a backend: workers that it can start, use by one lease, throw away."""

from __future__ import annotations

from typing import Protocol

from pie_sandbox.sandbox import ExecutionLimits, ExecutionResult, OnOutput, Progress


class Worker(Protocol):
    """One container or instance with a fresh interpreter; never used by more than one lease."""

    @property
    def name(self) -> str:
        """Unique among all workers of the machine."""
        ...

    @property
    def closed(self) -> bool:
        """Whether it can run nothing any more."""
        ...

    async def execute(
        self, code: str, limits: ExecutionLimits, on_output: OnOutput
    ) -> ExecutionResult:
        """Run one cell; the caller never starts a second one meanwhile.

        When it is cancelled, the program is dead before this returns, or the worker is closed.

        Raises:
            SandboxLost: the worker died; it is closed now.
        """
        ...

    async def is_alive(self) -> bool:
        """Ask the worker whether it would take a cell."""
        ...

    def close(self) -> None:
        """End its program now. Synchronous, idempotent, never raises."""
        ...


class Backend(Protocol):
    """Starts and removes workers of one kind."""

    @property
    def name(self) -> str:
        """Where code runs: "docker" or "wasm"."""
        ...

    async def prepare(self, progress: Progress) -> None:
        """Build and cache what workers are made of; quick when it is there.

        Raises:
            SandboxUnavailable: it cannot be built; the hint says what to do.
        """
        ...

    async def start(self) -> Worker:
        """Start a worker. Leaves nothing behind when it fails or is cancelled.

        Raises:
            SandboxUnavailable: it did not start.
        """
        ...

    async def discard(self, worker: Worker) -> None:
        """Remove a closed worker with all it holds. Never raises but Cancelled."""
        ...

    async def remove_orphans(self) -> int:
        """Remove what earlier servers, or failures of this one, left behind; return the count.

        Raises:
            SandboxUnavailable: one cannot even look.
        """
        ...
