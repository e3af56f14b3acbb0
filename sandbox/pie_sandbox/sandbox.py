"""What a sandbox is: the protocol that every backend fulfils, and its plain data.

Imported by tools, sessions and the server; imports no backend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import trio

Limit = Literal["time", "memory", "output"]
"""Which limit an execution ran into."""

Progress = Callable[[str], None]
"""Is told, in a line of text, what a long preparation is doing."""

OnOutput = Callable[[str], None]
"""Is called on the trio thread with each piece of stdout while the code still runs."""


@dataclass(frozen=True, slots=True)
class ExecutionLimits:
    """Bounds of one execution.

    Attributes:
        seconds: Wall-clock time; afterwards everything that the code started is dead.
        output_bytes: stdout and stderr together; what exceeds it is thrown away.
    """

    seconds: float = 10.0
    output_bytes: int = 64 << 10

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.output_bytes < 0:
            raise ValueError("seconds must be positive and output_bytes not negative")


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """How one execution ended. A failing program is a normal result.

    Attributes:
        stdout: What was printed, as far as the output limit allows.
        stderr: The same for stderr.
        value: repr of the last expression, None if it was None or there was none.
        ok: Whether the code ran to its end without an exception.
        exception: One line such as ``"NameError: name 'x' is not defined"``.
        seconds: How long the code ran, as measured beside it.
        truncated: Whether output was thrown away.
        limit: The limit that was hit; "output" may come with `ok`.
        backend: "docker" or "wasm".
        traceback: Python's full traceback for people, without frames of the sandbox.
        state_lost: Whether variables of earlier executions are gone now.
    """

    stdout: str
    stderr: str
    value: str | None
    ok: bool
    exception: str | None
    seconds: float
    truncated: bool
    limit: Limit | None
    backend: str
    traceback: str | None = None
    state_lost: bool = False


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A pool's state and counters since its start."""

    backend: str
    ready: int
    starting: int
    leased: int
    waiting: int
    capacity: int
    executions: int
    started: int
    lost: int


class Sandbox(Protocol):
    """One lease: a Python interpreter that belongs to one agent session alone."""

    @property
    def backend(self) -> str:
        """Where the code runs: "docker" or "wasm"."""
        ...

    async def execute(
        self, code: str, limits: ExecutionLimits, on_output: OnOutput | None = None
    ) -> ExecutionResult:
        """Run `code`; variables of earlier calls are there. Concurrent calls take turns.

        Cancelling the call kills the program within a second; the lease stays usable, but the
        variables are lost.

        Raises:
            SandboxLost: the sandbox died under the call. The next call gets a fresh one.
            SandboxUnavailable: no fresh sandbox can be started, or the pool is closed.
        """
        ...

    async def aclose(self) -> None:
        """End whatever runs and give the lease back. Idempotent."""
        ...


class SandboxPool(Protocol):
    """Hands out leases; owns every container or instance that there is."""

    @property
    def backend(self) -> str:
        """Where code runs: "docker", "wasm", or "off"."""
        ...

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the pool filled until cancelled, then remove everything. A service task body."""
        ...

    async def lease(self, name: str) -> Sandbox:
        """Return a never-used sandbox; waits, cancellably, while all are leased.

        Args:
            name: Who leases, for the log.

        Raises:
            SandboxUnavailable: none can be started; the message says why.
        """
        ...

    def statistics(self) -> PoolStatistics:
        """Return a snapshot."""
        ...
