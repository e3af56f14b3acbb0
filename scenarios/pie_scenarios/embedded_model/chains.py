"""Calls one after the other: each step works on the result of the one before."""

from __future__ import annotations

from pie_scenarios.embedded_model import arithmetic, operations, programs
from pie_scenarios.embedded_model.draw import Draw, Phrases, phrases
from pie_scenarios.embedded_model.exchange import (
    PYTHON,
    Call,
    Exchange,
    Plan,
    Reply,
    Round,
    Setting,
)
from pie_scenarios.embedded_model.wording import styled

STEPS = (
    (
        phrases(
            """then add {n}
            then add {n} to it
            and then add {n} to the result
            then increase it by {n}
            after that add {n}""",
            """then add {n} to that
            after that increase it by {n}""",
        ),
        "{r}+{n}",
    ),
    (
        phrases(
            """then subtract {n}
            then subtract {n} from it
            and then subtract {n} from the result
            then take away {n}
            after that subtract {n}""",
            """then subtract {n} from that
            after that take away {n}""",
        ),
        "{r}-{n}",
    ),
    (
        phrases(
            """then multiply by {n}
            then multiply it by {n}
            and then multiply the result by {n}
            then take it times {n}
            after that multiply by {n}""",
            """then multiply that by {n}
            after that multiply it by {n}""",
        ),
        "{r}*{n}",
    ),
    (
        phrases(
            """then divide by {n}
            then divide it by {n}
            and then divide the result by {n}
            after that divide by {n}""",
            """then divide that by {n}
            after that divide it by {n}""",
        ),
        "{r}/{n}",
    ),
    (
        phrases(
            """then double it
            and then double the result
            after that double it""",
            """then double that""",
        ),
        "{r}*2",
    ),
    (
        phrases(
            """then square it
            and then square the result
            after that square it""",
            """then square that""",
        ),
        "{r}**2",
    ),
)
CHAIN_FRAMES = phrases(
    """First {x}, {s}.
    {x}, {s}.
    {x} and {s}.
    Please {x}, {s}.
    Can you {x}, {s}?
    Step by step: {x}, {s}.
    First {x}. {S}.
    I want you to {x}, {s}.
    Start with this: {x}, {s}.""",
    """Could you {x}, {s}?
    Please first {x}, {s}.
    I need you to {x}. {S}.""",
)
FOLLOW_FRAMES = phrases(
    """{s}
    {S}.
    Now {s}.
    And {s}?
    Can you {s}?
    Please {s}.
    Ok, now {s}.
    Good, {s}.""",
    """And now {s}.
    Great, now {s}.
    Could you {s}?""",
)
FOLLOW_STEPS = (
    (phrases("add {n}\nadd {n} to that\nadd {n} to it", "add {n} to the result"), "{r}+{n}"),
    (
        phrases(
            "subtract {n}\nsubtract {n} from that\ntake away {n}", "subtract {n} from the result"
        ),
        "{r}-{n}",
    ),
    (
        phrases(
            "multiply by {n}\nmultiply that by {n}\nmultiply it by {n}\nmultiply this by {n}",
            "multiply the result by {n}",
        ),
        "{r}*{n}",
    ),
    (
        phrases("divide by {n}\ndivide that by {n}\ndivide it by {n}", "divide the result by {n}"),
        "{r}/{n}",
    ),
    (phrases("double it\ndouble that\ndouble the result", "double this"), "{r}*2"),
    (phrases("square it\nsquare that", "square the result"), "{r}**2"),
    (phrases("halve it\nhalve that", "halve the result"), "{r}/2"),
)


def step(draw: Draw, steps: tuple[tuple[Phrases, str], ...] = STEPS) -> tuple[str, str]:
    """Return (the words of a further step, its expression with {r} for the value before)."""
    wordings, expression = draw.any_of(steps)
    number = draw.number(2, draw.any_of((12, 99, 500)))
    return draw.phrase(wordings).format(n=number), expression.replace("{n}", str(number))


def chain(setting: Setting) -> Exchange:
    """Build "do this, then that (, then that)": each step is a call on the last result."""
    draw = setting.draw
    operation = draw.any_of([o for o in operations.OPERATIONS if o.verbs is not None])
    numbers = arithmetic.operands(draw)
    first = operation.expression.format(**numbers)
    phrase = draw.phrase(operation.verbs).format(**numbers)  # type: ignore[arg-type]
    steps = [step(draw) for _ in range(draw.any_of((1, 1, 1, 2)))]
    said = ", ".join(words for words, _ in steps)
    text = draw.phrase(CHAIN_FRAMES).format(x=phrase, s=said, S=said[0].upper() + said[1:])
    if said.startswith("and "):
        text = text.replace("and and ", "and ").replace(". And then", ". Then")
    question = styled(draw, text)

    def plan() -> Plan:
        (result,) = yield Round((setting.arithmetic(first),))
        for _, expression in steps:
            (result,) = yield Round((setting.arithmetic(on(expression, result)),))
        return Reply(f"The final result is {result}.", (result,))

    return Exchange("chain", question, plan)


def on(expression: str, result: str) -> str:
    bracketed = f"({result})" if result.startswith("-") and "**" in expression else result
    return expression.replace("{r}", bracketed)


def program_then_sum(setting: Setting) -> Exchange:
    """Build "run this program, then compute with its number"."""
    draw = setting.draw
    question, code, answer = programs.task(draw)
    while not any(k in code for k in ("sum(", "gcd", "lcm", "len(", "count(", " // ")) or (
        "[" in answer
    ):
        question, code, answer = programs.task(draw)
    words, expression = step(draw)
    joint = draw.any_of((". {S}.", ", {s}.", " and {s}.")) if question[-1] != "?" else " {S}."
    words = words.removeprefix("and ")
    text = question.rstrip(".") + joint.format(s=words, S=words[0].upper() + words[1:])

    def plan() -> Plan:
        (result,) = yield Round((Call(PYTHON, code),))
        (result,) = yield Round((setting.arithmetic(on(expression, result)),))
        return Reply(f"The final result is {result}.", (result,))

    return Exchange("program, then calculation", text, plan)


def follow_up(setting: Setting) -> tuple[str, str]:
    """Return a message about the previous result, and its expression with {r}."""
    draw = setting.draw
    words, expression = step(draw, FOLLOW_STEPS)
    text = draw.phrase(FOLLOW_FRAMES).format(s=words, S=words[0].upper() + words[1:])
    return styled(draw, text), expression
