"""What the host needs of the layers around it, as protocols, and what it needs of the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pie_sandbox.sandbox import Sandbox
from pie_server.engine.engine import Engine
from pie_server.runtime.port import JsonValue
from pie_server.services.http_client import HttpClient
from pie_server.services.key_values import KeyValueStore
from pie_server.services.messaging import Messaging
from pie_tools.registry import ToolRegistry


class SessionPort(Protocol):
    """The session an instance belongs to."""

    @property
    def id(self) -> str:
        """Unguessable name."""
        ...

    @property
    def tenant(self) -> str:
        """Whose it is; contexts, exports and prefixes are scoped by it."""
        ...

    def emit(self, kind: str, data: dict[str, JsonValue]) -> None:
        """Appends an event to the session's log.

        Raises:
            OutputExceeded: The session has produced more than it may.
        """
        ...

    async def receive(self) -> JsonValue:
        """The client's next message."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What all instances share.

    Attributes:
        engines: By model name; the first is the default.
        tools: What `tools.call` can reach.
        messaging: Topics and work queues.
        store: The key-value store, if there is one.
        http: Makes requests to what the operator allows; to nothing by default.
    """

    engines: Mapping[str, Engine]
    tools: ToolRegistry
    messaging: Messaging = field(default_factory=Messaging)
    store: KeyValueStore | None = None
    http: HttpClient = field(default_factory=HttpClient)


@dataclass(slots=True)
class Usage:
    """What one instance has used; the client gets it with the `done` event.

    Attributes:
        reused_tokens: Tokens whose KV was there already when a command began, so that they did not
            have to be prefilled again.
        parked_pages_peak: Most KV pages kept resident while the instance waited for tools.
    """

    generated_tokens: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    forward_steps: int = 0
    tool_calls: int = 0
    tool_seconds: float = 0.0
    parked_pages_peak: int = 0
    executions: dict[str, int] = field(default_factory=dict)

    def add(self, other: Usage) -> None:
        """Counts another instance's usage too; of peaks, the higher one."""
        self.generated_tokens += other.generated_tokens
        self.prompt_tokens += other.prompt_tokens
        self.reused_tokens += other.reused_tokens
        self.forward_steps += other.forward_steps
        self.tool_calls += other.tool_calls
        self.tool_seconds += other.tool_seconds
        self.parked_pages_peak = max(self.parked_pages_peak, other.parked_pages_peak)
        for backend, count in other.executions.items():
            self.executions[backend] = self.executions.get(backend, 0) + count

    def to_json(self) -> dict[str, JsonValue]:
        """As the wire carries it."""
        return {
            "generated_tokens": self.generated_tokens,
            "prompt_tokens": self.prompt_tokens,
            "reused_tokens": self.reused_tokens,
            "forward_steps": self.forward_steps,
            "tool_calls": self.tool_calls,
            "tool_seconds": round(self.tool_seconds, 4),
            "parked_pages_peak": self.parked_pages_peak,
            "executions": dict(self.executions),
        }


SandboxSource = Callable[[], Awaitable[Sandbox]]
