/** Answers one prompt and streams the text. */

import { Context, Model, Sampler, runtime } from "inferlet";

export async function main(input) {
    const ctx = new Context(Model.load(runtime.models()[0]));
    ctx.system("You are a helpful assistant.").user(input.prompt);
    const how = { maxTokens: input.max_tokens, stream: true };
    return (await ctx.complete(Sampler.argmax(), how)).text;
}
