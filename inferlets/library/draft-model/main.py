"""Speculative decoding: a draft model writes a few tokens, one pass of the model checks them.

Where the model would have said the same, several tokens are won at the price of one; the first
difference is replaced by what the model says, so the text is the model's own.
"""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime

GREEDY = Sampler.argmax()


async def draft(ctx: Context, unread: list[int], count: int) -> list[int]:
    if count < 1:
        ctx.append(unread)
        return []
    reply = await ctx.append(unread).complete(GREEDY, max_tokens=count, cue=False, ignore_eos=True)
    return reply.tokens


async def check(ctx: Context, unread: list[int], drafts: list[int]) -> list[int]:
    """What the model says: the drafts that are right, and the token behind them."""
    forward = ctx.forward().input([*unread, *drafts])
    each = forward.sample(list(range(-len(drafts) - 1, 0)), GREEDY)
    said = (await forward.execute()).tokens_at(each)
    right = next((i for i, token in enumerate(drafts) if token != said[i]), len(drafts))
    return said[: right + 1]


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    drafter = Model.load(input.get("draft_model") or model.name)
    if drafter.vocab_size != model.vocab_size:
        raise ValueError(f"{drafter.name} does not have the vocabulary of {model.name}")
    ctx, shadow = Context(model), Context(drafter)
    unread = Context(model).system(input["system"]).user(input["prompt"]).cue().buffer()
    tokens: list[int] = []
    passes = drafted = accepted = 0
    while len(tokens) < input["max_tokens"]:
        room = input["max_tokens"] - len(tokens)
        drafts = await draft(shadow, unread, min(input["draft_tokens"], room - 1))
        said = await check(ctx, unread, drafts)
        wrong = len(drafts) - (len(said) - 1)
        ctx.truncate(wrong)
        shadow.truncate(wrong)
        passes, drafted, accepted = passes + 1, drafted + len(drafts), accepted + len(said) - 1
        end = next((i for i, token in enumerate(said) if token in model.eos_tokens), None)
        tokens += said[:end]
        if end is not None:
            break
        unread = said[-1:]
    return {
        "text": model.tokenizer().decode(tokens, skip_special=True),
        "tokens": len(tokens),
        "passes": passes,
        "drafted": drafted,
        "accepted": accepted,
    }
