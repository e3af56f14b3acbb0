/**
 * A context: one sequence of tokens with its KV cache, kept by the server.
 *
 * The fillers only note what to append; the next `flush`, `complete`, `generate` or `forward` sends
 * it. Pages stay where they are between calls, however long the inferlet waits for a tool.
 */

import { control, operation } from "./loop.js";

// With these codes the server has refused an operation before it changed anything, so what was
// noted is still to be sent.
const REFUSALS = new Set([
    "context_too_long", "invalid_arguments", "invalid_request", "message_too_large",
    "operations_exceeded", "pages_exceeded", "template_error",
]);

// Option of the constructor with the handle of a context that the server has made already.
const EXISTING = Symbol("existing");

/**
 * A conversation of the model. Freed by `release` or when the inferlet ends.
 *
 * @example
 * const ctx = new Context(model).system("Be brief.").user("What is 2 + 2?");
 * const reply = await ctx.complete(Sampler.argmax(), { maxTokens: 32 });
 */
export class Context {
    #pending = [];
    #sealed = false; // whether its last token ends a turn, which `seal` must not repeat

    /**
     * @param {Model} model
     * @param {{prefixReuse?: boolean}} [options] Whether pages of equal beginnings are shared.
     */
    constructor(model, { prefixReuse = true, [EXISTING]: handle } = {}) {
        this.model = model;
        this.handle = handle ?? control(
            "context.create", { model: model.name, prefix_reuse: prefixReuse }).context;
    }

