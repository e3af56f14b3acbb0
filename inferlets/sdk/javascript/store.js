/** The tenant's key-value store: survives this inferlet, its session and the server. */

import { operation } from "./loop.js";

/** What a key holds, or `fallback`. */
export async function get(key, fallback = null) {
    return (await entry(key))?.value ?? fallback;
}

/** What a key holds and its version, or null. @returns {Promise<{value, version: number}>} */
export const entry = (key) => operation("store.get", { key });

/** Set a key, whatever it holds; its new version. */
export async function put(key, value) {
    return (await operation("store.put", { key, value })).version;
}

/** Set a key only if it still has `version` (0: does not exist); its new version, or null. */
export async function swap(key, value, version) {
    const answer = await operation("store.put", { key, value, version });
    return answer.done ? answer.version : null;
}

/** Forget a key; whether it existed. */
export async function remove(key) {
    return (await operation("store.delete", { key })).existed;
}

/** Keys that begin with `prefix`, in order, those behind `after`. @returns {Promise<string[]>} */
export async function keys(prefix = "", { after = "", limit = 100 } = {}) {
    return (await operation("store.list", { prefix, after, limit })).map((item) => item.key);
}
