"""Arithmetic for the `calculator` tool: a text expression in, a text number out.

Pure and bounded: it parses with `ast`, walks the few node types it knows and refuses
everything else, so no expression can run code, take long or build a huge number. It never
does I/O. Integers stay exact; floats are printed with ten significant digits.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

MAX_EXPRESSION_CHARACTERS = 400
MAX_DEPTH = 40
MAX_RESULT_BITS = 4096
MAX_PRINTED_DIGITS = 400

Number = int | float


class CalculatorError(ValueError):
    """The expression cannot be evaluated; the message says why and is fit for the model."""


def _divide(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int) and right and left % right == 0:
        return left // right  # exact where float division would round a large integer
    return left / right


def _power(base: Number, exponent: Number) -> Number:
    whole = isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1
    if whole and int(base).bit_length() * abs(exponent) > MAX_RESULT_BITS:
        raise CalculatorError("the power is too large; use a smaller base or exponent")
    result = base**exponent
    if isinstance(result, complex):
        raise CalculatorError("the power has no real value")
    return result


def _root(value: Number) -> Number:
    if value < 0:
        raise CalculatorError("square root of a negative number")
    if isinstance(value, int):
        root = math.isqrt(value)
        if root * root == value:
            return root
    return math.sqrt(value)


def _round(value: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int):
        raise CalculatorError("round takes a whole number of digits, as in round(2.567, 1)")
    return round(value, digits) if digits else round(value)


BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
FUNCTIONS: dict[str, tuple[Callable[..., Number], int, int]] = {
    "sqrt": (_root, 1, 1),
    "abs": (abs, 1, 1),
    "round": (_round, 1, 2),
    "min": (min, 2, 50),
    "max": (max, 2, 50),
}  # name: (function, least arguments, most arguments)


def evaluate(expression: str) -> str:
    """Return the value of `expression` as text, e.g. ``evaluate("12*3") == "36"``.

    Known are + - * / // % ** and parentheses, sqrt, abs, round, min and max.

    Raises:
        CalculatorError: the text is not such an expression, or has no bounded real value.
    """
    text = expression.strip()
    if not text:
        raise CalculatorError("the expression is empty")
    if len(text) > MAX_EXPRESSION_CHARACTERS:
        raise CalculatorError(
            f"the expression has more than {MAX_EXPRESSION_CHARACTERS} characters"
        )
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise CalculatorError(f"cannot parse {text[:40]!r}; write it like 12*(3+4)") from None
    try:
        return _format(_value(tree.body, MAX_DEPTH))
    except ZeroDivisionError:
        raise CalculatorError("division by zero") from None
    except OverflowError:
        raise CalculatorError("the result is too large") from None


def _value(node: ast.expr, depth: int) -> Number:
    if depth == 0:
        raise CalculatorError(f"the expression is nested deeper than {MAX_DEPTH} levels")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, depth - 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, depth - 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            result = BINARY[type(op)](_value(left, depth - 1), _value(right, depth - 1))
            return _bounded(result)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _call(name, [_value(argument, depth - 1) for argument in arguments])
        case ast.Name(id=name):
            raise CalculatorError(f"unknown name {name}")
    raise CalculatorError("only numbers, + - * / // % **, parentheses and functions are known")


def _call(name: str, arguments: list[Number]) -> Number:
    if name not in FUNCTIONS:
        raise CalculatorError(f"unknown function {name}; known are {', '.join(FUNCTIONS)}")
    function, least, most = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise CalculatorError(f"{name} takes {least} to {most} numbers, got {len(arguments)}")
    return function(*arguments)


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > MAX_RESULT_BITS:
        raise CalculatorError("the result is too large")
    return value


def _format(value: Number) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CalculatorError("the result is too large")
        return format(value, ".10g")
    text = str(value)
    if len(text) > MAX_PRINTED_DIGITS:
        raise CalculatorError(f"the result has more than {MAX_PRINTED_DIGITS} digits")
    return text
