"""Word problems: the operation has to be inferred from the story."""

from __future__ import annotations

from pie_scenarios.embedded_model.draw import Draw
from pie_scenarios.embedded_model.exchange import Exchange, Reply, Setting, one_call
from pie_scenarios.embedded_model.names import (
    CURRENCIES,
    different,
    person,
    place,
    plural,
    thing,
    with_article,
)
from pie_scenarios.embedded_model.stories import PROBLEMS
from pie_scenarios.embedded_model.wording import styled


def _values(draw: Draw) -> dict[str, str]:
    first, second = different(draw, thing, 2)
    divisor = draw.number(2, 30)
    return {
        "t": first,
        "ts": plural(first),
        "t_a": with_article(first),
        "u": second,
        "us": plural(second),
        "P": person(draw),
        "Q": person(draw),
        "L": place(draw),
        "m": draw.any_of(CURRENCIES),
        "a": draw.amount(2, draw.any_of((50, 99, 999))),
        "b": str(draw.number(2, draw.any_of((30, 99)))),
        "c": str(draw.number(2, draw.any_of((12, 40, 99)))),
        "A": str(draw.number(100, 2000)),
        "d": str(divisor),
        "n": str(draw.multiple(divisor, 60)),
        "s": str(draw.number(2, 12)),
        "x": str(draw.number(2, 400)),
        "y": str(draw.number(5, 80)),
        "z": str(draw.number(2, 40)),
        "p": str(draw.any_of((5, 10, 15, 20, 25)) if draw.chance(0.4) else draw.number(2, 95)),
    }


def story(draw: Draw) -> tuple[str, str, str]:
    """Return (story, expression, answer with a placeholder {r})."""
    problem = draw.any_of(PROBLEMS)
    values = _values(draw)
    text = draw.phrase(problem.wordings).format(**values)
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}").replace(f"A {vowel}", f"An {vowel}")
    answer = problem.answer.format(**values, r="{r}")
    return text, problem.expression.format(**values), answer


def single(setting: Setting) -> Exchange:
    """Build one word problem that takes one call."""
    text, expression, answer = story(setting.draw)
    question = styled(setting.draw, text, separators=True)

    def reply(result: str) -> Reply:
        return Reply(answer.format(r=result), (result,))

    return Exchange("word problem", question, one_call(setting.arithmetic(expression), reply))
