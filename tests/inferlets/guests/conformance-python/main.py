"""The cases of tests/inferlets/test_conformance.py in Python."""

import itertools
import json

from inferlet import (
    Context,
    Distribution,
    Model,
    OperationError,
    Sampler,
    gather,
    messaging,
    runtime,
    session,
    sleep,
    spawn,
    store,
    timeout,
    tools,
)
from inferlet._backend import operation


def host():
    """The raw border, which is there in WebAssembly only."""
    from wit_world.imports import host

    return host


async def echo(input):
    return input["value"]


async def model(input):
    loaded = Model.load(runtime.models()[0])
    tokenizer = loaded.tokenizer()
    return [
        loaded.name, loaded.vocab_size, loaded.page_size, loaded.max_context_tokens,
        loaded.eos_tokens, tokenizer.encode("aü"), tokenizer.decode([104, 105]),
    ]  # fmt: skip


async def context(input):
    loaded = Model.load("fake")
    ctx = Context(loaded).system("S").user("U").assistant("A")
    await ctx.flush()
    branch = ctx.fork().append([65]).append([66])
    await branch.flush()
    grown = branch.seq_len
    branch.truncate(3)
    reply = await branch.text("T").complete(Sampler.argmax(), max_tokens=8, stream=True)
    branch.save("x")
    again = Context.open(loaded, "x")
    nothing = Context.open(loaded, "y")
    lengths = [ctx.seq_len, grown, branch.seq_len, again.info()["tokens"]]
    branch.release()
    return [*lengths, nothing is None, reply.text, reply.tokens, reply.finish_reason, reply.length]


async def steps(input):
    ctx = Context(Model.load("fake")).append([65])
    generator = ctx.generate(Sampler.argmax(), max_tokens=4, auto_flush=False)
    tokens = [(await step.execute()).tokens[0] async for step in generator]
    forward = ctx.forward().input([80, 81])
    top = forward.probe(-1, Distribution(k=2))
    return [tokens, *(await forward.execute()).distribution(top)]


async def generates(input):
    ctx = Context(Model.load("fake")).append([65])
    generator = ctx.generate(Sampler.argmax(), max_tokens=input["count"], auto_flush=False)
    return [(await step.execute()).tokens[0] async for step in generator][-1]


async def stops(input):
    ctx = Context(Model.load("fake")).user("U")
    await ctx.complete(Sampler.argmax(), max_tokens=8, stop=["END"])


async def tool(input):
    result = await tools.call("calculator", {"expression": "2+2"})
    failed = await tools.call("calculator", {"expression": "1/0"})
    count = len(tools.schemas())
    return [count, result.content, result.is_error, failed.content, failed.is_error]


async def talk(input):
    session.send("hello")
    session.send({"n": 1})
    return [await session.receive(), await session.receive()]


async def shares(input):
    messaging.push("jobs", {"n": 1})
    pulled = await messaging.pull("jobs")
    version = await store.put("k", [1])
    child = runtime.launch("echo", {"x": 2})
    return [pulled, version, await store.get("k"), await child.join()]


async def about(input):
    runtime.log("note", level="warning")
    return [runtime.time(), runtime.random_seed(), runtime.version(), runtime.instance_id()]


async def printing(input):
    print("one")
    print("two")


async def concurrent(input):
    calls = [tools.call(name) for name in ("calculator", "python")]
    return [result.content for result in await gather(*calls)]


async def many(input):
    results = await gather(*[tools.call("python", {"n": n}) for n in range(500)])
    return [result.content for result in results] == [str(n) for n in range(500)]


async def timed(input):
    try:
        async with timeout(0.01):
            await session.receive()
    except TimeoutError:
        return "timeout"


async def cancelled(input):
    task = spawn(session.receive())
    await sleep(0)
    task.cancel()
    await sleep(0)
    return "cancelled"


async def first(input):
    slow = spawn(session.receive())
    quick = spawn(tools.call("python"))
    result = await quick
    slow.cancel()
    return result.content


async def caught(input):
    try:
        Model.load("none")
    except OperationError as error:
        return [error.code, error.message, error.hint, error.operation]


async def unknown_operation(input):
    try:
        await operation("no.such", x=1)
    except OperationError as error:
        return error.code


async def bad_handle(input):
    ctx = Context(Model.load("fake"))
    ctx.release()
    try:
        await ctx.append([1]).flush()
    except OperationError as error:
        return error.code


async def too_large(input):
    try:
        session.send("x" * 100_000)
    except OperationError as error:
        return error.code


async def raises(input):
    raise ValueError("no such luck")


async def uncaught(input):
    Model.load("none")


async def spins(input):
    while True:
        pass


async def allocates(input):
    keep = []
    while True:
        keep.append(bytearray(1 << 20))


async def recurses(input):
    return await recurses(input) + 1


async def floods(input):
    for n in itertools.count(1):
        host().submit(json.dumps([{"id": n, "op": "runtime.time"}]))


async def waits(input):
    host().wait()


async def repeats(input):
    for _ in range(2):
        host().submit('[{"id":900,"op":"runtime.sleep","seconds":9}]')
    host().wait()


async def talks_nonsense(input):
    host().submit("hello")
    host().wait()


async def large_result(input):
    return "x" * input["size"]


async def leaves(input):
    for _ in range(5):
        spawn(sleep(3600))
    await sleep(0)
    return "left"


async def main(input):
    return await globals()[input["case"]](input)
