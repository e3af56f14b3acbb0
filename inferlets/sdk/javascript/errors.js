/** What a failed operation throws inside an inferlet, and how an error leaves it. */

/**
 * An operation failed. It can be caught, and the inferlet goes on.
 *
 * @property {string} code Stable name for programs, such as "context_too_long".
 * @property {string} hint What to do about it, perhaps empty.
 * @property {object} details Facts for programs (positions, limits, ids).
 * @property {string} operation Name of the operation that failed.
 * @example
 * try { Model.load("none"); } catch (error) { console.log(error.code); }
 */
export class OperationError extends Error {
    constructor(code, message, hint = "", details = {}, operation = "") {
        super(message);
        this.name = "OperationError";
        this.code = code;
        this.hint = hint;
        this.details = details;
        this.operation = operation;
    }
}

/** The error of a completion. */
export function errorFromWire(error, operation) {
    return new OperationError(
        error.code ?? "internal_error", error.message ?? "", error.hint, error.details, operation);
}

/** Thrown when every promise of the inferlet waits for something that can never happen. */
export class Deadlock extends Error {
    constructor(message) {
        super(message);
        this.name = "Deadlock";
    }
}

/**
 * The wire form of an error that left the inferlet; the stack keeps the lines of its own source.
 */
export function describe(error, filename) {
    if (error === null) {
        // What QuickJS throws where not even the error fits into memory any more.
        return { exception: "MemoryError", message: "out of memory", traceback: "", line: null };
    }
    if (!(error instanceof Error)) {
        return { exception: "Error", message: `threw ${show(error)}`, traceback: "", line: null };
    }
    const own = String(error.stack ?? "").split("\n").filter((line) => line.includes(filename));
    const line = /:(\d+)(?::\d+)?\)?$/.exec(own[0] ?? "");
    const outOfMemory = error instanceof InternalError && error.message === "out of memory";
    const operation = error instanceof OperationError
        ? { code: error.code, hint: error.hint, operation: error.operation } : null;
    return {
        exception: outOfMemory ? "MemoryError" : error.name,
        message: error.message,
        traceback: `${error.name}: ${error.message}\n${own.join("\n")}`,
        line: line ? Number(line[1]) : null,
        operation,
    };
}

/** Any value as text, for messages. */
export function show(value) {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ""}`;
    try {
        return JSON.stringify(value) ?? String(value);
    } catch {
        return String(value);
    }
}
