"""Agent workloads: the same work done beside the model and driven by a client."""

from __future__ import annotations
