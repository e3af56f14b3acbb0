from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from pie_server.errors import (
    GuestRaised,
    InvalidRequest,
    OutputExceeded,
    ShuttingDown,
    UnknownSession,
)
from pie_server.sessions import EventLog, Session, SessionHub, SessionLimits
from pie_server.wire import JsonValue

Program = Callable[[Session], Awaitable[JsonValue]]


class Launcher:
    def __init__(self, program: Program) -> None:
        self.program = program

    def check(self, inferlet: str, arguments: JsonValue, *, native: bool) -> None:
        pass

    async def launch(
        self, *, inferlet: str, arguments: JsonValue, session: Session, native: bool
    ) -> JsonValue:
        return await self.program(session)


@asynccontextmanager
async def run_hub(
    directory: Path, program: Program, limits: SessionLimits | None = None
) -> AsyncIterator[SessionHub]:
    hub = SessionHub(directory / "j", Launcher(program), limits)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            yield hub
            nursery.cancel_scope.cancel()


def launch(hub: SessionHub, **options: bool) -> Session:
    return hub.launch(inferlet="i", arguments={}, tenant="t", **options)


async def ended(log: EventLog) -> None:
    class Waiter:
        def __init__(self) -> None:
            self.event = trio.Event()

        def news(self, log: EventLog) -> None:
            if log.finished:
                self.event.set()

    waiter = Waiter()
    log.follow(waiter)
    if not log.finished:
        await waiter.event.wait()
    log.unfollow(waiter)


async def read(hub: SessionHub, session: Session) -> list[tuple[str, dict[str, object]]]:
    await ended(session.log)
    events: list[tuple[str, dict[str, object]]] = []
    while len(events) < session.log.last_seq:
        for record in await hub.journal.read(session.log, len(events)):
            assert record.seq == len(events) + 1
            events.append((record.kind, msgspec.json.decode(record.data)))
    return events


async def test_a_failure_in_one_session_ends_that_one_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fail, finish = trio.Event(), trio.Event()

    async def program(session: Session) -> JsonValue:
        if not session.native:
            await finish.wait()
            return "fine"
        await fail.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise RuntimeError("secret")

    async with run_hub(tmp_path, program) as hub:
        good, bad = launch(hub), launch(hub, native=True)
        fail.set()
        events = await read(hub, bad)
        assert events[-2][1]["code"] == "internal_error"
        assert "secret" not in str(events)
        assert "secret" in caplog.text
        finish.set()
        assert (await read(hub, good))[-1][1]["result"] == "fine"
        figures = hub.statistics()
        assert (figures.live, figures.completed, figures.failed) == (0, 1, 1)


async def test_a_typed_failure_inside_nested_nurseries_keeps_its_type(tmp_path: Path) -> None:
    async def program(session: Session) -> JsonValue:
        async with trio.open_nursery(), trio.open_nursery():
            raise GuestRaised("line 3", hint="mend it", details={"traceback": "..."})

    async with run_hub(tmp_path, program) as hub:
        events = await read(hub, launch(hub))
    assert events[-2] == (
        "error",
        {
            "code": "guest_raised",
            "message": "line 3",
            "hint": "mend it",
            "details": {"traceback": "..."},
        },
    )
    assert events[-1][1]["status"] == "failed"


async def test_a_cancelled_session_ends_all_it_started_before_done(tmp_path: Path) -> None:
    cleaned = trio.Event()

    async def program(session: Session) -> JsonValue:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.01)
                session.emit("text", {"text": "last words"})
            cleaned.set()

    async with run_hub(tmp_path, program) as hub:
        session = launch(hub)
        await session.flushed()
        session.cancel("client")
        events = await read(hub, session)
        assert cleaned.is_set()
    assert [kind for kind, _ in events] == ["started", "text", "done"]
    assert events[-1][1]["reason"] == "client"


async def test_a_failure_during_cancellation_is_still_a_cancellation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def program(session: Session) -> JsonValue:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in cleanup")

    async with run_hub(tmp_path, program) as hub:
        session = launch(hub)
        await session.flushed()
        session.cancel("client")
        assert (await read(hub, session))[-1][1]["status"] == "cancelled"
    assert "in cleanup" in caplog.text


