/** Scratch files: text in the server's memory, of this inferlet only, gone when it ends. */

import { control } from "./loop.js";

/** Write a file, replacing what it held; its size in bytes. @returns {number} */
export const write = (name, text) => control("files.write", { name, text }).size;

/** Lengthen a file, which need not exist; its size in bytes. @returns {number} */
export const append = (name, text) =>
    control("files.write", { name, text, append: true }).size;

/**
 * A file's text. What is not UTF-8, or is longer than 1 MiB, is read in parts as
 * `{text | text_base64, stop, size}` by `readPart`.
 *
 * @returns {string}
 */
export function read(name) {
    const { text, stop, size } = readPart(name);
    if (text === undefined || stop < size) throw new TypeError(`${name} is no text up to 1 MiB`);
    return text;
}

/** Bytes from `start` on, at most 1 MiB. */
export const readPart = (name, start = 0) => control("files.read", { name, start });

/** Names of all files. @returns {string[]} */
export const names = () => control("files.list").map((item) => item.name);

/** Forget a file; whether there was one. @returns {boolean} */
export const remove = (name) => control("files.delete", { name });
