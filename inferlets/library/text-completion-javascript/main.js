/** Answers one prompt and streams the text. */

import { Context, Model, Sampler, runtime } from "inferlet";

export async function main(input) {
    const model = Model.load(input.model ?? runtime.models()[0]);
    const ctx = new Context(model).system(input.system).user(input.prompt);
    const sampler = Sampler.topP(input.temperature, input.top_p);
    const reply = await ctx.complete(sampler, { maxTokens: input.max_tokens, stream: true });
    return reply.text;
}
