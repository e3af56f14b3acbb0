"""How people put a request: openers, question frames, politeness, sloppy typing."""

from __future__ import annotations

import re

from pie_scenarios.embedded_model.draw import Draw, phrases

NOUN_FRAMES = phrases(
    """What is {x}?
    What is {x}?
    What is {x}?
    What's {x}?
    Calculate {x}.
    Compute {x}.
    How much is {x}?
    How much is {x}?
    Can you calculate {x}?
    Can you work out {x}?
    Could you compute {x} for me?
    Tell me {x}.
    Please tell me {x}.
    Please calculate {x}.
    {x}
    {x}
    {x}?
    {x} = ?
    {x} =
    Find {x}.
    Give me {x}.
    I need {x}.
    I need to know {x}.
    What do you get for {x}?
    Evaluate {x}.
    Work out {x}.
    What would {x} be?
    What does {x} equal?
    What does {x} make?
    Determine {x}.
    Can you find {x}?
    What is the value of {x}?
    What is the result of {x}?
    Show me {x}.
    Use a tool to find {x}.
    Do the math: {x}.
    Solve {x}.
    I want to know {x}.
    Let me know {x}.""",
    """Do you know what {x} is?
    I'd like to know {x}.
    Would you work out {x}?
    Please find {x} for me.
    Can you tell me {x}?
    Please give me the value of {x}.
    Could you tell me what {x} is?
    I have to know {x}, please.
    Please compute {x} for me.""",
)
VERB_FRAMES = phrases(
    """{x}.
    {x}.
    {x}
    Please {x}.
    Please {x} for me.
    Can you {x}?
    Could you {x}?
    Could you please {x}?
    I want you to {x}.
    I need you to {x}.
    Help me {x}.
    {x}, please.
    {x} for me.
    Try to {x}.
    You should {x}.
    Now {x}.""",
    """Would you {x}?
    Can you please {x}?
    I'd like you to {x}.
    {x} for me, please.
    Will you {x} for me?""",
)
OPENERS = phrases(
    """Hi,
    Hello,
    Hey,
    Ok,
    Quick question:
    So,
    Good morning!
    Hi there!
    One thing:
    Question:
    I am curious:
    My homework says:""",
    """Hello there,
    A question:
    Good evening!
    Right,
    Excuse me,""",
)
CLOSERS = phrases(
    """Thanks!
    Thank you.
    Please be quick.
    Thanks in advance.
    I need it for school.
    It is for my report.
    Please use a tool.""",
    """Many thanks!
    Please use your tools.
    It's for my homework.""",
)


def noun_request(
    draw: Draw, noun_phrase: str, *, keep_case: bool = False, separators: bool = False
) -> str:
    """Ask for something that is named, e.g. "the sum of 3 and 4"."""
    text = draw.phrase(NOUN_FRAMES).format(x=noun_phrase)
    return styled(draw, text, keep_case=keep_case, separators=separators)


def verb_request(
    draw: Draw, verb_phrase: str, *, keep_case: bool = False, separators: bool = False
) -> str:
    """Ask for something to be done, e.g. "add 3 and 4"."""
    text = draw.phrase(VERB_FRAMES).format(x=verb_phrase)
    text = text[0].upper() + text[1:]
    return styled(draw, text, keep_case=keep_case, separators=separators)


def styled(draw: Draw, text: str, *, keep_case: bool = False, separators: bool = False) -> str:
    """Capitalise `text` and write it the way that somebody in a hurry might."""
    text = text[0].upper() + text[1:] if not keep_case else text
    if draw.chance(0.12):
        opener = draw.phrase(OPENERS)
        text = f"{opener} {text if opener[-1] == '!' or keep_case else text[0].lower() + text[1:]}"
    if draw.chance(0.06):
        text = f"{text if text[-1] in '.?!' else text + '.'} {draw.phrase(CLOSERS)}"
    if draw.chance(0.2):
        text = text.rstrip(".?")
    if draw.chance(0.15) and not keep_case:
        text = text.lower()
    if separators and draw.chance(0.12):
        text = re.sub(r"(?<![\d,.])(\d{1,3})(\d{3})(?![\d,.])", r"\1,\2", text)
    return text


def listed(items: list[str], *, comma_only: bool = False) -> str:
    """Join items as in "a, b and c"."""
    if comma_only or len(items) == 1:
        return ", ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
