"""What a token costs more when an inferlet asks for it."""

from __future__ import annotations
