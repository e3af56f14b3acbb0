"""What an operation costs in each layer."""

from __future__ import annotations
