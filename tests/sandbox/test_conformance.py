"""What every backend must do alike: one suite, run on each of them."""

from __future__ import annotations

import contextlib

import pytest
import trio
import trio.testing

from pie_sandbox import ExecutionLimits, ExecutionResult, Sandbox, SandboxPool
from pie_sandbox.limits import MAX_CODE_BYTES
from pie_server.errors import SandboxLost, SandboxUnavailable

LIMITS = ExecutionLimits(seconds=10.0)
SHORT = ExecutionLimits(seconds=0.5)
SPIN = "while True: pass"


@pytest.fixture
async def sandbox(pool: SandboxPool) -> Sandbox:
    with trio.fail_after(60):
        return await pool.lease("test")


async def run(sandbox: Sandbox, code: str, limits: ExecutionLimits = LIMITS) -> ExecutionResult:
    with trio.fail_after(limits.seconds + 20):
        return await sandbox.execute(code, limits)


async def test_printed_text_and_last_value_are_returned(sandbox: Sandbox) -> None:
    result = await run(sandbox, "print('one')\nprint('two', end='')\n20 + 22")
    assert (result.stdout, result.value, result.ok) == ("one\ntwo", "42", True)
    assert result.backend == sandbox.backend
    assert (result.exception, result.limit, result.truncated) == (None, None, False)
    assert 0 <= result.seconds < 10


@pytest.mark.parametrize("code", ["", "x = 1", "None", "# only a comment", "print()", "pass"])
async def test_code_without_a_last_value_has_none(sandbox: Sandbox, code: str) -> None:
    result = await run(sandbox, code)
    assert (result.value, result.ok) == (None, True)


async def test_variables_functions_and_imports_carry_over(sandbox: Sandbox) -> None:
    await run(sandbox, "import math\nx = 5\ndef double(n): return 2 * n")
    assert (await run(sandbox, "double(x) + math.floor(0.5)")).value == "10"
    assert (await run(sandbox, "_ + 1")).value == "11"


async def test_an_exception_is_one_line_and_keeps_what_was_printed(sandbox: Sandbox) -> None:
    result = await run(sandbox, "y = 1\nprint('before')\nnope")
    assert (result.ok, result.stdout) == (False, "before\n")
    assert result.exception == "NameError: name 'nope' is not defined"
    assert not result.state_lost
    assert (await run(sandbox, "y")).value == "1"


async def test_a_traceback_shows_the_line_of_the_code_and_nothing_of_the_sandbox(
    sandbox: Sandbox,
) -> None:
    result = await run(sandbox, "def inner():\n    return 1 / 0\ninner()")
    assert result.exception == "ZeroDivisionError: division by zero"
    assert result.traceback is not None
    assert "return 1 / 0" in result.traceback
    assert "pie" not in result.traceback


async def test_a_syntax_error_names_its_line(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "1 +")).exception == "SyntaxError: invalid syntax"
    exception = (await run(sandbox, "x = 1\ny = (")).exception
    assert exception == "SyntaxError: '(' was never closed (line 2)"


async def test_exceptions_that_misbehave_are_still_described(sandbox: Sandbox) -> None:
    code = "class Bad(Exception):\n    def __str__(self): raise Bad\nraise Bad"
    assert (await run(sandbox, code)).exception == "Bad: (its text cannot be printed)"
    code = "class Loud:\n    def __repr__(self): raise ValueError('no repr')\nLoud()"
    assert (await run(sandbox, code)).exception == "ValueError: no repr"
    result = await run(sandbox, "raise ValueError('x' * 10**6)")
    assert len(result.exception or "") < 3_000


async def test_leaving_the_program_is_no_error_unless_it_says_so(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "z = 1\nraise SystemExit")).ok
    failed = await run(sandbox, "raise SystemExit(3)")
    assert (failed.ok, failed.exception) == (False, "SystemExit: 3")
    assert (await run(sandbox, "z")).value == "1"


async def test_an_interpreter_that_ends_itself_is_replaced(sandbox: Sandbox) -> None:
    await run(sandbox, "x = 1")
    result = await run(sandbox, "import os\nos._exit(3)")
    assert (result.ok, result.state_lost) == (False, True)
    assert "the interpreter ended" in (result.exception or "")
    assert "NameError" in ((await run(sandbox, "x")).exception or "")


async def test_code_beyond_its_time_is_stopped_and_the_next_call_works(sandbox: Sandbox) -> None:
    await run(sandbox, "x = 1")
    for code in (SPIN, "import time\ntime.sleep(60)", "try:\n  " + SPIN + "\nexcept: pass"):
        with trio.fail_after(SHORT.seconds + 2):
            result = await sandbox.execute(code, SHORT)
        assert (result.ok, result.limit, result.state_lost) == (False, "time", True)
        assert result.exception == "TimeoutError: the code was stopped after 0.5 s"
        after = await run(sandbox, "x")
        assert after.exception == "NameError: name 'x' is not defined"
        assert not after.state_lost


