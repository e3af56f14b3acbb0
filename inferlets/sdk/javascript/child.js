/** Inferlets that this one launches: `runtime.launch` returns a `Child`. */

import { control, operation } from "./loop.js";

/**
 * A launched inferlet. It ends with this one, unless it is detached. To the child this inferlet is
 * the client: what it sends with `session.send` is received here.
 *
 * @property {string} name Its name within the session.
 * @example
 * const child = runtime.launch("react", { question: "What is 3 * 14?" });
 * const answer = await child.join();
 */
export class Child {
    #handle;

    constructor(handle, name) {
        this.#handle = handle;
        this.name = name;
    }

    /** Its result once it has ended; throws `child_failed` or `cancelled`. */
    join({ signal } = {}) {
        return operation("child.join", { child: this.#handle }, signal);
    }

    /** End it now, with all it runs; whether it was running. */
    cancel() {
        return control("child.cancel", { child: this.#handle });
    }

    /** Let it go on when this inferlet ends, until the session ends; forget it here. */
    detach() {
        control("child.detach", { child: this.#handle });
    }

    /** Send it a message, which its `session.receive` returns. */
    send(message) {
        control("child.send", { child: this.#handle, message });
    }

    /** What it sends next; `undefined` once it has ended and all is received. */
    async receive({ signal } = {}) {
        const answer = await operation("child.receive", { child: this.#handle }, signal);
        return answer === null ? undefined : answer.message;
    }

    /** "running", "completed", "failed" or "cancelled". */
    get state() {
        return control("child.info", { child: this.#handle }).state;
    }
}
