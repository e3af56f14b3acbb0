/** The cases of tests/inferlets/test_conformance.py in JavaScript. */

import {
    AbortController, Context, Model, OperationError, Sampler, messaging, runtime, session, sleep,
    store, tools, withTimeout,
} from "inferlet";
import * as abi from "inferlet/abi";

const cases = {
    echo: (input) => input.value,

    model() {
        const loaded = Model.load(runtime.models()[0]);
        const tokenizer = loaded.tokenizer();
        return [
            loaded.name, loaded.vocabSize, loaded.pageSize, loaded.maxContextTokens,
            loaded.eosTokens, tokenizer.encode("aü"), tokenizer.decode([104, 105]),
        ];
    },

    async context() {
        const loaded = Model.load("fake");
        const ctx = new Context(loaded).system("S").user("U").assistant("A");
        await ctx.flush();
        const branch = ctx.fork().append([65]).append([66]);
        await branch.flush();
        const grown = branch.length;
        branch.truncate(3);
        const reply = await branch.text("T")
            .complete(Sampler.argmax(), { maxTokens: 8, stream: true });
        branch.save("x");
        const again = Context.open(loaded, "x");
        const lengths = [ctx.length, grown, branch.length, again.length];
        const nothing = Context.open(loaded, "y") === null;
        branch.release();
        return [
            ...lengths, nothing, reply.text, reply.tokens, reply.finishReason, reply.length,
        ];
    },

    async steps() {
        const ctx = new Context(Model.load("fake")).append([65]);
        const tokens = [];
        for await (const token of ctx.generate(Sampler.argmax(), { maxTokens: 4 })) {
            tokens.push(token);
        }
        const other = new Context(Model.load("fake")).append([80, 81]);
        const { distributions: [top] } = await other.forward({
            distributions: [{ index: -1, top_k: 2 }],
        });
        return [tokens, top.tokens, top.probabilities];
    },

    async generates({ count }) {
        const ctx = new Context(Model.load("fake")).append([65]);
        let last;
        for await (const token of ctx.generate(Sampler.argmax(), { maxTokens: count })) {
            last = token;
        }
        return last;
    },

    async stops() {
        const ctx = new Context(Model.load("fake")).user("U");
        await ctx.complete(Sampler.argmax(), { maxTokens: 8, stop: ["END"] });
    },

    async tool() {
        const result = await tools.call("calculator", { expression: "2+2" });
        const failed = await tools.call("calculator", { expression: "1/0" });
        const count = tools.list().length;
        return [count, result.content, result.isError, failed.content, failed.isError];
    },

    async talk() {
        session.send("hello");
        session.send({ n: 1 });
        return [await session.receive(), await session.receive()];
    },

    async shares() {
        messaging.push("jobs", { n: 1 });
        const pulled = await messaging.pull("jobs");
        const version = await store.put("k", [1]);
        const child = runtime.launch("echo", { x: 2 });
        return [pulled, version, await store.get("k"), await child.join()];
    },

    about() {
        runtime.log("note", "warning");
        return [runtime.time(), runtime.randomSeed(), runtime.version(), runtime.instanceId()];
    },

    printing() {
        console.log("one");
        console.log("two");
        return null;
    },

    async concurrent() {
        const calls = ["calculator", "python"].map((name) => tools.call(name));
        return (await Promise.all(calls)).map((result) => result.content);
    },

    async many() {
        const numbers = Array.from({ length: 500 }, (_, n) => n);
        const results = await Promise.all(numbers.map((n) => tools.call("python", { n })));
        return results.every((result, n) => result.content === String(n));
    },

    async timed() {
        try {
            await withTimeout(0.01, (signal) => session.receive({ signal }));
        } catch (error) {
            return error.name === "TimeoutError" ? "timeout" : error.name;
        }
    },

    async cancelled() {
        const controller = new AbortController();
        const message = session.receive({ signal: controller.signal });
        await sleep(0);
        controller.abort();
        try {
            await message;
        } catch (error) {
            await sleep(0);
            return error.name === "AbortError" ? "cancelled" : error.name;
        }
    },

    async first() {
        const controller = new AbortController();
        const slow = session.receive({ signal: controller.signal });
        slow.catch(() => {});
        const result = await Promise.race([slow, tools.call("python")]);
        controller.abort();
        return result.content;
    },

    caught() {
        try {
            Model.load("none");
        } catch (error) {
            const { code, message, hint, operation } = error;
            return error instanceof OperationError ? [code, message, hint, operation] : null;
        }
    },

    unknown_operation() {
        abi.submit('[{"id":900000,"op":"no.such","x":1}]');
        return JSON.parse(abi.wait())[0].error.code;
    },

    async bad_handle() {
        const ctx = new Context(Model.load("fake"));
        ctx.release();
        return ctx.append([1]).flush().catch((error) => error.code);
    },

    too_large() {
        try {
            session.send("x".repeat(100000));
        } catch (error) {
            return error.code;
        }
    },

    raises() {
        throw new RangeError("no such luck");
    },

    uncaught: () => Model.load("none"),

    spins() {
        for (;;);
    },

    allocates() {
        const keep = [];
        for (;;) keep.push(new ArrayBuffer(1 << 20));
    },

    recurses: (input) => cases.recurses(input) + 1,

    floods() {
        for (let n = 1; ; n++) abi.submit(`[{"id":${n},"op":"runtime.time"}]`);
    },

    waits: () => abi.wait(),

    repeats() {
        for (let n = 0; n < 2; n++) abi.submit('[{"id":900,"op":"runtime.sleep","seconds":9}]');
        abi.wait();
    },

    talks_nonsense() {
        abi.submit("hello");
        abi.wait();
    },

    large_result: (input) => "x".repeat(input.size),

    async leaves() {
        for (let n = 0; n < 5; n++) sleep(3600);
        session.receive();
        await sleep(0);
        return "left";
    },
};

export async function main(input) {
    return cases[input.case](input);
}
