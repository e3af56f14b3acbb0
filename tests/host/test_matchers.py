"""Matchers: what is decoded step by step under a grammar is what the engine decodes on its own."""

from __future__ import annotations

import json
import re

import pytest

from pie_server.errors import (
    InvalidArguments,
    InvalidGrammar,
    InvalidRequest,
    LimitExceeded,
    OperationCancelled,
    PieError,
    UnknownHandle,
)
from pie_server.runtime.port import JsonValue

from .conftest import Guest, OpenWorld, items, value
from .test_handlers import SCHEMA, number
from .test_operations import new_context

EOS = 2
GRAMMARS: dict[str, dict[str, object]] = {
    "schema": {"json_schema": SCHEMA},
    "regex": {"regex": "[a-f]{3}(-[0-9]{2}){2}"},
    "ebnf": {"ebnf": 'root ::= "(" root ")" | "x"'},
}
PROMPT = [5, 6, 7]


async def compiled(guest: Guest, **source: object) -> int:
    return await number(guest, "grammar.compile", "grammar", model="tiny", **source)


async def matcher_of(guest: Guest, **source: object) -> int:
    grammar = await compiled(guest, **source)
    made = await number(guest, "matcher.create", "matcher", grammar=grammar)
    await guest.do("grammar.release", grammar=grammar)
    return made


async def sampled(
    guest: Guest, context: int, fill: list[int], samplers: list[dict[str, object]]
) -> list[JsonValue]:
    answer = await guest.do(
        "context.forward", context=context, fill=[{"tokens": fill}], samplers=samplers
    )
    return list(items(value(answer)["tokens"]))


async def place(guest: Guest, matcher: int) -> dict[str, JsonValue]:
    return dict(value(await guest.do("matcher.state", matcher=matcher)))


def inside(ranges: JsonValue) -> set[JsonValue]:
    found: set[JsonValue] = set()
    for low, high in map(items, items(ranges)):
        assert isinstance(low, int)
        assert isinstance(high, int)
        found.update(range(low, high))
    return found


async def encode(guest: Guest, text: str) -> list[JsonValue]:
    return list(items(await guest.do("tokenizer.encode", model="tiny", text=text)))


@pytest.mark.parametrize("name", GRAMMARS)
@pytest.mark.parametrize("advances", [True, False], ids=["advance", "by-hand"])
async def test_step_by_step_equals_a_generation_under_the_grammar(
    open_world: OpenWorld, name: str, advances: bool
) -> None:
    async with open_world() as world:
        guest, source = world.guest, GRAMMARS[name]
        sampler = {"temperature": 1.3, "seed": 4}
        grammar = await compiled(guest, **source)
        wanted = value(
            await guest.do(
                "context.generate",
                context=await new_context(guest),
                fill=[{"tokens": PROMPT}],
                max_tokens=60,
                sampler=sampler,
                grammar=grammar,
            )
        )["tokens"]
        context, matcher = await new_context(guest), await matcher_of(guest, **source)
        fill, found = list(PROMPT), list[JsonValue]()
        while len(found) < 60 and EOS not in found:
            asked = {"index": -1, "sampler": sampler, "matcher": matcher, "advance": advances}
            (token,) = await sampled(guest, context, fill, [asked])
            if not advances:
                await guest.do("matcher.advance", matcher=matcher, tokens=[token])
            assert isinstance(token, int)
            fill, found = [token], [*found, token]
        assert found == wanted
        assert (await place(guest, matcher))["length"] == len(found)


