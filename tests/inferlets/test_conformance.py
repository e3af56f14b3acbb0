"""One suite for the guests of all languages: each is really compiled, and runs in WebAssembly.

`guests/conformance-LANGUAGE` has the same cases in each language; an argument names the case.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pie_server.errors import (
    CpuLimitExceeded,
    GuestDeadlocked,
    GuestError,
    GuestProtocolError,
    GuestRaised,
    MemoryLimitExceeded,
    OutputExceeded,
    PieError,
)
from pie_server.runtime import InstanceLimits, JsonValue, Program, Runtime
from tests.runtime.conftest import BUILD_SECONDS, Runner
from tests.runtime.fake_host import EOS, FakeHost

GUESTS = Path(__file__).parent / "guests"
LANGUAGES = ("python", "javascript", "rust", "c", "cpp")
COMPILED = ("rust", "c", "cpp")
LIMITS = InstanceLimits(
    memory_bytes=64 << 20, cpu_seconds=0.5, operations_in_flight=64, operation_bytes=65536
)

Run = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session", params=LANGUAGES)
def program(request: pytest.FixtureRequest, built_runtime: Runtime) -> Program:
    """The guest in one language, built and loaded."""
    program = Program.from_directory(GUESTS / f"conformance-{request.param}")

    async def build() -> None:
        programs = built_runtime._programs
        with trio.fail_after(BUILD_SECONDS):
            await programs.component(programs.recipe(program))

    trio.run(build)
    return program


@pytest.fixture
async def run(program: Program, wasm: Runner) -> Run:
    """Runs one case."""

    async def run_case(
        case: str, *, limits: InstanceLimits = LIMITS, host: FakeHost | None = None,
        tool: Any = None, **arguments: JsonValue,
    ) -> Any:  # fmt: skip
        with trio.fail_after(30):
            return await wasm(
                program,
                {"case": case, **arguments},
                limits=limits,
                host=host or FakeHost(wasm.nursery, tool=tool),
            )

    return run_case


# Values


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -7, 2**53 - 1, 0.1, -2.5e300, "", "ü€𝄞\x00\x1f\"\\/\n", [], {},
        {"a": [1, {"b": None}], "": "x"}, [[[[[[[[[[1]]]]]]]]]], "x" * 20_000,
    ],
    ids=repr,
)  # fmt: skip
async def test_arguments_and_results_are_any_json(run: Run, value: JsonValue) -> None:
    assert await run("echo", value=value) == value


async def test_input_nested_too_deeply_is_refused_or_returned(run: Run, program: Program) -> None:
    deep: JsonValue = 1
    for _ in range(300):
        deep = [deep]
    if program.language not in COMPILED:
        assert await run("echo", value=deep) == deep
        return
    with pytest.raises(GuestRaised, match="nested too deeply"):
        await run("echo", value=deep)


async def test_result_above_the_limit_is_refused(run: Run) -> None:
    limits = InstanceLimits(output_bytes=1000)
    with pytest.raises(OutputExceeded, match="2002 bytes"):
        await run("large_result", size=2000, limits=limits)


# The SDKs' own readers of JSON

INVALID = [
    "", " ", "{", "[", "[1", "[1,", "[,1]", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}", '"', '"\\"',
    '"\\x"', '"\\u12"', '"\\u12g4"', '"\n"', "tru", "nul", "nulll", "-", "+", "1 2", "[1]]", "}",
    "]", "\x00", "1e", "--1", "[1 2]", '{"a" 1}', "\u00e9", "[" * 200 + "]" * 200,
    "[" * 100_000, '{"a":' * 20_000, '"\\', "1" * 5000 + "x",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)  # fmt: skip


def _guest_reads_json_itself(program: Program) -> None:
    if program.language not in ("rust", "c"):
        pytest.skip("reads JSON with its language's own library, or C's")


async def test_invalid_json_is_refused_by_the_sdks_reader(run: Run, program: Program) -> None:
    _guest_reads_json_itself(program)
    limits = InstanceLimits(operation_bytes=1 << 20)
    refused = await run("parse", texts=INVALID, limits=limits)
    accepted = [
        text for text, answer in zip(INVALID, refused, strict=True) if answer != "invalid_json"
    ]
    assert accepted == []


async def test_surrogates_numbers_and_space_are_read_as_json_means_them(
    run: Run, program: Program
) -> None:
    _guest_reads_json_itself(program)
    texts = {
        '"\\ud834\\udd1e"': "𝄞", '"\\ud834"': "\ufffd", '"\\udd1e\\ud834x"': "\ufffd\ufffdx",
        '"\\ud834\\u0041"': "\ufffdA", ' [ 1 , { "a" : 2 } ]\n': [1, {"a": 2}], "-0.5e-3": -0.0005,
        "123456789012345678": 123456789012345678, "1e400": None, '"\\/\\b\\f\\t\\r"': "/\b\f\t\r",
    }  # fmt: skip
    assert await run("parse", texts=list(texts)) == [[value] for value in texts.values()]


@given(values=st.lists(JSON, min_size=1, max_size=20))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_json_survives_the_sdks_reader_and_writer(
    program: Program, built_runtime: Runtime, values: list[Any]
) -> None:
    _guest_reads_json_itself(program)
    texts: list[JsonValue] = [json.dumps(value) for value in values]

    async def parse() -> JsonValue:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                await nursery.start(built_runtime.run)
                arguments: JsonValue = {"case": "parse", "texts": texts}
                answer = await built_runtime.run_instance(
                    program, arguments, FakeHost(nursery), InstanceLimits()
                )
                nursery.cancel_scope.cancel()
        return answer

    assert trio.run(parse) == [[value] for value in values]


# Every operation group


async def test_model_and_tokenizer(run: Run) -> None:
    assert await run("model") == ["fake", 258, 16, 4096, [EOS], [97, 195, 188], "hi"]


async def test_contexts_are_filled_forked_truncated_saved_and_released(
    run: Run, wasm: Runner
) -> None:
    length = len("<system>S<user>U<assistant>A")
    end = length + 2 - 3 + len("T<assistant>") + len("ok") + 1
    assert await run("context") == [
        length, length + 2, end, end, True, "ok", [111, 107, EOS], "stop", end,
    ]  # fmt: skip
    assert wasm.host.messages == [{"stream": "ok"}]
    assert wasm.host.ops("context.release")
    first = wasm.host.ops("context.flush")[0]
    assert first["fill"] == [{"system": "S"}, {"user": "U"}, {"assistant": "A"}]


async def test_token_by_token_and_distributions(run: Run, wasm: Runner) -> None:
    assert await run("steps") == [[66, 67, 68, 69], [82, 0], [0.8, 0.2]]
    forwards = wasm.host.ops("context.forward")
    assert len(forwards) == 5
    assert [len(operation["samplers"]) for operation in forwards] == [1, 1, 1, 1, 0]
    assert forwards[1]["fill"] == [{"tokens": [66]}]
    assert forwards[1]["samplers"][0] == {
        "index": -1,
        "sampler": {"temperature": 0, "top_p": 1, "top_k": 0, "min_p": 0, "seed": None},
    }


async def test_a_loop_of_steps_costs_one_operation_a_token(run: Run, wasm: Runner) -> None:
    assert await run("generates", count=50) == 65 + 50
    assert len(wasm.host.ops("context.forward")) == 50
    assert len(wasm.host.operations) <= 50 + len(["models.list", "info", "create", "release"])


async def test_stop_texts_come_beside_the_models_end_of_turn(run: Run, wasm: Runner) -> None:
    await run("stops")
    (operation,) = wasm.host.ops("context.generate")
    assert operation["stop"] == ["END"]
    assert operation.get("stop_tokens", [EOS]) == [EOS]
    assert operation["fill"] == [{"user": "U"}, {"cue": True}]


async def test_tools_are_listed_and_called_and_may_fail(run: Run) -> None:
    async def calculator(name: str, arguments: dict[str, Any]) -> str:
        return {"2+2": "4"}.get(arguments["expression"], "error: division by zero")

    result = await run("tool", tool=calculator)
    assert result == [3, "4", False, "error: division by zero", True]


async def test_instances_share_messages_and_keys_and_launch_each_other(run: Run) -> None:
    assert await run("shares") == [{"n": 1}, 7, [1], {"program": "echo", "arguments": {"x": 2}}]


async def test_messages_go_both_ways(run: Run, wasm: Runner) -> None:
    host = FakeHost(wasm.nursery)
    host.inbox = [{"text": "hi"}, {"n": [1, 2]}]
    assert await run("talk", host=host) == ["hi", {"n": [1, 2]}]
    assert host.messages == ["hello", {"n": 1}]


async def test_time_randomness_identity_and_log(run: Run, wasm: Runner) -> None:
    assert await run("about") == [1_700_000_000.0, 7, "0.0.0", "session-1"]
    assert wasm.host.logs == [("warning", "note")]


async def test_what_is_printed_goes_to_the_log(run: Run, wasm: Runner) -> None:
    assert await run("printing") is None
    assert wasm.host.logs == [("info", "one\ntwo")]


# Several things at once


async def test_operations_run_at_the_same_time(run: Run) -> None:
    arrived: set[str] = set()
    both_arrived = trio.Event()

    async def tool(name: str, arguments: object) -> str:
        arrived.add(name)
        if len(arrived) == 2:
            both_arrived.set()
        await both_arrived.wait()
        return name

    assert await run("concurrent", tool=tool) == ["calculator", "python"]


async def test_more_operations_than_may_be_in_flight_take_turns(run: Run) -> None:
    running = most = 0

    async def tool(name: str, arguments: dict[str, int]) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.lowlevel.checkpoint()
        running -= 1
        return str(arguments["n"])

    assert await run("many", tool=tool) is True
    assert 8 < most <= 64


async def test_the_first_answer_is_taken_while_another_operation_waits(run: Run) -> None:
    async def tool(name: str, arguments: object) -> str:
        return "quick"

    assert await run("first", tool=tool) == "quick"


async def test_timeout_cancels_its_operation(run: Run, wasm: Runner) -> None:
    assert await run("timed") == "timeout"
    await _until_cancelled(wasm.host)


async def test_cancelled_operation_is_cancelled_in_the_host(run: Run, wasm: Runner) -> None:
    assert await run("cancelled") == "cancelled"
    await _until_cancelled(wasm.host)


async def _until_cancelled(host: FakeHost) -> None:
    with trio.fail_after(10):
        while host.cancelled != ["session.receive"]:
            await trio.lowlevel.checkpoint()


async def test_guest_that_ends_with_operations_in_flight_cancels_them(
    run: Run, wasm: Runner
) -> None:
    assert await run("leaves") == "left"
    assert wasm.host.ops("runtime.sleep")
    assert wasm.host.in_flight == {}


async def test_cancelled_run_cancels_what_the_guest_waits_for(
    run: Run, wasm: Runner, nursery: trio.Nursery
) -> None:
    host = FakeHost(wasm.nursery)
    with trio.fail_after(30):
        async with trio.open_nursery() as inner:
            inner.start_soon(lambda: run("talk", host=host))
            await host.receiving.wait()
            inner.cancel_scope.cancel()
    assert host.closed == 1
    assert host.in_flight == {}


# Errors


async def test_failed_operation_can_be_caught(run: Run) -> None:
    assert await run("caught") == [
        "unknown_model", "there is no model 'none'.", "There is: fake.", "model.info"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("unknown_operation", "unknown_operation"),
        ("bad_handle", "unknown_handle"),
        ("too_large", "message_too_large"),
    ],
)
async def test_wrong_operations_are_typed_errors(run: Run, case: str, code: str) -> None:
    assert await run(case) == code


def line_of(program: Program, text: str) -> int:
    return next(n for n, line in enumerate(program.source.splitlines(), 1) if text in line)


async def test_error_of_the_guest_names_its_line(run: Run, program: Program) -> None:
    with pytest.raises(GuestRaised, match="no such luck") as caught:
        await run("raises")
    marks = {"python": "raise ValueError", "javascript": "RangeError", "rust": '"no such luck"'}
    assert caught.value.details["line"] == line_of(
        program, marks.get(program.language, '"no such %s"')
    )
    assert "main." in str(caught.value.details["traceback"])


async def test_failed_operation_that_leaves_the_guest_is_named(run: Run, program: Program) -> None:
    with pytest.raises(GuestRaised, match="there is no model 'none'") as caught:
        await run("uncaught")
    assert caught.value.details["operation"] == {
        "code": "unknown_model", "hint": "There is: fake.", "operation": "model.info"
    }  # fmt: skip
    assert isinstance(caught.value.details["line"], int)


async def test_panic_says_why(run: Run, program: Program) -> None:
    if program.language not in COMPILED:
        pytest.skip("has exceptions instead")
    with pytest.raises(GuestError) as caught:
        await run("panics")
    assert "unreachable" in str(caught.value.details["trap"])
    if program.language == "rust":
        assert "Panic" in caught.value.message
        assert "null is not an integer" in caught.value.message
        assert caught.value.details["line"] == line_of(program, '"panics" =>')
    else:
        assert "abort" in str(caught.value.details["trap"])
        with pytest.raises(GuestRaised, match="exit status 3"):
            await run("exits")


# Limits: a typed error, and the neighbour is not harmed


@pytest.mark.parametrize(
    ("case", "expected", "message"),
    [
        ("spins", CpuLimitExceeded, "0.5 s of CPU"),
        ("allocates", MemoryLimitExceeded, "memory"),
        ("recurses", GuestError, ""),
        ("floods", GuestProtocolError, "answers never fetched"),
        ("waits", GuestDeadlocked, "no operation in flight"),
        ("repeats", GuestProtocolError, "in flight already"),
        ("talks_nonsense", GuestProtocolError, "not a list of operations"),
    ],
)
async def test_bad_guest_harms_only_itself(
    run: Run, wasm: Runner, case: str, expected: type[PieError], message: str
) -> None:
    neighbour: list[Any] = []

    async def tool(name: str, arguments: dict[str, int]) -> str:
        await trio.lowlevel.checkpoint()
        return str(arguments["n"])

    async def run_neighbour() -> None:
        neighbour.append(await run("many", tool=tool, limits=InstanceLimits()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_neighbour)
        with pytest.raises(expected) as caught:
            await run(case)
    assert message in caught.value.message
    assert neighbour == [True]
    assert [host.closed for host in wasm.hosts] == [1, 1]
