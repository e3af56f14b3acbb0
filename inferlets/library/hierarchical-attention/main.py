"""Hierarchical attention: inside a section tokens see each other; later only its end is seen.

Through the layers the last tokens of a section take in what the section says, and later sections
read it from them.
"""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    section, summary = input["section"], input["summary"]
    document = Context(model).system(f"{input['system']}\n\n{input['document']}").buffer()
    ctx = Context(model)
    for start in range(0, len(document), section):
        await ctx.append(document[start : start + section]).flush()
        # The first section stays whole: it says what the model is, and models rest on it.
        if start and ctx.seq_len - summary > start:
            ctx.drop(start, ctx.seq_len - summary)
    pages = ctx.info()["pages"]
    reply = await ctx.append(question(model, input["question"])).complete(
        Sampler.argmax(), max_tokens=input["max_tokens"], cue=False
    )
    return {
        "text": reply.text,
        "tokens": reply.tokens,
        "logprob": reply.logprob,
        "document_tokens": len(document),
        "document_pages": pages,
    }


def question(model: Model, text: str) -> list[int]:
    return Context(model).user(text).cue().buffer()
