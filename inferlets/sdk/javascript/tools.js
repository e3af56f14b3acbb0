/** Tools: what there is, and running it beside the KV cache. */

import { control, operation } from "./loop.js";

/**
 * OpenAI function schemas of the server's tools, or of those named.
 *
 * @param {string[]} [names]
 * @returns {object[]}
 */
export function list(names) {
    const known = control("tools.list");
    if (names === undefined) return known;
    return names.map((name) => {
        const schema = known.find((item) => (item.function ?? item).name === name);
        if (schema === undefined) throw new TypeError(`no such tool: ${name}`);
        return schema;
    });
}

/**
 * Run a tool and wait for it. A tool that failed is a result too (`isError`): the model should
 * see it.
 *
 * @param {string | {name: string, arguments: object, id?: string}} tool A name, or a call of the
 *     model, which carries its arguments.
 * @param {object} [args] Arguments if `tool` is a name.
 * @param {{contexts?: Context[], signal?: AbortSignal}} [options] Contexts that wait for the
 *     result: their pages can be moved away under pressure and are brought back in time.
 * @returns {Promise<{content: string, isError: boolean, seconds: number, backend: string | null}>}
 * @example
 * const result = await tools.call("calculator", { expression: "2 + 2" });
 */
export async function call(tool, args = {}, { contexts = [], signal } = {}) {
    const wanted = typeof tool === "string" ? { name: tool, arguments: args } : tool;
    const fields = {
        name: wanted.name,
        arguments: typeof wanted.arguments === "string"
            ? JSON.parse(wanted.arguments) : wanted.arguments,
        contexts: contexts.map((context) => context.handle),
    };
    if (wanted.id) fields.call_id = wanted.id;
    const raw = await operation("tools.call", fields, signal);
    return {
        content: raw.content,
        isError: raw.is_error,
        seconds: raw.seconds,
        backend: raw.backend ?? null,
    };
}

/** Run several calls of the model at the same time; results in their order. */
export function callAll(calls, options = {}) {
    return Promise.all(calls.map((item) => call(item, {}, options)));
}
