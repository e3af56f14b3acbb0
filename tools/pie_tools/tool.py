"""What a tool is: the protocol, what a call knows, what it returns.

Imported by everything that offers or calls tools; knows no tool and no registry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pie_sandbox.sandbox import Sandbox

JsonSchema: TypeAlias = Mapping[str, object]
Arguments: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class ToolCallContext:
    """Who calls, and what the call may use.

    Attributes:
        session_id: The agent session.
        call_id: The call, unique in its session.
        on_output: Takes text that shall stream to the client while the tool still runs.
        sandbox: Returns the session's sandbox; the first call leases it.
    """

    session_id: str
    call_id: str
    on_output: Callable[[str], None]
    sandbox: Callable[[], Awaitable[Sandbox]]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model sees of a call, and where code ran, if any did."""

    content: str
    is_error: bool = False
    backend: str | None = None

    @classmethod
    def error(cls, message: str, backend: str | None = None) -> ToolResult:
        """A failure, in the words that the model is to read: ``error: <message>``."""
        return cls(f"error: {message}", is_error=True, backend=backend)


class Tool(Protocol):
    """Something that the model can call by name with JSON arguments."""

    @property
    def name(self) -> str:
        """The name the model uses."""
        ...

    @property
    def description(self) -> str:
        """One sentence for the model."""
        ...

    @property
    def parameters(self) -> JsonSchema:
        """JSON schema (draft 2020-12) of the arguments, an object."""
        ...

    @property
    def deadline_seconds(self) -> float:
        """When the registry gives up on a call."""
        ...

    async def run(self, arguments: Arguments, call: ToolCallContext) -> ToolResult:
        """Run once; `arguments` fit the schema. May raise: the registry turns it into a result."""
        ...


class ToolFailure(Exception):
    """A failure that a tool explains to the model; the text is shown as ``error: <text>``."""