    static #existing(model, found) {
        return found === null ? null : new Context(model, { [EXISTING]: found.context });
    }

    /** A fork of the context saved under `name`, or null. */
    static open(model, name) {
        return Context.#existing(model, control("context.open", { model: model.name, name }));
    }

    /** The saved context itself, or null; the name is free again. */
    static take(model, name) {
        return Context.#existing(model, control("context.take", { model: model.name, name }));
    }

    /** Forget what is saved under `name`; whether there was something. */
    static delete(model, name) {
        return control("context.delete", { model: model.name, name });
    }

    /** Note the system message. */
    system(text) { return this.#note({ system: text }); }

    /** Note a message of the user. */
    user(text) { return this.#note({ user: text }); }

    /** Note an earlier reply of the model. */
    assistant(text) { return this.#note({ assistant: text }); }

    /** Note a message in OpenAI's form. */
    message(message) { return this.#note({ message }); }

    /** Note what a tool returned. */
    toolResult(content) { return this.#note({ message: { role: "tool", content } }); }

    /** Tell the model which tools it has: names or schemas. Before the system message. */
    tools(tools) { return this.#note({ tools }); }

    /** Note the beginning of the model's turn, once; `complete` does it itself. */
    cue() {
        return this.#pending.at(-1)?.cue ? this : this.#note({ cue: true });
    }

    /** End the turn, unless the model has just ended it itself. */
    seal() {
        return this.#sealed && this.#pending.length === 0 ? this : this.#note({ seal: true });
    }

    /** Note raw tokens. */
    append(tokens) {
        const last = this.#pending.at(-1);
        if (tokens.length === 0) return this;
        if (last?.tokens === undefined) return this.#note({ tokens: [...tokens] });
        last.tokens.push(...tokens);
        return this;
    }

    /** Note raw text, without any chat template. */
    text(text) { return this.#note({ text }); }

    /** Tokens of what is noted and not yet sent. @returns {number[]} */
    buffer() {
        if (this.#pending.length === 0) return [];
        return control("context.render", { context: this.handle, fill: this.#pending });
    }

    /** What the server knows of it: tokens, pages, state. */
    info() { return control("context.info", { context: this.handle }); }

    /** Tokens in the KV cache; what is noted does not count. @returns {number} */
    get length() { return this.info().tokens; }

    /** A copy over the same pages, with the same notes. @returns {Context} */
    fork() {
        const made = control("context.fork", { context: this.handle });
        const copy = Context.#existing(this.model, made);
        copy.#pending = this.#pending.map((segment) => copySegment(segment));
        copy.#sealed = this.#sealed;
        return copy;
    }

    /** Drop the last `count` tokens of the cache; what is noted stays noted. */
    truncate(count) {
        const length = this.length;
        if (!Number.isInteger(count) || count < 0 || count > length) {
            throw new RangeError(`cannot drop ${count} of ${length} tokens`);
        }
        control("context.truncate", { context: this.handle, length: length - count });
        this.#sealed = false;
        return this;
    }

    /** Keep a copy under a name of the tenant, beyond this inferlet. */
    save(name) { control("context.save", { context: this.handle, name }); }

    /** Free its pages now. */
    release() { control("context.release", { context: this.handle }); }

    /** Prefill what is noted; resolves to the number of tokens now in the context. */
    async flush({ signal } = {}) {
        if (this.#pending.length === 0) return this.length;
        return (await this.#run("context.flush", {}, signal)).tokens;
    }

    /**
     * The model's whole turn as one operation.
     *
     * @param {Sampler} sampler
     * @param {{maxTokens?: number, stop?: (number | string)[], stream?: boolean, cue?: boolean,
     *     ignoreEos?: boolean, signal?: AbortSignal}} [options] `stop` has tokens and texts that end
     *     it, beside the model's end of turn.
     * @returns {Promise<{text: string, content: string, tokens: number[], toolCalls: object[],
     *     finishReason: string, logprob: number, length: number}>}
     */
    async complete(sampler, options = {}) {
        const { maxTokens = 256, stop, stream = false, cue = true, ignoreEos = false } = options;
        if (cue) this.cue();
        const fields = { max_tokens: maxTokens, sampler, ignore_eos: ignoreEos };
        if (stop !== undefined) {
            const tokens = stop.filter((item) => typeof item === "number");
            fields.stop_tokens = [...this.model.eosTokens, ...tokens];
            fields.stop = stop.filter((item) => typeof item === "string");
        }
        if (stream) fields.stream = "text";
        const raw = await this.#run("context.generate", fields, options.signal);
        this.#sealed = raw.finish_reason === "stop"
            && this.model.eosTokens.includes(raw.tokens.at(-1));
        return {
            text: raw.text,
            content: raw.content,
            tokens: raw.tokens,
            toolCalls: raw.tool_calls,
            finishReason: raw.finish_reason,
            logprob: raw.logprob,
            length: raw.length,
        };
    }

    /**
     * Token by token: one forward pass for each token that is asked for.
     *
     * @example
     * for await (const token of ctx.cue().generate(Sampler.argmax(), { maxTokens: 8 })) { ... }
     */
    async *generate(sampler, { maxTokens = Infinity, stop = [], signal } = {}) {
        const samplers = [{ index: -1, sampler }];
        for (let generated = 0; generated < maxTokens; generated++) {
            const { tokens: [token] } = await this.forward({ samplers, signal });
            if (stop.includes(token)) return;
            this.append([token]);
            yield token;
        }
    }

    /**
     * One forward pass over what is noted, which is in the cache afterwards.
     *
     * @param {{samplers?: {index: number, sampler: Sampler}[],
     *     distributions?: {index: number, top_k: number}[], signal?: AbortSignal}} [options]
     *     `index` is an offset into what is noted, negative from its end.
     * @returns {Promise<{length: number, tokens: number[],
     *     distributions: {tokens: number[], probabilities: number[]}[]}>}
     */
    async forward({ samplers = [], distributions = [], signal } = {}) {
        if (this.#pending.length === 0) throw new TypeError("a forward pass needs input");
        return this.#run("context.forward", { samplers, distributions }, signal);
    }

    #note(segment) {
        this.#pending.push(segment);
        this.#sealed = false;
        return this;
    }

    async #run(op, fields, signal) {
        const fill = this.#pending;
        this.#pending = [];
        this.#sealed = false;
        try {
            return await operation(op, { context: this.handle, fill, ...fields }, signal);
        } catch (error) {
            if (REFUSALS.has(error?.code)) this.#pending = [...fill, ...this.#pending];
            throw error;
        }
    }
}

function copySegment(segment) {
    return segment.tokens === undefined ? segment : { tokens: [...segment.tokens] };
}
