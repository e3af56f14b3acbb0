"""One agent's work, and the two ways to do it: an inferlet, or a client that resends its history.

Both sides generate and append exactly the same number of tokens; `AgentResult` carries the counts
so that a benchmark can check it. Prompts are random tokens, different in every run, so that no run
finds its prefix in the cache of an earlier one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import cast

import trio

from pie_server.client import Client
from pie_server.errors import PieError
from pie_server.runtime.port import JsonValue


@dataclass(frozen=True, slots=True)
class AgentShape:
    """One agent: `rounds` times generate and use a tool; the next round reads its result.

    `round_trip_seconds` is how far away the client is: it is waited once for each of its requests,
    on either side. Zero is a client on the same machine.
    """

    rounds: int = 8
    prompt_tokens: int = 96
    generate_tokens: int = 24
    append_tokens: int = 32
    tool_seconds: float = 0.05
    round_trip_seconds: float = 0.0

    @property
    def context_tokens(self) -> int:
        """Tokens in the context at the end."""
        appended = (self.rounds - 1) * self.append_tokens
        return self.prompt_tokens + self.rounds * self.generate_tokens + appended


@dataclass(frozen=True, slots=True)
class AgentResult:
    """What one agent did, and how long it took."""

    seconds: float
    generated_tokens: int
    context_tokens: int


def random_tokens(rng: random.Random, count: int, vocabulary: int) -> list[int]:
    """Tokens that no template and no earlier run begins with."""
    # The first ids are special tokens; a prompt of them is no prompt.
    return [rng.randrange(16, vocabulary) for _ in range(count)]


async def inferlet_agent(
    client: Client, shape: AgentShape, rng: random.Random, vocabulary: int
) -> AgentResult:
    """The whole agent as one inferlet: a single round trip for the client."""
    started = trio.current_time()
    await trio.sleep(shape.round_trip_seconds)
    result = await _run(
        client,
        "agent-rounds",
        {
            "prompt_tokens": _tokens(rng, shape.prompt_tokens, vocabulary),
            "rounds": shape.rounds,
            "generate_tokens": shape.generate_tokens,
            "append_tokens": _tokens(rng, shape.append_tokens, vocabulary),
            "tool_seconds": shape.tool_seconds,
        },
        native=False,
    )
    return AgentResult(
        trio.current_time() - started,
        cast(int, result["generated"]),
        cast(int, result["length"]),
    )


async def client_agent(
    client: Client,
    shape: AgentShape,
    rng: random.Random,
    vocabulary: int,
    *,
    prefix_reuse: bool,
) -> AgentResult:
    """The agent in the client: each round sends the whole history and gets the next tokens.

    Completions run natively in the server, so this side pays no launch of a WebAssembly guest; the
    connection is open already; and the tool runs in the client, at no cost but its time.
    """
    started = trio.current_time()
    history = random_tokens(rng, shape.prompt_tokens, vocabulary)
    generated = 0
    for number in range(shape.rounds):
        if number:
            history += random_tokens(rng, shape.append_tokens, vocabulary)
        await trio.sleep(shape.round_trip_seconds)
        result = await _run(
            client,
            "token-completion",
            {
                "tokens": [*history],
                "max_tokens": shape.generate_tokens,
                "ignore_eos": True,
                "prefix_reuse": prefix_reuse,
            },
            native=True,
        )
        answer = cast("list[int]", result["tokens"])
        generated += len(answer)
        history += answer
        await trio.sleep(shape.tool_seconds)
    return AgentResult(trio.current_time() - started, generated, len(history))


def _tokens(rng: random.Random, count: int, vocabulary: int) -> list[JsonValue]:
    return [*random_tokens(rng, count, vocabulary)]


async def _run(
    client: Client, inferlet: str, arguments: dict[str, JsonValue], *, native: bool
) -> dict[str, JsonValue]:
    handle = await client.launch(inferlet, arguments, native=native)
    problem = ""
    async for event in handle.events():
        if event.kind == "error":
            problem = f"{event.data['code']}: {event.data['message']}"
        if event.kind == "done":
            if event.data["status"] != "completed":
                raise PieError(f"{inferlet} {event.data['status']}: {problem}")
            return cast("dict[str, JsonValue]", event.data["result"])
    raise PieError(f"the events of {inferlet} ended without `done`")
