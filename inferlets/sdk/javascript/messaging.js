/** Messages between inferlets of one tenant: topics that reach all, work queues that reach one. */

import { control, operation } from "./loop.js";

/** Append a message, any JSON, to a work queue, where it stays until somebody pulls it. */
export function push(topic, message) {
    control("messaging.push", { topic, message });
}

/** The next message of a work queue; each goes to one inferlet only. */
export async function pull(topic, { signal } = {}) {
    return (await operation("messaging.pull", { topic }, signal)).message;
}

/** Send a message to all who are subscribed now; how many got it. @returns {number} */
export const broadcast = (topic, message) =>
    control("messaging.broadcast", { topic, message }).delivered;

/**
 * Join a topic: messages that are broadcast from now on.
 *
 * @example
 * const news = messaging.subscribe("news");
 * for await (const message of news) console.log(message);
 */
export const subscribe = (topic) =>
    new Subscription(control("messaging.subscribe", { topic }).subscription);

/** A place at a topic. @property {number} missed Messages lost for want of room. */
export class Subscription {
    #handle;
    missed = 0;

    constructor(handle) {
        this.#handle = handle;
    }

    /** The next message; `undefined` once it is unsubscribed. */
    async next({ signal } = {}) {
        if (this.#handle === null) return undefined;
        const answer = await operation("messaging.receive", { subscription: this.#handle }, signal);
        if (answer === null) return undefined;
        this.missed = answer.missed;
        return answer.message;
    }

    /** Leave the topic; what is unread is forgotten. */
    unsubscribe() {
        if (this.#handle === null) return;
        control("messaging.unsubscribe", { subscription: this.#handle });
        this.#handle = null;
    }

    async *[Symbol.asyncIterator]() {
        for (let message = await this.next(); message !== undefined; message = await this.next())
            yield message;
    }
}
