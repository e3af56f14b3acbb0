"""The bounds of sessions and of the journal, each with its unit in its name."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What sessions may use.

    Attributes:
        live_sessions: Running at once; one more is refused with `Overloaded`.
        output_bytes: Event data of one session over its life; then `emit` raises `OutputExceeded`.
        event_bytes: Data of one event.
        backlog_bytes: Events of one session that are not on disk yet. `emit` cannot wait, so a
            producer that is faster than the disk must await `Session.flushed` or fails here.
        input_messages: Inputs that the inferlet has not received yet.
        input_bytes: The same in bytes.
        tail_bytes: Newest stored events of one session kept in memory; older ones are read from
            the journal.
        detach_grace_seconds: How long a session goes on after its last client left.
        retention_seconds: How long an ended session can still be attached to.
    """

    live_sessions: int = 4096
    output_bytes: int = 64 * MIB
    event_bytes: int = 1 * MIB
    backlog_bytes: int = 8 * MIB
    input_messages: int = 64
    input_bytes: int = 4 * MIB
    tail_bytes: int = 256 * KIB
    detach_grace_seconds: float = 30.0
    retention_seconds: float = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How the journal trades latency for work.

    Attributes:
        commit_interval_seconds: At least this between two commits; the first event after a pause
            is committed at once. 4 ms makes at most 250 commits a second, about 5 % of a core.
        commit_events: Most events of one transaction, so that none takes long.
        backlog_bytes: Events of all sessions waiting for the disk; beyond it `append` refuses.
        retry_seconds: Pause after a failed commit (full disk, foreign lock) before the next try.
        busy_seconds: How long one commit waits for another process's lock.
        flush_seconds: Bound of the last flush when the server stops.
        page_bytes: Most event data of one read.
    """

    commit_interval_seconds: float = 0.004
    commit_events: int = 2000
    backlog_bytes: int = 64 * MIB
    retry_seconds: float = 0.5
    busy_seconds: float = 2.0
    flush_seconds: float = 5.0
    page_bytes: int = 256 * KIB
