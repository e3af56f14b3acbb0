/** Best of n: sample several answers in one batch, return the one the model is surest of. */

import { Context, Model, Sampler, runtime } from "inferlet";

export async function main(input) {
    const model = Model.load(input.model ?? runtime.models()[0]);
    const prompt = new Context(model).system(input.system).user(input.prompt);
    await prompt.flush();
    const seeds = Array.from({ length: input.n }, (_, index) => input.seed + index);
    const candidates = await Promise.all(seeds.map((seed) => sample(prompt, seed, input)));
    const best = candidates.reduce((a, b) => (b.mean_logprob > a.mean_logprob ? b : a));
    return { ...best, candidates };
}

async function sample(prompt, seed, input) {
    const ctx = prompt.fork();
    const sampler = Sampler.multinomial(input.temperature, { seed });
    const { text, tokens, logprob } = await ctx.complete(sampler, { maxTokens: input.max_tokens });
    ctx.release();
    return { text, mean_logprob: logprob / Math.max(1, tokens.length) };
}
