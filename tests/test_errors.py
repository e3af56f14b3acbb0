"""The error tree in the module's docstring is the tree in the module."""

from __future__ import annotations

import pie_server.errors
from pie_server.errors import PieError


def every_error(base: type[PieError] = PieError) -> list[type[PieError]]:
    return [base, *(found for child in base.__subclasses__() for found in every_error(child))]


def test_every_error_is_drawn_with_its_code_and_status() -> None:
    lines = (pie_server.errors.__doc__ or "").splitlines()
    drawn = {}
    for line in lines:
        words = line.replace("│", " ").replace("├──", " ").replace("└──", " ").split()
        if len(words) >= 3 and words[2].isdigit():
            drawn[words[0]] = (words[1], int(words[2]))
    errors = {e.__name__: (e.code, e.http_status) for e in every_error()
              if e.__module__ == "pie_server.errors"}  # fmt: skip
    assert drawn == errors


def test_codes_are_unique() -> None:
    codes = [error.code for error in every_error()]
    assert len(codes) == len(set(codes))
