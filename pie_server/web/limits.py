"""The bounds of connections, each with its unit in its name."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class WebLimits:
    """What one connection may cost.

    Attributes:
        connections: Open at once; one more is answered 503 and closed.
        message_bytes: One WebSocket message of a client; a longer one closes with 1009.
        body_bytes: One HTTP request body; a longer one is answered 413.
        header_bytes: Request line and headers; more is answered 431.
        request_seconds: From the connect, or the last response, to a complete request head. Bounds
            idle keep-alive as well as clients that send a byte now and then.
        send_seconds: One send to a client that does not read; then it is disconnected.
        linger_seconds: Between our end of stream and the close, for the peer to read it all.
        user_timeout_seconds: `TCP_USER_TIMEOUT`: unacknowledged data to a peer that vanished.
        ping_seconds: Between WebSocket pings, so that a vanished peer is noticed at all.
        frame_bytes: Events coalesced into one frame.
        pending_replies: Answers to one client that it has not read; more closes with 1008.
        drain_seconds: From the end of accepting to the end of serving, for sessions to end.
    """

    connections: int = 4096
    message_bytes: int = 1 * MIB
    body_bytes: int = 1 * MIB
    header_bytes: int = 16 * KIB
    request_seconds: float = 15.0
    send_seconds: float = 15.0
    linger_seconds: float = 2.0
    user_timeout_seconds: float = 20.0
    ping_seconds: float = 20.0
    frame_bytes: int = 256 * KIB
    pending_replies: int = 8192
    drain_seconds: float = 10.0
