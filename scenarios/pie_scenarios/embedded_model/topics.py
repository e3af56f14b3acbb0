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
            price of {x_a}
            How much (does one {x}|does a single {x}|does the {x}|would {x_a}|would the {x}) cost?
            What (does the {x}|would {x_a}|would the {x}|will {x_a}) cost( me|)?
            How much is (one|a single|the|each) {x}?
            (What is|What's) the (price|cost) of (one|a single|the|each) {x}?
            How (expensive|costly) is (one|a single|the) {x}?
            (I|We) (want to|plan to) (buy|order) (one {x}|{x_a}). What does it cost?
            (I|We) (would like to|may) (buy|order) (one {x}|{x_a}). What does it cost?
            My (sister|mother|friend|neighbour) (wants|needs|is looking for) {x_a}. How much is it?
            If I (buy|order|take) (one|a single) {x}, (what will it cost|how much is that)?
            When (I|we) (buy|order) {x_a}, how much will (it|that) be?
            (Suppose|Say|Imagine) I (buy|take) (one|a single) {x}. How much is that?
            (Suppose|Say|Imagine) I (buy|take) (one|a single) {x}. What is the price?
            For how (much|many {m}) (can I get|do they sell|could I buy) {x_a}?
            How many {m} (is {x_a}|do I need for {x_a}|do they want for {x_a}|is the {x})?
            How many {m} does (one|a single|each|the) {x} cost?
            How much money (do I need|is needed|should I bring) (for|to buy) (one {x}|{x_a})?
            (Look up|Find|Check|Search for) the (price|cost) of (one|a single|the) {x}.
            (Check|Find out|Look up|Let me know) (what|how much) (one {x}|{x_a}|the {x}) costs.
            (Can you check|Could you look up|Do you happen to know) (how much|what) {x_a} costs?
            (I want to know|I need to know) (how much|what) the {x} costs.
            (I wonder|Somebody asked me) (how much|what) the {x} costs.
            I have no idea (how much|what) {x_a} costs. (Look it up|Find out|Please check).
            (According to|Going by) the (documents|list), (how much is|what is the price of) {x_a}?
            (price|cost) of (a single|one|the) {x}(?|)
            {x} (price|cost)(?|, please)
            (The price|Price) of {x_a}(?|, please.|: what is it?)
            {x_a}: (how much|what price|how expensive)?
            (What|Which) price (do they ask|is given) for (one {x}|{x_a}|the {x})?
            (What|Which) price (is asked|is listed) for (one {x}|{x_a}|the {x})?
            At (what|which) price (is {x_a} sold|do they sell {x_a}|can I buy {x_a})?
            (What do {xs} cost|How much are {xs}|How much do {xs} cost) (each|apiece)?
            (What does|How much does) the shop (charge|ask|want) for (one|a single|the) {x}?
            What is (one|a single|the) {x} (sold for|priced at|going for)?""",
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
            Look up how heavy {x_a} is.
            How heavy (is one|is a single|is the|is each) {x}?
            How much does (one|a single|the|each) {x} weigh?
            What (does the {x}|would {x_a}|will {x_a}) weigh?
            (What is|What's) the weight of (one|a single|the) {x}?
            How many (kilograms|kilos) does (one {x}|{x_a}|a single {x}|the {x}) weigh?
            How many (kilograms|kilos) is (one {x}|{x_a}|the {x})?
            (Look up|Find|Check|Search for) the weight of (one|a single|the) {x}.
            (Check|Find out|Let me know|Look up) how (heavy {x_a} is|much the {x} weighs).
            (Check|Find out|Let me know|Look up) how much {x_a} weighs.
            (Can you check|Do you happen to know) how (heavy {x_a} is|much {x_a} weighs)?
            Could you look up how (heavy {x_a} is|much {x_a} weighs)?
            (I want to know|I wonder|I need to know) (how much|what) (one {x}|{x_a}|the {x}) weighs.
            (I|We) (want|have|need) to (carry|ship|lift|send) {x_a}. How heavy is it?
            (I|We) (want|have|need) to (carry|ship|lift|send) {x_a}. How much does it weigh?
            If (I|we) (ship|send|carry) (one|a single) {x}, how (heavy|many kilograms) is (it|that)?
            (Suppose|Say) I put {x_a} on the scales. (What weight do they show|What do they show)?
            (According to|Going by) the (documents|catalogue), how heavy is {x_a}?
            (According to|Going by) the (documents|catalogue), how many kilograms is {x_a}?
            weight of (a single|one|the) {x}(?|, please)
            {x} weight(?|, please|)
            {x_a}: how (heavy|many kilograms|many kilos)?
            (What|Which) weight (does {x_a} have|is given for {x_a}|is listed for the {x})?
            I (do not know|forgot|am not sure) how heavy {x_a} is. (Look it up|Find out).
            I (do not know|forgot|am not sure) how heavy {x_a} is. Please check.
            What do {xs} weigh (each|apiece)?""",
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
            Do we have {xs} in stock?
            How many {xs} (are left|do we have left|are available|can we still sell)?
            How many {xs} (have we got|do we keep) (in stock|in the warehouse)?
            How many {xs} (have we|do we still have) (in stock|in the warehouse)?
            How many {xs} (can be found|are kept|are stored|lie) in the warehouse?
            (What is|What's) the (stock|inventory|stock level) of {xs}( right now| at the moment|)?
            (What number|What quantity) of {xs} (is in stock|does the warehouse hold)?
            (What number|What quantity) of {xs} do we have in stock?
            (Look up|Check|Find) the (stock|number|quantity) of {xs} in (stock|the warehouse).
            (Check|Find out|Let me know|See) how many {xs} (we have|are left|the warehouse holds).
            (Can you check|Do you happen to know) how many {xs} (are in stock|we have)?
            Could you look up how many {xs} (are in stock|we have)?
            (I want to know|I need to know) how many {xs} (we have in stock|there are in stock).
            I wonder how many {xs} (we have in stock|there are in stock).
            A (customer|shop|buyer) (wants|asks for|needs) {xs}. How many (do we have|are in stock)?
            If (somebody|a customer) (orders|buys) all (our|the) {xs}, how many (is that|are they)?
            (Are there|Have we got|Do we still have) any {xs} in stock? How many?
            (According to|Going by) the (inventory|documents), how many {xs} (do we have|are there)?
            {xs}: how many (are in stock|do we have|are left)?
            {xs} in (stock|the warehouse)(?|)
            (stock|number) of {xs} (in the warehouse|on hand|right now)(?|)
            In the warehouse, how many {xs} (are there|do we have|are stored)?
            How (large|big) is (our|the) stock of {xs}?""",
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
            Look up the capacity of the {x} Room.
            How many (people|visitors|guests|persons) (can sit|have room) in the {x} Room?
            How many (people|visitors|guests|persons) (can be seated|find a seat) in the {x} Room?
            How many (people|guests|visitors) (may be in|can meet in) the {x} Room?
            How many (people|guests|visitors) (may enter|fit into) the {x} Room?
            For how many (people|guests) is there (room|space) in the {x} Room?
            How many (seats|places) (does the {x} Room have|has the {x} Room)?
            How many (seats|places) are there in the {x} Room?
            (What is|What's) the (maximum|largest) number of people (in|for) the {x} Room?
            (Find|Check|Search for) the (capacity|number of seats) of the {x} Room( for me|).
            (Check|Let me know) how many (people|guests) (fit in|can sit in|may use) the {x} Room.
            Find out how many (people|guests) (fit in|can sit in|may use) the {x} Room.
            (Can you check|Could you find out) how many (people|guests) the {x} Room (holds|seats)?
            (I want to know|I wonder|I need to know) how (big|large) the {x} Room is.
            (We|I) (want|plan) to (meet|have a party) in the {x} Room. How many people fit in?
            If (I|we) (book|rent|use) the {x} Room, how many (people|guests) can (I|we) invite?
            (Suppose|Say) the {x} Room is (full|sold out). How many people are (in it|there)?
            (How large|How spacious) is the {x} Room?
            (According to|Going by) the documents, how many people (fit in|may use) the {x} Room?
            (capacity|size|number of seats) of the {x} Room(?|, please|)
            {x} Room (capacity|seats)(?|, please|)
            The {x} Room: (how many people|how many seats|what capacity)?
            What capacity (does the {x} Room have|has the {x} Room|is given for the {x} Room)?""",
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
            Look up the ferry to {x}.
            When (does|will) the (ferry|boat) (to|for) {x} (leave|depart|set off|sail)?
            (At what|What) time does the (boat|ferry) (to|for) {x} (depart|sail|set off|go)?
            When is the departure of the (ferry|boat) (to|for) {x}?
            (What is|What's) the departure time of the (ferry|boat) (to|for) {x}?
            (I|We) (want|need|have) to go to {x} by (ferry|boat). When does it leave?
            (I|We) (want|need|have) to go to {x} by (ferry|boat). What time does it go?
            If (I|we) take the (ferry|boat) to {x}, when (does it leave|do we leave|does it depart)?
            (Look up|Check|Find out|Let me know) when the (ferry|boat) to {x} (leaves|departs|goes).
            (Look up|Find|Check) the (time|departure) of the (ferry|boat) to {x}.
            (Can you check|Do you happen to know) when the ferry to {x} (leaves|goes)?
            Could you look up when the ferry to {x} (leaves|goes)?
            (I want to know|I wonder|I need to know) (when|what time) the ferry (to|for) {x} leaves.
            (By when|At what time) (must I|should we) (be at|catch|board) the ferry to {x}?
            (By when|At what time) do I have to (be at|catch|board) the ferry to {x}?
            According to the timetable, when does the (ferry|boat) to {x} (leave|depart|go)?
            Going by the timetable, when does the (ferry|boat) to {x} (leave|depart|go)?
            (Ferry|Boat|The ferry|The boat) to {x}: (when|what time|at what time)?
            (departure|time|departure time) of the (ferry|boat) to {x}(?|, please|)
            (ferry|boat) to {x}(?| when?| time|, departure time?)
            My (friend|sister|uncle) (goes|is going) to {x} by ferry. When does it (leave|depart)?
            When do (I|we|passengers) (leave|depart|set off) (for|to) {x} (with the|on the) ferry?
            There is a (ferry|boat) to {x}. When does it (leave|depart|go)?""",
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
            Where does the train to {x} leave?
            (Which|What) platform does the train (to|for) {x} (depart|go|leave) from?
            (From|At) (which|what) platform (do I find|do I catch) the train (to|for) {x}?
            (From|At) (which|what) platform can I board the train (to|for) {x}?
            (What is|What's) the platform (number|) (of|for) the train to {x}?
            (What is|What's) the number of the platform (of|for) the train to {x}?
            Where (do I|can I|do we|can we) (catch|board|get|find) the train (to|for) {x}?
            Where does the train (to|for) {x} (depart|go from|leave from)?
            (I|We) (want|need|have) to go to {x} by train. (Which|What) platform is it?
            If (I|we) take the train to {x}, (which|what) platform (do we need|is it|is that)?
            (Look up|Check|Find|Search for) the platform (of|for) the train to {x}.
            (Look up|Check|Find out|Let me know) (which|what) platform the train to {x} leaves from.
            Can you check (which|what) platform the train to {x} (uses|leaves from)?
            Could you look up (which|what) platform the train to {x} (uses|leaves from)?
            (I want to know|I wonder|I need to know) where the train to {x} (leaves|departs).
            (To|For) {x} by train: (which|what) platform?
            (The train|Train) (to|for) {x}: (which platform|what platform|where)?
            (platform|platform number) (of|for) the (train to {x}|{x} train)(?|, please|)
            train to {x}(, platform?|, which platform?| platform|: platform number?)
            (To|At) (which|what) platform (must I|do I|should we) go for the train to {x}?
            According to the timetable, (which|what) platform does the train to {x} leave from?
            Going by the timetable, (which|what) platform does the train to {x} leave from?
            My (friend|uncle) is taking the train to {x}. (Which|What) platform is it?
            My (friend|uncle) is taking the train to {x}. (Which|What) platform is that?
            My sister is taking the train to {x}. (Which|What) platform (is it|is that)?""",
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
            Look up the {x}.
            Who (works here|works|is employed|serves) as (the|our) {x}?
            Who is (our|your|their|the current) {x}?
            Who (has|holds) the (job|position|post|office) of {x}?
            (What is|What's) the (full|) name of (our|the current|the) {x}?
            (What is|What's) (our|the) {x}'s (full|) name?
            Which person (is|works as) (the|our) {x}?
            (Find|Look up|Check|Let me know|Give me) the (full|) name of (the|our) {x}.
            (Check|Let me know|See|Look up) who (the|our) {x} is.
            (Could you look up|Can you find out|Can you check) who (works as|is) (the|our) {x}?
            (I want to know|I wonder|I need to know|I forgot) who (the|our) {x} is.
            (I|We) (want|need|have) to (meet|see|write to) the {x}. Who is (it|that)?
            If I (meet|write to) the {x}, what is (his or her|the) name?
            (We|They) have {x_a} here, but who is it?
            The {x}(: who is it?|, who is that?|: what name?|'s name, please?)
            (name|full name) of (the|our) {x}(?|, please|)
            (According to|Going by) the (documents|list), who is (the|our) {x}?
            (Somebody|A visitor|My sister) (asked|wants to know) who the {x} is.
            I (do not know|have never met|am looking for) (the|our) {x}. Who is (it|that)?""",
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
            Find out how old {x} is.
            (What is|What's) {x}'s age?
            (What is|What's) the (current|exact|) age of {x}( now| today|)?
            How many years old is {x}( now| today|)?
            How old (would you say|do the documents say|does the list say) {x} is?
            (Look up|Find|Check|Search for|Give me) {x}'s age.
            (Find|Check|Search for|Give me) the age of {x}( for me|, please|).
            (Check|Look up|Let me know|See) how old {x} is( now| today|).
            (Can you check|Could you look up|Can you find out) how old {x} is( now| today|)?
            (I want to know|I wonder|I need to know|I forgot) how old {x} is( now| today|).
            (I am|We are) going to (meet|visit) {x}. How old is that person?
            How many years has {x} lived( so far| until now|)?
            (My|Our) (friend|neighbour) is (called|named) {x}. How old is (he or she|that person)?
            (My|Our) colleague is (called|named) {x}. How old is (he or she|that person)?
            There is a (person|colleague) (called|named) {x}. How old is (that person|he or she)?
            There is a member (called|named) {x}. How old is (that person|he or she)?
            {x}: (how old|what age|how many years old)?
            {x}'s age(?|, please|)
            (age|the age) of {x}(?|, please|)
            How old is {x} (now|today|at the moment|this year)?
            (According to|Going by) the (documents|list), (how old is {x}|what is the age of {x})?
            (What|Which) age (does {x} have|is given for {x}|is listed for {x})?
            I (am not sure|do not know|cannot remember) how old {x} is. (Look it up|Please check).
            (Suppose|Say) {x} fills in a form. What age (goes|stands) there?""",
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
            I need the extension of {x}.
            (What is|What's) {x}'s (phone number|extension|number|telephone number)?
            (What is|What's) the (number|telephone number|phone extension) of {x}?
            (Which|What) (number|extension|phone number) (do I dial|must I dial) for {x}?
            (Which|What) (number|extension|phone number) (do I need|should I call) for {x}?
            (Which|What) (number|phone number) does {x} have?
            (Under|On|At) (which|what) (number|extension) (can I|do I|can we) (reach|call) {x}?
            How (do I|do we|could I|can we) (call|phone|reach|ring) {x}( by phone| on the phone|)?
            (Look up|Find|Check|Give me) {x}'s (number|extension|phone number).
            (Look up|Find|Check|Give me) the (number|extension|telephone number) of {x}.
            (Can you find|Could you look up|Can you give me|May I have) {x}'s (number|phone number)?
            (I need|I am looking for|I want|I forgot|I lost) {x}'s (number|phone number|extension).
            (I|We) (want|need|have) to (call|phone|ring) {x}. Which number is it?
            (I|We) (want|need|have) to (call|phone|ring) {x}. What is the number?
            If I want to (call|reach|talk to) {x}, (which|what) number do I (dial|need|call)?
            (I want to know|I need to know|Find out|Check) (what|which) number {x} has.
            {x}: (what|which) (number|extension|phone number)?
            {x}'s (extension|number|phone number)(?|, please|)
            (phone number|extension|number|telephone number) of {x}(?|, please|)
            (According to|Going by) the phone list, what is the (number|extension) of {x}?
            (Connect|Put) me (with|through to) {x}: (which|what) number is it?
            My (boss|sister|colleague) (wants|has) to call {x}. What is the number?
            (What|Which) (number|extension) is (listed|given) for {x}?""",
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
            Look up when the {x} Museum opens.
            When (do they open|will they open) the {x} Museum( in the morning|)?
            (What is|What's) the opening (time|hour) of the {x} Museum?
            When does the {x} Museum (let visitors in|let people in|open its doors)?
            From (what time|which hour|what hour|what time on) is the {x} Museum open( every day|)?
            How early (can I|can we|can visitors) (visit|enter|go into) the {x} Museum?
            From when (can I|can we|may visitors) (visit|enter|see) the {x} Museum?
            (I|We) (want|plan|would like) to (visit|see) the {x} Museum. When does it open?
            If (I|we) (go to|visit) the {x} Museum, (from when is it open|when does it open)?
            (Find out|Check|Let me know|See) (when|what time) the {x} Museum opens.
            (Find|Look up|Check|Search for) the opening (time|hour) of the {x} Museum.
            (Can you check|Could you look up|Do you happen to know) when the {x} Museum opens?
            (I want to know|I need to know) (when|from when) the {x} Museum (opens|is open).
            I wonder (when|from when) the {x} Museum (opens|is open).
            The {x} Museum: (when does it open|open from when|what opening time)?
            {x} Museum (opening time|opening hour|opens when|opens at)(?|)
            (opening time|opening) of the {x} Museum(?|, please|)
            (According to|Going by) the (guide|documents), when does the {x} Museum open?
            My (class|sister|friend) (visits|is visiting) the {x} Museum. When does it open?
            When do the doors of the {x} Museum open( to visitors| in the morning|)?""",
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
            Look up the population of {x}.
            How many (people|persons|citizens|residents) (live|are living|have their home) in {x}?
            How many (residents|citizens|people|inhabitants) (does {x} have|has {x})?
            (What is|What's) the (population|number of inhabitants) of (the town of|) {x}?
            (What is|What's) {x}'s (population|number of inhabitants)?
            How (large|big) is the population of (the town of|) {x}?
            By how many people is (the town of|) {x} inhabited?
            (Find|Check|Search for|Give me) the (population|number of inhabitants) of {x}.
            (Look up|Find|Check|Give me) {x}'s population( for me|, please|).
            (Find out|Let me know) how many (people|inhabitants) (live in {x}|{x} has).
            (Check|Look up) how many (people|inhabitants) (live in {x}|{x} has).
            (Can you check|Could you look up|Can you find out) how many (people|residents) {x} has?
            (I want to know|I wonder|I need to know) how many people live in {x}.
            (I|We) (want|plan) to (move to|live in) {x}. How many people live there?
            If everybody in {x} (votes|comes), how many (people|persons) is that?
            If every inhabitant of {x} (votes|comes), how many (people|persons) is that?
            There is a town (called|named) {x}. How many (people|residents) does it have?
            There is a town (called|named) {x}. How many inhabitants does it have?
            {x}: (how many people|how many inhabitants|what population)?
            {x}'s population(?|, please|)
            (population|inhabitants|number of inhabitants) of {x}(?|, please|)
            According to the (guide|documents), how many (people|inhabitants) does {x} have?
            Going by the (guide|documents), how many (people|inhabitants) does {x} have?
            (What|Which) population (does {x} have|is given for {x}|has {x})?""",
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
            Look up the distance to {x}.
            How far (away|off) is (the town of|) {x}( from here|)?
            How far (is it|is the way|is the road|is the trip) (from here|) to {x}?
            How many (kilometres|km) (away is {x}|are there to {x}|is it to {x})?
            How many (kilometres|km) (do I drive|do I travel|must I go|are there from here) to {x}?
            (What is|What's) the (distance|number of kilometres) (from here|) to {x}?
            How long is the (road|way|trip|drive) (from here|) to {x}( in kilometres|)?
            (Find|Check|Search for|Give me) the distance (from here|) to {x}.
            (Find out|Check|Let me know|Look up) how far (it is to {x}|away {x} is).
            (Can you check|Could you look up|Can you find out) how far (it is to {x}|away {x} is)?
            (I want to know|I wonder|I need to know) how far (it is to {x}|away {x} is).
            (I|We) (want|plan|have) to (drive|travel|cycle|walk) to {x}. How far is (it|that)?
            If (I|we) (drive|go|travel|walk) to {x}, how (far|many kilometres) is (it|that)?
            (Suppose|Say) I (drive|go|travel) to {x}. How many kilometres is (it|that)?
            {x}: how (far|far away|many kilometres)?
            (To|As far as) {x}: how many (kilometres|km)( is it|)?
            (distance|kilometres|way) to {x}(?|, please|)
            (According to|Going by) the documents, how far (is it to|away is) {x}?
            (What|Which) distance (is given|must I cover|do I travel) to {x}?
            My (sister|uncle|friend) lives in {x}. How far (is it|away is it)?""",
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
            How old is the town of {x}?
            When (did people found|did they found|did somebody found) (the town of|) {x}?
            When was (the town of|the place called) {x} (founded|established)?
            When was {x} (established|started|set up)( as a town|)?
            (In|During) (what|which) year (was the town of {x}|was {x}) (established|founded)?
            (What|Which) year saw the (founding|foundation) of (the town of|) {x}?
            (What is|What's) the (year|date) of the (founding|foundation) of {x}?
            (Look up|Find|Check) (when|in which year) (the town of|) {x} was founded.
            (Look up|Find|Check|Give me) the (founding year|year of foundation) of {x}.
            (Find out|Let me know|See) (when|in what year) {x} (was founded|was established|began).
            (Can you check|Could you look up|Can you find out) (when|in which year) {x} was founded?
            (I want to know|I wonder|I need to know) (when|in what year) {x} was founded.
            (I|We) (live|work) in {x}. When was (it|the town) (founded|established)?
            {x} was founded (when|in which year|in what year)?
            {x}: (founded when|when was it founded|founded in which year)?
            (founding year|founding|foundation|year of the founding) of {x}(?|, please|)
            (According to|Going by) the (chronicle|documents), when was {x} founded?
            There is a town (called|named) {x}. (When|In which year) was it founded?
            From (what|which) year is (the town of|) {x}?
            My (sister|uncle|class) (visits|lives in) {x}. When was it (founded|established)?""",
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
            What is the color of the house of {x}?
            (What|Which) (color|colour) is {x}'s (house|home)?
            (What|Which) (color|colour) does {x}'s (house|home) have?
            (What|Which) (color|colour) (does the house of {x} have|has the house of {x})?
            (What is|What's) the (color|colour) of {x}'s (house|home)?
            (In|With) (what|which) (color|colour) is {x}'s house painted?
            In (what|which) (color|colour) (is|was) the house of {x} painted?
            (Look up|Find|Check|Give me) the (color|colour) of {x}'s (house|home).
            (Look up|Find out|Check|Let me know) (what|which) color the house of {x} (is|has).
            (Can you check|Could you look up|Can you find out) (what|which) color {x}'s house is?
            (I want to know|I wonder|I need to know) (what|which) color {x}'s house is.
            (I am|We are) looking for the house of {x}. (What|Which) color (is it|does it have)?
            If I (look for|want to find) {x}'s house, (what|which) color (is it|do I look for)?
            {x} (has|owns|lives in) a house. (What|Which) (color|colour) is it?
            {x}'s house: (what|which) (color|colour)?
            (color|colour) of {x}'s house(?|, please|)
            (color|colour) of the house of {x}(?|, please|)
            (The house of {x}|{x}'s house) is painted in (what|which) color?
            (According to|Going by) the documents, what (color|colour) is the house of {x}?""",
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
            Look up the price of a ticket to {x}.
            How much (is|does it cost to buy) (one|a single|the) ticket (to|for) {x}?
            How much does (one|a single|each) ticket to {x} cost?
            What (does|would) (one|a single|the) ticket to {x} cost( me|)?
            (What is|What's) the (price|cost) of (one|a single|the) ticket to {x}?
            (What is|What's) the (fare|ticket price) to {x}?
            How (expensive|costly) is (a|one|the|a single) ticket to {x}?
            How many {m} (is|do they want for) (a|one|the) ticket to {x}?
            How many {m} (do I need for|are charged for) (a|one|the) ticket to {x}?
            How many {m} does (a|one|a single) ticket to {x} cost?
            How much money do (I|we) need for (one|a single|a) ticket to {x}?
            (I|We) want to (travel|go) to {x}. (What|How much) does (a|one) ticket cost?
            (I|We) would like to (travel|go) to {x}. (What|How much) does (a|one) ticket cost?
            (I|We) plan to (travel|go) to {x}. (What|How much) does (a|one) ticket cost?
            (I need|I want|I would like) (a|one) ticket to {x}. (How much is it|What does it cost)?
            If I (buy|order|book) (a|one) ticket to {x}, (what does it cost|how much is it)?
            (Look up|Find|Check) the (fare|ticket price) to {x}.
            (Find|Check|Search for) the (price|cost) of (a|one|the) ticket to {x}.
            (Check|Find out|Let me know|Look up) (what|how much) (a|one|the) ticket to {x} costs.
            (Can you check|Can you find out) (what|how much) a ticket to {x} costs?
            Could you look up (what|how much) a ticket to {x} costs?
            (I want to know|I need to know) (what|how much) (a|one|the) ticket to {x} costs.
            I wonder (what|how much) (a|one|the) ticket to {x} costs.
            (One|A|A single) ticket to {x}: (how much|what price|how expensive)?
            (ticket price|fare) to {x}(?|, please|)
            (price|cost) of (a|one|the) ticket to {x}(?|, please|)
            (According to|Going by) the documents, how much is (a|one) ticket to {x}?
            (What do they charge|What is charged) for (a|one|the) ticket to {x}?
            How much do they ask for (a|one|the) ticket to {x}?
            For how (much|many {m}) can (I|we) get (a|one) ticket to {x}?
            What are tickets to {x} (sold for|going for)( each| apiece|)?""",
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
