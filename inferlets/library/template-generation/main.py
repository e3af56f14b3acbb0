"""Template generation: fixed text is read in one pass, only the holes are generated."""

from __future__ import annotations

import re

from inferlet import Context, Model, Regex, Sampler, runtime

FIRST_WORD = re.compile(r"\s*(?:\w+|\S)")
HOLE = re.compile(r"\{\{(\w+)(?::(.+?))?\}\}(?!\})", re.DOTALL)


async def fill(ctx: Context, pattern: str | None, behind: str, max_tokens: int) -> str:
    """What the model puts into a hole; a free one ends with its line or where `behind` begins."""
    begin = FIRST_WORD.match(behind)
    with ctx.fork() as draft:
        reply = await draft.complete(
            Sampler.argmax(),
            max_tokens=max_tokens,
            cue=False,
            constrain=Regex(pattern) if pattern else None,
            stop=None if pattern else ["\n", *([begin[0]] if begin else [])],
        )
    if pattern and reply.finish_reason != "stop":
        raise ValueError(f"{pattern!r} is not matched within {max_tokens} tokens; raise max_tokens")
    return reply.text


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model)
    if "prompt" in input:
        ctx.system(input["system"]).user(input["prompt"]).cue()
    # fixed text, name, pattern, fixed text, name, pattern, ..., fixed text
    parts = HOLE.split(input["template"])
    values: dict[str, str] = {}
    text = parts[0]
    ctx.text(text)
    for name, pattern, behind in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        if name not in values:
            await ctx.flush()
            values[name] = await fill(ctx, pattern, behind, input["max_tokens"])
        text += values[name] + behind
        ctx.text(values[name] + behind)
    return {"text": text, "values": values}
