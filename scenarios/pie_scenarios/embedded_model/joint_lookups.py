"""Searches whose results are calculated with: totals, sums and differences of facts."""

from __future__ import annotations

from pie_scenarios.embedded_model.draw import Draw, phrases
from pie_scenarios.embedded_model.exchange import (
    SEARCH,
    Call,
    Exchange,
    Plan,
    Reply,
    Round,
    Setting,
)
from pie_scenarios.embedded_model.lookups import Item, distractors, item, require
from pie_scenarios.embedded_model.names import CURRENCIES
from pie_scenarios.embedded_model.topics import BY_NAME
from pie_scenarios.embedded_model.wording import styled

LOOKUP_TOTALS = {
    "price": (
        phrases(
            """How much do {n} {xs} cost?
            What do {n} {xs} cost?
            What is the price of {n} {xs}?
            How much are {n} {xs}?
            I want to buy {n} {xs}. What does that cost?
            What do I pay for {n} {xs}?
            How much would {n} {xs} cost?
            I need {n} {xs}. How much is that?
            Find the total price of {n} {xs}.""",
            """How much do I pay for {n} {xs}?
            What would {n} {xs} cost me?
            I would like {n} {xs}. How much is that?""",
        ),
        "{n} {xs} cost {r} {m}.",
    ),
    "weight": (
        phrases(
            """How heavy are {n} {xs}?
            How much do {n} {xs} weigh?
            What is the weight of {n} {xs}?
            What do {n} {xs} weigh together?
            What is the total weight of {n} {xs}?""",
            """What do {n} {xs} weigh?
            Find the total weight of {n} {xs}.""",
        ),
        "{n} {xs} weigh {r} kilograms.",
    ),
    "capacity": (
        phrases(
            """How many people fit in {n} rooms like the {x} Room?
            How many people fit in {n} rooms as big as the {x} Room?
            If the {x} Room is filled {n} times, how many people is that?""",
            """How many people do {n} rooms like the {x} Room hold?""",
        ),
        "It is {r} people.",
    ),
    "ticket": (
        phrases(
            """How much are {n} tickets to {x}?
            What do {n} tickets to {x} cost?
            We are {n} people. What do tickets to {x} cost for us?
            I need {n} tickets to {x}. How much is that?
            What is the price of {n} tickets to {x}?""",
            """How much do {n} tickets to {x} cost?
            What do I pay for {n} tickets to {x}?""",
        ),
        "{n} tickets to {x} cost {r} {m}.",
    ),
    "distance": (
        phrases(
            """How far is it if I go to {x} {n} times?
            How many kilometres are {n} trips to {x}?
            I go to {x} {n} times. How many kilometres is that?""",
            """How far are {n} trips to {x}?""",
        ),
        "It is {r} kilometres.",
    ),
}
PAIRS = {
    "price": phrases(
        """What do {x_a} and {y_a} cost together?
        How much are {x_a} and {y_a} together?
        I buy {x_a} and {y_a}. How much is that in total?
        What is the total price of {x_a} and {y_a}?
        How much do I pay for {x_a} and {y_a} in total?""",
        """What do {x_a} and {y_a} cost in total?
        How much do {x_a} and {y_a} cost together?""",
    ),
    "weight": phrases(
        """What do {x_a} and {y_a} weigh together?
        How heavy are {x_a} and {y_a} together?
        What is the total weight of {x_a} and {y_a}?""",
        """How much do {x_a} and {y_a} weigh together?""",
    ),
    "capacity": phrases(
        """How many people fit in the {x} Room and the {y} Room together?
        What is the total capacity of the {x} Room and the {y} Room?
        How many people do the {x} Room and the {y} Room hold together?""",
        """How many people fit in total in the {x} Room and the {y} Room?""",
    ),
}
COMPARED = {
    "price": phrases(
        """How much more does {x_a} cost than {y_a}?
        What is the price difference between {x_a} and {y_a}?
        How much more expensive is {x_a} than {y_a}?""",
        """What is the difference in price between {x_a} and {y_a}?""",
    ),
    "weight": phrases(
        """How much heavier is {x_a} than {y_a}?
        What is the weight difference between {x_a} and {y_a}?""",
        """How much more does {x_a} weigh than {y_a}?""",
    ),
    "capacity": phrases(
        """How many more people fit in the {x} Room than in the {y} Room?
        How much bigger is the {x} Room than the {y} Room?""",
        """How many more people does the {x} Room hold than the {y} Room?""",
    ),
    "age": phrases(
        """How much older is {x} than {y}?
        How many years older is {x} than {y}?
        What is the age difference between {x} and {y}?""",
        """By how many years is {x} older than {y}?""",
    ),
    "distance": phrases(
        """How much farther is {x} than {y}?
        How many kilometres farther is {x} than {y}?""",
        """How much farther is it to {x} than to {y}?""",
    ),
}
UNITS = {"price": " {m}", "weight": " kilograms", "capacity": " people", "age": " years"}


def lookup_total(setting: Setting) -> Exchange:
    """Build "how much do 7 lamps cost": a search, then a multiplication."""
    draw = setting.draw
    name = draw.any_of(("price", "price", "price", *LOOKUP_TOTALS))
    wordings, answer = LOOKUP_TOTALS[name]
    one = item(draw, BY_NAME[name])
    count = draw.number(2, draw.any_of((12, 60)))
    fields = {**one.fields, "n": str(count)}
    question = styled(draw, draw.phrase(wordings).format(**fields))

    def plan() -> Plan:
        (found,) = yield Round((Call(SEARCH, one.query),))
        require(found, one)
        (result,) = yield Round((setting.arithmetic(f"{count}*{one.value}"),))
        return Reply(answer.format(**fields, r=result), (result,))

    facts = (one.fact, *distractors(draw, [one], draw.random.randint(1, 5)))
    return Exchange("lookup, then calculation", question, plan, facts)


def two_items(draw: Draw, name: str) -> tuple[Item, Item]:
    """Return two facts of one topic, in one currency."""
    currency = draw.any_of(CURRENCIES)
    first = item(draw, BY_NAME[name], currency=currency)
    return first, item(draw, BY_NAME[name], (first.entity,), currency)


def two_lookups(setting: Setting) -> Exchange:
    """Build a sum or a difference of two facts: two searches at once, then a calculation."""
    draw = setting.draw
    together = draw.chance(0.5)
    table = PAIRS if together else COMPARED
    name = draw.any_of(tuple(table))
    one, other = two_items(draw, name)
    fields = {**one.fields, "y": other.entity, "y_a": other.fields["x_a"]}
    question = styled(draw, draw.phrase(table[name]).format(**fields))
    unit = UNITS.get(name, " kilometres").format(**fields)
    sign = "+" if together else "-"

    def plan() -> Plan:
        found, also = yield Round((Call(SEARCH, one.query), Call(SEARCH, other.query)))
        require(found, one)
        require(also, other)
        (result,) = yield Round((setting.arithmetic(f"{one.value}{sign}{other.value}"),))
        lead = "Together it is" if together else "The difference is"
        return Reply(f"{lead} {result}{unit}.", (result,))

    facts = (one.fact, other.fact, *distractors(draw, [one, other], draw.random.randint(0, 4)))
    return Exchange("two lookups, then calculation", question, plan, facts)
