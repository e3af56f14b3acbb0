"""Questions for which a calculator is not enough: one short Python program each."""

from __future__ import annotations

from pie_scenarios.embedded_model.draw import Draw, words
from pie_scenarios.embedded_model.exchange import PYTHON, Call, Exchange, Reply, Setting, one_call
from pie_scenarios.embedded_model.names import different, person, thing
from pie_scenarios.embedded_model.program_kinds import PROGRAMS
from pie_scenarios.embedded_model.wording import listed, noun_request, styled, verb_request

MONTHS = words(
    """January February March April May June July August September October November December"""
)


def _date(draw: Draw) -> tuple[int, int, int, str]:
    year, month = draw.number(1950, 2039), draw.number(1, 12)
    day = draw.number(1, 28)
    if year > 2100 or day > 28:  # a range without numbers of this split is widened by the draw
        return _date(draw)
    name = MONTHS[month - 1]
    shown = (f"{year}-{month:02d}-{day:02d}", f"{name} {day}, {year}", f"{day} {name} {year}")
    return year, month, day, draw.any_of(shown)


def _word(draw: Draw) -> str:
    kind = draw.random.random()
    if kind < 0.25:
        return thing(draw)
    if kind < 0.4:
        return person(draw)
    return draw.word(draw.any_of((1, 2, 2, 3, 3)))


def _values(draw: Draw) -> dict[str, str]:
    word = _word(draw)
    year, month, day, date = _date(draw)
    odd = draw.chance(0.5)
    numbers = [str(draw.number(1, 999)) for _ in range(draw.any_of((3, 4, 5, 6)))]
    words = different(draw, _word, draw.any_of((3, 3, 4)))
    letter = draw.any_of(word.lower()) if draw.chance(0.7) else draw.any_of("aeiostnr")
    divisor = draw.number(2, 30)
    return {
        "n": str(draw.number(10, draw.any_of((99, 999, 2000)))),
        "k": str(draw.number(5, 90)),
        "s": str(draw.number(3, 30)),
        "a": str(draw.multiple(divisor, 40)),
        "b": str(draw.multiple(divisor, 40)),
        "w": word,
        "q": draw.any_of((f"'{word}'", f'"{word}"', word, word)),
        "l": letter,
        "list": ", ".join(numbers),
        "words": ", ".join(f"'{w}'" for w in words),
        "items": listed(words) if draw.chance(0.6) else ", ".join(words),
        "Y": str(year),
        "M": str(month),
        "D": str(day),
        "date": date,
        "e": "odd" if odd else "even",
        "o": "1" if odd else "2",
    }


def task(draw: Draw) -> tuple[str, str, str]:
    """Return (question, code, answer with a placeholder {r})."""
    program = draw.any_of(PROGRAMS)
    values = _values(draw)
    form = draw.any_of(("noun", "verb", "verb", "question", "question"))
    if form == "noun":
        question = noun_request(draw, draw.phrase(program.nouns).format(**values), keep_case=True)
    elif form == "verb":
        question = verb_request(draw, draw.phrase(program.verbs).format(**values), keep_case=True)
    else:
        text = draw.phrase(program.questions).format(**values)
        question = styled(draw, text, keep_case=True)
    return question, program.code.format(**values), program.answer.format(**values, r="{r}")


def single(setting: Setting) -> Exchange:
    """Build one question that takes one program."""
    question, code, answer = task(setting.draw)

    def reply(result: str) -> Reply:
        return Reply(answer.format(r=result), (result,))

    return Exchange("program", question, one_call(Call(PYTHON, code), reply))
