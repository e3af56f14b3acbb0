"""Mixed work over a fragmented pool against plain work over a fresh one."""

from __future__ import annotations
