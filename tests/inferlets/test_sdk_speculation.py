"""Speculation: drafts, under grammars too, change nothing but the number of passes."""

from __future__ import annotations

import pytest

from inferlet import PromptLookup
from inferlet.spec import matching
from pie_server.runtime import JsonValue
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded
from tests.inferlets.real_engine import tiny as tiny
from tests.inferlets.test_sdk_constraining import HEAD, SCHEMA


async def test_speculated_output_equals_plain_greedy_output(embedded: RealRunner) -> None:
    """Also where drafts are wrong, cut off by `max_tokens`, or hold the stop token."""
    source = (
        HEAD
        + """
class Oracle:
    # Drafts what it is told will follow, every third token wrong.
    def __init__(self, truth, wrong):
        self.truth, self.wrong, self.at, self.refused = truth, wrong, 0, 0
    def draft(self):
        drafts = list(self.truth[self.at:self.at + 5])
        if self.wrong and len(drafts) > 2:
            drafts[2] += 1
        return drafts, []
    def accept(self, tokens): self.at += len(tokens)
    def rollback(self, n): self.refused += n
    def reset(self): self.at = 0

async def main(input):
    rows = []
    for question in input["questions"]:
        for most in (7, 60):
            plain = Context(model).user(question)
            truth = await plain.complete(Sampler.argmax(), max_tokens=most)
            wanted = [t for t in truth.tokens if t not in model.eos_tokens]
            prompt = Context(model).user(question).cue().buffer()
            for name, speculator in {
                "lookup": PromptLookup(prompt), "right": Oracle(truth.tokens, False),
                "wrong": Oracle(truth.tokens, True),
            }.items():
                ctx = Context(model).user(question)
                generator = ctx.generate(Sampler.argmax(), max_tokens=most, speculator=speculator)
                tokens, steps = [], 0
                async for step in generator:
                    tokens += (await step.execute()).tokens
                    steps += 1
                held = ctx.seq_len + len(ctx.buffer()), ctx.info()["tokens"] + len(ctx.buffer())
                rows.append({
                    "name": name, "same": tokens == wanted, "tokens": len(wanted),
                    "steps": steps, "held": held, "expected": len(prompt) + len(wanted),
                    "counted": generator.tokens_generated,
                    "refused": getattr(speculator, "refused", None),
                })
    return rows
"""
    )
    questions: list[JsonValue] = [
        "What is 17 * 23?",
        "Say hello to Ann.",
        "one two three one two three one two",
    ]
    rows = await embedded(source, {"questions": questions})
    assert len(rows) == 18
    for row in rows:
        assert row["same"], row
        assert row["held"] == [row["expected"], row["expected"]], row
        assert row["counted"] == row["tokens"]
        if row["name"] == "right" and row["tokens"] > 5:
            assert row["steps"] <= row["tokens"] // 6 + 2, row
        if row["name"] == "wrong" and row["tokens"] > 5:
            assert row["refused"], row


GRAMMARS = {
    "schema": f"JsonSchema({SCHEMA!r})",
    "json": "AnyJson()",
    "regex": "Regex('(red|green|blue)(, (red|green|blue)){2,9}')",
    "ebnf": 'Ebnf(\'root ::= "(" root ")" | [a-z]+ | root " " root\')',
    "calls": 'ToolCallFormat(["calculator"])',
}

