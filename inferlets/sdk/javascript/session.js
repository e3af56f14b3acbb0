/** Talk with the client that launched this inferlet. */

import { control, operation } from "./loop.js";

/**
 * Send a message: a string arrives as text, anything else as JSON.
 *
 * @example
 * session.send({ step: 3, score: 0.8 });
 */
export function send(message) {
    control("session.send", { message });
}

/**
 * Wait for the client's next input: a string if it sent text, else the JSON value.
 *
 * @example
 * const answer = await session.receive();
 */
export async function receive({ signal } = {}) {
    const value = await operation("session.receive", {}, signal);
    const keys = value !== null && typeof value === "object" ? Object.keys(value) : [];
    return keys.length === 1 && keys[0] === "text" ? value.text : value;
}
