"""Library inferlets that need a real engine: what they claim about the model's output is true."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from pie_server.errors import GuestRaised
from pie_server.runtime import Registry
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded

registry = Registry()

# The small model has few sentences; this is one of them, so a lookup in the prompt finds it.
PROMPT = "Repeat: I cannot do that without a tool."


async def test_speculative_decoding_says_what_text_completion_says_in_fewer_passes(
    embedded: RealRunner,
) -> None:
    given = {"prompt": PROMPT, "max_tokens": 60}
    plain = await embedded(registry.get("text-completion"), given)  # type: ignore[arg-type]
    result = await embedded(registry.get("speculative-decoding"), given)  # type: ignore[arg-type]
    assert result["text"] == plain
    assert sum(result["accepted_per_step"]) == result["tokens"]
    assert len(result["accepted_per_step"]) == result["steps"]
    assert result["steps"] < result["tokens"]
    assert max(result["accepted_per_step"]) > 1


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "mood": {"enum": ["glad", "sad"]},
    },
    "required": ["name", "age", "mood"],
    "additionalProperties": False,
}


async def test_json_extraction_gives_what_fits_the_schema(embedded: RealRunner) -> None:
    for text in ("Ann is 31 and glad.", "Nothing of the kind."):
        result = await embedded(
            registry.get("json-extraction"),
            {"text": text, "schema": PERSON},  # type: ignore[dict-item]
        )
        jsonschema.validate(result, PERSON)


async def test_speculative_decoding_under_a_schema_says_what_plain_decoding_says(
    embedded: RealRunner,
) -> None:
    text = 'Repeat: {"name": "Ann", "age": 31, "mood": "glad"}'
    given = {"schema": PERSON, "max_tokens": 80}
    plain = """
from inferlet import *

async def main(input):
    ctx = Context(Model.load(runtime.models()[0])).system("You are a helpful assistant.")
    ctx.user(input["prompt"])
    reply = await ctx.complete(
        Sampler.argmax(), max_tokens=80, constrain=JsonSchema(input["schema"]))
    return reply.text
"""
    wanted = await embedded(plain, {"prompt": text, **given})  # type: ignore[dict-item]
    result = await embedded(
        registry.get("speculative-decoding"),
        {"prompt": text, **given},  # type: ignore[dict-item]
    )
    assert result["text"] == wanted
    assert result["steps"] < result["tokens"]


async def test_json_that_was_cut_off_is_an_error_and_no_half_json(embedded: RealRunner) -> None:
    with pytest.raises(GuestRaised, match="cut off after 3 tokens"):
        await embedded(
            registry.get("json-extraction"),
            {"text": "Ann", "schema": PERSON, "max_tokens": 3},  # type: ignore[dict-item]
        )


async def test_token_completion_gives_the_same_at_once_and_step_by_step(
    embedded: RealRunner,
) -> None:
    tokens = embedded.engine.checkpoint.tokenizer.encode(PROMPT)
    found: list[Any] = []
    for stepwise in (False, True):
        arguments: dict[str, Any] = {
            "tokens": tokens, "max_tokens": 24, "ignore_eos": True, "stepwise": stepwise
        }  # fmt: skip
        found.append(await embedded(registry.get("token-completion"), arguments))
    assert found[0]["tokens"] == found[1]["tokens"]
    assert len(found[0]["tokens"]) == 24
