"""Good guests, in WebAssembly and natively: the same source gives the same result."""

from __future__ import annotations

import pytest
import trio

from pie_server.errors import GuestDeadlocked, GuestRaised, InvalidArguments, OutputExceeded
from pie_server.runtime import InstanceLimits, Program
from tests.runtime.conftest import Runner
from tests.runtime.fake_host import Reply


async def test_guest_returns_what_main_returns(both: Runner) -> None:
    source = "async def main(input):\n    return {'got': input, 'list': (1, 2.5, None, True)}"
    assert await both(source, {"a": "ü"}) == {"got": {"a": "ü"}, "list": [1, 2.5, None, True]}


async def test_main_may_be_a_plain_function(both: Runner) -> None:
    assert await both("def main(input):\n    return input['n'] + 1", {"n": 1}) == 2


async def test_control_operations_answer_without_await(both: Runner) -> None:
    source = """
        from inferlet import runtime, session, Model
        def main(input):
            session.send("hello")
            session.send({"n": 1})
            model = Model.load(runtime.models()[0])
            return [model.name, runtime.instance_id(), model.tokenizer().encode("ab")]
    """
    assert await both(source) == ["fake", "session-1", [97, 98]]
    assert both.host.messages == ["hello", {"n": 1}]


async def test_failed_operation_raises_in_the_guest_and_can_be_caught(both: Runner) -> None:
    source = """
        from inferlet import Model, OperationError, InvalidOperation
        async def main(input):
            try:
                Model.load("none")
            except OperationError as error:
                return [isinstance(error, InvalidOperation), error.code, error.message, error.hint,
                        error.operation]
    """
    assert await both(source) == [
        True, "unknown_model", "there is no model 'none'.", "There is: fake.", "model.info"
    ]  # fmt: skip


async def test_uncaught_error_carries_the_guests_own_traceback(both: Runner) -> None:
    source = """\
        from inferlet import sleep
        def inner(x):
            return 1 / x
        async def main(input):
            await sleep(0)
            return inner(0)
    """
    with pytest.raises(GuestRaised) as caught:
        await both(source)
    error = caught.value
    assert error.message == "ZeroDivisionError: division by zero (line 3)"
    trace = str(error.details["traceback"])
    assert 'File "test/main.py", line 6, in main' in trace
    assert "return inner(0)" in trace
    assert "return 1 / x" in trace
    assert "_scheduler" not in trace
    assert "native" not in trace


async def test_operation_error_that_leaves_the_guest_names_its_code(both: Runner) -> None:
    source = "from inferlet import Model\nasync def main(input):\n    Model.load('none')"
    with pytest.raises(GuestRaised, match="there is no model 'none'") as caught:
        await both(source)
    assert caught.value.details["line"] == 3
    assert caught.value.details["operation"] == {
        "code": "unknown_model", "hint": "There is: fake.", "operation": "model.info"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("async def main(input)\n    pass", "SyntaxError"),
        ("x = 1", "the source defines no `main`"),
        ("async def main(input):\n    return {1, 2}", "main returned set, which is not JSON"),
        ("async def main(input):\n    return float('nan')", "main returned float"),
        ("import sys\nasync def main(input):\n    sys.exit(3)", "SystemExit: 3"),
        ("import nowhere", "ModuleNotFoundError"),
        ("async def main(input):\n    import asyncio\n    await asyncio.sleep(1)", "RuntimeError"),
    ],
    ids=["syntax", "no-main", "not-json", "nan", "exit", "import", "asyncio"],
)
async def test_impossible_program_is_explained(wasm: Runner, source: str, message: str) -> None:
    with pytest.raises(GuestRaised) as caught:
        await wasm(source)
    assert message in caught.value.message


async def test_syntax_error_names_its_line(both: Runner) -> None:
    with pytest.raises(GuestRaised) as caught:
        await both("x = 1\ny = = 2\n")
    assert caught.value.details["line"] == 2


async def test_tasks_of_one_guest_interleave(both: Runner) -> None:
    source = """
        from inferlet import gather, sleep
        log = []
        async def walk(name):
            for step in range(3):
                log.append(f"{name}{step}")
                await sleep(0)
            return name
        async def main(input):
            names = await gather(walk("a"), walk("b"))
            return [names, log[0], log[1], sorted(log)]
    """
    names, first, second, everything = await both(source)
    assert names == ["a", "b"]
    assert {first, second} == {"a0", "b0"}
    assert everything == ["a0", "a1", "a2", "b0", "b1", "b2"]


async def test_operations_of_one_turn_run_at_the_same_time(both: Runner) -> None:
    arrived = 0
    both_arrived = trio.Event()

    async def tool(name: str, arguments: object) -> str:
        nonlocal arrived
        arrived += 1
        if arrived == 2:
            both_arrived.set()
        with trio.fail_after(10):
            await both_arrived.wait()
        return name

    source = """
        from inferlet import tools
        async def main(input):
            calls = [tools.Call("calculator"), tools.Call("python")]
            return [result.content for result in await tools.call_all(calls)]
    """
    assert await both(source, tool=tool) == ["calculator", "python"]


