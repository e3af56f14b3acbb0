"""Measures the embedded model as an agent on freshly generated, held-out questions.

    python -m pie_scenarios.embedded_model.evaluate CHECKPOINT_DIRECTORY

The model generates, its calls are parsed and run by the real calculator, the real document
index (over a small collection made for the question) and Python in a child process, until it
answers. The answer is right if it contains every value that the question's plan arrives at with
the same tools. `altered` repeats this with tools that return wrong numbers: only a model that
uses results follows them. Numbers, names and phrasings are those that training never draws.

`Generate` is all that is asked of a model, so the same measurement runs through a server.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Tokenizer

from pie_scenarios.embedded_model import conversations, template
from pie_scenarios.embedded_model.draw import Draw
from pie_scenarios.embedded_model.exchange import ARGUMENT, Call, Exchange, Setting, Unanswerable
from pie_scenarios.embedded_model.local_generator import LocalGenerator, load_network
from pie_scenarios.embedded_model.tokenizer import END_OF_TURN
from pie_scenarios.embedded_model.tooling import Toolbox, run_code_here, run_code_in_child

MAX_ROUNDS = 6
SINGLE_TOOL = ("calculation", "word problem", "program", "lookup")
MULTI_STEP = (
    "chain",
    "program, then calculation",
    "lookup, then calculation",
    "two lookups, then calculation",
    "parallel calculations",
    "parallel lookups",
    "parallel mixed",
    "follow-up",
    "recovery: repeat",
    "recovery: correction",
    "recovery: search",
)
OTHER = (
    "talk",
    "no fitting tool",
    "division by zero",
    "lookup without a match",
    "recovery: give up",
)
CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Generate(Protocol):
    """A model: it continues a prompt up to the end of its turn, which it leaves out."""

    def generate(self, prompt_tokens: list[int]) -> list[int]:
        """Return the tokens that follow `prompt_tokens`."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation to be had: an agent and what it is asked, one after the other."""

    kind: str
    opening: conversations.Opening
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one conversation ended."""

    kind: str
    right: bool
    wanted: tuple[str, ...]
    transcript: str


def question(kind: str, seed: str) -> Question:
    """Draw a held-out question of `kind`, answerable with real and with altered results."""
    draw = Draw(f"evaluation/{kind}/{seed}", "held_out")
    while True:
        opening = conversations.opening(draw)
        setting = Setting(draw, opening.tools)
        first = "calculation" if kind == "follow-up" else kind
        choices = [make for make, _ in conversations.makers(opening.tools)]
        made = [make(setting) for make in choices]
        fitting = [asked for asked in made if asked.kind == first]
        if not fitting:
            continue
        try:
            values = [wanted(fitting[0], alter=alter) for alter in (False, True)]
        except Unanswerable:
            continue
        if any(len(value) > conversations.MAX_RESULT_CHARACTERS for value in values[0]):
            continue
        return Question(kind, opening, (fitting[0],))


def wanted(asked: Exchange, *, alter: bool) -> tuple[str, ...]:
    """Return the values that a right answer contains, by running the plan.

    Raises:
        Unanswerable: a tool refuses what the plan asks of it.
    """
    box, plan = Toolbox(asked, run_code_here, alter=alter), asked.plan()
    try:
        made = next(plan)
        while True:
            results = [box.run(call) for call in made.calls]
            bad = any(result.startswith("error:") and result != asked.fault for result in results)
            if bad and asked.kind not in conversations.EXPECTED_ERRORS:
                raise Unanswerable
            made = plan.send(results)
    except StopIteration as stop:
        values: tuple[str, ...] = stop.value.values
        return values


def converse(model: Generate, tokenizer: Tokenizer, asked: Question, *, alter: bool) -> Outcome:
    """Have the conversation and judge its last answer."""
    text = template.system_turn(asked.opening.system, asked.opening.schemas)
    exchanges = list(asked.exchanges)
    if asked.kind == "follow-up":
        previous = wanted(exchanges[0], alter=alter)[0]
        setting = Setting(Draw(exchanges[0].question, "held_out"), asked.opening.tools)
        exchanges.append(conversations.follow_up(setting, previous))
    begin = len(text)
    right = True
    values: tuple[str, ...] = ()
    for exchange in exchanges:
        text += template.user_turn(exchange.question)
        box = Toolbox(exchange, run_code_in_child, alter=alter)
        text, answer = _answer(model, tokenizer, text, asked.opening.tools, box)
        try:
            values = wanted(exchange, alter=alter)
        except Unanswerable:
            continue
        right = right and all(holds(answer, value) for value in values)
    return Outcome(asked.kind, right, values, text[begin:])


def _answer(
    model: Generate, tokenizer: Tokenizer, text: str, declared: tuple[str, ...], box: Toolbox
) -> tuple[str, str]:
    """Run the agent loop; return (the whole text, the final answer or nothing)."""
    for _ in range(MAX_ROUNDS):
        text += template.ASSISTANT_START
        tokens = tokenizer.encode(text, add_special_tokens=False).ids
        said = tokenizer.decode(model.generate(tokens), skip_special_tokens=False)
        text += said + template.TURN_END
        calls = CALL.findall(said)
        if not calls:
            return text, said
        text += template.tool_turn([_run(box, declared, call) for call in calls])
    return text, ""


def _run(box: Toolbox, declared: tuple[str, ...], call_text: str) -> str:
    try:
        call = json.loads(call_text)
        name, arguments = call["name"], call["arguments"]
        if name not in declared:
            return f"error: unknown tool {name}"
        return box.run(Call(name, str(arguments[ARGUMENT[name]])))
    except (ValueError, KeyError, TypeError):
        return "error: malformed tool call"


def holds(answer: str, value: str) -> bool:
    """Return whether `answer` contains `value`, as a number or as whole words."""
    if NUMBER.fullmatch(value):
        number = float(value)
        return any(
            abs(float(found) - number) <= 1e-9 * max(1.0, abs(number))
            for found in NUMBER.findall(answer)
        )
    pattern = rf"(?<![\w.]){re.escape(value)}(?!\w)"
    return re.search(pattern, answer, re.IGNORECASE) is not None


def report(rows: dict[str, dict[str, list[bool]]]) -> str:
    """Write the outcomes as a Markdown table: a line per kind and one per group."""
    lines = ["| conversations | questions | right | right, results altered |", "|---|---|---|---|"]
    groups = (("single tool", SINGLE_TOOL), ("multi-step", MULTI_STEP), ("other", OTHER))
    for group, kinds in groups:
        seen = [kind for kind in kinds if kind in rows]
        for name, members in [(kind, [kind]) for kind in seen] + [(f"**all {group}**", seen)]:
            real = [right for kind in members for right in rows[kind]["real"]]
            wrong = [right for kind in members for right in rows[kind]["altered"]]
            lines.append(f"| {name} | {len(real)} | {_share(real)} | {_share(wrong)} |")
    return "\n".join(lines)


def _share(outcomes: list[bool]) -> str:
    return f"{100 * sum(outcomes) / len(outcomes):.1f} %" if outcomes else ""


def evaluate(
    model: Generate,
    tokenizer: Tokenizer,
    kinds: Iterable[str],
    count: int,
    seed: str,
    show: int = 0,
    *,
    altered: bool = True,
) -> dict[str, dict[str, list[bool]]]:
    """Ask `count` questions of every kind; return the outcomes by kind and by mode."""
    rows: dict[str, dict[str, list[bool]]] = defaultdict(lambda: {"real": [], "altered": []})
    for kind in kinds:
        shown = 0
        for index in range(count):
            asked = question(kind, f"{seed}/{index}")
            for mode in ("real", "altered") if altered else ("real",):
                outcome = converse(model, tokenizer, asked, alter=mode == "altered")
                rows[kind][mode].append(outcome.right)
                if not outcome.right and shown < show:
                    shown += 1
                    print(f"--- {kind} ({mode}), wanted {outcome.wanted}\n{outcome.transcript}")
        real = rows[kind]["real"]
        print(f"{kind}: {_share(real)} {_share(rows[kind]['altered'])}", file=sys.stderr)
    return dict(rows)


def main() -> None:
    """Evaluate the checkpoint of the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--questions", type=int, default=100, help="of every kind")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--only", action="append", help="a kind; may be repeated")
    parser.add_argument("--show", type=int, default=0, help="wrong conversations printed per kind")
    parser.add_argument("--no-altered", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(options.checkpoint / "tokenizer.json"))
    (end,) = tokenizer.encode(END_OF_TURN).ids
    model = LocalGenerator(load_network(options.checkpoint), end, options.temperature)
    kinds = options.only or (*SINGLE_TOOL, *MULTI_STEP, *OTHER)
    altered = not options.no_altered
    rows = evaluate(
        model, tokenizer, kinds, options.questions, options.seed, options.show, altered=altered
    )
    print(report(rows))


if __name__ == "__main__":
    main()
