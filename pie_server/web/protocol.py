"""hypercorn's HTTP/1.1 and WebSocket protocols with their traps mended. No I/O of its own.

Used by `connection.py` for each connection. Against hypercorn 0.18:

- `permessage-deflate` is never negotiated (a small frame may inflate to gigabytes).
- Bytes behind an upgrade request that nobody accepted yet are refused (they crash the stock one).
- A message over the limit is refused before it is stored, and closes the connection.
- A frame that breaks RFC 6455 is answered with its close code.
- HTTP/2 is not spoken: no upgrade to h2c, no prior knowledge.
- Requests that never reach the application get this system's JSON errors, too.
"""

from __future__ import annotations

from itertools import chain

import h11
from hypercorn.config import Config
from hypercorn.events import Closed
from hypercorn.protocol.events import Body, Data, EndBody, Event, Request, Response, StreamClosed
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.ws_stream import FrameTooLargeError, WebsocketBuffer, WSStream
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from pie_server.errors import InvalidRequest, MessageTooLarge, PieError
from pie_server.wire import encode_json

JSON_HEADERS = [(b"content-type", b"application/json"), (b"connection", b"close")]


def error_body(error: PieError) -> bytes:
    """`{"error": {...}}`, the body of every HTTP error."""
    return encode_json({"error": error.to_wire()})


class MessageBuffer(WebsocketBuffer):  # type: ignore[misc]
    """Collects the frames of one message, never more than the limit."""

    def extend(self, event: TextMessage | BytesMessage) -> None:
        """Adds a frame.

        Raises:
            FrameTooLargeError: The message would be too long; nothing was added.
        """
        if self.length + len(event.data) > self.max_length:
            raise FrameTooLargeError
        super().extend(event)


class GuardedWebSocket(WSStream):  # type: ignore[misc]
    """One WebSocket of one connection."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.buffer = MessageBuffer(self.config.websocket_max_message_size)

    async def handle(self, event: Event) -> None:
        """Takes an event of the HTTP connection."""
        if isinstance(event, Request):
            headers = [
                (name, value)
                for name, value in event.headers
                if name.lower() != b"sec-websocket-extensions"
            ]
            event = Request(
                stream_id=event.stream_id,
                headers=headers,
                http_version=event.http_version,
                method=event.method,
                raw_path=event.raw_path,
                state=event.state,
            )
        elif isinstance(event, Body | Data) and not self.closed and not self.handshake.accepted:
            await self._send_error_response(400)
            await self.send(StreamClosed(stream_id=self.stream_id))
            return
        await super().handle(event)

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, TextMessage | BytesMessage):
                try:
                    self.buffer.extend(event)
                except FrameTooLargeError:
                    await self._fail(CloseReason.MESSAGE_TOO_BIG, "message too large")
                    return
                if event.message_finished:
                    message = self.buffer.to_message()
                    self.buffer.clear()
                    await self.app_put(message)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                if self.connection.state == ConnectionState.REMOTE_CLOSING:
                    await self._send_wsproto_event(event.response())
                    await self.send(StreamClosed(stream_id=self.stream_id))
                else:
                    await self._fail(event.code, event.reason or "protocol error")
                return

    async def _fail(self, code: int, reason: str) -> None:
        self.buffer.clear()
        await self._send_wsproto_event(CloseConnection(code=code, reason=reason))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_error_response(self, status_code: int) -> None:
        body = error_body(_refusal(status_code))
        headers = [*JSON_HEADERS, (b"content-length", b"%d" % len(body))]
        await self.send(
            Response(stream_id=self.stream_id, status_code=status_code, headers=headers)
        )
        await self.send(Body(stream_id=self.stream_id, data=body))
        await self.send(EndBody(stream_id=self.stream_id))


class GuardedProtocol(H11Protocol):  # type: ignore[misc]
    """HTTP/1.1 of one connection."""

    config: Config
    connection: h11.Connection | H11WSConnection

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stock: switches to HTTP/2 when asked to."""

    async def _create_stream(self, request: h11.Request) -> None:
        if not _is_websocket(request):
            await super()._create_stream(request)
            return
        self.stream = GuardedWebSocket(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        self.connection = H11WSConnection(self.connection)
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method="GET",
                raw_path=request.target,
                state=self.connection_state,
            )
        )

    async def _send_error_response(self, status_code: int) -> None:
        """Answers what is no HTTP request."""
        body = error_body(_refusal(status_code))
        headers = [*JSON_HEADERS, (b"content-length", b"%d" % len(body))]
        await self._send_h11_event(
            h11.Response(
                status_code=status_code,
                headers=list(chain(headers, self.config.response_headers("h11"))),
            )
        )
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())

    async def hang_up(self) -> None:
        """The connection is gone: tells the application, once."""
        await self.handle(Closed())


def _is_websocket(request: h11.Request) -> bool:
    """The headers as hypercorn reads them; anything else is an ordinary request."""
    fields = {name.lower(): value.lower() for name, value in request.headers}
    tokens = [token.strip() for token in fields.get(b"connection", b"").split(b",")]
    return (
        b"upgrade" in tokens
        and fields.get(b"upgrade", b"").strip() == b"websocket"
        and request.method.upper() == b"GET"
    )


def _refusal(status_code: int) -> PieError:
    if status_code in (413, 431):
        return MessageTooLarge("The request's headers are too long.", hint="Send fewer headers.")
    if status_code == 400:
        return InvalidRequest(
            "This is no valid HTTP/1.1 request or WebSocket handshake.",
            hint="Speak HTTP/1.1; wait for the answer to an upgrade before sending frames.",
        )
    return PieError("The server could not answer this request.")
