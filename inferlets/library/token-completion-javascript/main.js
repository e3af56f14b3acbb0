/** Tokens in, tokens out: at once, or token by token. */

import { Context, Model, Sampler, runtime } from "inferlet";

export async function main(input) {
    const model = Model.load(input.model ?? runtime.models()[0]);
    const ctx = new Context(model, { prefixReuse: input.prefix_reuse }).append(input.tokens);
    const sampler = Sampler.multinomial(input.temperature);
    if (input.stepwise) return stepwise(input, model, ctx, sampler);
    const { tokens, text, finishReason } = await ctx.complete(sampler, {
        maxTokens: input.max_tokens, cue: false, ignoreEos: input.ignore_eos,
    });
    return { tokens, text, finish_reason: finishReason };
}

async function stepwise(input, model, ctx, sampler) {
    const tokens = [];
    const stop = input.ignore_eos ? [] : model.eosTokens;
    for await (const token of ctx.generate(sampler, { maxTokens: input.max_tokens, stop })) {
        tokens.push(token);
    }
    const text = model.tokenizer().decode(tokens, { skipSpecial: true });
    return { tokens, text, finish_reason: tokens.length < input.max_tokens ? "stop" : "length" };
}
