/** The server this inferlet runs in: models, identity, time, randomness, log. */

import { Child } from "./child.js";
import { control } from "./loop.js";

/** Version of the server. @returns {string} */
export const version = () => control("runtime.version");

/** Names of the models that are loaded, the default first. @returns {string[]} */
export const models = () => control("models.list");

/** Identity of the session this inferlet runs for. @returns {string} */
export const instanceId = () => control("session.info").id;

/** The tenant on whose behalf it runs. @returns {string} */
export const username = () => control("session.info").tenant;

/** Seconds since 1970 by the server's clock. @returns {number} */
export const time = () => control("runtime.time");

/** A seed that the server records, so that a session can be replayed. @returns {number} */
export const randomSeed = () => control("runtime.random_seed");

/**
 * Launch another inferlet of the server beside this one.
 *
 * @param {string} program
 * @param {object} [args] What its `main` gets.
 * @returns {Child}
 */
export function launch(program, args = {}) {
    const { child, name } = control("runtime.launch", { program, arguments: args });
    return new Child(child, name);
}

/**
 * Write to the server's log, for its operator; `console.log` does so too.
 *
 * @param {string} message
 * @param {"debug" | "info" | "warning" | "error"} [level]
 */
export function log(message, level = "info") {
    control("log", { level, message });
}
