"""When the device is idle: run what there is, or wait for more? (Paper, section 5.2.)

`adaptive` is how the server runs. The others are the paper's baselines, kept for the benchmark that
compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pie_server.errors import ConfigurationError

PolicyName = Literal["adaptive", "eager", "k_only", "t_only"]
POLICY_NAMES: tuple[PolicyName, ...] = get_args(PolicyName)

_STALL_SECONDS = 1.0  # `k_only` would otherwise wait for ever once fewer than K programs are left


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How long to wait for company, and how much of it to take.

    Attributes:
        commands: Most commands in a step, or None for as many as fit.
        enough: With this many ready there is nothing to wait for.
        patience_seconds: Longest wait of the oldest ready command.
    """

    name: PolicyName = "adaptive"
    commands: int | None = None
    enough: int = 1
    patience_seconds: float = 0.0

    def delay_seconds(self, ready: int, oldest_seconds: float) -> float:
        """How long the step should still wait when `ready` commands could run; 0: run it."""
        if ready >= self.enough:
            return 0.0
        return max(0.0, self.patience_seconds - oldest_seconds)


def policy_named(name: str, *, k: int = 32, t_seconds: float = 0.01) -> BatchPolicy:
    """One of the four policies.

    Args:
        name: `adaptive`; `eager`: each command at once, alone; `k_only`: when `k` are ready;
            `t_only`: when the oldest has waited `t_seconds`.
        k: Batch size of `k_only`.
        t_seconds: Wait of `t_only`.

    Raises:
        ConfigurationError: There is no such policy.
    """
    policies: dict[str, BatchPolicy] = {
        "adaptive": BatchPolicy(),
        "eager": BatchPolicy("eager", commands=1),
        "k_only": BatchPolicy("k_only", enough=k, patience_seconds=_STALL_SECONDS),
        "t_only": BatchPolicy("t_only", enough=1 << 30, patience_seconds=t_seconds),
    }
    try:
        return policies[name]
    except KeyError:
        raise ConfigurationError(
            f"there is no batching policy {name!r}", hint=f"Known: {', '.join(POLICY_NAMES)}."
        ) from None