async def test_output_before_the_time_limit_is_kept(sandbox: Sandbox) -> None:
    result = await run(sandbox, f"print('early')\n{SPIN}", SHORT)
    assert (result.stdout, result.limit) == ("early\n", "time")


@pytest.mark.parametrize(
    "code",
    ["bytearray(1 << 30)", "a = []\nwhile True: a.append(bytes(10**6))", "x = 'a' * (1 << 30)"],
)
async def test_memory_beyond_the_limit_is_an_error_named_memory(
    sandbox: Sandbox, code: str
) -> None:
    result = await run(sandbox, code)
    assert (result.ok, result.limit) == (False, "memory")
    assert "MemoryError" in (result.exception or "")
    assert (await run(sandbox, "a = x = None\n1 + 1")).value == "2"


async def test_output_beyond_the_limit_is_cut_and_the_code_goes_on(sandbox: Sandbox) -> None:
    limits = ExecutionLimits(seconds=20, output_bytes=1000)
    result = await run(sandbox, "for i in range(50_000): print('line', i)\n'end'", limits)
    assert (result.ok, result.value, result.truncated, result.limit) == (
        True,
        "'end'",
        True,
        "output",
    )
    assert result.stdout.startswith("line 0\nline 1\n")
    assert 900 < len(result.stdout) <= 1000
    assert not (await run(sandbox, "print('short')", limits)).truncated


async def test_a_huge_value_is_cut(sandbox: Sandbox) -> None:
    value = (await run(sandbox, "'x' * 10**6")).value or ""
    assert value.endswith("... (cut)")
    assert len(value) < 25_000


async def test_output_streams_while_the_code_runs(sandbox: Sandbox) -> None:
    pieces: list[str] = []
    with trio.fail_after(10), trio.CancelScope() as scope:

        def on_output(text: str) -> None:
            pieces.append(text)
            if "".join(pieces) == "now\n":
                scope.cancel()

        await sandbox.execute(f"print('now')\n{SPIN}", LIMITS, on_output)
    assert scope.cancelled_caught
    assert "".join(pieces) == "now\n"


async def test_streamed_pieces_make_up_stdout(sandbox: Sandbox) -> None:
    pieces: list[str] = []
    code = "import sys\nfor i in range(300): print(i, 'é')\nprint('e', file=sys.stderr)"
    result = await sandbox.execute(code, LIMITS, pieces.append)
    assert "".join(pieces) == result.stdout == "".join(f"{i} é\n" for i in range(300))
    assert result.stderr == "e\n"


async def test_a_cancelled_call_ends_within_a_second_and_the_lease_stays_usable(
    sandbox: Sandbox,
) -> None:
    await run(sandbox, "x = 1")
    for code in (SPIN, "import time\ntime.sleep(60)"):
        with trio.move_on_after(0.2) as scope:
            await sandbox.execute(code, LIMITS)
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < 1.0
        result = await run(sandbox, "'x' in globals()")
        assert (result.value, result.state_lost) == ("False", True)
        assert not (await run(sandbox, "1")).state_lost


async def test_concurrent_calls_take_turns_and_cancelling_one_that_waits_disturbs_nobody(
    sandbox: Sandbox,
) -> None:
    results: dict[int, str | None] = {}
    await run(sandbox, "import time\ndone = []")

    async def call(number: int) -> None:
        code = f"done.append({number})\ntime.sleep(0.1)\ndone[-1]"
        results[number] = (await run(sandbox, code)).value

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(call, number)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0.05):
                await sandbox.execute("done.append('cancelled')", LIMITS)
    assert results == {number: str(number) for number in range(4)}
    assert (await run(sandbox, "sorted(done)")).value == "[0, 1, 2, 3]"


async def test_two_leases_do_not_see_each_other(pool: SandboxPool, sandbox: Sandbox) -> None:
    with trio.fail_after(60):
        other = await pool.lease("other")
    await run(sandbox, "secret = 1\nimport math\nmath.pi = 3")
    assert not (await run(other, "secret")).ok
    assert (await run(other, "import math\nmath.pi > 3")).value == "True"
    code = "import random\nrandom.random()"
    assert (await run(sandbox, code)).value != (await run(other, code)).value


async def test_a_lease_waits_until_another_is_closed(pool: SandboxPool, sandbox: Sandbox) -> None:
    got: list[Sandbox] = []

    async def wait_for_lease() -> None:
        got.append(await pool.lease("third"))

    with trio.fail_after(60):
        second = await pool.lease("second")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for_lease)
            with trio.move_on_after(0.3) as scope:
                await pool.lease("gives up")
            assert scope.cancelled_caught
            assert not got
            await second.aclose()
    assert (await run(got[0], "1 + 1")).value == "2"


async def test_closing_a_lease_ends_what_runs_in_it_and_refuses_further_calls(
    pool: SandboxPool, sandbox: Sandbox
) -> None:
    async with trio.open_nursery() as nursery:

        async def spin() -> None:
            with contextlib.suppress(SandboxLost):  # or the result of code that was stopped
                result = await sandbox.execute(f"print('on')\n{SPIN}", LIMITS, lambda _: on.set())
                assert not result.ok
                assert result.state_lost

        on = trio.Event()
        nursery.start_soon(spin)
        with trio.fail_after(10):
            await on.wait()
            await sandbox.aclose()
            await sandbox.aclose()
    assert pool.statistics().leased == 0
    with pytest.raises(SandboxUnavailable):
        await sandbox.execute("1", LIMITS)


