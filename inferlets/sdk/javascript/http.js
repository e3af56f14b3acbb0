/** HTTP requests, made by the server, to the addresses that its operator allows. */

import { operation } from "./loop.js";

/**
 * Make a request and read the whole answer.
 *
 * @param {string} url
 * @param {{method?: string, headers?: object, body?: string, json?: any, seconds?: number,
 *     maxBytes?: number, signal?: AbortSignal}} [options]
 * @returns {Promise<{status: number, headers: string[][], url: string, body?: string,
 *     body_base64?: string}>} `body` where the answer is UTF-8, else `body_base64`.
 * @example
 * const prices = JSON.parse((await http.request("https://example.org/prices.json")).body);
 */
export function request(url, options = {}) {
    const { method = "GET", headers = {}, body, json, seconds, maxBytes, signal } = options;
    const fields = { url, method, headers: { ...headers } };
    if (json !== undefined) {
        fields.body = JSON.stringify(json);
        fields.headers["content-type"] ??= "application/json";
    } else if (body !== undefined) fields.body = body;
    if (seconds !== undefined) fields.seconds = seconds;
    if (maxBytes !== undefined) fields.max_bytes = maxBytes;
    return operation("http.request", fields, signal);
}
