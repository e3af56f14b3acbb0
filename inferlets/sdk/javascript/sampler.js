/** How the next token is picked. */

/**
 * Build one with the static methods; each takes `seed`, which makes the draws repeatable.
 *
 * @example
 * const creative = Sampler.topP(0.8, 0.95, { seed: 7 });
 */
export class Sampler {
    #fields;

    constructor(fields) {
        this.#fields = {
            temperature: 0, top_p: 1, top_k: 0, min_p: 0, seed: null, ...fields,
        };
    }

    /** Always the most probable token. */
    static argmax() {
        return new Sampler({});
    }

    /** Nucleus: the most probable tokens that together have probability `p`. */
    static topP(temperature = 0.6, p = 0.95, { seed = null } = {}) {
        return new Sampler({ temperature, top_p: p, seed });
    }

    /** The `k` most probable tokens. */
    static topK(temperature = 0.6, k = 40, { seed = null } = {}) {
        return new Sampler({ temperature, top_k: k, seed });
    }

    /** Tokens with at least `p` times the probability of the best one. */
    static minP(temperature = 0.6, p = 0.1, { seed = null } = {}) {
        return new Sampler({ temperature, min_p: p, seed });
    }

    /** The whole distribution at a temperature. */
    static multinomial(temperature = 1, { seed = null } = {}) {
        return new Sampler({ temperature, seed });
    }

    /** The sampler as operations carry it. */
    toJSON() {
        return this.#fields;
    }
}
