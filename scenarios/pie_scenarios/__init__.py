"""Tool-calling scenarios, agent workloads and benchmarks, and how the embedded model was made."""

from __future__ import annotations
