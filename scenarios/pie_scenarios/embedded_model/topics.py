"""What the documents tell and how it is asked for: data for `lookups`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pie_scenarios.embedded_model.draw import Draw, Phrases, phrases, words
from pie_scenarios.embedded_model.names import full_name, person, place, thing

ROLES = words(
    """mayor manager director baker captain librarian teacher doctor cook gardener engineer driver
    treasurer secretary guide painter nurse mechanic cashier porter"""
)
COLORS = words("red blue green yellow white black brown grey orange purple")


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of fact: where it stands, how it reads, how it is asked for and answered.

    Placeholders: {x} the entity, {xs} its plural, {x_a} it with an article, {v} the value,
    {m} a currency.
    """

    name: str
    titles: tuple[str, ...]
    sentences: tuple[str, ...]
    query: str
    questions: Phrases
    answer: str
    entity: Callable[[Draw], str]
    value: Callable[[Draw], str]


def _clock(draw: Draw) -> str:
    return f"{draw.random.randint(5, 22)}:{draw.any_of((0, 5, 10, 15, 20, 30, 40, 45, 50)):02d}"


def _between(low: int, high: int) -> Callable[[Draw], str]:
    return lambda draw: str(draw.number(low, high))


TOPICS = (
    Topic(
        "price",
        ("Price list", "Shop prices", "Harbour shop", "Market", "General store"),
        ("A {x} costs {v} {m}.", "The price of {x_a} is {v} {m}.", "One {x} costs {v} {m}."),
        "price of {x}",
        phrases(
            """How much does {x_a} cost?
            What does {x_a} cost?
            What is the price of {x_a}?
            How much is {x_a}?
            How expensive is {x_a}?
            What do they charge for {x_a}?
            Find the price of {x_a}.
            Look up the price of {x_a}.
            price of {x_a}""",
            """What does one {x} cost?
            Tell me the price of {x_a}.
            How much do I pay for {x_a}?""",
        ),
        "A {x} costs {v} {m}.",
        thing,
        _between(2, 400),
    ),
    Topic(
        "weight",
        ("Product weights", "Catalogue", "Shipping", "Warehouse"),
        ("A {x} weighs {v} kilograms.", "The weight of {x_a} is {v} kilograms."),
        "weight of {x}",
        phrases(
            """How heavy is {x_a}?
            How much does {x_a} weigh?
            What is the weight of {x_a}?
            What does {x_a} weigh?
            Find the weight of {x_a}.
            Look up how heavy {x_a} is.""",
            """What does one {x} weigh?
            Tell me the weight of {x_a}.""",
        ),
        "A {x} weighs {v} kilograms.",
        thing,
        _between(2, 300),
    ),
    Topic(
        "stock",
        ("Stock", "Warehouse", "Inventory"),
        ("There are {v} {xs} in stock.", "The warehouse holds {v} {xs}."),
        "stock of {x}",
        phrases(
            """How many {xs} are in stock?
            How many {xs} does the warehouse hold?
            How many {xs} do we have in stock?
            What is the stock of {xs}?
            Look up how many {xs} are in stock.
            Do we have {xs} in stock?""",
            """How many {xs} are there in the warehouse?
            Tell me how many {xs} are in stock.""",
        ),
        "There are {v} {xs} in stock.",
        thing,
        _between(2, 900),
    ),
    Topic(
        "capacity",
        ("Rooms", "Town hall", "Meeting rooms", "Conference centre"),
        ("The {x} Room holds {v} people.", "The {x} Room has {v} seats for people."),
        "capacity of {x} Room",
        phrases(
            """How many people fit in the {x} Room?
            How many people does the {x} Room hold?
            What is the capacity of the {x} Room?
            How big is the {x} Room?
            How many seats are in the {x} Room?
            Look up the capacity of the {x} Room.""",
            """How many people can use the {x} Room?
            Tell me the capacity of the {x} Room.""",
        ),
        "The {x} Room holds {v} people.",
        place,
        _between(4, 400),
    ),
    Topic(
        "ferry",
        ("Ferry timetable", "Harbour", "Ferry times"),
        ("The ferry to {x} leaves at {v}.", "The ferry to {x} departs at {v}."),
        "ferry to {x}",
        phrases(
            """When does the ferry to {x} leave?
            What time does the ferry to {x} leave?
            When is the ferry to {x}?
            At what time does the ferry to {x} depart?
            When does the boat to {x} leave?
            Look up the ferry to {x}.""",
            """When can I take the ferry to {x}?
            What time is the ferry to {x}?""",
        ),
        "The ferry to {x} leaves at {v}.",
        place,
        _clock,
    ),
    Topic(
        "train",
        ("Train timetable", "Station", "Trains"),
        ("The train to {x} leaves from platform {v}.",),
        "train to {x} platform",
        phrases(
            """Which platform does the train to {x} leave from?
            From which platform does the train to {x} leave?
            What is the platform of the train to {x}?
            Where does the train to {x} leave?""",
            """Which platform is the train to {x} on?""",
        ),
        "The train to {x} leaves from platform {v}.",
        place,
        _between(1, 30),
    ),
    Topic(
        "role",
        ("Staff", "People", "Town council", "Team"),
        ("{v} is the {x}.", "The {x} is {v}."),
        "{x}",
        phrases(
            """Who is the {x}?
            What is the name of the {x}?
            Who works as the {x}?
            Find out who the {x} is.
            Tell me the name of the {x}.
            Look up the {x}.""",
            """Can you tell me who the {x} is?
            What is the {x} called?""",
        ),
        "The {x} is {v}.",
        lambda draw: draw.any_of(ROLES),
        full_name,
    ),
    Topic(
        "age",
        ("Staff", "People", "Team", "Members"),
        ("{x} is {v} years old.",),
        "age of {x}",
        phrases(
            """How old is {x}?
            What is the age of {x}?
            Look up the age of {x}.
            Find out how old {x} is.""",
            """Tell me how old {x} is.
            Do you know how old {x} is?""",
        ),
        "{x} is {v} years old.",
        person,
        _between(18, 80),
    ),
    Topic(
        "phone",
        ("Phone list", "Extensions", "Contacts"),
        ("The extension of {x} is {v}.", "The phone number of {x} is {v}."),
        "phone extension of {x}",
        phrases(
            """What is the phone number of {x}?
            What is the extension of {x}?
            How can I call {x}?
            Which number do I call to reach {x}?
            Look up the phone number of {x}.
            I need the extension of {x}.""",
            """Tell me the phone number of {x}.
            Which extension does {x} have?""",
        ),
        "The number of {x} is {v}.",
        person,
        _between(1000, 9999),
    ),
    Topic(
        "opens",
        ("Opening hours", "Town guide"),
        ("The {x} Museum opens at {v}.", "The {x} Museum is open from {v}."),
        "{x} Museum opens",
        phrases(
            """When does the {x} Museum open?
            What time does the {x} Museum open?
            From when is the {x} Museum open?
            Look up when the {x} Museum opens.""",
            """At what time does the {x} Museum open?""",
        ),
        "The {x} Museum opens at {v}.",
        place,
        _clock,
    ),
    Topic(
        "population",
        ("Town guide", "Towns", "Region"),
        ("{x} has {v} inhabitants.", "The town of {x} has {v} inhabitants."),
        "inhabitants of {x}",
        phrases(
            """How many people live in {x}?
            What is the population of {x}?
            How many inhabitants does {x} have?
            How big is the town of {x}?
            Look up the population of {x}.""",
            """How many people are there in {x}?
            Tell me the population of {x}.""",
        ),
        "{x} has {v} inhabitants.",
        place,
        _between(300, 9999),
    ),
    Topic(
        "distance",
        ("Roads", "Town guide", "Distances", "Travel"),
        ("The distance to {x} is {v} kilometres.", "It is {v} kilometres to {x}."),
        "distance to {x}",
        phrases(
            """How far is it to {x}?
            How far away is {x}?
            What is the distance to {x}?
            How many kilometres is it to {x}?
            Look up the distance to {x}.""",
            """Tell me how far {x} is.
            How far do I have to go to {x}?""",
        ),
        "It is {v} kilometres to {x}.",
        place,
        _between(3, 900),
    ),
    Topic(
        "founded",
        ("Town guide", "History", "Chronicle"),
        ("{x} was founded in {v}.", "The town of {x} was founded in {v}."),
        "{x} was founded",
        phrases(
            """When was {x} founded?
            In which year was {x} founded?
            What year was {x} founded?
            How old is the town of {x}?""",
            """Since when does {x} exist?
            What is the founding year of {x}?""",
        ),
        "{x} was founded in {v}.",
        place,
        _between(1100, 1990),
    ),
    Topic(
        "color",
        ("Town guide", "Houses", "Lighthouses"),
        ("The house of {x} is {v}.",),
        "house of {x}",
        phrases(
            """What color is the house of {x}?
            Which color does the house of {x} have?
            What is the color of the house of {x}?""",
            """Tell me the color of the house of {x}.""",
        ),
        "The house of {x} is {v}.",
        person,
        lambda draw: draw.any_of(COLORS),
    ),
    Topic(
        "ticket",
        ("Tickets", "Ferry timetable", "Harbour", "Prices"),
        ("A ticket to {x} costs {v} {m}.", "The ticket to {x} costs {v} {m}."),
        "ticket to {x}",
        phrases(
            """How much is a ticket to {x}?
            What does a ticket to {x} cost?
            What is the price of a ticket to {x}?
            How much does the ticket to {x} cost?
            Look up the price of a ticket to {x}.""",
            """What do I pay for a ticket to {x}?
            Tell me the price of a ticket to {x}.""",
        ),
        "A ticket to {x} costs {v} {m}.",
        place,
        _between(2, 200),
    ),
)
BY_NAME = {topic.name: topic for topic in TOPICS}
NUMERIC = tuple(BY_NAME[n] for n in ("price", "weight", "stock", "capacity", "ticket", "distance"))