CONSTRAINED = (
    HEAD
    + """
from inferlet.spec import matching

class Oracle:
    # Drafts what it is told will follow, some of it wrong, and then what no grammar allows.
    def __init__(self, truth, wrong):
        self.truth, self.wrong, self.at, self.right, self.refused = truth, wrong, 0, 0, 0
    def draft(self):
        drafts = list(self.truth[self.at:self.at + 4])
        if self.wrong and len(drafts) > 1:
            drafts[self.at % len(drafts)] = 5 + self.at % 7
        return drafts + self.wrong, []
    def accept(self, tokens):
        self.at += len(tokens)
        self.right += len(tokens) - 1
    def rollback(self, n): self.refused += n
    def reset(self): self.at = 0

async def main(input):
    rows = []
    constrain = CONSTRAIN
    for question in input["questions"]:
        def ask():
            return Context(model).user(question)
        truth = await ask().complete(Sampler.argmax(), max_tokens=48, constrain=constrain)
        wanted = [t for t in truth.tokens if t not in model.eos_tokens]
        prompt = ask().cue().buffer()
        outside = model.tokenizer().encode("@#@")
        for name, speculator in {
            "steps": None, "lookup": PromptLookup(prompt), "right": Oracle(truth.tokens, []),
            "wrong": Oracle(truth.tokens, outside), "eos": Oracle([], list(model.eos_tokens)),
        }.items():
            ctx = ask()
            generator = ctx.generate(
                Sampler.argmax(), max_tokens=48, constrain=constrain, speculator=speculator)
            tokens, steps = [], 0
            async for step in generator:
                tokens += (await step.execute()).tokens
                steps += 1
            rows.append({
                "name": name, "same": tokens == wanted, "tokens": len(wanted), "steps": steps,
                "held": ctx.seq_len + len(ctx.buffer()) - len(prompt),
                "right": getattr(speculator, "right", 0),
                "refused": getattr(speculator, "refused", 0),
                "found": [model.tokenizer().decode(tokens), model.tokenizer().decode(wanted)],
            })
    return rows
"""
)


@pytest.mark.parametrize("name", GRAMMARS)
async def test_speculation_under_a_grammar_equals_plain_constrained_decoding(
    embedded: RealRunner, name: str
) -> None:
    """Also where drafts are wrong, are what the grammar forbids, or are its end."""
    questions: list[JsonValue] = [
        "Repeat: red, green, blue, red, green, blue, red, green",
        'Repeat: {"name": "ann", "age": 7}, {"name": "ann", "age": 7}',
        "What is 17 * 23?",
    ]
    rows = await embedded(
        CONSTRAINED.replace("CONSTRAIN", GRAMMARS[name]), {"questions": questions}
    )
    assert len(rows) == 5 * len(questions)
    for row in rows:
        assert row["same"], row
        assert row["held"] == row["tokens"]
        if row["name"] == "steps":
            assert row["steps"] in (row["tokens"], row["tokens"] + 1)
        if row["name"] == "right" and row["tokens"] > 5:
            assert row["steps"] <= row["tokens"] // 5 + 2, row
        if row["name"] in ("wrong", "eos"):
            assert row["refused"], row


async def test_a_draft_that_leads_to_where_nothing_may_follow_is_only_wrong(
    tiny: RealRunner,
) -> None:
    source = (
        HEAD
        + """
class Foolish(PromptLookup):
    def __init__(self): super().__init__([])
    def draft(self): return model.tokenizer().encode("a"), []

async def main(input):
    a, x = model.tokenizer().encode("ax")
    found, ctx = [], asked()
    for _ in range(2):
        ctx.cue()
        before = len(ctx.buffer()) + ctx.seq_len
        generator = ctx.generate(
            Sampler.argmax(logit_bias={x: 50.0, a: -50.0}), max_tokens=8, auto_flush=False,
            constrain=Ebnf('start: "a" B | "x" /x*/\\nB: /[0-9]/ & /[a-z]/'), speculator=Foolish())
        text = await generator.collect_text()
        found.append([text, len(ctx.buffer()) + ctx.seq_len - before])
    return found
"""
    )
    assert await tiny(source) == [["x" * 8, 8]] * 2


