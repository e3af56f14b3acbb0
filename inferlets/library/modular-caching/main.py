"""Modular caching: prompts are put together from modules whose KV was computed apart.

Every module has a place in the order of all, and its tokens have the positions of that place. It
sees nothing of the other modules, so its KV is the same in every prompt and is kept under a name.
"""

from __future__ import annotations

from hashlib import sha256

from inferlet import Context, Model, Sampler, chat, runtime

MOST_COPIED = 1024  # tokens of one copy


async def computed(ctx: Context, tokens: list[int], position: int) -> int:
    """Reads tokens at positions of their own; the most probable token behind them."""
    forward = ctx.forward().input_at(tokens, list(range(position, position + len(tokens))))
    best = forward.sample([-1], Sampler.argmax())
    return (await forward.execute()).token(best)


async def module(model: Model, name: str, tokens: list[int], position: int) -> Context:
    ctx = Context.open(model, name)
    if ctx is None:
        ctx = Context(model)
        await computed(ctx, tokens, position)
        ctx.save(name)
    return ctx


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    encode = model.tokenizer().encode
    modules = {"": chat.system(model, input["system"])}  # the first one, in every prompt
    modules |= {name: encode(text + "\n") for name, text in input["modules"].items()}
    wanted = {"", *input.get("use", modules)}
    if unknown := wanted - modules.keys():
        raise ValueError(f"no such module: {', '.join(sorted(unknown))}")
    ctx, position, names = Context(model), 0, []
    for key, tokens in modules.items():
        if key in wanted:
            names.append(f"module-{sha256(repr((position, tokens)).encode()).hexdigest()[:16]}")
            with await module(model, names[-1], tokens, position) as part:
                for start in range(0, len(tokens), MOST_COPIED):
                    stop = min(len(tokens), start + MOST_COPIED)
                    await ctx.copy_from(part, range(start, stop))
        position += len(tokens)
    copied = ctx.seq_len
    fed = [*chat.user(model, input["prompt"]), *chat.cue(model)]
    answer: list[int] = []
    while len(answer) < input["max_tokens"]:
        token = await computed(ctx, fed, position)
        if token in model.eos_tokens:
            break
        answer.append(token)
        position += len(fed)
        fed = [token]
    if input["forget"]:
        for name in names:
            Context.delete(model, name)
    text = model.tokenizer().decode(answer, skip_special=True)
    return {"text": text, "tokens": answer, "copied_tokens": copied}
