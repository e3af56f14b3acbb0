"""Grammars, matchers and guest-made constraints, from guests over a real engine."""

from __future__ import annotations

import json

import pytest

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
    "two": ("asked().generate(s, constrain=[AnyJson(), AnyJson()])", "one grammar"),
    "moving": (
        "asked().generate(s, constrain=Free(), speculator=PromptLookup([]))",
        "cannot go back",
    ),
    "switched": (
        "asked().generate(s, speculator=PromptLookup([])).switch(Free())",
        "cannot go back",
    ),
    "picked": (
        "await picks(asked().generate(s, constrain=Regex('[0-9]+')))",
        "does not allow token",
    ),
    "masked": (
        "(await asked().generate(s, constrain=[Regex('[0-9]+'), Bans('0123456789')])"
        ".collect_text())",
        "a constraint bans",
    ),
    "advance": ("asked().forward().sample([-1], s, advance=True)", "go with a matcher"),
    "nothing": ("asked().generate(s, constrain=3)", "int is no constraint"),
    "none": (
        "await asked().generate(s, max_tokens=2, logit_mask=[model.vocab_size]).collect_text()",
        "no token at all",
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

class Bans:
    def __init__(self, text): self.banned = model.tokenizer().encode(text)
    def step(self, accepted):
        return masks.mask_of(set(range(model.vocab_size)) - set(self.banned), model.vocab_size)

async def picks(generator):
    step = (await anext(generator)).clear_sampler()
    await step.execute()
    generator.accept(model.tokenizer().encode("no"))

class Tree(PromptLookup):
    def __init__(self): super().__init__([])
    def draft(self): return [1, 2], [7, 7]

async def main(input):
    s = Sampler.argmax()
    try:
        {attempt}
    except (ValueError, TypeError, RuntimeError, InvalidOperation) as error:
        return str(error)
"""
    )
    assert says in str(await tiny(source))


async def test_another_grammar_can_take_over_in_the_middle_of_a_generation(
    tiny: RealRunner,
) -> None:
    source = (
        HEAD
        + """
async def main(input):
    sampler, found = Sampler.multinomial(1.0, seed=2), {}
    for name, speculator in {"plain": None, "drafts": PromptLookup(range(40, 60), ngram=1)}.items():
        generator = asked().generate(
            sampler, max_tokens=40, constrain=Regex("[a-z]{200}"), speculator=speculator)
        tokens, grammars = [], [Grammar.from_regex("[0-9]{200}"), None, Grammar.from_regex("#@*")]
        async for step in generator:
            tokens.append((await step.execute()).tokens)
            if grammars and generator.tokens_generated >= 8 * (4 - len(grammars)):
                tokens.append("|")
                generator.switch(grammars.pop(0))
        text, part = [], []
        for item in [*tokens, "|"]:
            if item == "|":
                text.append(model.tokenizer().decode(part))
                part = []
            else:
                part += item
        found[name] = text
    return found
"""
    )
    found = await tiny(source)
    for letters, digits, free, signs in found.values():
        assert letters.isalpha()
        assert letters.islower()
        assert digits.isdigit()
        assert free.strip("0123456789abcdefghijklmnopqrstuvwxyz")
        assert signs.rstrip("@") == "#"


async def test_a_matcher_carries_a_grammar_from_one_operation_to_the_next(
    tiny: RealRunner,
) -> None:
    source = (
        HEAD
        + """
async def main(input):
    sampler = Sampler.multinomial(1.0, seed=8)
    with await Grammar.from_regex("ab[0-9]{6}(x|y)z").compile(model) as compiled:
        matcher = Matcher(compiled)
    ctx = asked()
    forced = matcher.forced_tokens()
    matcher.accept_tokens(forced)
    ctx.cue().append(forced)
    start = [len(matcher), matcher.is_accepting(), matcher.is_terminated()]

    forward = ctx.forward()
    first = forward.sample([-1], sampler, matcher=matcher, advance=True)
    tokens = [(await forward.execute()).token(first)]
    ctx.append(tokens)
    reply = await ctx.complete(sampler, max_tokens=2, constrain=matcher, cue=False)
    tokens += reply.tokens
    branch, place = ctx.fork(), matcher.fork()
    rest = await branch.generate(
        sampler, max_tokens=40, constrain=place, auto_flush=False).collect_tokens()
    ctx.truncate(1)
    ctx.append(tokens[-1:])  # a step needs something to feed
    stepped, generator = [], ctx.generate(sampler, constrain=matcher, auto_flush=False)
    top = generator.probe_each_step(-1, Distribution(k=1))
    async for step in generator:
        stepped += (await step.execute()).tokens
    digits = masks.ranges_of(matcher.fork().next_token_logit_mask())
    matcher.rollback(len(stepped))
    again = [len(matcher), masks.ranges_of(matcher.next_token_logit_mask())]
    matcher.reset()
    return {"forced": model.tokenizer().decode(forced), "start": start,
            "text": model.tokenizer().decode(tokens + stepped), "same": rest == stepped,
            "end": digits, "eos": model.eos_tokens, "again": again, "reset": len(matcher),
            "digits": model.tokenizer().encode("0123456789")}
"""
    )
    found = await tiny(source)
    assert found["forced"] == "ab"
    assert found["start"] == [2, False, False]
    assert len(found["text"]) == 8
    assert found["text"][:6].isdigit()
    assert found["text"][6:] in ("xz", "yz")
    assert found["same"]
    assert found["end"] == [[eos, eos + 1] for eos in found["eos"]]
    assert found["again"][0] == 2 + 3
    allowed = {token for low, high in found["again"][1] for token in range(low, high)}
    assert allowed == set(found["digits"])
    assert found["reset"] == 0


async def test_a_generator_frees_its_matcher_when_it_ends(
    tiny: RealRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pie_server.host.instance_host.MAX_MATCHERS", 2)
    source = (
        HEAD
        + """
async def main(input):
    said = []
    for number in range(5):
        with asked() as ctx:
            generator = ctx.generate(
                Sampler.argmax(), max_tokens=3 + number, constrain=Regex("[0-9]{5}"))
            async for step in generator:
                await step.execute()
                if number == 2:
                    generator.switch(Regex("[0-9]{4}"))
            said.append(generator.tokens_generated)
    return said
"""
    )
    assert await tiny(source) == [3, 4, 5, 5, 5]


async def test_masks_of_the_inferlets_own_narrow_a_grammar(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
class Even:
    def step(self, accepted):
        return masks.mask_of(range(0, model.vocab_size, 2), model.vocab_size)

async def main(input):
    tokens = await asked().generate(
        Sampler.multinomial(1.0, seed=3), max_tokens=12, constrain=[Regex("[a-z0-9]*"), Even()],
        stop=[]).collect_tokens()
    return [tokens, model.tokenizer().decode(tokens)]
"""
    )
    tokens, text = await tiny(source)
    assert text.isalnum()
    assert not any(token % 2 for token in tokens)


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
