"""What arithmetic is asked for, in symbols and in words: data for `arithmetic`."""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.embedded_model.draw import Phrases, phrases

SYMBOLS = {
    "*": (" * ", "*", " x ", " times ", " × ", "x", " multiplied by "),
    "+": (" + ", "+", " plus "),
    "-": (" - ", "-", " minus "),
    "/": (" / ", "/", " divided by ", " ÷ ", " over "),
    "**": ("^", "**", " to the power of ", " ^ ", " ** "),
    "%": (" % ", " mod ", " modulo "),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation in words: its noun phrases, its verb phrases and its expression."""

    nouns: Phrases | None
    verbs: Phrases | None
    expression: str


OPERATIONS = (
    Operation(
        phrases(
            """the sum of {a} and {b}
            the total of {a} and {b}
            {a} added to {b}
            {a} and {b} together
            {b} more than {a}
            {a} increased by {b}""",
            """the sum when you add {a} and {b}
            the sum of the numbers {a} and {b}""",
        ),
        phrases(
            """add {a} and {b}
            add {a} to {b}
            sum {a} and {b}
            sum up {a} and {b}
            add the numbers {a} and {b}
            put {a} and {b} together""",
            """add up {a} and {b}
            add together {a} and {b}""",
        ),
        "{a}+{b}",
    ),
    Operation(
        phrases(
            """the difference between {a} and {b}
            the difference of {a} and {b}
            {b} less than {a}
            {a} decreased by {b}
            {a} take away {b}
            {a} reduced by {b}""",
            """the difference between the numbers {a} and {b}
            what is left of {a} after taking away {b}""",
        ),
        phrases(
            """subtract {b} from {a}
            take {b} away from {a}
            take {b} from {a}
            decrease {a} by {b}
            deduct {b} from {a}
            reduce {a} by {b}""",
            """subtract the number {b} from {a}
            take away {b} from {a}""",
        ),
        "{a}-{b}",
    ),
    Operation(
        phrases(
            """the product of {a} and {b}
            {a} multiplied by {b}
            {a} times {b}
            {a} lots of {b}""",
            """the product of the numbers {a} and {b}
            the result of multiplying {a} by {b}""",
        ),
        phrases(
            """multiply {a} by {b}
            multiply {a} and {b}
            multiply {a} with {b}
            multiply the numbers {a} and {b}""",
            """multiply together {a} and {b}
            multiply the number {a} by {b}""",
        ),
        "{a}*{b}",
    ),
    Operation(
        phrases(
            """the quotient of {a} and {b}
            {a} divided by {b}
            {a} split by {b}
            {a} split into {b} equal parts
            the ratio of {a} to {b}""",
            """the quotient of the numbers {a} and {b}
            the result of dividing {a} by {b}""",
        ),
        phrases(
            """divide {a} by {b}
            split {a} into {b} equal parts
            divide {a} into {b} parts
            share {a} equally among {b}""",
            """divide the number {a} by {b}
            split {a} into {b} parts""",
        ),
        "{a}/{b}",
    ),
    Operation(
        phrases(
            """{a} squared
            the square of {a}""",
            """the square of the number {a}""",
        ),
        phrases(
            """square {a}
            square the number {a}""",
            """take the square of {a}""",
        ),
        "{a}**2",
    ),
    Operation(
        phrases(
            """{a} cubed
            the cube of {a}
            {a} to the third power""",
            """the cube of the number {a}""",
        ),
        None,
        "{a}**3",
    ),
    Operation(
        phrases(
            """{a} to the power of {s}
            {a} to the power {s}
            {a} raised to {s}
            {a} raised to the power of {s}""",
            """{a} raised to the power {s}
            the number {a} to the power of {s}""",
        ),
        phrases(
            """raise {a} to the power of {s}
            raise {a} to the power {s}""",
            """raise the number {a} to the power of {s}""",
        ),
        "{a}**{s}",
    ),
    Operation(
        phrases(
            """the square root of {q}
            sqrt {q}
            sqrt({q})
            the root of {q}""",
            """the square root of the number {q}
            the square root for {q}""",
        ),
        phrases(
            """take the square root of {q}
            find the square root of {q}""",
            """compute the square root of {q}""",
        ),
        "sqrt({q})",
    ),
    Operation(
        phrases(
            """the remainder of {a} divided by {b}
            the remainder when {a} is divided by {b}
            the rest when dividing {a} by {b}
            {a} modulo {b}
            the remainder of dividing {a} by {b}""",
            """the remainder when you divide {a} by {b}
            what remains when {a} is divided by {b}""",
        ),
        None,
        "{a}%{b}",
    ),
    Operation(
        phrases(
            """{p} percent of {a}
            {p}% of {a}
            {p} % of {a}
            {p} per cent of {a}
            a {p}% share of {a}""",
            """{p} percent of the number {a}
            a share of {p}% of {a}""",
        ),
        phrases(
            """take {p}% of {a}
            take {p} percent of {a}
            find {p}% of {a}""",
            """compute {p}% of {a}
            get {p} percent of {a}""",
        ),
        "{a}*{p}/100",
    ),
    Operation(
        phrases(
            """{a} plus {p}%
            {a} increased by {p}%
            {a} increased by {p} percent
            {a} with {p}% tax added
            {a} plus {p} percent tax""",
            """{a} raised by {p} percent
            {a} with {p} percent added""",
        ),
        phrases(
            """increase {a} by {p}%
            add {p}% to {a}
            increase {a} by {p} percent""",
            """add {p} percent to {a}""",
        ),
        "{a}*(100+{p})/100",
    ),
    Operation(
        phrases(
            """{a} minus {p}%
            {a} with {p}% off
            {a} with a {p}% discount
            {a} decreased by {p} percent
            {a} reduced by {p}%
            the price of {a} after a {p}% discount""",
            """{a} after {p}% off
            {a} with a discount of {p}%""",
        ),
        phrases(
            """decrease {a} by {p}%
            reduce {a} by {p} percent
            take {p}% off {a}""",
            """reduce {a} by {p}%""",
        ),
        "{a}*(100-{p})/100",
    ),
    Operation(
        phrases(
            """half of {a}
            half {a}
            one half of {a}""",
            """a half of {a}""",
        ),
        phrases("halve {a}\ncut {a} in half", "divide {a} in half"),
        "{a}/2",
    ),
    Operation(
        phrases(
            """double {a}
            twice {a}
            two times {a}""",
            """twice the number {a}""",
        ),
        phrases("double {a}\ndouble the number {a}", "double the value {a}"),
        "{a}*2",
    ),
    Operation(
        phrases("triple {a}\nthree times {a}", "three times the number {a}"),
        phrases("triple {a}\ntriple the number {a}", "triple the value {a}"),
        "{a}*3",
    ),
    Operation(
        phrases(
            """a quarter of {a}
            one quarter of {a}
            one fourth of {a}""",
            """a fourth of {a}""",
        ),
        None,
        "{a}/4",
    ),
    Operation(
        phrases(
            """a third of {a}
            one third of {a}""",
            """a third of the number {a}""",
        ),
        None,
        "{a}/3",
    ),
)
COMBINED = (
    ("multiply {a} by {b} and add {c}", "{a}*{b}+{c}"),
    ("multiply {a} by {b} and subtract {c}", "{a}*{b}-{c}"),
    ("multiply {a} and {b} and divide by {c}", "{a}*{b}/{c}"),
    ("add {a} and {b} and multiply by {c}", "({a}+{b})*{c}"),
    ("add {a} to {b} and subtract {c}", "{a}+{b}-{c}"),
    ("add {a} and {b} and divide by {c}", "({a}+{b})/{c}"),
    ("divide {a} by {b} and add {c}", "{a}/{b}+{c}"),
    ("divide {a} by {b} and multiply by {c}", "{a}/{b}*{c}"),
    ("subtract {b} from {a} and multiply by {c}", "({a}-{b})*{c}"),
    ("subtract {b} from {a} and add {c}", "{a}-{b}+{c}"),
    ("take {a}, double it and add {b}", "{a}*2+{b}"),
    ("take {a}, add {b} and halve it", "({a}+{b})/2"),
    ("double {a} and subtract {b}", "{a}*2-{b}"),
    ("square {a} and add {b}", "{a}**2+{b}"),
    ("square {a} and subtract {b}", "{a}**2-{b}"),
)
NESTED = (
    ("the sum of {a} and the product of {b} and {c}", "{a}+{b}*{c}"),
    ("{a} plus the product of {b} and {c}", "{a}+{b}*{c}"),
    ("the product of {a} and {b} plus {c}", "{a}*{b}+{c}"),
    ("the product of {a} and {b} minus {c}", "{a}*{b}-{c}"),
    ("the sum of {a} and {b} times {c}", "({a}+{b})*{c}"),
    ("the sum of {a} and {b} divided by {c}", "({a}+{b})/{c}"),
    ("the sum of {a} and {b} minus {c}", "{a}+{b}-{c}"),
    ("the difference of {a} and {b} times {c}", "({a}-{b})*{c}"),
    ("the square of {a} plus {b}", "{a}**2+{b}"),
    ("half of the sum of {a} and {b}", "({a}+{b})/2"),
    ("twice the sum of {a} and {b}", "2*({a}+{b})"),
    ("{p}% of the sum of {a} and {b}", "({a}+{b})*{p}/100"),
    ("{p}% of {a} plus {b}", "{a}*{p}/100+{b}"),
)
LISTS = (
    (
        phrases(
            """the sum of {l}
            the total of {l}
            {l} added together
            {l} added up
            the sum of the numbers {l}
            {l} all together""",
            """the total of the numbers {l}
            the sum of these numbers: {l}""",
        ),
        "+",
    ),
    (
        phrases(
            """the product of {l}
            {l} multiplied together
            the product of the numbers {l}""",
            """the product of these numbers: {l}""",
        ),
        "*",
    ),
    (
        phrases(
            """the average of {l}
            the mean of {l}
            the average of the numbers {l}
            the mean value of {l}
            the arithmetic mean of {l}""",
            """the mean of the numbers {l}
            the average of these numbers: {l}""",
        ),
        "mean",
    ),
    (
        phrases(
            """the largest of {l}
            the maximum of {l}
            the biggest of {l}
            the largest number of {l}
            the biggest number among {l}""",
            """the largest number among {l}
            the maximum of the numbers {l}""",
        ),
        "max",
    ),
    (
        phrases(
            """the smallest of {l}
            the minimum of {l}
            the lowest of {l}
            the smallest number of {l}
            the lowest number among {l}""",
            """the smallest number among {l}
            the minimum of the numbers {l}""",
        ),
        "min",
    ),
)
