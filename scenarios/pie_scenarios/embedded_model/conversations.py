"""Whole conversations: a system turn with tools, one or more exchanges, and their results.

`conversation(seed, split)` is a pure function of its arguments. The chat format itself is
described in `template.py`. Training sees a `Conversation` as segments of text, each to be
learnt or only read; evaluation runs the exchanges of `questions` through its own agent loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pie_scenarios.embedded_model import (
    arithmetic,
    chains,
    failures,
    joint_lookups,
    lookups,
    parallel,
    problems,
    programs,
    smalltalk,
    template,
)
from pie_scenarios.embedded_model.draw import Draw, Split
from pie_scenarios.embedded_model.exchange import (
    ARGUMENT,
    CALCULATOR,
    PYTHON,
    SEARCH,
    Call,
    Exchange,
    Reply,
    Round,
    Setting,
    Unanswerable,
    one_call,
)
from pie_scenarios.embedded_model.tooling import Toolbox, altered, run_code_here

ALTERED_SHARE = 0.25
MAX_RESULT_CHARACTERS = 120
EXPECTED_ERRORS = ("division by zero", "lookup without a match")

REACT_SYSTEM = "You are a helpful assistant. Use the tools when they help."
CODEACT_SYSTEM = "You are a helpful assistant. Solve problems by writing Python code."
PLAIN_SYSTEM = template.DEFAULT_SYSTEM
OTHER_SYSTEMS = (
    "You are a helpful assistant.",
    "You are an assistant with tools.",
    "Answer the questions of the user. Use the tools.",
    "You help people with questions.",
    "You are a careful assistant. Call tools for facts and numbers.",
)
DESCRIPTIONS = {
    CALCULATOR: (
        "Evaluate an arithmetic expression.",
        "Compute the value of an arithmetic expression.",
        "A calculator.",
    ),
    SEARCH: (
        "Search the document collection.",
        "Find passages in the documents.",
        "Search the documents for a query.",
    ),
    PYTHON: (
        "Run Python code and return what it prints.",
        "Execute a Python program.",
        "Run Python code.",
    ),
}

Maker = Callable[[Setting], Exchange]
CALCULATING: tuple[tuple[Maker, float], ...] = (
    (arithmetic.single, 20),
    (problems.single, 20),
    (chains.chain, 7),
    (parallel.several_calculations, 7),
    (failures.by_zero, 1),
)
SEARCHING: tuple[tuple[Maker, float], ...] = (
    (lookups.single, 18),
    (lookups.missing, 2),
    (lookups.retried, 3),
    (parallel.several_lookups, 12),
)
RECOVERING: tuple[tuple[Maker, float], ...] = (
    (failures.repeated, 2),
    (failures.corrected, 2),
    (failures.given_up, 0.7),
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rendered conversation, to be learnt or only read."""

    text: str
    learn: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """What stands before the first user message."""

    system: str
    tools: tuple[str, ...]
    schemas: tuple[dict[str, object], ...]


def opening(draw: Draw) -> Opening:
    """Draw an agent: its system text, its tools in some order, and their schemas."""
    kind = draw.random.random()
    if kind < 0.17:
        tools, system = [PYTHON], CODEACT_SYSTEM
    elif kind < 0.22:
        tools, system = [], PLAIN_SYSTEM
    else:
        subsets = ([CALCULATOR], [CALCULATOR, PYTHON], [CALCULATOR, SEARCH], [SEARCH, PYTHON])
        every = [CALCULATOR, SEARCH, PYTHON]
        tools = list(draw.any_of(subsets)) if draw.chance(0.35) else every
        draw.random.shuffle(tools)
        system = REACT_SYSTEM if draw.chance(0.85) else draw.any_of(OTHER_SYSTEMS)
    return Opening(system, tuple(tools), tuple(schema(tool, draw) for tool in tools))


def schema(tool: str, draw: Draw | None = None) -> dict[str, object]:
    """Return the schema of a tool as the template shows it, sometimes in other words."""
    varied = draw is not None and draw.chance(0.15)
    description = DESCRIPTIONS[tool][0]
    parameter: dict[str, object] = {"type": "string"}
    parameters: dict[str, object] = {
        "type": "object",
        "properties": {ARGUMENT[tool]: parameter},
        "required": [ARGUMENT[tool]],
    }
    if varied and draw is not None:
        description = draw.any_of(DESCRIPTIONS[tool])
        if draw.chance(0.4):
            parameter["description"] = f"The {ARGUMENT[tool]}."
        if draw.chance(0.3):
            parameters["additionalProperties"] = False
        if draw.chance(0.3):
            del parameters["required"]
    return {"name": tool, "description": description, "parameters": parameters}


