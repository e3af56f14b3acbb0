/** Jacobi decoding: a row of guesses is corrected in parallel until its beginning holds. */

import { Context, Model, Sampler, runtime } from "inferlet";

export async function main(input) {
    const model = Model.load(input.model ?? runtime.models()[0]);
    const { max_tokens: most, guesses: width } = input;
    const sampler = Sampler.argmax();
    const ctx = new Context(model).system(input.system).user(input.prompt).cue();
    const tokens = [];
    let guesses = [];
    let passes = 0;
    while (tokens.length < most) {
        const count = guesses.length + 1;
        const samplers = Array.from({ length: count }, (_, at) => ({ index: at - count, sampler }));
        const { tokens: said } = await ctx.append(guesses).forward({ samplers });
        passes += 1;
        const wrong = guesses.findIndex((guess, at) => guess !== said[at]);
        const right = wrong < 0 ? guesses.length : wrong;
        ctx.truncate(guesses.length - right);
        const found = said.slice(0, right + 1);
        const end = found.findIndex((token) => model.eosTokens.includes(token));
        tokens.push(...(end < 0 ? found : found.slice(0, end)));
        if (end >= 0) break;
        ctx.append(found.slice(-1));
        // Where there is no prediction yet, the last one is repeated.
        const repeated = Array(width).fill(said.at(-1));
        const room = Math.max(0, Math.min(width, most - tokens.length - 1));
        guesses = [...said.slice(right + 1), ...repeated].slice(0, room);
    }
    return {
        text: model.tokenizer().decode(tokens, { skipSpecial: true }),
        tokens: tokens.length,
        passes,
        tokens_per_pass: Math.round((tokens.length / passes) * 1000) / 1000,
    };
}
