"""The parts of a conversation: calls, rounds, replies, exchanges.

An `Exchange` is one user message and a *plan*: a Python generator that yields rounds of tool
calls, is sent their results, and returns the reply. The generator of training data runs the
plan against real, altered or failing tools and writes down what was said; the evaluation runs
the same plan against the same tools to learn what the model's answer must contain.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from pie_scenarios.embedded_model.draw import Draw

CALCULATOR, SEARCH, PYTHON = "calculator", "search_documents", "python"
ARGUMENT = {CALCULATOR: "expression", SEARCH: "query", PYTHON: "code"}


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; each of our tools takes a single text."""

    tool: str
    text: str


@dataclass(frozen=True, slots=True)
class Round:
    """Calls made together in one assistant turn, after an optional remark."""

    calls: tuple[Call, ...]
    remark: str = ""
    learn: bool = True  # False for a mistake that the model must see but not imitate


@dataclass(frozen=True, slots=True)
class Reply:
    """The final answer of an exchange and the values without which it is wrong."""

    text: str
    values: tuple[str, ...] = ()


Plan = Generator[Round, list[str], Reply]


class Unanswerable(Exception):
    """The drawn question has no usable answer (a tool refused it); draw another one."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A passage of the collection that the exchange may search."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and how it is answered."""

    kind: str
    question: str
    plan: Callable[[], Plan]
    facts: tuple[Fact, ...] = ()
    fault: str = ""  # what the first calls return instead of their results
    faulty_calls: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """What an exchange is built for: the random source and the tools that are declared."""

    draw: Draw
    tools: tuple[str, ...]

    def has(self, *names: str) -> bool:
        """Return whether all these tools are declared."""
        return set(names) <= set(self.tools)

    def arithmetic(self, expression: str) -> Call:
        """Return the call that evaluates `expression` with the tools that there are."""
        if self.has(CALCULATOR):
            return Call(CALCULATOR, expression)
        if expression.startswith("sqrt("):
            expression = f"{expression[5:-1]}**0.5"
        return Call(PYTHON, f"print({expression})")


def one_call(call: Call, reply: Callable[[str], Reply], remark: str = "") -> Callable[[], Plan]:
    """Return a plan of a single call whose result `reply` turns into the answer."""

    def plan() -> Plan:
        (result,) = yield Round((call,), remark)
        return reply(result)

    return plan


def no_call(text: str, *values: str) -> Callable[[], Plan]:
    """Return a plan that answers at once."""

    def plan() -> Plan:
        return Reply(text, values)
        yield  # makes this a generator

    return plan
