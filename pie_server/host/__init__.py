"""The control layer: answers the operations of inferlets, one file a family."""

from __future__ import annotations