async def test_a_matcher_says_where_it_is_and_what_may_follow(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        matcher = await matcher_of(guest, regex="ab(c|d)?")
        a, b, c, d = [(await encode(guest, letter))[0] for letter in "abcd"]
        assert await place(guest, matcher) == {
            "length": 0, "accepting": False, "finished": False, "forced": [a, b]
        }  # fmt: skip
        allowed = value(await guest.do("matcher.allowed", matcher=matcher))
        assert allowed["count"] == len(inside(allowed["ranges"]))
        assert a in inside(allowed["ranges"])
        at = value(await guest.do("matcher.advance", matcher=matcher, tokens=[a, b]))
        assert at == {"length": 2, "accepting": True, "finished": False}
        allowed = value(await guest.do("matcher.allowed", matcher=matcher))
        assert inside(allowed["ranges"]) == {c, d, EOS}
        branch = await number(guest, "matcher.fork", "matcher", matcher=matcher)
        end = value(await guest.do("matcher.advance", matcher=branch, tokens=[d, EOS]))
        assert end == {"length": 4, "accepting": True, "finished": True}
        assert (await place(guest, matcher))["length"] == 2
        back = value(await guest.do("matcher.rollback", matcher=branch, tokens=3))
        assert back == {"length": 1, "accepting": False, "finished": False}


async def test_drafts_are_tried_in_one_pass_each_behind_those_before_it(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        matcher = await matcher_of(guest, regex="[ab][cd][ef][gh]")
        tokens = {letter: (await encode(guest, letter))[0] for letter in "abcdefghz"}
        draft = [tokens[letter] for letter in "adz"]  # z is nothing that the grammar allows
        found = await sampled(
            guest,
            await new_context(guest),
            [7, *draft],  # type: ignore[list-item]
            [
                {"index": at, "sampler": {}, "matcher": matcher, "draft": draft[:at]}
                for at in range(4)
            ],
        )
        letters = {token: letter for letter, token in tokens.items()}
        chosen = [letters[token] for token in found[:3]]
        assert re.fullmatch("[ab][cd][ef]", "".join(chosen))
        assert (await place(guest, matcher))["length"] == 0


async def test_a_matcher_goes_through_several_generations_and_grammars_alternate(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        words, digits = (
            await matcher_of(guest, regex="[a-z]*"),
            await matcher_of(guest, regex="[0-9]*"),
        )
        context = await new_context(guest)
        sampler = {"temperature": 1.0, "seed": 9, "logit_bias": [[EOS, -100.0]]}
        text, fill = "", [{"tokens": PROMPT}]
        for matcher in (words, digits, words, digits):
            answer = value(
                await guest.do(
                    "context.generate", context=context, fill=fill, max_tokens=4,
                    matcher=matcher, sampler=sampler,
                )
            )  # fmt: skip
            assert answer["finish_reason"] == "length"
            text, fill = text + str(answer["text"]), []
        assert re.fullmatch("([a-z]+[0-9]+){2}", text)
        assert (await place(guest, words))["length"] == 8


async def test_a_generation_in_pieces_is_that_in_one_piece(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest, sampler = world.guest, {"temperature": 1.5, "seed": 3}
        grammar = await compiled(guest, json_schema=SCHEMA)
        whole = value(
            await guest.do(
                "context.generate", context=await new_context(guest), fill=[{"tokens": PROMPT}],
                max_tokens=90, grammar=grammar, sampler=sampler,
            )
        )  # fmt: skip
        matcher = await number(guest, "matcher.create", "matcher", grammar=grammar)
        context, fill, pieces = await new_context(guest), [{"tokens": PROMPT}], list[JsonValue]()
        for _ in range(30):
            piece = value(
                await guest.do(
                    "context.generate", context=context, fill=fill, max_tokens=3,
                    matcher=matcher, sampler=sampler,
                )
            )  # fmt: skip
            fill, pieces = [], [*pieces, *items(piece["tokens"])]
            if piece["finish_reason"] == "stop":
                break
        assert pieces == whole["tokens"]
        json.loads(str(whole["text"]))
        assert (await place(guest, matcher))["finished"] is True


async def test_kept_hidden_states_are_read_under_a_grammar(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest, matcher = world.guest, await matcher_of(world.guest, regex="[0-9]{2}")
        asked = {"index": 0, "sampler": {}, "matcher": matcher, "advance": True}
        (fused,) = await sampled(
            guest, await new_context(guest), [9], [{**asked, "advance": False}]
        )
        kept = value(
            await guest.do(
                "context.forward",
                context=await new_context(guest),
                fill=[{"tokens": [9]}],
                hidden=[0],
            )
        )["hidden"]
        read = value(await guest.do("hidden.read", tensor=kept, samplers=[asked]))["tokens"]
        assert read == [fused]
        assert (await place(guest, matcher))["length"] == 1


async def test_a_cancelled_pass_leaves_its_matcher_where_it_was(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest, matcher = world.guest, await matcher_of(world.guest, regex="[0-9]{2}")
        asked = {"index": -1, "sampler": {}, "matcher": matcher, "advance": True}
        context = await new_context(guest)
        passing = guest.start(
            "context.forward", context=context, fill=[{"tokens": [9] * 200}], samplers=[asked]
        )
        for op, more in (
            ("matcher.advance", {"tokens": [1]}), ("matcher.rollback", {"tokens": 0}),
            ("matcher.fork", {}), ("matcher.state", {}), ("matcher.allowed", {}),
        ):  # fmt: skip
            with pytest.raises(InvalidRequest, match="under way"):
                await guest.do(op, matcher=matcher, **more)
        with pytest.raises(InvalidRequest, match="under way"):
            await sampled(guest, await new_context(guest), [9], [asked])
        await guest.do("cancel", target=passing)
        with pytest.raises(OperationCancelled):
            await guest.wait(passing)
        assert (await place(guest, matcher))["length"] == 0
        await sampled(guest, await new_context(guest), [9], [asked])
        assert (await place(guest, matcher))["length"] == 1


async def test_a_matcher_may_be_released_while_a_pass_follows_it(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest, matcher = world.guest, await matcher_of(world.guest, regex="[0-9]{2}")
        asked = {"index": -1, "sampler": {}, "matcher": matcher, "advance": True}
        passing = guest.start(
            "context.forward",
            context=await new_context(guest),
            fill=[{"tokens": [9]}],
            samplers=[asked],
        )
        await guest.do("matcher.release", matcher=matcher)
        assert len(items(value(await guest.wait(passing))["tokens"])) == 1
        with pytest.raises(UnknownHandle):
            await guest.do("matcher.release", matcher=matcher)


async def test_a_dead_end_fails_the_pass_and_the_matcher_can_go_back(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        matcher = await matcher_of(guest, ebnf='start: "a" B | "x"\nB: /[0-9]/ & /[a-z]/')
        a, x = [(await encode(guest, letter))[0] for letter in "ax"]
        await guest.do("matcher.advance", matcher=matcher, tokens=[a])
        for _ in range(2):
            with pytest.raises(InvalidGrammar, match="no token after 1"):
                await sampled(
                    guest,
                    await new_context(guest),
                    [9],
                    [{"index": 0, "sampler": {}, "matcher": matcher}],
                )
        with pytest.raises(InvalidGrammar, match="no token after 1"):
            await guest.do("matcher.allowed", matcher=matcher)
        await guest.do("matcher.rollback", matcher=matcher, tokens=1)
        await guest.do("matcher.advance", matcher=matcher, tokens=[x])


SAMPLER: dict[str, object] = {"index": -1, "sampler": {}, "matcher": 1}


@pytest.mark.parametrize(
    ("samplers", "error", "says"),
    [
        ([SAMPLER | {"matcher": 7}], UnknownHandle, "no matcher 7"),
        ([SAMPLER | {"draft": [-1]}], InvalidArguments, "samplers.draft must be between"),
        ([SAMPLER | {"draft": [1] * 5000}], InvalidArguments, "has 5000 tokens"),
        ([SAMPLER | {"draft": [1] * 4000}] * 17, InvalidArguments, "68000 tokens"),
        ([SAMPLER | {"draft": [1], "advance": True}], InvalidArguments, "not both"),
        ([SAMPLER | {"advance": True}] * 2, InvalidArguments, "only one sampler"),
        ([{"index": -1, "sampler": {}, "advance": True}], InvalidArguments, "go with a matcher"),
    ],
)
async def test_samplers_that_cannot_follow_a_matcher_are_refused_and_nothing_changes(
    open_world: OpenWorld, samplers: list[dict[str, object]], error: type[PieError], says: str
) -> None:
    async with open_world() as world:
        guest, matcher = world.guest, await matcher_of(world.guest, regex="[0-9]+")
        context = await new_context(guest)
        with pytest.raises(error, match=says):
            await sampled(guest, context, [9], samplers)
        assert world.host.context(context).context.tokens == []
        await guest.do("matcher.advance", matcher=matcher, tokens=[])


async def test_moves_that_the_grammar_or_its_beginning_does_not_allow_are_refused(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest, matcher = world.guest, await matcher_of(world.guest, regex="abc")
        a, b, z = [(await encode(guest, letter))[0] for letter in "abz"]
        with pytest.raises(InvalidGrammar, match=rf"token {z} \(tokens\[2\]\)") as caught:
            await guest.do("matcher.advance", matcher=matcher, tokens=[a, b, z])
        assert caught.value.details == {"token": z, "index": 2}
        for tokens in (1, -1):
            with pytest.raises(InvalidArguments, match="has taken 0"):
                await guest.do("matcher.rollback", matcher=matcher, tokens=tokens)
        with pytest.raises(InvalidArguments, match="between 0 and"):
            await guest.do("matcher.advance", matcher=matcher, tokens=[100_000])
        assert (await place(guest, matcher))["length"] == 0


async def test_matchers_belong_to_their_instance_and_are_limited(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pie_server.host.instance_host.MAX_MATCHERS", 2)
    async with open_world() as world:
        guest = world.second_guest("alice")
        grammar = await compiled(guest, regex="a")
        with pytest.raises(UnknownHandle, match="no grammar 1"):
            await world.guest.do("matcher.create", grammar=grammar)
        first = await number(guest, "matcher.create", "matcher", grammar=grammar)
        with pytest.raises(UnknownHandle, match="no matcher 1"):
            await world.guest.do("matcher.state", matcher=first)
        await guest.do("matcher.fork", matcher=first)
        with pytest.raises(LimitExceeded, match="2 matchers"):
            await guest.do("matcher.create", grammar=grammar)
        with pytest.raises(InvalidArguments, match="a grammar or a matcher"):
            await guest.do(
                "context.generate", context=await new_context(guest), fill=[{"tokens": PROMPT}],
                max_tokens=2, grammar=grammar, matcher=first,
            )  # fmt: skip
        guest.host.close()
