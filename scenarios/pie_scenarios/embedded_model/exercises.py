"""Short copying exercises: repeat a message, or only the numbers in it.

All of an agent's work is copying: numbers into calls, results into answers. On exercises of
thirty tokens a network learns that in a fraction of the time it needs on whole conversations, so
training begins with many of them and keeps a few. Half of the words to copy are put together
from the tokenizer's own pieces: a piece that hardly occurs in conversations is otherwise one that
the network cannot copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from pie_scenarios.embedded_model import arithmetic, problems, template
from pie_scenarios.embedded_model.conversations import Segment
from pie_scenarios.embedded_model.draw import Draw
from pie_scenarios.embedded_model.names import full_name, place, plural, thing

REPEAT, NUMBERS, JOINED, QUOTED = (
    "Repeat the message.",
    "Write the numbers of the message.",
    "Write the message without spaces.",
    "Write the message in quotes.",
)


def exercise(seed: int | str, pieces: Sequence[str]) -> list[Segment]:
    """Return one exercise, as segments that concatenate to its text.

    `pieces` are the texts of the tokenizer's tokens that are letters only.
    """
    draw = Draw(f"exercise/{seed}", "train")
    task = draw.any_of((REPEAT, REPEAT, NUMBERS, NUMBERS, JOINED, QUOTED, QUOTED))
    if task == NUMBERS:
        message = _with_numbers(draw)
        found = [w.strip(".,?:()%'\"") for w in message.split()]
        answer = " ".join(w for w in found if w and w.replace(".", "", 1).isdigit())
    else:
        message = " ".join(_item(draw, pieces) for _ in range(draw.random.randint(1, 7)))
        quoted = ", ".join(f"'{part}'" for part in message.split())
        answer = {REPEAT: message, JOINED: message.replace(" ", ""), QUOTED: quoted}[task]
    return [
        Segment(template.system_turn(task, ()), False),
        Segment(template.user_turn(message), False),
        Segment(template.ASSISTANT_START, False),
        Segment(answer + template.TURN_END, True),
    ]


def _with_numbers(draw: Draw) -> str:
    kind = draw.random.random()
    if kind < 0.5:
        return problems.story(draw)[0]
    return arithmetic.worded(draw)[0]


def _item(draw: Draw, pieces: Sequence[str]) -> str:
    if draw.chance(0.5):
        word = "".join(draw.any_of(pieces) for _ in range(draw.any_of((1, 2, 2, 3))))
        return word.capitalize() if draw.chance(0.3) else word
    kind = draw.random.random()
    if kind < 0.4:
        return draw.amount(1, 9999)
    if kind < 0.6:
        return draw.word(draw.any_of((1, 2, 3)))
    if kind < 0.7:
        return full_name(draw)
    if kind < 0.8:
        return place(draw)
    return thing(draw) if draw.chance(0.5) else plural(thing(draw))