async def test_a_constraint_that_can_go_back_goes_together_with_drafts(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
class Alternate:
    def __init__(self):
        self.accepted, self.back = [], 0
    def step(self, accepted):
        self.accepted += accepted
        return masks.mask_of([60 + len(self.accepted) % 3, 90], model.vocab_size)
    def rollback(self, n):
        self.back += n
        del self.accepted[len(self.accepted) - n:]

class Guess(PromptLookup):
    right = 0
    def draft(self):
        drafts, positions = super().draft()
        return [*drafts[:3], 90, 5], positions
    def accept(self, tokens):
        self.right += len(tokens) - 1
        super().accept(tokens)

async def main(input):
    sampler = Sampler.multinomial(1.0, seed=4)
    plain = await asked().generate(
        sampler, max_tokens=30, constrain=Alternate(), stop=[]).collect_tokens()
    own, drafter = Alternate(), Guess(plain)
    drafter.right = 0
    tokens = await asked().generate(
        sampler, max_tokens=30, constrain=own, speculator=drafter, stop=[]).collect_tokens()
    return [plain, tokens, own.accepted, own.back, drafter.right]
"""
    )
    plain, tokens, accepted, back, right = await tiny(source)
    assert tokens == plain
    assert accepted == tokens[: len(accepted)]
    assert back > 0
    assert right > 0


async def test_speculated_draws_equal_plain_draws_of_the_same_seed(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    sampler = Sampler.multinomial(0.7, seed=11, frequency_penalty=0.3)
    plain = await asked().complete(sampler, max_tokens=40, ignore_eos=True)
    class Guess(PromptLookup):
        right = 0
        def accept(self, tokens):
            self.right += len(tokens) - 1
            super().accept(tokens)
    drafter = Guess(plain.tokens)
    drafter.right = 0
    tokens = await asked().generate(
        sampler, max_tokens=40, speculator=drafter, stop=[]).collect_tokens()
    return [tokens == plain.tokens, drafter.right]
"""
    )
    same, right = await tiny(source)
    assert same
    assert right > 10


async def test_probes_of_a_speculating_step_are_of_the_first_token_it_decides(
    tiny: RealRunner,
) -> None:
    source = (
        HEAD
        + """
async def main(input):
    lookup = PromptLookup([1, 2, 3, 1, 2, 3, 1, 2])
    generator = asked().generate(Sampler.argmax(), max_tokens=12, stop=[], speculator=lookup)
    top = generator.probe_each_step(-1, Distribution(k=1))
    pairs = []
    async for step in generator:
        out = await step.execute()
        pairs.append([out.distribution(top)[0][0], out.tokens[0]])
    return pairs
"""
    )
    pairs = await tiny(source)
    assert all(probed == decided for probed, decided in pairs)


async def test_a_failed_speculating_step_leaves_no_draft_behind(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
class Foolish(PromptLookup):
    taken_back = 0
    def draft(self): return [model.vocab_size + 5, 1], []
    def rollback(self, n): self.taken_back += n

async def main(input):
    ctx, foolish = asked(), Foolish([])
    before = len(ctx.cue().buffer())
    try:
        await ctx.generate(Sampler.argmax(), speculator=foolish).collect_text()
    except InvalidOperation:
        return [before, ctx.seq_len + len(ctx.buffer()), foolish.taken_back]
"""
    )
    before, after, taken_back = await tiny(source)
    assert before == after
    assert taken_back == 2


def test_prompt_lookup_guesses_what_followed_the_longest_match() -> None:
    lookup = PromptLookup([1, 2, 3, 4, 9, 2, 3, 7], ngram=2, most=2)
    assert lookup.draft() == ([], [])
    lookup.accept([2, 3])
    assert lookup.draft() == ([7, 2], [])
    lookup.accept([4, 9])
    assert lookup.draft() == ([2, 3], [])
    lookup.reset()
    assert lookup.draft() == ([], [])
    with pytest.raises(ValueError, match="at least 1"):
        PromptLookup([], ngram=0)


def test_drafts_match_up_to_the_first_wrong_one() -> None:
    assert matching([], [5]) == [5]
    assert matching([5, 6, 7], [5, 6, 8, 9]) == [5, 6, 8]
    assert matching([5, 6], [5, 6, 7]) == [5, 6, 7]
    assert matching([5, 6], [1, 6, 7]) == [1]
