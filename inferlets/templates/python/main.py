"""Answers one prompt and streams the text."""

from inferlet import Context, Model, Sampler, runtime


async def main(input: dict) -> str:
    model = Model.load(runtime.models()[0])
    ctx = Context(model)
    ctx.system("You are a helpful assistant.").user(input["prompt"])
    reply = await ctx.complete(Sampler.argmax(), max_tokens=input["max_tokens"], stream=True)
    return reply.text
