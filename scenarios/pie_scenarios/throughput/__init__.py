"""What the engine reaches of what the machine could do."""

from __future__ import annotations
