/**
 * Operations: what is started in one turn leaves in one submit, and answers settle promises.
 *
 * The number in flight is kept under the instance's limit; the rest queues here. All sleepers share
 * one operation, the alarm of the earliest.
 */

import { monotonic, submit, wait } from "./abi.js";
import { Deadlock, OperationError, errorFromWire } from "./errors.js";

// Alarms, cancellations and control operations may go beyond what queues, else a full queue could
// never be emptied by a timeout.
const RESERVED_OPERATIONS = 32;

let capacity = 1;
let operationBytes = 1;
let lastId = 0;
let inFlight = 0; // of those that queue
const waiting = new Map(); // id -> {resolve, reject, op}; undefined if nobody waits
const queued = new Map(); // id -> text
const sleepers = []; // {deadline, resolve}, earliest first
let alarm = null; // {id, deadline}
let outgoing = [];
let inbox = [];
let beforeWait = () => {};

/** Set the instance's limits, and what to do before each wait. */
export function configure(limits, hook) {
    capacity = Math.max(1, limits.operations_in_flight - RESERVED_OPERATIONS);
    operationBytes = limits.operation_bytes;
    beforeWait = hook;
}

/** Run one operation; a promise of its value. Aborting `signal` cancels it. */
export function operation(op, fields = {}, signal = undefined) {
    return new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const [id, text] = encode(op, fields);
        const entry = { resolve, reject, op };
        if (signal !== undefined) cancelWith(signal, id, entry);
        waiting.set(id, entry);
        queued.set(id, text);
    });
}

/** Run one control operation (one that needs no device) and return its value at once. */
export function control(op, fields = {}) {
    const id = post(op, fields);
    startQueued();
    flush();
    for (;;) {
        let mine = null;
        for (const item of JSON.parse(wait())) {
            if (item.id === id) mine = item;
            else inbox.push(item);
        }
        if (mine === null) continue;
        waiting.delete(id);
        if (mine.ok) return mine.val;
        throw errorFromWire(mine.error, op);
    }
}

/** Send an operation whose answer nobody waits for; its id. */
export function post(op, fields = {}) {
    const [id, text] = encode(op, fields);
    outgoing.push(text);
    waiting.set(id, undefined);
    return id;
}

/** A promise that is resolved after so many seconds. */
export function pause(seconds, signal = undefined) {
    return new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const sleeper = { deadline: monotonic() + seconds, resolve };
        const abort = () => {
            sleepers.splice(sleepers.indexOf(sleeper), 1);
            reject(signal.reason);
        };
        sleeper.resolve = () => {
            signal?.removeEventListener("abort", abort);
            resolve();
        };
        signal?.addEventListener("abort", abort);
        sleepers.splice(placeOf(sleeper.deadline), 0, sleeper);
    });
}

/** Called when no promise job is left: submit what is queued, wait, settle what was answered. */
export function pump() {
    startQueued();
    setAlarm();
    beforeWait();
    flush();
    if (inbox.length === 0) {
        if (waiting.size === 0) throw new Deadlock("deadlock: main waits and nothing is in flight");
        inbox = JSON.parse(wait());
    }
    const completions = inbox;
    inbox = [];
    for (const item of completions) {
        const entry = waiting.get(item.id);
        waiting.delete(item.id);
        if (item.id === alarm?.id) ring();
        if (entry === undefined) continue;
        inFlight--;
        if (item.ok) entry.resolve(item.val);
        else entry.reject(errorFromWire(item.error, entry.op));
    }
}

/** Hand over what was posted; for the end of the inferlet, when nobody waits any more. */
export function flush() {
    if (outgoing.length === 0) return;
    let batch = [];
    let size = 2;
    for (const text of outgoing) {
        const bytes = bytesAtMost(text);
        if (batch.length > 0 && size + bytes + 1 > operationBytes) {
            submit(`[${batch.join(",")}]`);
            batch = [];
            size = 2;
        }
        batch.push(text);
        size += bytes + 1;
    }
    outgoing = [];
    submit(`[${batch.join(",")}]`);
}

function cancelWith(signal, id, entry) {
    const { resolve, reject } = entry;
    const abort = () => {
        cancel(id);
        reject(signal.reason);
    };
    const settled = (then) => (value) => {
        signal.removeEventListener("abort", abort);
        then(value);
    };
    entry.resolve = settled(resolve);
    entry.reject = settled(reject);
    signal.addEventListener("abort", abort);
}

function encode(op, fields) {
    const id = ++lastId;
    const text = JSON.stringify({ id, op, ...fields });
    if (bytesAtMost(text) + 2 > operationBytes) {
        throw new OperationError(
            "message_too_large",
            `the operation has ${text.length} characters of JSON, more than the ${operationBytes} ` +
            "bytes that one submit may have.",
            "Send it in parts.", {}, op);
    }
    return [id, text];
}

/** Bytes of a text as UTF-8: exactly if it is long, else at most 3 a character. */
function bytesAtMost(text) {
    const most = text.length * 3;
    return most + 2 > operationBytes ? byteLength(text) : most;
}

function byteLength(text) {
    let bytes = text.length;
    for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        // Half of a surrogate pair counts two of the pair's four bytes.
        if (unit > 0x7f) bytes += unit > 0x7ff && (unit & 0xf800) !== 0xd800 ? 2 : 1;
    }
    return bytes;
}

function startQueued() {
    for (const [id, text] of queued) {
        if (inFlight >= capacity) return;
        outgoing.push(text);
        queued.delete(id);
        inFlight++;
    }
}

function cancel(id) {
    if (queued.delete(id)) {
        waiting.delete(id);
        return;
    }
    inFlight--;
    waiting.set(id, undefined);
    post("cancel", { target: id });
}

/** Behind all sleepers that wake up at `deadline` or before. */
function placeOf(deadline) {
    let [low, high] = [0, sleepers.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (sleepers[middle].deadline <= deadline) low = middle + 1;
        else high = middle;
    }
    return low;
}

function setAlarm() {
    const earliest = sleepers[0]?.deadline;
    if (alarm !== null && alarm.deadline === earliest) return;
    if (alarm !== null) post("cancel", { target: alarm.id });
    alarm = null;
    if (earliest === undefined) return;
    const seconds = Math.max(0, earliest - monotonic());
    alarm = { id: post("runtime.sleep", { seconds }), deadline: earliest };
}

function ring() {
    const now = Math.max(alarm.deadline, monotonic());
    alarm = null;
    while (sleepers.length > 0 && sleepers[0].deadline <= now) sleepers.shift().resolve();
}
