/** Asynchronous function calling: a tool starts as soon as its call is written. */

import { Context, Model, Sampler, runtime, tools } from "inferlet";

const CALL_END = "</tool_call>";

export async function main(input) {
    const model = Model.load(input.model ?? runtime.models()[0]);
    const ctx = new Context(model).tools(tools.list(input.tools));
    ctx.system(input.system).user(input.question);
    for (let number = 0; number < input.max_turns; number++) {
        const { said, running } = await turn(ctx, input.max_tokens);
        if (running.length === 0) return said.trim();
        for (const result of await Promise.all(running)) ctx.toolResult(result.content);
    }
    throw new Error(`no answer after ${input.max_turns} turns; raise max_turns`);
}

/** One turn of the model: what it says, and the tools that run since it called them. */
async function turn(ctx, most) {
    const running = [];
    let said = "";
    let written = 0;
    while (written < most) {
        const reply = await ctx.complete(Sampler.argmax(), {
            maxTokens: most - written, stop: [CALL_END], cue: written === 0,
        });
        written += reply.tokens.length;
        said += reply.content;
        running.push(...reply.toolCalls.map((call) => tools.call(call)));
        if (ctx.model.eosTokens.includes(reply.tokens.at(-1))) break;
    }
    ctx.seal();
    return { said, running };
}
