/** The models of the server and their tokenizers. */

import { control } from "./loop.js";

/** Text to tokens and back. */
export class Tokenizer {
    #model;

    constructor(model) {
        this.#model = model;
    }

    /** Tokens of `text`; text that looks like a special token stays text. @returns {number[]} */
    encode(text) {
        return control("tokenizer.encode", { model: this.#model, text });
    }

    /** Text of `tokens`, without special tokens if `skipSpecial`. @returns {string} */
    decode(tokens, { skipSpecial = false } = {}) {
        return control(
            "tokenizer.decode", { model: this.#model, tokens, skip_special: skipSpecial });
    }
}

/**
 * One model that the server has loaded.
 *
 * @example
 * const model = Model.load(runtime.models()[0]);
 */
export class Model {
    constructor(info) {
        this.name = info.name;
        this.architecture = info.architecture;
        this.vocabSize = info.vocab_size;
        this.pageSize = info.page_size_tokens;
        this.maxContextTokens = info.max_context_tokens;
        this.eosTokens = info.eos_tokens;
        this.traits = info.traits;
    }

    /** The model called `name`; throws OperationError "unknown_model" if there is none. */
    static load(name) {
        return new Model(control("model.info", { model: name }));
    }

    /** Its tokenizer. @returns {Tokenizer} */
    tokenizer() {
        return new Tokenizer(this.name);
    }
}
