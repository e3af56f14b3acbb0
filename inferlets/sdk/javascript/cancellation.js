/** Waiting and giving up: `sleep`, `AbortController`, `withTimeout`. */

import { pause } from "./loop.js";

/** Says whether to give up; made by `AbortController`. */
class AbortSignal {
    aborted = false;
    reason = undefined;
    #listeners = new Set();

    /** Throw the reason if it was aborted. */
    throwIfAborted() {
        if (this.aborted) throw this.reason;
    }

    addEventListener(kind, listener) {
        if (kind === "abort") this.#listeners.add(listener);
    }

    removeEventListener(kind, listener) {
        if (kind === "abort") this.#listeners.delete(listener);
    }

    _abort(reason) {
        if (this.aborted) return;
        this.aborted = true;
        this.reason = reason;
        const listeners = [...this.#listeners];
        this.#listeners.clear();
        for (const listener of listeners) listener();
    }
}

/**
 * Cancels the operations that were given its `signal`.
 *
 * @example
 * const controller = new AbortController();
 * const reply = ctx.complete(sampler, { maxTokens: 64, signal: controller.signal });
 * controller.abort();
 */
export class AbortController {
    signal = new AbortSignal();

    /** Cancel; the operations' promises are rejected with `reason`. */
    abort(reason = named("AbortError", "the operation was aborted")) {
        this.signal._abort(reason);
    }
}

/**
 * Wait, while other promises and other inferlets go on.
 *
 * @param {number} seconds
 * @param {{signal?: AbortSignal}} [options]
 * @example
 * await sleep(0.5);
 */
export async function sleep(seconds, { signal } = {}) {
    if (!Number.isFinite(seconds)) throw new RangeError(`cannot sleep for ${seconds} seconds`);
    return pause(Math.max(0, seconds), signal);
}

/**
 * Run `body(signal)`; after so many seconds its operations are cancelled and TimeoutError is thrown.
 *
 * @example
 * const text = await withTimeout(2, (signal) => tools.call("python", { code }, { signal }));
 */
export async function withTimeout(seconds, body) {
    if (!Number.isFinite(seconds)) throw new RangeError(`a timeout of ${seconds} means nothing`);
    const work = new AbortController();
    const timer = new AbortController();
    sleep(seconds, { signal: timer.signal }).then(
        () => work.abort(named("TimeoutError", `it took longer than ${seconds} s`)), () => {});
    try {
        return await body(work.signal);
    } finally {
        timer.abort();
    }
}

function named(name, message) {
    const error = new Error(message);
    error.name = name;
    return error;
}
