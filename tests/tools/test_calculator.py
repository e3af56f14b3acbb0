"""The calculator: exact, bounded, and clear about what it refuses."""

from __future__ import annotations

import pytest

from pie_tools.calculator import CalculatorError, evaluate


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("12*3", "36"),
        ("37*42", "1554"),
        ("2+3*4", "14"),
        ("(2+3)*4", "20"),
        ("-5+2", "-3"),
        ("2**10", "1024"),
        ("7//2", "3"),
        ("7%4", "3"),
        ("15/3", "5"),
        ("1/3", "0.3333333333"),
        ("0.1+0.2", "0.3"),
        ("80*15/100", "12"),
        ("sqrt(144)", "12"),
        ("sqrt(2)", "1.414213562"),
        ("abs(-4)", "4"),
        ("round(2.567, 1)", "2.6"),
        ("round(2.567)", "3"),
        ("min(4, 2, 9)", "2"),
        ("max(4, 2, 9)", "9"),
        (" 3 + 4 ", "7"),
        ("123456789012345678901234567890+1", "123456789012345678901234567891"),
    ],
)
def test_expressions_have_exact_text_values(expression: str, result: str) -> None:
    assert evaluate(expression) == result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("5/0", "division by zero"),
        ("5//0", "division by zero"),
        ("5%0", "division by zero"),
        ("0**-1", "division by zero"),
        ("", "empty"),
        ("3 times 4", "cannot parse"),
        ("12 +", "cannot parse"),
        ("gcd(12, 18)", "unknown function gcd"),
        ("x+1", "unknown name x"),
        ("sqrt(-1)", "negative"),
        ("(-8)**0.5", "no real value"),
        ("sqrt(1, 2)", "takes 1 to 1"),
        ("round(2.5, 0.5)", "whole number of digits"),
        ("'a'*3", "only numbers"),
        ("True+1", "only numbers"),
        ("__import__('os')", "only numbers|unknown function"),
        ("(1).real", "only numbers"),
        ("[1, 2]", "only numbers"),
        ("1e308*10", "too large"),
    ],
)
def test_refusals_say_why(expression: str, message: str) -> None:
    with pytest.raises(CalculatorError, match=message):
        evaluate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9",
        "10**100000",
        "2**4000*2**4000",
        "(" * 60 + "1" + ")" * 60 + "+1" * 100,
        "-" * 80 + "1",
        "1" * 500,
    ],
)
def test_large_expressions_are_refused_quickly(expression: str) -> None:
    with pytest.raises(CalculatorError):
        evaluate(expression)


def test_errors_are_value_errors() -> None:
    assert issubclass(CalculatorError, ValueError)
