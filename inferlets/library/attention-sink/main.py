"""Attention sinks (StreamingLLM): of a long text the first and the last few tokens stay visible."""

from __future__ import annotations

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict) -> dict:
    model = Model.load(input.get("model") or runtime.models()[0])
    sink, window = input["sink"], input["window"]
    ctx = Context(model).system(input["system"]).user(input["prompt"]).cue()
    tokens: list[int] = []
    pages, logprob = 0, 0.0
    while (left := input["max_tokens"] - len(tokens)) > 0:
        reply = await ctx.complete(
            Sampler.argmax(),
            max_tokens=min(left, input["every"]),
            cue=False,
            ignore_eos=input["ignore_eos"],
        )
        tokens += reply.tokens
        logprob += reply.logprob
        if reply.finish_reason == "stop":
            break
        if ctx.seq_len - window > sink:
            # The last token has yet to be read, and is not to see what is dropped now.
            ctx.truncate(1)
            ctx.drop(sink, ctx.seq_len + 1 - window)
            ctx.append(tokens[-1:])
        pages = max(pages, ctx.info()["pages"])
    text = model.tokenizer().decode(tokens, skip_special=True)
    return {"text": text, "tokens": tokens, "logprob": logprob, "most_pages": pages}
