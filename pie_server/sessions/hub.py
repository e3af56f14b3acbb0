"""The owner of all sessions: launches them, contains their failures, finds, lists, drains them.

A service: `run` is started once in the server's nursery and owns the journal's writer and one task
with one cancel scope per session. Connections call its synchronous methods on the loop. What an
inferlet does is the `Launcher`'s business.
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import trio

from pie_server.errors import (
    Overloaded,
    PieError,
    ShuttingDown,
    UnknownSession,
)
from pie_server.sessions.event_log import EventLog
from pie_server.sessions.failure import contain, unsendable
from pie_server.sessions.journal import Journal, JournalStatistics
from pie_server.sessions.journal_file import SessionRow
from pie_server.sessions.limits import JournalLimits, SessionLimits
from pie_server.sessions.ports import Launcher
from pie_server.sessions.session import Session, SessionState
from pie_server.wire import JsonValue, SessionInfo, encode_json

LOGGER = logging.getLogger(__name__)
CANCEL_SECONDS = 5.0  # a cancelled inferlet's shielded cleanup; beyond it `drain` goes on without
LISTED_ENDED = 200  # ended sessions in a list; older ones are still attachable by id


@dataclass(frozen=True, slots=True)
class HubStatistics:
    """Figures since the start."""

    live: int
    launched: int
    completed: int
    failed: int
    cancelled: int
    journal: JournalStatistics


class SessionHub:
    """All sessions of one server.

    Args:
        journal_path: Where their events are stored.
        launcher: Runs inferlets.
        limits: Bounds of sessions.
        journal_limits: Bounds of the journal.
    """

    def __init__(
        self,
        journal_path: Path,
        launcher: Launcher,
        limits: SessionLimits | None = None,
        journal_limits: JournalLimits | None = None,
    ) -> None:
        self.limits = limits or SessionLimits()
        self.drained = trio.Event()
        self._launcher = launcher
        self._journal = Journal(
            journal_path, journal_limits, retention_seconds=self.limits.retention_seconds
        )
        self._sessions: dict[str, Session] = {}
        self._nursery: trio.Nursery | None = None
        self._draining = False
        self._running = 0
        self._launched = 0
        self._ended = {"completed": 0, "failed": 0, "cancelled": 0}
        self._idle = trio.Event()
        self._idle.set()

    # --- service ------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until cancelled; then ends all sessions and stores their last events.

        Raises:
            JournalError: The journal cannot be opened.
        """
        await self._journal.open()
        async with trio.open_nursery() as services:
            await services.start(self._journal.run)
            try:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    task_status.started()
                    await trio.sleep_forever()
            finally:
                self._nursery = None
                self._draining = True
                self._journal.stop()
                self.drained.set()

    async def drain(self, seconds: float) -> None:
        """Refuses new sessions, lets running ones end for `seconds`, cancels the rest.

        Returns within `seconds` plus `CANCEL_SECONDS`, with every event stored; then sets
        `drained`, upon which connections send what is left and close.
        """
        self._draining = True
        with trio.move_on_after(seconds):
            await self._idle.wait()
        for session in self._sessions.values():
            session.cancel("shutdown")
        with trio.move_on_after(CANCEL_SECONDS):
            await self._idle.wait()
            await self._journal.flush()
        self.drained.set()

    def statistics(self) -> HubStatistics:
        """Figures for `/v1/statistics` and readiness."""
        return HubStatistics(
            live=self._running,
            launched=self._launched,
            journal=self._journal.statistics(),
            **self._ended,
        )

    # --- sessions -----------------------------------------------------------------------------

    def launch(
        self,
        *,
        inferlet: str,
        arguments: JsonValue,
        tenant: str,
        native: bool = False,
        detached: bool = False,
    ) -> Session:
        """Starts an inferlet in a new session; its first event is stored soon after.

        Without `attach` by the caller it is not abandoned, so attach before the next checkpoint.

        Raises:
            ShuttingDown: The server is stopping.
            Overloaded: Too many sessions, or the disk is behind.
            InvalidRequest: `native` is not allowed here.
            UnknownInferlet: There is no such inferlet.
            InvalidArguments: It does not take them.
        """
        nursery = self._admit()
        self._launcher.check(inferlet, arguments, native=native)
        row = SessionRow(
            key=0,
            id="s_" + secrets.token_urlsafe(18),
            tenant=tenant,
            inferlet=inferlet,
            arguments=encode_json(arguments),
            native=native,
            detached=detached,
            created=time.time(),
            state="running",
            ended=None,
            last_seq=None,
        )
        session = Session(
            id=row.id,
            tenant=tenant,
            inferlet=inferlet,
            arguments=arguments,
            native=native,
            detached=detached,
            created=row.created,
            log=self._journal.open_log(row, self.limits.tail_bytes),
            journal=self._journal,
            limits=self.limits,
        )
        session.start()
        self._sessions[session.id] = session
        self._launched += 1
        self._count_running(+1)
        nursery.start_soon(self._run_session, session, name=f"session {session.id}")
        return session

    def find(self, session: str, tenant: str) -> Session:
        """A session that runs, or ended so recently that it is still in memory.

        Raises:
            UnknownSession: Not one of this tenant's.
        """
        found = self._sessions.get(session)
        if found is None or found.tenant != tenant:
            raise _unknown(session)
        return found

    async def open_log(self, session: str, tenant: str) -> EventLog:
        """The events of any session within retention, to read with `EventLog.tail` and `read`.

        Raises:
            UnknownSession: Not one of this tenant's.
            JournalError: The journal cannot be read.
        """
        live = self._sessions.get(session)
        if live is not None and live.tenant == tenant:
            return live.log
        row = await self._journal.find(session)
        live = self._sessions.get(session)  # may have been stored by now, or only just ended
        if live is not None and live.tenant == tenant:
            return live.log
        if row is None or row.tenant != tenant or row.last_seq is None:
            raise _unknown(session)
        return EventLog(row.id, row.key, 0, stored_seq=row.last_seq, ended=True)

    async def require_ended(self, session: str, tenant: str) -> SessionRow:
        """The stored row of an ended session, to tell `ended` from `unknown`.

        Raises:
            UnknownSession: Not one of this tenant's.
            JournalError: The journal cannot be read.
        """
        row = await self._journal.find(session)
        if row is None or row.tenant != tenant:
            raise _unknown(session)
        return row

    @property
    def journal(self) -> Journal:
        """For reading events that are no longer in a log's tail."""
        return self._journal

    async def list(self, tenant: str) -> list[SessionInfo]:
        """All running sessions of a tenant and its newest ended ones, newest first.

        Raises:
            JournalError: The journal cannot be read.
        """
        ended = await self._journal.ended_sessions(tenant, LISTED_ENDED)
        live = [session for session in self._sessions.values() if session.tenant == tenant]
        names = {session.id for session in live}
        infos = [_live_info(session) for session in live]
        infos += [_ended_info(row) for row in ended if row.id not in names]
        return sorted(infos, key=lambda info: info.created, reverse=True)

    # --- one session --------------------------------------------------------------------------

    async def _run_session(self, session: Session) -> None:
        """The barrier: whatever happens in a session ends that session and nothing else."""
        started = trio.current_time()
        result: JsonValue = None
        returned = False
        failure: Exception | None = None
        try:
            with session.scope:
                result = await self._launcher.launch(
                    inferlet=session.inferlet,
                    arguments=session.arguments,
                    session=session,
                    native=session.native,
                )
                returned = True
        except* Exception as group:  # beside a Cancelled, too, which goes on to its owner
            failure = group
        finally:
            wall_seconds = round(trio.current_time() - started, 6)
            session.usage = {**session.usage, "wall_seconds": wall_seconds}
            self._finish(session, result, failure, returned)

    def _finish(
        self, session: Session, result: JsonValue, failure: Exception | None, returned: bool
    ) -> None:
        def forget() -> None:
            self._sessions.pop(session.id, None)

        state: SessionState
        error: PieError | None = None
        if returned:
            state, error = "completed", unsendable(result, self.limits.event_bytes)
        elif failure is None or session.cancel_reason is not None:
            state = "cancelled"
            if failure is not None:
                LOGGER.warning("session %s failed while cancelled", session.id, exc_info=failure)
            if session.cancel_reason is None:
                abandoned = session.scope.cancelled_caught
                session.cancel_reason = "abandoned" if abandoned else "shutdown"
        else:
            error = contain(session.id, failure)
        if error is not None:
            state, result = "failed", None
        session.end(state, result=result, error=error, stored=forget)
        self._ended[state] += 1
        self._count_running(-1)

    def _admit(self) -> trio.Nursery:
        if self._nursery is None or self._draining:
            raise ShuttingDown(
                "The server takes no new sessions.", hint="Connect again in a few seconds."
            )
        if self._running >= self.limits.live_sessions:
            raise Overloaded(
                f"{self._running} sessions are running, the most this server allows.",
                hint="Try again when some have ended, or raise the limit.",
                details={"limit": self.limits.live_sessions},
            )
        self._journal.check_room()
        return self._nursery

    def _count_running(self, change: int) -> None:
        self._running += change
        if self._running == 0:
            self._idle.set()
        elif self._idle.is_set():
            self._idle = trio.Event()


def _unknown(session: str) -> UnknownSession:
    return UnknownSession(
        f"There is no session {session[:64]!r}.",
        hint="It may be older than the retention, or another tenant's; `list` shows yours.",
    )


def _live_info(session: Session) -> SessionInfo:
    return SessionInfo(
        session=session.id,
        inferlet=session.inferlet,
        state=session.state,
        created=session.created,
        last_seq=session.log.stored_seq,
        native=session.native,
        detached=session.detached,
        clients=session.clients,
    )


def _ended_info(row: SessionRow) -> SessionInfo:
    return SessionInfo(
        session=row.id,
        inferlet=row.inferlet,
        state=row.state,
        created=row.created,
        last_seq=row.last_seq or 0,
        native=row.native,
        detached=row.detached,
        clients=0,
    )
