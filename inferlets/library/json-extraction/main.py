"""Reads facts out of a text, as JSON that fits a schema."""

from __future__ import annotations

import json

from inferlet import Context, JsonSchema, Model, Sampler, runtime


async def main(input: dict) -> object:
    model = Model.load(input.get("model") or runtime.models()[0])
    schema = input["schema"]
    ctx = Context(model).system(f"{input['system']}\n{json.dumps(schema)}").user(input["text"])
    reply = await ctx.complete(
        Sampler.argmax(), max_tokens=input["max_tokens"], constrain=JsonSchema(schema)
    )
    if reply.finish_reason != "stop":
        raise ValueError(
            f"the JSON was cut off after {len(reply.tokens)} tokens: raise max_tokens, or bound "
            "strings (maxLength) and arrays (maxItems) in the schema"
        )
    return json.loads(reply.text)
