"""A Python inferlet that does nothing but control operations, one after the other."""

from __future__ import annotations

from typing import Any

from inferlet import runtime


def main(input: dict[str, Any]) -> None:
    for _ in range(input["count"]):
        runtime.time()
