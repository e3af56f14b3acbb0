"""Runs code that nobody trusts: Docker containers or a WebAssembly Python, never the host."""

from pie_sandbox.choose import (
    BackendReport,
    SandboxSettings,
    choose_backend,
    describe_backends,
    open_pool,
)
from pie_sandbox.limits import SandboxLimits
from pie_sandbox.sandbox import (
    ExecutionLimits,
    ExecutionResult,
    PoolStatistics,
    Sandbox,
    SandboxPool,
)

__all__ = [
    "BackendReport",
    "ExecutionLimits",
    "ExecutionResult",
    "PoolStatistics",
    "Sandbox",
    "SandboxLimits",
    "SandboxPool",
    "SandboxSettings",
    "choose_backend",
    "describe_backends",
    "open_pool",
]
