"""What is particular to inferlets in JavaScript: modules, promises, the engine's own errors."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from pie_server.errors import (
    ConfigurationError,
    GuestDeadlocked,
    GuestRaised,
    MemoryLimitExceeded,
)
from pie_server.runtime import InstanceLimits, JsonValue, Program
from pie_server.runtime.javascript_interpreter import make_javascript_interpreter
from tests.runtime.conftest import BUILD_SECONDS, Runner


async def run(
    wasm: Runner, text: str, arguments: JsonValue = None, limits: InstanceLimits | None = None
) -> Any:
    program = Program.from_source("test", textwrap.dedent(text), "javascript")
    with trio.fail_after(BUILD_SECONDS):
        return await wasm(program, arguments or {}, limits=limits)


async def test_main_may_be_a_plain_function(wasm: Runner) -> None:
    assert await run(wasm, "export function main(input) { return input.n + 1; }", {"n": 1}) == 2


async def test_result_that_is_nothing_is_null(wasm: Runner) -> None:
    assert await run(wasm, "export async function main() {}") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("const x = 1;", "exports no `main`"),
        ("import fs from 'fs'; export function main() {}", "cannot import 'fs'"),
        ("import './index.js'; export function main() {}", "cannot import './index.js'"),
        ("import { nothing } from 'inferlet'; export function main() {}", "nothing"),
        ("export async function main() { await import('fs'); }", "cannot import 'fs'"),
        ("export function main() { return () => 1; }", "not JSON"),
        ("export function main() { const a = {}; a.a = a; return a; }", "not JSON"),
        ("export function main() { return 1n; }", "not JSON"),
        ("export function main() { throw 'only text'; }", "threw only text"),
        ("export function main() { undefined.x; }", "TypeError"),
        ("export function main() { setTimeout(main, 1); }", "setTimeout"),
    ],
)
async def test_impossible_program_is_explained(wasm: Runner, text: str, message: str) -> None:
    with pytest.raises(GuestRaised) as caught:
        await run(wasm, text)
    assert message in caught.value.message


async def test_syntax_error_names_its_line(wasm: Runner) -> None:
    with pytest.raises(GuestRaised, match="SyntaxError") as caught:
        await run(wasm, "const x = 1;\nconst y = = 2;\n")
    assert caught.value.details["line"] == 2


async def test_uncaught_error_carries_the_guests_own_stack(wasm: Runner) -> None:
    text = """\
        import { sleep } from "inferlet";
        function inner(x) {
            return x.y.z;
        }
        export async function main() {
            await sleep(0);
            return inner({});
        }
        """
    with pytest.raises(GuestRaised, match="TypeError") as caught:
        await run(wasm, text)
    trace = str(caught.value.details["traceback"])
    assert caught.value.details["line"] == 3
    assert "at inner (test/main.js:3" in trace
    assert "at main (test/main.js:7" in trace
    assert "inferlet/" not in trace


async def test_too_deep_recursion_can_be_caught(wasm: Runner) -> None:
    text = """
        function f(n) { return f(n + 1) + 1; }
        export function main() {
            try { f(0); } catch (error) { return error.name; }
        }
        """
    assert await run(wasm, text) == "RangeError"


async def test_large_allocation_can_be_caught(wasm: Runner) -> None:
    text = """
        export function main() {
            try { new ArrayBuffer(1 << 30); } catch (error) { return error.message; }
        }
        """
    limits = InstanceLimits(memory_bytes=64 << 20)
    assert await run(wasm, text, limits=limits) == "out of memory"


async def test_memory_full_of_small_objects_is_a_memory_error(wasm: Runner) -> None:
    text = "export function main() { const all = []; for (;;) all.push({ n: all.length }); }"
    with pytest.raises(MemoryLimitExceeded):
        await run(wasm, text, limits=InstanceLimits(memory_bytes=32 << 20))


async def test_promise_that_nobody_resolves_is_a_deadlock(wasm: Runner) -> None:
    with pytest.raises(GuestDeadlocked, match="nothing is in flight"):
        await run(wasm, "export async function main() { await new Promise(() => {}); }")


async def test_rejection_that_nobody_handles_is_logged(wasm: Runner) -> None:
    text = """
        export async function main() {
            Promise.reject(new Error("unseen"));
            const seen = Promise.reject(new Error("seen later"));
            await null;
            await seen.catch(() => {});
            return "fine";
        }
        """
    assert await run(wasm, text) == "fine"
    ((level, message),) = wasm.host.logs
    assert level == "warning"
    assert "Error: unseen" in message


async def test_any_number_of_sleepers_shares_a_few_operations(wasm: Runner) -> None:
    text = """
        import { sleep } from "inferlet";
        export async function main() {
            const woken = [];
            const naps = Array.from({ length: 2000 }, (_, n) => n);
            await Promise.all(naps.map((n) => sleep((n % 3) * 0.2).then(() => woken.push(n % 3))));
            return [woken.length, woken.every((n, place) => place === 0 || woken[place - 1] <= n)];
        }
        """
    assert await run(wasm, text, limits=InstanceLimits(operations_in_flight=64)) == [2000, True]
    # An operation each would be 2000, of which 64 may be in flight.
    assert len(wasm.host.ops("runtime.sleep")) < 1000


async def test_date_shows_the_present_and_instances_differ(wasm: Runner) -> None:
    text = "export function main() { return [Date.now(), Math.random()]; }"
    before = time.time()
    (now, first), (_, second) = await run(wasm, text), await run(wasm, text)
    assert before - 1 < now / 1000 < time.time() + 1
    assert first != second


async def test_instances_share_nothing(wasm: Runner) -> None:
    text = "export function main() { const seen = globalThis.mark ?? null; mark(); return seen; }"
    text += "\nfunction mark() { globalThis.mark = 1; }"
    assert [await run(wasm, text), await run(wasm, text)] == [None, None]


def test_sources_that_cannot_be_fetched_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ConfigurationError, match="cannot be fetched") as caught:
        make_javascript_interpreter(tmp_path, tmp_path)
    assert "other languages run without it" in caught.value.hint