async def test_gather_cancels_the_others_when_one_raises(both: Runner) -> None:
    source = """
        from inferlet import gather, session, sleep
        cleaned = []
        async def long():
            try:
                await session.receive()
            finally:
                cleaned.append("long")
        async def bad():
            await sleep(0)
            raise ValueError("no")
        async def main(input):
            try:
                await gather(long(), bad())
            except ValueError as error:
                return [str(error), cleaned]
    """
    with trio.fail_after(30):
        assert await both(source) == ["no", ["long"]]
        while "session.receive" not in both.host.cancelled:
            await trio.lowlevel.checkpoint()


async def test_gather_can_return_errors(both: Runner) -> None:
    source = """
        from inferlet import gather
        async def bad():
            raise ValueError("no")
        async def good():
            return 1
        async def main(input):
            return [repr(x) for x in await gather(bad(), good(), return_exceptions=True)]
    """
    assert await both(source) == ["ValueError('no')", "1"]


async def test_timeout_cancels_the_operation_and_raises(both: Runner) -> None:
    source = """
        from inferlet import session, timeout
        async def main(input):
            try:
                async with timeout(0.01):
                    await session.receive()
            except TimeoutError as error:
                return str(error)
    """
    with trio.fail_after(30):
        assert await both(source) == "the block took longer than 0.01 s"
        while "session.receive" not in both.host.cancelled:
            await trio.lowlevel.checkpoint()


async def test_timeout_that_is_not_reached_changes_nothing(both: Runner) -> None:
    source = """
        from inferlet import sleep, timeout
        async def main(input):
            async with timeout(3600):
                await sleep(0)
            await sleep(0)
            return "done"
    """
    with trio.fail_after(30):
        assert await both(source) == "done"


async def test_nested_timeouts_raise_where_they_were_set(both: Runner) -> None:
    source = """
        from inferlet import sleep, timeout
        async def main(input):
            try:
                async with timeout(3600):
                    try:
                        async with timeout(0.01):
                            await sleep(3600)
                    except TimeoutError:
                        return "inner"
            except TimeoutError:
                return "outer"
    """
    with trio.fail_after(30):
        assert await both(source) == "inner"


async def test_cancelled_task_says_so_to_those_who_await_it(both: Runner) -> None:
    source = """
        from inferlet import sleep, spawn, TaskCancelled
        async def main(input):
            task = spawn(sleep(3600))
            await sleep(0)
            task.cancel()
            try:
                await task
            except TaskCancelled:
                return [task.done, "cancelled"]
    """
    with trio.fail_after(30):
        assert await both(source) == [True, "cancelled"]


async def test_failure_of_a_forgotten_task_is_logged(both: Runner) -> None:
    source = """
        from inferlet import sleep, spawn
        async def bad():
            raise ValueError("unseen")
        async def main(input):
            spawn(bad())
            await sleep(0)
            return "fine"
    """
    assert await both(source) == "fine"
    ((level, message),) = both.host.logs
    assert level == "warning"
    assert "ValueError: unseen" in message


async def test_guest_that_ends_with_operations_in_flight_cancels_them(both: Runner) -> None:
    source = """
        from inferlet import sleep, spawn
        async def main(input):
            for _ in range(5):
                spawn(sleep(3600))
            await sleep(0)
            return "done"
    """
    with trio.fail_after(30):
        assert await both(source) == "done"
    assert both.host.in_flight == {}


async def test_guest_that_waits_for_nothing_is_deadlocked(wasm: Runner) -> None:
    source = """
        from inferlet import _backend
        async def main(input):
            await _backend.current().event().wait()
    """
    with trio.fail_after(30), pytest.raises(GuestDeadlocked, match="1 task"):
        await wasm(source)


async def test_raw_wait_with_nothing_in_flight_is_deadlocked(wasm: Runner) -> None:
    source = """
        from wit_world.imports import host
        def main(input):
            host.wait()
    """
    with trio.fail_after(30), pytest.raises(GuestDeadlocked, match="no operation in flight"):
        await wasm(source)


async def test_more_operations_than_may_be_in_flight_take_turns(both: Runner) -> None:
    source = """
        from inferlet import gather, tools
        async def main(input):
            results = await gather(*[tools.call("python", {"n": n}) for n in range(500)])
            return [r.content for r in results] == [str(n) for n in range(500)]
    """
    running = most = 0

    async def tool(name: str, arguments: dict[str, int]) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.lowlevel.checkpoint()
        running -= 1
        return str(arguments["n"])

    limits = InstanceLimits(operations_in_flight=64)
    with trio.fail_after(60):
        assert await both(source, tool=tool, limits=limits) is True
    assert 8 < most <= 64


async def test_any_number_of_sleepers_shares_a_few_operations(wasm: Runner) -> None:
    source = """
        from inferlet import gather, sleep
        async def nap(n):
            await sleep((n % 7) * 0.001)
            return n
        async def main(input):
            return sum(await gather(*[nap(n) for n in range(2000)]))
    """
    with trio.fail_after(60):
        assert await wasm(source, limits=InstanceLimits(operations_in_flight=64)) == 1999000
    assert len(wasm.host.ops("runtime.sleep")) < 100


