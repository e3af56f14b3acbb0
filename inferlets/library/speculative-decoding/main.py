"""Prompt lookup decoding: what was read before is guessed to come again, and checked at once."""

from __future__ import annotations

from inferlet import Context, JsonSchema, Model, PromptLookup, Sampler, runtime


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    ctx = Context(model).system(input["system"]).user(input["prompt"]).cue()
    lookup = PromptLookup(ctx.buffer(), ngram=input["ngram"], most=input["draft_tokens"])
    generator = ctx.generate(Sampler.argmax(), max_tokens=input["max_tokens"], speculator=lookup)
    if "schema" in input:
        generator.constrain(JsonSchema(input["schema"]))  # holds for guesses as well
    tokens, accepted = [], []
    async for step in generator:
        out = await step.execute()
        tokens += out.tokens
        accepted.append(len(out.tokens))
    return {
        "text": model.tokenizer().decode(tokens, skip_special=True),
        "tokens": len(tokens),
        "steps": len(accepted),
        "accepted_per_step": accepted,
        "mean_accepted": round(len(tokens) / max(1, len(accepted)), 3),
    }
