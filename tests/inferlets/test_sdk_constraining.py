"""Grammars, guest-made constraints and speculation, from guests over a real engine."""

from __future__ import annotations

import json

import pytest

from inferlet import PromptLookup
from inferlet.spec import matching
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded
from tests.inferlets.real_engine import tiny as tiny

HEAD = """
from inferlet import *
import json
model = Model.load(runtime.models()[0])

def asked():
    return Context(model).user("Repeat: one two three four one two three four one two")
"""
SCHEMA = {
    "type": "object",
    "properties": {"name": {"enum": ["ann", "bob"]}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


async def test_a_random_model_writes_what_each_kind_of_grammar_allows(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    sampler = Sampler.multinomial(1.5, seed=5)
    found = {}
    for name, schema in {
        "json": JsonSchema(input), "text": JsonSchema(json.dumps(input)),
        "regex": Regex("(yes|no)"), "ebnf": Ebnf('root ::= "a" "b"+ "c"'),
        "grammar": Grammar.from_regex("[0-9]{3}"),
        "own": Own(),
    }.items():
        reply = await asked().complete(sampler, max_tokens=200, constrain=schema)
        found[name] = reply.text
    found["collected"] = await asked().generate(
        sampler, max_tokens=200, constrain=Regex("(yes|no)")).collect_text()
    found["parsed"] = await asked().generate(sampler, max_tokens=200).collect_json(schema=input)
    return found

class Own:
    def build_constraint(self, model):
        return GrammarConstraint.from_regex("own[0-9]", model)
"""
    )
    found = await tiny(source, SCHEMA)  # type: ignore[arg-type]

    def plain(text: str) -> str:
        return text.removesuffix("<|im_end|>").removesuffix("<|endoftext|>")

    for text in (found["json"], found["text"]):
        person = json.loads(plain(text))
        assert person["name"] in ("ann", "bob")
        assert person["age"] <= 99
    assert found["parsed"]["name"] in ("ann", "bob")
    assert plain(found["regex"]) in ("yes", "no")
    assert plain(found["collected"]) in ("yes", "no")
    assert plain(found["ebnf"]).rstrip("c").rstrip("b") == "a"
    assert plain(found["grammar"]).isdigit()
    assert plain(found["own"])[:-1] == "own"


async def test_a_compiled_grammar_serves_many_generations_and_none_pile_up(
    tiny: RealRunner,
) -> None:
    """An instance may hold 64 grammars."""
    source = (
        HEAD
        + """
async def main(input):
    sampler, said = Sampler.multinomial(1.0, seed=1), set()
    with await Grammar.from_regex("(yes|no)").compile(model) as compiled:
        for _ in range(3):
            reply = await asked().complete(sampler, max_tokens=20, constrain=compiled)
            said.add(reply.finish_reason)
    for number in range(70):
        with asked() as ctx:
            reply = await ctx.complete(sampler, max_tokens=9, constrain=Regex(f"n{number}"))
            said.add(reply.finish_reason)
    return sorted(said)
"""
    )
    assert await tiny(source) == ["stop"]


async def test_a_model_that_knows_of_no_tool_is_made_to_call_one(embedded: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    ctx = Context(model).user("What is 2 + 2?")
    free = await ctx.fork().complete(Sampler.argmax(), max_tokens=60)
    made = await ctx.complete(
        Sampler.argmax(), max_tokens=60, constrain=ToolCallFormat(["calculator"]))
    return [[call.name for call in reply.tool_calls] for reply in (free, made)]
"""
    )
    free, made = await embedded(source)
    assert free == []
    assert made == ["calculator"]


async def test_a_constraint_of_the_inferlets_own_sees_each_token_and_masks_the_next(
    tiny: RealRunner,
) -> None:
    source = (
        HEAD
        + """
class Alternate:
    def __init__(self):
        self.accepted = []
    def step(self, accepted):
        self.accepted += accepted
        return masks.mask_of([60 + len(self.accepted) % 3, 90], model.vocab_size)

class Even:
    def step(self, accepted):
        return masks.mask_of(range(0, model.vocab_size, 2), model.vocab_size)

async def main(input):
    sampler, own = Sampler.multinomial(1.0, seed=4), Alternate()
    tokens = await asked().generate(sampler, max_tokens=24, constrain=own).collect_tokens()
    both = await asked().generate(
        sampler, max_tokens=24, constrain=[Alternate(), Even()]).collect_tokens()
    return [tokens, own.accepted, both]
"""
    )
    tokens, accepted, both = await tiny(source)
    assert len(tokens) == 24
    assert all(token in (60 + at % 3, 90) for at, token in enumerate(tokens))
    assert accepted == tokens[:-1]
    assert all(token in (60 + at % 3, 90) and not token % 2 for at, token in enumerate(both))


REFUSED = {
    "complete": ("await asked().complete(s, constrain=Free())", "takes grammars only"),
    "both": ("asked().generate(s, constrain=[Free(), AnyJson()])", "has either"),
    "two": ("asked().generate(s, constrain=[AnyJson(), AnyJson()])", "one grammar"),
    "drafts": (
        "asked().generate(s, constrain=AnyJson(), speculator=PromptLookup([]))",
        "leave out the speculator",
    ),
    "moving": ("asked().generate(s, constrain=Free(), speculator=PromptLookup([]))", "leave out"),
    "nothing": ("asked().generate(s, constrain=3)", "int is no constraint"),
    "none": (
        "await asked().generate(s, max_tokens=2, logit_mask=[model.vocab_size]).collect_text()",
        "no token at all",
    ),
    "steps": (
        "await anext(asked().generate(s, constrain=AnyJson()))",
        "not step by step",
    ),
    "tree": (
        "await asked().generate(s, speculator=Tree()).collect_text()",
        "follow each other from position",
    ),
    "counts": (
        "await asked().generate(Sampler.argmax(repetition_penalty=1.2, presence_penalty=1.0),"
        " constrain=Free()).collect_text()",
        "in one operation only",
    ),
    "schema": ("await asked().complete(s, constrain=Regex('('))", "unclosed group"),
    "sampler": ("Sampler.argmax(penalty=2)", "no argument 'penalty'"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_followed_is_refused_by_what_to_do_instead(
    tiny: RealRunner, case: str
) -> None:
    attempt, says = REFUSED[case]
    source = (
        HEAD
        + f"""
class Free:
    def step(self, accepted): return []

class Tree(PromptLookup):
    def __init__(self): super().__init__([])
    def draft(self): return [1, 2], [7, 7]

async def main(input):
    s = Sampler.argmax()
    try:
        {attempt}
    except (ValueError, TypeError, InvalidOperation) as error:
        return str(error)
"""
    )
    assert says in str(await tiny(source))


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
    questions = ["What is 17 * 23?", "Say hello to Ann.", "one two three one two three one two"]
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


async def test_a_stop_string_ends_a_stepwise_generation_behind_it(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    truth = model.tokenizer().encode("the fox says hello to all of us and goes")
    class Forced:
        at = 0
        def step(self, accepted):
            self.at += len(accepted)
            return masks.mask_of([truth[self.at]], model.vocab_size)
    ctx = asked()
    tokens = await ctx.generate(
        Sampler.argmax(), max_tokens=len(truth), stop=["says hello"], constrain=Forced(),
    ).collect_tokens()
    return model.tokenizer().decode(tokens)
"""
    )
    assert await tiny(source) == "the fox says hello"


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