async def test_all_leases_together_can_be_closed_again_and_again(pool: SandboxPool) -> None:
    async def use(number: int) -> None:
        lease = await pool.lease(f"user {number}")
        assert (await run(lease, f"x = {number}\nx * x")).value == str(number * number)
        await lease.aclose()

    with trio.fail_after(90):
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(use, number)
    statistics = pool.statistics()
    assert (statistics.leased, statistics.waiting, statistics.executions) == (0, 0, 8)


async def test_text_of_every_kind_passes(sandbox: Sandbox) -> None:
    text = "é ü 中 \U0001f600 \x00 \x1b[31m \r\n end"
    result = await run(sandbox, f"text = {text!r}\nprint(text, end='')\ntext")
    assert (result.stdout, result.value) == (text, repr(text))
    result = await run(sandbox, r"print('\ud800', end='')" + "\n" + r"'\udfff'")
    assert (result.stdout, result.value) == ("\\ud800", r"'\udfff'")
    assert (await run(sandbox, "raise ValueError('\\ud800')")).exception == "ValueError: \\ud800"


async def test_code_that_is_no_code_is_refused_in_words(sandbox: Sandbox) -> None:
    assert "null bytes" in ((await run(sandbox, "x = '\0'")).exception or "")
    assert "not valid Unicode" in ((await run(sandbox, "x = '\ud800'")).exception or "")
    assert "bytes" in ((await run(sandbox, "#" * (MAX_CODE_BYTES + 1))).exception or "")
    assert (await run(sandbox, "#" * (MAX_CODE_BYTES - 10) + "\n7")).value == "7"


async def test_deep_recursion_is_an_exception(sandbox: Sandbox) -> None:
    result = await run(sandbox, "def f(n): return f(n + 1)\nf(0)")
    assert "RecursionError" in (result.exception or "")
    assert (await run(sandbox, "1")).value == "1"


async def test_there_is_nothing_to_read_from_stdin(sandbox: Sandbox) -> None:
    assert "EOFError" in ((await run(sandbox, "input()")).exception or "")


async def test_sleep_and_asyncio_work(sandbox: Sandbox) -> None:
    code = (
        "import asyncio, time\n"
        "async def main():\n"
        "    return await asyncio.gather(*(asyncio.sleep(0.05, i) for i in range(3)))\n"
        "start = time.monotonic()\ntime.sleep(0.05)\n"
        "(asyncio.run(main()), time.monotonic() - start >= 0.1)"
    )
    assert (await run(sandbox, code)).value == "([0, 1, 2], True)"


async def test_common_modules_are_there(sandbox: Sandbox) -> None:
    code = (
        "import json, re, math, statistics, datetime, collections, itertools, decimal, fractions\n"
        "import csv, io, hashlib, base64, textwrap, random, string, functools, heapq, dataclasses\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n"
        "(json.dumps({'a': 1}), hashlib.sha256(b'').hexdigest()[:4], Point(1))"
    )
    assert (await run(sandbox, code)).value == "('{\"a\": 1}', 'e3b0', Point(x=1))"


async def test_a_program_may_replace_its_streams(sandbox: Sandbox) -> None:
    code = "import io, sys, contextlib\nwith contextlib.redirect_stdout(io.StringIO()): print('no')"
    assert (await run(sandbox, code)).stdout == ""
    assert (await run(sandbox, "import sys\nsys.stdout.close()")).ok
    result = await run(sandbox, "print('back')")
    assert result.stdout == "back\n" or "closed file" in (result.exception or "")


async def test_nothing_of_the_host_is_visible(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await run(
        sandbox, "import os\n[k for k in os.environ if 'PIE' in k or 'VIRTUAL' in k]"
    )
    assert result.value == "[]"
    for path in (__file__, "/var/run/docker.sock", "/etc/shadow"):
        assert not (await run(sandbox, f"open({path!r}).read()")).ok


async def test_there_is_no_network(sandbox: Sandbox) -> None:
    for address in ("('1.1.1.1', 80)", "('169.254.169.254', 80)", "('localhost', 22)"):
        code = f"import socket\nsocket.create_connection({address}, timeout=2)"
        result = await run(sandbox, code)
        assert not result.ok
        assert "rror: " in (result.exception or "")


async def test_statistics_say_what_the_pool_does(pool: SandboxPool, sandbox: Sandbox) -> None:
    await run(sandbox, "1")
    statistics = pool.statistics()
    assert statistics.backend == pool.backend == sandbox.backend
    assert (statistics.leased, statistics.capacity, statistics.executions) == (1, 2, 1)


def test_limits_must_make_sense() -> None:
    with pytest.raises(ValueError, match="positive"):
        ExecutionLimits(seconds=0)
