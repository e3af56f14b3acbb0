"""The batching policies against each other."""

from __future__ import annotations