async def test_output_is_bounded_by_event_by_session_and_by_what_is_not_stored(
    tmp_path: Path,
) -> None:
    limits = SessionLimits(event_bytes=1000, output_bytes=20_000, backlog_bytes=5000)
    refused: list[OutputExceeded] = []

    async def emit_until_refused(session: Session, size: int, *, wait: bool) -> None:
        try:
            for _ in range(1000):
                session.emit("text", {"text": "x" * size})
                if wait:
                    await session.flushed()
        except OutputExceeded as error:
            refused.append(error)

    async def program(session: Session) -> JsonValue:
        await emit_until_refused(session, 2000, wait=False)
        await emit_until_refused(session, 500, wait=False)
        await session.flushed()
        await emit_until_refused(session, 500, wait=True)
        raise refused[-1]

    async with run_hub(tmp_path, program, limits) as hub:
        events = await read(hub, launch(hub))
    assert [error.details["limit_bytes"] for error in refused] == [1000, 5000, 20_000]
    assert [kind for kind, _ in events[-2:]] == ["error", "done"]  # room for the end is kept
    assert events[-2][1]["code"] == "output_exceeded"


async def test_what_is_no_json_is_refused_as_event_and_as_result(tmp_path: Path) -> None:
    async def program(session: Session) -> JsonValue:
        for data in ({"x": object()}, {"text": "\ud800"}):
            with pytest.raises(InvalidRequest, match="JSON"):
                session.emit("text", data)  # type: ignore[arg-type]
        for kind in ('te"xt', "", "done", "started"):
            with pytest.raises(ValueError, match="kind"):
                session.emit(kind, {})
        return object()  # type: ignore[return-value]

    async with run_hub(tmp_path, program) as hub:
        events = await read(hub, launch(hub))
    assert [kind for kind, _ in events] == ["started", "error", "done"]
    assert events[1][1]["code"] == "invalid_request"


async def test_nothing_follows_done(tmp_path: Path) -> None:
    kept: list[Session] = []

    async def program(session: Session) -> JsonValue:
        kept.append(session)
        return None

    async with run_hub(tmp_path, program) as hub:
        session = launch(hub)
        await read(hub, session)
        kept[0].emit("text", {"text": "late"})
        session.cancel("client")
        await hub.journal.flush()
        assert session.log.last_seq == 2
        assert session.state == "completed"


async def test_sessions_are_invisible_to_other_tenants(tmp_path: Path) -> None:
    async def program(session: Session) -> JsonValue:
        await session.receive()
        return None

    async with run_hub(tmp_path, program) as hub:
        session = launch(hub)
        assert hub.find(session.id, "t") is session
        for attempt in (hub.open_log, hub.require_ended):
            with pytest.raises(UnknownSession):
                await attempt(session.id, "other")
        with pytest.raises(UnknownSession):
            hub.find(session.id, "other")
        assert await hub.list("other") == []
        session.cancel("client")
        await ended(session.log)
        with pytest.raises(UnknownSession):
            await hub.open_log(session.id, "other")
        assert (await hub.open_log(session.id, "t")).ended


async def test_stopping_the_hub_ends_sessions_and_stores_their_end(tmp_path: Path) -> None:
    async def program(session: Session) -> JsonValue:
        session.emit("text", {"text": "before"})
        await trio.sleep_forever()
        return None

    async with run_hub(tmp_path, program) as hub:
        session = launch(hub)
        await session.flushed()
    with pytest.raises(ShuttingDown):
        launch(hub)
    async with run_hub(tmp_path, program) as again:
        log = await again.open_log(session.id, "t")
        records = await again.journal.read(log, 0)
    assert [record.kind for record in records] == ["started", "text", "done"]
    assert msgspec.json.decode(records[-1].data)["reason"] == "shutdown"


async def test_abandoned_sessions_end_after_the_grace_and_returning_clients_stop_it(
    tmp_path: Path,
) -> None:
    class Client:
        def news(self, log: EventLog) -> None:
            pass

    async def program(session: Session) -> JsonValue:
        await trio.sleep_forever()
        return None

    limits = SessionLimits(detach_grace_seconds=0.05)
    async with run_hub(tmp_path, program, limits) as hub:
        abandoned, kept, detached = launch(hub), launch(hub), launch(hub, detached=True)
        first, second = Client(), Client()
        for session in (abandoned, kept, detached):
            session.attach(first)
        kept.attach(second)
        for session in (abandoned, kept, detached):
            session.detach(first)
        kept.detach(second)
        kept.attach(first)
        await ended(abandoned.log)
        assert abandoned.cancel_reason == "abandoned"
        await trio.sleep(0.1)
        assert kept.state == detached.state == "running"