async def test_sleepers_wake_in_the_order_of_their_deadlines(both: Runner) -> None:
    source = """
        from inferlet import gather, sleep
        woken = []
        async def nap(seconds):
            await sleep(seconds)
            woken.append(seconds)
        async def main(input):
            await gather(nap(0.06), nap(0), nap(0.03))
            return woken
    """
    with trio.fail_after(30):
        assert await both(source) == [0, 0.03, 0.06]


async def test_impossible_times_are_refused(both: Runner) -> None:
    source = """
        from inferlet import sleep, timeout
        async def main(input):
            await sleep(-1)
            async with timeout(1e9):
                await sleep(0)
            errors = []
            for call in (sleep, timeout):
                try:
                    await call(float("inf"))
                except ValueError as error:
                    errors.append(str(error)[:12])
            return errors
    """
    with trio.fail_after(30):
        assert await both(source) == ["cannot sleep", "a timeout of"]


async def test_result_above_the_limit_is_refused(both: Runner) -> None:
    with pytest.raises(OutputExceeded, match="2002 bytes"):
        await both("def main(input):\n    return 'x' * 2000", limits=InstanceLimits(output_bytes=9))


async def test_operation_above_the_submit_limit_raises_in_the_guest(wasm: Runner) -> None:
    source = """
        from inferlet import OperationError, session
        def main(input):
            try:
                session.send("x" * 100_000)
            except OperationError as error:
                return error.code
    """
    limits = InstanceLimits(operation_bytes=65536)
    assert await wasm(source, limits=limits) == "message_too_large"


async def test_print_goes_to_the_log(wasm: Runner) -> None:
    source = "def main(input):\n    print('one')\n    print('two')\n    return 1"
    assert await wasm(source) == 1
    assert wasm.host.logs == [("info", "one\ntwo")]


async def test_instances_start_with_different_random_states(wasm: Runner) -> None:
    source = "import random\ndef main(input):\n    return random.random()"
    assert await wasm(source) != await wasm(source)


async def test_instances_share_nothing(wasm: Runner) -> None:
    source = """
        import inferlet
        def main(input):
            seen = getattr(inferlet, "mark", None)
            inferlet.mark = 1
            return seen
    """
    assert [await wasm(source), await wasm(source)] == [None, None]


async def test_arguments_that_do_not_fit_never_start_the_guest(both: Runner) -> None:
    program = Program(
        name="typed",
        version="1.0.0",
        language="python",
        source="def main(input):\n    return input",
        parameters={
            "type": "object",
            "required": ["n"],
            "properties": {"n": {"type": "integer"}, "m": {"type": "integer", "default": 5}},
        },
    )
    assert await both(program, {"n": 1}) == {"n": 1, "m": 5}
    with pytest.raises(InvalidArguments, match="n: 'one' is not of type 'integer'"):
        await both(program, {"n": "one"})


async def test_context_operations_do_what_they_say(both: Runner) -> None:
    source = """
        from inferlet import Context, Model, Sampler
        async def main(input):
            model = Model.load("fake")
            with Context(model) as ctx:
                ctx.system("S").user("U")
                tokens = len(ctx.buffer())
                await ctx.flush()
                branch = ctx.fork().append([65]).append([66])
                await branch.flush()
                branch.truncate(1)
                reply = await branch.complete(Sampler.argmax(), max_tokens=8)
                before = branch.seq_len
                branch.seal()
                branch.save("x")
                again = Context.open(model, "x")
                return [tokens, ctx.seq_len, before, len(branch.buffer()), reply.text,
                        again.seq_len, Context.open(model, "y"), ctx.page_size]
    """
    expected = len("<system>S<user>U")
    assert await both(source) == [
        expected, expected, expected + 1 + len("<assistant>ok") + 1, 0, "ok",
        expected + 1 + len("<assistant>ok") + 1, None, 16,
    ]  # fmt: skip


async def test_token_by_token_and_coarse_generation_agree(both: Runner) -> None:
    source = """
        from inferlet import Context, Distribution, Model, Sampler, chat
        async def main(input):
            model = Model.load("fake")
            ctx = Context(model).text("a")
            generator = ctx.generate(Sampler.argmax(), max_tokens=4, auto_flush=False)
            top = generator.probe_each_step(-1, Distribution(k=2))
            decoder = chat.Decoder(model)
            seen, text = [], ""
            async for step in generator:
                out = await step.execute()
                seen.append(out.distribution(top)[0][0] == out.tokens[0])
                match decoder.feed(out.tokens):
                    case chat.Event.Delta(text=delta):
                        text += delta
            other = Context(model).text("a").generate(Sampler.argmax(), max_tokens=4)
            return [text, seen, ctx.seq_len, ctx.buffer(), await other.collect_text()]
    """
    result = await both(source, model=lambda text: Reply("bcde"))
    assert result == ["bcde", [True] * 4, 4, [101], "bcde"]
    assert len(both.host.ops("context.forward")) == 4
    assert len(both.host.ops("context.generate")) == 1
