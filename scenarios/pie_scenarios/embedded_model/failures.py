"""Tools that fail: explain what cannot be done, repeat what can, correct what was wrong."""

from __future__ import annotations

from pie_scenarios.embedded_model import arithmetic, problems, programs
from pie_scenarios.embedded_model.draw import phrases
from pie_scenarios.embedded_model.exchange import (
    CALCULATOR,
    PYTHON,
    Call,
    Exchange,
    Plan,
    Reply,
    Round,
    Setting,
    one_call,
)
from pie_scenarios.embedded_model.wording import noun_request

ALL_CALLS = 99
TRANSIENT = (
    "error: timed out",
    "error: the tool timed out",
    "error: temporarily unavailable",
    "error: connection lost",
    "error: busy, try again",
    "error: the container is not ready",
)
BY_ZERO = phrases(
    """{a} / 0
    {a}/0
    {a} divided by 0
    {a} divided by zero
    {a} split by zero
    the quotient of {a} and 0
    {b} + {a} / 0
    {a} / zero
    {a} ÷ 0
    {a} : 0
    ({a}|the number {a}|the value {a}) divided by nothing
    ({a}|the amount {a}) (shared|divided|distributed) (among|between) (0|zero) people
    the quotient of {a} and zero
    the ratio of {a} to (zero|0)
    the (result|outcome|value) of dividing {a} by (zero|0)
    the division of {a} by (zero|0)
    the (fraction|quotient|ratio) {a}/0
    the fraction with numerator {a} and denominator (zero|0)
    the (value|result|outcome) of (the division|) {a} (/|divided by) 0
    {a} (split|divided|cut) into (zero|0) (equal|) parts
    {b} + {a} (divided by|split by|:) (0|zero)
    {b} + {a}/(0|zero)
    {b} + the (quotient|ratio) of {a} and 0""",
    "the number {a} divided by zero\n{a} over 0",
)
PYTHON_ERRORS = (
    "error: NameError: name '{w}' is not defined",
    "error: SyntaxError: invalid syntax",
    "error: TypeError: unsupported operand type(s)",
    "error: SyntaxError: '(' was never closed",
    "error: ModuleNotFoundError: No module named '{w}'",
)


def _request(setting: Setting) -> tuple[str, Call, str]:
    """Return (question, right call, answer with {r})."""
    draw = setting.draw
    if setting.has(PYTHON) and (draw.chance(0.5) or not setting.has(CALCULATOR)):
        question, code, answer = programs.task(draw)
        return question, Call(PYTHON, code), answer
    if draw.chance(0.3):
        question, expression, answer = problems.story(draw)
    else:
        (question, expression), answer = arithmetic.request(draw), "The answer is {r}."
    return question, setting.arithmetic(expression), answer


def repeated(setting: Setting) -> Exchange:
    """Build a call that fails by chance and works when it is made again."""
    question, call, answer = _request(setting)

    def plan() -> Plan:
        yield Round((call,))
        (result,) = yield Round((call,))
        return Reply(answer.replace("{r}", result), (result,))

    error = setting.draw.any_of(TRANSIENT)
    return Exchange("recovery: repeat", question, plan, (), error, 1)


def corrected(setting: Setting) -> Exchange:
    """Build a call that was wrong: the model sees the mistake and the error, and corrects it."""
    question, call, answer = _request(setting)
    wrong, error = _mistake(setting, call)

    def plan() -> Plan:
        yield Round((wrong,), learn=False)
        (result,) = yield Round((call,))
        return Reply(answer.replace("{r}", result), (result,))

    return Exchange("recovery: correction", question, plan, (), error, 1)


def _mistake(setting: Setting, call: Call) -> tuple[Call, str]:
    draw = setting.draw
    if call.tool == PYTHON:
        cut = draw.random.randint(1, max(1, len(call.text) // 8))
        wrong = call.text.removeprefix("import math\n")
        wrong = wrong[:-cut] if draw.chance(0.6) else wrong.replace("(", "", 1)
        return Call(PYTHON, wrong), draw.any_of(PYTHON_ERRORS).format(w=draw.word())
    wrong = call.text.replace("*", " x ") if "*" in call.text else f"{call.text} ="
    if draw.chance(0.3):
        wrong = call.text + draw.any_of((")", "+", "%%", " ="))
    shown = f"error: cannot parse '{wrong[:40]}'; write it like 12*(3+4)"
    return Call(CALCULATOR, wrong), shown if draw.chance(0.7) else "error: invalid expression"


def by_zero(setting: Setting) -> Exchange:
    """Build a division by zero: the tool says so and the answer passes it on."""
    draw = setting.draw
    first, second = str(draw.number(1, 999)), str(draw.number(1, 99))
    text = draw.phrase(BY_ZERO).format(a=first, b=second)
    expression = f"{second}+{first}/0" if text.startswith(f"{second} +") else f"{first}/0"
    answer = "That cannot be calculated: division by zero."
    reply = Reply(answer, ("division by zero",))
    call = setting.arithmetic(expression)
    return Exchange("division by zero", noun_request(draw, text), one_call(call, lambda _: reply))


def given_up(setting: Setting) -> Exchange:
    """Build a tool that fails twice: report the error instead of inventing a result."""
    question, call, _ = _request(setting)
    error = setting.draw.any_of(TRANSIENT)

    def plan() -> Plan:
        yield Round((call,))
        yield Round((call,))
        return Reply(f"The tool failed, so I cannot answer: {error[7:]}.", (error[7:],))

    return Exchange("recovery: give up", question, plan, (), error, ALL_CALLS)
