"""Checkpoints in Hugging Face layout: weights, tokenizer, chat template, tool-call format."""

from __future__ import annotations