def makers(tools: tuple[str, ...]) -> list[tuple[Maker, float]]:
    """Return what can be asked of an agent with these tools, with weights."""
    chosen: list[tuple[Maker, float]] = [(smalltalk.talk, 5 if tools else 12)]
    if CALCULATOR in tools or PYTHON in tools:
        chosen += CALCULATING
        chosen += RECOVERING
        chosen.append((parallel.several_mixed, 10 if len(tools) > 1 or PYTHON in tools else 1))
    if PYTHON in tools:
        chosen += [(programs.single, 20), (chains.program_then_sum, 5)]
    if SEARCH in tools:
        chosen += SEARCHING
        if CALCULATOR in tools or PYTHON in tools:
            chosen += [(joint_lookups.lookup_total, 6), (joint_lookups.two_lookups, 12)]
    if PYTHON not in tools or SEARCH not in tools:
        chosen.append((impossible, 8 if tools else 12))
    return chosen


def impossible(setting: Setting) -> Exchange:
    """Build a request that the declared tools cannot serve."""
    draw = setting.draw
    if not setting.tools:
        make = draw.any_of((arithmetic.single, programs.single, lookups.single, problems.single))
    elif PYTHON in setting.tools:
        make = lookups.single
    else:
        make = draw.any_of((programs.single, programs.single, lookups.single))
        if SEARCH in setting.tools:
            make = programs.single
    return smalltalk.unable(setting, make(setting).question)


def exchange(setting: Setting) -> Exchange:
    """Draw one exchange that fits the declared tools."""
    choices = makers(setting.tools)
    weights = [weight for _, weight in choices]
    (make, _), *_ = setting.draw.random.choices(choices, weights)
    return make(setting)


def conversation(seed: int | str, split: Split = "train") -> list[Segment]:
    """Return a training conversation, as segments that concatenate to its text."""
    draw = Draw(seed, split)
    begin = opening(draw)
    setting = Setting(draw, begin.tools)
    segments = [Segment(template.system_turn(begin.system, begin.schemas), False)]
    count = draw.random.choices((1, 2, 3, 4, 8), (30, 24, 24, 20, 2))[0]
    previous = ""
    for _ in range(count):
        previous = _add_exchange(setting, segments, previous)
    return segments


def _add_exchange(setting: Setting, segments: list[Segment], previous: str) -> str:
    """Append one exchange; return its number, which the next one may refer to."""
    while True:
        if previous and setting.draw.chance(0.35):
            asked = follow_up(setting, previous)
        else:
            asked = exchange(setting)
        try:
            turns, reply = perform(setting.draw, asked)
        except Unanswerable:
            continue
        segments.append(Segment(template.user_turn(asked.question), False))
        segments += turns
        numeric = len(reply.values) == 1 and reply.values[0].lstrip("-").replace(".", "").isdigit()
        usable = numeric and bool({CALCULATOR, PYTHON} & set(setting.tools))
        return reply.values[0] if usable and "failed" not in reply.text else ""


def follow_up(setting: Setting, previous: str) -> Exchange:
    """Build a message about the number that the previous answer gave."""
    question, expression = chains.follow_up(setting)
    call = setting.arithmetic(chains.on(expression, previous))

    def reply(result: str) -> Reply:
        return Reply(f"The answer is {result}.", (result,))

    return Exchange("follow-up", question, one_call(call, reply))


def perform(draw: Draw, asked: Exchange) -> tuple[list[Segment], Reply]:
    """Run the plan with real tools, altering some results; return the turns and the reply.

    Raises:
        Unanswerable: a tool refused a call that should have worked, or said too much.
    """
    box = Toolbox(asked, run_code_here)
    plan, turns = asked.plan(), []
    begin = Segment(template.ASSISTANT_START, False)
    try:
        made: Round = next(plan)
        while True:
            results = [_result(draw, box, asked, call) for call in made.calls]
            body = template.calls_text(
                ((call.tool, {ARGUMENT[call.tool]: call.text}) for call in made.calls), made.remark
            )
            turns += [begin, Segment(body + template.TURN_END, made.learn)]
            turns.append(Segment(template.tool_turn(results), False))
            made = plan.send(results)
    except StopIteration as stop:
        reply: Reply = stop.value
    turns += [begin, Segment(reply.text + template.TURN_END, True)]
    return turns, reply


def _result(draw: Draw, box: Toolbox, asked: Exchange, call: Call) -> str:
    result = box.run(call)
    if result == asked.fault or asked.kind in EXPECTED_ERRORS:
        return result
    longest = MAX_RESULT_CHARACTERS * (2 if call.tool == SEARCH else 1)
    if result.startswith("error:") or len(result) > longest:
        raise Unanswerable
    if call.tool == SEARCH:
        lines = result.split("\n")
        return "\n".join(lines[::-1]) if draw.chance(0.12) else result
    return altered(result, draw.random) if draw.chance(ALTERED_SHARE) else result
