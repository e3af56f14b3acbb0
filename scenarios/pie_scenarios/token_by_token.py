"""A Python inferlet that completes text token by token: one forward pass, one answer, a token.

Takes the arguments of the library's `token-completion`, which does the same in one operation.
"""

from __future__ import annotations

from typing import Any

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict[str, Any]) -> dict[str, Any]:
    model = Model.load(runtime.models()[0])
    ctx = Context(model, prefix_reuse=input["prefix_reuse"]).append(input["tokens"])
    tokens: list[int] = []
    generator = ctx.generate(
        Sampler.argmax(), max_tokens=input["max_tokens"], stop=[], auto_flush=False
    )
    async for step in generator:
        tokens += (await step.execute()).tokens
    return {"tokens": tokens}
