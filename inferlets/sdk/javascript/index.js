/**
 * The inferlet SDK for JavaScript. An inferlet is an ES module that exports `main`:
 *
 *     import { Context, Model, Sampler, runtime } from "inferlet";
 *
 *     export async function main(input) {
 *         const ctx = new Context(Model.load(runtime.models()[0]));
 *         ctx.system("You are a helpful assistant.").user(input.prompt);
 *         return (await ctx.complete(Sampler.argmax(), { maxTokens: 64, stream: true })).text;
 *     }
 *
 * Control operations answer at once; what needs the model, a tool or time returns a promise, so
 * `Promise.all` runs several at the same time. Every promise of the SDK takes `{ signal }`.
 *
 * @module inferlet
 */

export { AbortController, sleep, withTimeout } from "./cancellation.js";
export { Child } from "./child.js";
export { Context } from "./context.js";
export { OperationError } from "./errors.js";
export { Model, Tokenizer } from "./model.js";
export { Sampler } from "./sampler.js";
export * as files from "./files.js";
export * as http from "./http.js";
export * as messaging from "./messaging.js";
export * as runtime from "./runtime.js";
export * as session from "./session.js";
export * as store from "./store.js";
export * as tools from "./tools.js";
