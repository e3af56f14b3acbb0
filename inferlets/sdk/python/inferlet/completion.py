"""What a turn of the model gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from inferlet.tools import Call


@dataclass(frozen=True, slots=True)
class Completion:
    """A turn of the model.

    Attributes:
        text: All of it, as decoded.
        content: The text without tool-call markup.
        tokens: All tokens, the end of turn included.
        tool_calls: The tool calls it contains.
        finish_reason: "stop" or "length".
        logprob: Sum of the tokens' log-probabilities.
        length: Tokens in the context now.

    Example:
        >>> reply = await ctx.complete(Sampler.argmax(), max_tokens=64)
        >>> reply.tool_calls or reply.content
    """

    text: str
    content: str
    tokens: list[int]
    tool_calls: list[Call]
    finish_reason: str
    logprob: float
    length: int

    @property
    def mean_logprob(self) -> float:
        """Log-probability per token: how sure the model was.

        Example:
            >>> best = max(replies, key=lambda reply: reply.mean_logprob)
        """
        return self.logprob / max(1, len(self.tokens))

    @classmethod
    def _from_wire(cls, raw: dict[str, Any]) -> Completion:
        return cls(
            text=raw["text"],
            content=raw["content"],
            tokens=list(raw["tokens"]),
            tool_calls=[Call._from_wire(call) for call in raw["tool_calls"]],
            finish_reason=raw["finish_reason"],
            logprob=float(raw["logprob"]),
            length=int(raw["length"]),
        )


def stop_fields(stop: Iterable[int | str]) -> dict[str, Any]:
    """Stop tokens and stop strings as the operation has them."""
    items = list(stop)
    return {
        "stop_tokens": [item for item in items if isinstance(item, int)],
        "stop": [item for item in items if isinstance(item, str)],
    }
