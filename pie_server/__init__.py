"""A programmable LLM serving system: inferlets orchestrate the model from beside it."""

from __future__ import annotations

__version__ = "0.1.0"
