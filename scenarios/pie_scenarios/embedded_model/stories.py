"""Word problems in several wordings each: data for `problems`."""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.embedded_model.draw import Phrases, phrases


@dataclass(frozen=True, slots=True)
class Problem:
    """A story in several wordings, its expression and its answer."""

    wordings: Phrases
    expression: str
    answer: str


PROBLEMS = (
    Problem(
        phrases(
            """One {t} costs {a} {m}. How much do {b} {ts} cost?
            A {t} costs {a} {m}. What do {b} {ts} cost?
            If one {t} costs {a} {m}, how much are {b} {ts}?
            {P} buys {b} {ts} at {a} {m} each. How much does {P} pay?
            {b} {ts} at {a} {m} each: what is the total?
            What is the price of {b} {ts} if one {t} costs {a} {m}?
            {P} needs {b} {ts}. Each costs {a} {m}. What is the total cost?
            The price of a {t} is {a} {m}. How much would {b} of them cost?""",
            """How much does {P} pay for {b} {ts} if each costs {a} {m}?
            One {t} costs {a} {m}. {P} buys {b} {ts}. What is the total cost?""",
        ),
        "{b}*{a}",
        "{b} {ts} cost {r} {m}.",
    ),
    Problem(
        phrases(
            """{P} has {a} {ts} and buys {b} more. How many {ts} does {P} have now?
            {P} had {a} {ts} and got {b} more. How many {ts} are there now?
            {P} owns {a} {ts}. {Q} gives {P} {b} more {ts}. How many does {P} have?
            There are {a} {ts} on a shelf and {b} are added. How many {ts} are on the shelf?
            {P} has {a} {ts} and {Q} has {b}. How many {ts} do they have together?
            {P} collected {a} {ts} and {Q} collected {b} {ts}. How many is that in total?""",
            """{P} has {a} {ts} and finds {b} more. How many {ts} are there now?
            {P} owns {a} {ts} and {Q} owns {b}. How many {ts} do they own together?""",
        ),
        "{a}+{b}",
        "There are {r} {ts}.",
    ),
    Problem(
        phrases(
            """{P} has {A} {ts} and gives away {b}. How many {ts} are left?
            {P} had {A} {ts} and lost {b}. How many {ts} does {P} have left?
            A shop has {A} {ts} and sells {b}. How many {ts} remain?
            There were {A} {ts} in the store. {P} took {b} of them. How many are left?
            {P} had {A} {ts} and gave {b} to {Q}. How many {ts} are left?
            Out of {A} {ts}, {b} are broken. How many {ts} are fine?""",
            """{P} owns {A} {ts} and sells {b}. How many {ts} are left?
            {P} had {A} {ts}. {Q} took {b} of them. How many remain?""",
        ),
        "{A}-{b}",
        "{r} {ts} are left.",
    ),
    Problem(
        phrases(
            """There are {a} boxes with {b} {ts} each. How many {ts} are there?
            {P} has {a} boxes. Each box holds {b} {ts}. How many {ts} is that?
            {a} bags hold {b} {ts} each. How many {ts} are there in total?
            A truck carries {a} crates with {b} {ts} each. How many {ts} does it carry?
            There are {a} rows of {b} {ts}. How many {ts} are there altogether?
            {P} fills {a} shelves with {b} {ts} each. How many {ts} does {P} need?""",
            """{P} packs {a} boxes with {b} {ts} each. How many {ts} are there in total?
            There are {a} bags. Each bag holds {b} {ts}. How many {ts} are there?""",
        ),
        "{a}*{b}",
        "There are {r} {ts}.",
    ),
    Problem(
        phrases(
            """{P} shares {n} {ts} equally among {d} friends. How many does each get?
            {n} {ts} are divided equally among {d} people. How many {ts} does each get?
            {d} children share {n} {ts} equally. How many {ts} per child?
            {P} splits {n} {ts} between {d} people. How many {ts} are there for each?""",
            """{P} divides {n} {ts} equally among {d} children. How many does each get?
            {d} friends share {n} {ts}. How many {ts} does each friend get?""",
        ),
        "{n}/{d}",
        "Each gets {r} {ts}.",
    ),
    Problem(
        phrases(
            """{P} packs {n} {ts} into boxes of {d}. How many boxes does {P} need?
            How many boxes are needed for {n} {ts} if each box holds {d}?
            A box holds {d} {ts}. How many boxes do {n} {ts} fill?
            {n} {ts} are packed in bags of {d}. How many bags is that?""",
            """{P} has {n} {ts} and puts {d} in each box. How many boxes are needed?
            How many bags are needed for {n} {ts} if each bag holds {d}?""",
        ),
        "{n}/{d}",
        "That makes {r}.",
    ),
    Problem(
        phrases(
            """A train drives {a} km per hour for {s} hours. How far does it go?
            {P} rides {s} hours at {a} km an hour. How many kilometres is that?
            A bus travels at {a} km per hour. How far does it get in {s} hours?
            How far does a car go in {s} hours at {a} km/h?""",
            """A car drives {s} hours at {a} km per hour. How far does it go?
            {P} travels at {a} km an hour for {s} hours. How far is that?""",
        ),
        "{a}*{s}",
        "It is {r} km.",
    ),
    Problem(
        phrases(
            """A train goes {n} km in {d} hours. What is its speed?
            {P} drives {n} km in {d} hours. How fast is that?
            What is the average speed if you travel {n} km in {d} hours?""",
            """A bus drives {n} km in {d} hours. How fast does it go?""",
        ),
        "{n}/{d}",
        "The speed is {r} km per hour.",
    ),
    Problem(
        phrases(
            """{P} pays with {A} {m} for a {t} that costs {b} {m}. How much change is there?
            A {t} costs {b} {m} and {P} pays {A} {m}. What is the change?
            {P} has {A} {m} and buys a {t} for {b} {m}. How much money is left?
            {P} spends {b} of {A} {m} on a {t}. How much is left?""",
            """{P} buys a {t} for {b} {m} and pays with {A} {m}. How much change is there?
            {P} had {A} {m} and spent {b} {m} on a {t}. How much money is left?""",
        ),
        "{A}-{b}",
        "{r} {m} are left.",
    ),
    Problem(
        phrases(
            """{P} buys {a} {ts} at {b} {m} and {c} {us} at {d} {m}. What is the total?
            {P} buys {a} {ts} for {b} {m} each and {c} {us} for {d} {m} each. How much is it?
            {a} {ts} at {b} {m} each and {c} {us} at {d} {m} each: what does it all cost?
            A {t} costs {b} {m} and a {u} costs {d} {m}. How much are {a} {ts} and {c} {us}?""",
            """{P} needs {a} {ts} at {b} {m} each and {c} {us} at {d} {m} each. What is the total?
            What do {a} {ts} at {b} {m} and {c} {us} at {d} {m} cost?""",
        ),
        "{a}*{b}+{c}*{d}",
        "The total is {r} {m}.",
    ),
    Problem(
        phrases(
            """{P} earns {a} {m} an hour and works {s} hours a day. What does {P} earn in {c} days?
            {P} works {s} hours a day for {c} days at {a} {m} an hour. How much does {P} earn?
            At {a} {m} per hour, how much does {P} earn in {c} days of {s} hours?""",
            """{P} works {c} days, {s} hours a day, at {a} {m} an hour. How much does {P} earn?""",
        ),
        "{a}*{s}*{c}",
        "{P} earns {r} {m}.",
    ),
    Problem(
        phrases(
            """What is the area of a rectangle of {a} by {b} metres?
            A garden is {a} m long and {b} m wide. What is its area?
            A room is {a} metres long and {b} metres wide. How big is the area?
            Find the area of a field that is {a} m long and {b} m wide.""",
            """What is the area of a garden that is {a} m long and {b} m wide?
            A field is {a} metres long and {b} metres wide. What is its area?""",
        ),
        "{a}*{b}",
        "The area is {r} square metres.",
    ),
    Problem(
        phrases(
            """What is the perimeter of a rectangle of {a} by {b} metres?
            A garden is {a} m long and {b} m wide. How long is the fence around it?
            A room is {a} metres long and {b} metres wide. What is its perimeter?""",
            """What is the perimeter of a garden that is {a} m long and {b} m wide?""",
        ),
        "2*({a}+{b})",
        "The perimeter is {r} metres.",
    ),
    Problem(
        phrases(
            """{P} is {y} years old. {Q} is {z} years older. How old is {Q}?
            {P} is {y}. How old will {P} be in {z} years?
            {Q} is {z} years older than {P}, who is {y}. How old is {Q}?""",
            """{P} is {y} years old. How old will {P} be in {z} years?""",
        ),
        "{y}+{z}",
        "The age is {r}.",
    ),
    Problem(
        phrases(
            """{P} is {s} times as old as {Q}, who is {y}. How old is {P}?
            {Q} is {y} years old. {P} is {s} times as old. How old is {P}?""",
            """{Q} is {y}. {P} is {s} times as old as {Q}. How old is {P}?""",
        ),
        "{s}*{y}",
        "The age is {r}.",
    ),
    Problem(
        phrases(
            """{P} reads {a} pages a day. How many pages does {P} read in {c} days?
            {P} makes {a} {ts} a day. How many {ts} does {P} make in {c} days?
            A factory makes {a} {ts} per day. How many {ts} does it make in {c} days?
            If {P} walks {a} steps an hour, how many steps is that in {c} hours?""",
            """{P} makes {a} {ts} an hour. How many {ts} is that in {c} hours?
            A shop sells {a} {ts} a day. How many {ts} does it sell in {c} days?""",
        ),
        "{a}*{c}",
        "It is {r}.",
    ),
    Problem(
        phrases(
            """{s} tickets cost {a} {m} each and there is a discount of {c} {m}. What is the price?
            {P} buys {s} {ts} at {a} {m} each and gets {c} {m} off. What does {P} pay?
            {P} orders {s} {ts} at {a} {m} each with a coupon of {c} {m}. What is the total?""",
            """{P} buys {s} {ts} at {a} {m} each with a discount of {c} {m}. What is the price?""",
        ),
        "{s}*{a}-{c}",
        "The price is {r} {m}.",
    ),
    Problem(
        phrases(
            """{P} has {A} {ts}, loses {b} and finds {c}. How many {ts} are there now?
            {P} had {A} {ts}, gave away {b} and bought {c}. How many {ts} does {P} have?
            A bus starts with {A} people. {b} get off and {c} get on. How many are on the bus?""",
            """{P} has {A} {ts}, sells {b} and buys {c}. How many {ts} are there now?""",
        ),
        "{A}-{b}+{c}",
        "There are {r} now.",
    ),
    Problem(
        phrases(
            """{s} boxes hold {a} {ts} each and {c} {ts} are loose. How many {ts} are there?
            {P} has {s} bags with {a} {ts} each and {c} more {ts}. How many in total?
            {P} buys {s} packs of {a} {ts} and {c} single {ts}. How many {ts} is that?""",
            """{P} has {s} boxes of {a} {ts} each and {c} more. How many {ts} are there?""",
        ),
        "{s}*{a}+{c}",
        "There are {r} {ts}.",
    ),
    Problem(
        phrases(
            """A {t} costs {a} {m} and is {p}% off. What is the new price?
            A {t} for {a} {m} has a discount of {p}%. What does it cost now?
            What does a {t} of {a} {m} cost after a {p}% discount?""",
            """A {t} costs {a} {m}. What does it cost after a {p}% discount?""",
        ),
        "{a}*(100-{p})/100",
        "The new price is {r} {m}.",
    ),
    Problem(
        phrases(
            """A bill is {a} {m} and {P} adds a {p}% tip. How much is that in total?
            A {t} costs {a} {m} plus {p}% tax. What is the price with tax?
            The price of a {t} is {a} {m} and rises by {p}%. What is the new price?""",
            """A {t} costs {a} {m} and {p}% tax is added. What is the total price?""",
        ),
        "{a}*(100+{p})/100",
        "The total is {r} {m}.",
    ),
    Problem(
        phrases(
            """{x} of {n} people in {L} have {t_a}. What percent is that?
            What percentage of {n} is {x}?
            What percent of {n} is {x}?
            {x} is what percent of {n}?""",
            """{x} is what percentage of {n}?
            How many percent of {n} is {x}?""",
        ),
        "{x}*100/{n}",
        "It is {r} percent.",
    ),
)
