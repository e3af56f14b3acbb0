"""Questions that one arithmetic expression answers, asked in symbols and in words."""

from __future__ import annotations

from pie_scenarios.embedded_model.draw import Draw
from pie_scenarios.embedded_model.exchange import Exchange, Reply, Setting, one_call
from pie_scenarios.embedded_model.operations import COMBINED, LISTS, NESTED, OPERATIONS, SYMBOLS
from pie_scenarios.embedded_model.wording import listed, noun_request, verb_request

REMARKS = ("Let me calculate that.", "I will use a tool for this.", "Let me work it out.")
ANSWER = "The answer is {r}."


def operands(draw: Draw) -> dict[str, str]:
    """Return numbers for the placeholders of operations and problems."""
    return {
        "a": draw.amount(2, draw.any_of((99, 999, 9999))),
        "b": draw.amount(2, draw.any_of((20, 99, 999))),
        "c": str(draw.number(2, draw.any_of((12, 99, 999)))),
        "s": str(draw.number(2, 12)),
        "p": str(draw.any_of((5, 10, 15, 20, 25)) if draw.chance(0.4) else draw.number(2, 95)),
        "q": str(draw.square() if draw.chance(0.6) else draw.number(2, 9999)),
    }


def symbolic(draw: Draw) -> tuple[str, str]:
    """Return an expression of two to four operands as (typed text, tool expression)."""
    count = draw.any_of((2, 2, 2, 2, 2, 3, 3, 4))
    text = expression = draw.amount(1, draw.any_of((12, 99, 999, 9999)))
    open_group = False
    for index in range(1, count):
        sign = draw.any_of(("*", "*", "+", "+", "-", "-", "/", "**", "%"))
        if sign in ("**", "%") and count > 2:
            sign = "*"
        number = (
            draw.amount(1, draw.any_of((12, 99, 999))) if sign != "**" else str(draw.number(2, 9))
        )
        shown = draw.any_of(SYMBOLS[sign][:2] if draw.chance(0.5) else SYMBOLS[sign])
        if shown.strip() == "x" and "." in number + text:
            shown = " * "
        if not open_group and index < count - 1 and draw.chance(0.2):
            text, expression = f"{text}{shown}({number}", f"{expression}{sign}({number}"
            open_group = True
            continue
        text, expression = f"{text}{shown}{number}", f"{expression}{sign}{number}"
        if open_group and (index == count - 1 or draw.chance(0.5)):
            text, expression, open_group = text + ")", expression + ")", False
        elif index < count - 1 and draw.chance(0.15) and not open_group:
            text, expression = f"({text})", f"({expression})"
    return text, expression


def worded(draw: Draw) -> tuple[str, str, bool]:
    """Return (phrase, expression, whether the phrase is a verb phrase)."""
    numbers = operands(draw)
    kind = draw.random.random()
    if kind < 0.62:
        operation = draw.any_of(OPERATIONS[:6] + OPERATIONS)
        verbal = operation.nouns is None or (operation.verbs is not None and draw.chance(0.45))
        wordings = operation.verbs if verbal else operation.nouns
        assert wordings is not None
        return (
            draw.phrase(wordings).format(**numbers),
            operation.expression.format(**numbers),
            verbal,
        )
    if kind < 0.8:
        verbal = draw.chance(0.55)
        phrase, expression = draw.any_of(COMBINED if verbal else NESTED)
        return phrase.format(**numbers), expression.format(**numbers), verbal
    wordings, sign = draw.any_of(LISTS)
    items = [draw.amount(1, 999) for _ in range(draw.any_of((3, 3, 3, 4, 4, 5, 6)))]
    phrase = draw.phrase(wordings).format(l=listed(items, comma_only=draw.chance(0.3)))
    return phrase, list_expression(sign, items), False


def list_expression(sign: str, items: list[str]) -> str:
    """Return the expression that combines `items` by sum, product, mean, max or min."""
    if sign == "mean":
        return f"({'+'.join(items)})/{len(items)}"
    return f"{sign}({', '.join(items)})" if sign in ("max", "min") else sign.join(items)


def request(draw: Draw) -> tuple[str, str]:
    """Return a whole user message about arithmetic, and its expression."""
    if draw.chance(0.4):
        text, expression = symbolic(draw)
        return noun_request(draw, text, separators=True), expression
    phrase, expression, verbal = worded(draw)
    ask = verb_request if verbal else noun_request
    return ask(draw, phrase, separators=True), expression


def single(setting: Setting) -> Exchange:
    """Build one arithmetic question that takes one call."""
    draw = setting.draw
    question, expression = request(draw)
    remark = draw.any_of(REMARKS) if draw.chance(0.02) else ""

    def reply(result: str) -> Reply:
        return Reply(ANSWER.format(r=result), (result,))

    call = setting.arithmetic(expression)
    return Exchange("calculation", question, one_call(call, reply, remark))
