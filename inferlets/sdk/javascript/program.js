/** Runs one inferlet; called by the interpreter component's C code (runtime.c). */

import { define, setClock } from "./abi.js";
import { describe, show } from "./errors.js";
import { configure, flush, post, pump as pumpLoop } from "./loop.js";

const PRINT_LIMIT_CHARACTERS = 16384;
const SIGNATURE = "export async function main(input)";

const printed = { info: "", warning: "" };
const unhandled = new Map(); // promise -> reason
let deadlock;
const deadlocked = new Promise((_, reject) => { deadlock = reject; });

/** The result of the inferlet as JSON; rejected with the description of what went wrong. */
export async function run(source, given) {
    const program = JSON.parse(source);
    const { arguments: input, limits, time } = JSON.parse(given);
    const filename = `${program.name}/main.js`;
    configure(limits, sendPrinted);
    setClock(time);
    globalThis.console = Object.freeze({
        log: printer("info"), info: printer("info"), debug: printer("info"),
        warn: printer("warning"), error: printer("warning"),
    });
    try {
        define(filename, program.text);
        const { main } = await import(filename);
        if (typeof main !== "function") {
            throw new TypeError(`the source exports no \`main\`; an inferlet is \`${SIGNATURE}\``);
        }
        const result = encode(await Promise.race([main(input), deadlocked]));
        finish();
        return result;
    } catch (error) {
        finish();
        throw JSON.stringify(describe(error, filename));
    }
}

/** Called when no promise job is left and `run` is not settled. */
export function pump() {
    try {
        pumpLoop();
    } catch (error) {
        deadlock(error);
    }
}

/** Called when a promise is rejected while nobody handles it, and when somebody does later. */
export function noteRejection(promise, reason, handled) {
    if (handled) unhandled.delete(promise);
    else unhandled.set(promise, reason);
}

function encode(result) {
    let text;
    try {
        text = JSON.stringify(result ?? null);
    } catch (error) {
        throw new TypeError(`main returned what is not JSON (${error.message})`);
    }
    if (text === undefined) throw new TypeError(`main returned a ${typeof result}, not JSON`);
    return text;
}

function printer(level) {
    return (...values) => {
        const line = values.map(show).join(" ");
        printed[level] = `${printed[level]}${line}\n`.slice(0, PRINT_LIMIT_CHARACTERS);
    };
}

function sendPrinted() {
    for (const level of ["info", "warning"]) {
        if (printed[level] !== "") post("log", { level, message: printed[level].trimEnd() });
        printed[level] = "";
    }
}

function finish() {
    for (const reason of unhandled.values()) {
        post("log", {
            level: "warning",
            message: `a promise was rejected and nobody handled it: ${show(reason)}`,
        });
    }
    sendPrinted();
    flush();
}
