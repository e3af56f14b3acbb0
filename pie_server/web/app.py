"""The quart-trio application: health, inferlets, statistics, and the session WebSocket.

Built once by `server.py` from the services it may use; holds no state of its own. Every error is
`{"error": {"code", "message", "hint", "details"}}` with the status of its class.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import trio
from quart import Quart, Response, Websocket, has_request_context, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from pie_server.errors import InvalidRequest, MessageTooLarge, Overloaded, PieError, ShuttingDown
from pie_server.sessions import SessionHub
from pie_server.web.inferlets import InferletRegistry, Publish, add_inferlets
from pie_server.web.limits import WebLimits
from pie_server.web.protocol import error_body
from pie_server.web.sessions import SessionConnection
from pie_server.wire import JsonValue, encode_json

LOGGER = logging.getLogger(__name__)
DEFAULT_TENANT = "default"
# Browsers keep pages from elsewhere from reading the answers of these.
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class InferletInfo(Protocol):
    """What `/v1/inferlets` shows of a program (the runtime's `Program` has these)."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def language(self) -> str: ...  # noqa: D102
    @property
    def parameters(self) -> object: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Services:
    """What the application may use.

    Attributes:
        hub: The sessions.
        inferlets: All programs that can be launched.
        statistics: The figures of `/v1/statistics`, any JSON.
        ready: Whether models and programs are loaded.
        draining: Set when the server stops taking work.
        version: The server's version.
        limits: Bounds of connections.
        allowed_origins: Web pages of other hosts that may open sessions, as `scheme://host[:port]`.
        registry: Versions and aliases of inferlets; None if there is no store.
        publish: Takes an uploaded inferlet in; set if `registry` is.
    """

    hub: SessionHub
    inferlets: Callable[[], Sequence[InferletInfo]]
    statistics: Callable[[], Mapping[str, JsonValue]]
    ready: Callable[[], bool]
    draining: trio.Event
    version: str
    limits: WebLimits = field(default_factory=WebLimits)
    allowed_origins: frozenset[str] = frozenset()
    registry: InferletRegistry | None = None
    publish: Publish | None = None


def create_app(services: Services) -> Quart:
    """The ASGI application over `services`."""
    app: Quart = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = services.limits.body_bytes
    _add_errors(app)
    _add_pages(app, services)
    if services.registry is not None and services.publish is not None:
        add_inferlets(app, services.registry, services.publish)

    @app.before_request
    async def check_request() -> Response | None:
        if (request.content_length or 0) > services.limits.body_bytes:
            raise RequestEntityTooLarge
        if request.method in _READING:
            return None
        headers = request.headers
        refused = _foreign_origin(
            headers.get("Origin"), headers.get("Host"), services.allowed_origins
        )
        return None if refused is None else _error(refused, 403)

    @app.websocket("/v1/sessions")
    async def sessions() -> Response | None:
        headers = websocket.headers
        refused = _foreign_origin(
            headers.get("Origin"), headers.get("Host"), services.allowed_origins
        )
        if refused is not None:
            return _error(refused, 403)
        # The object behind the proxy: tasks use it, and every look-up costs.
        socket: Websocket = websocket._get_current_object()  # type: ignore[attr-defined]
        await socket.accept()  # the handshake is answered before anything can go wrong
        connection = SessionConnection(
            socket, services.hub, services.limits, DEFAULT_TENANT, services.version
        )
        await connection.run()
        return None

    return app


def _add_pages(app: Quart, services: Services) -> None:
    @app.get("/health")
    async def health() -> Response:
        return _json({"status": "ok", "version": services.version})

    @app.get("/ready")
    async def ready() -> Response:
        if services.draining.is_set():
            raise ShuttingDown("The server is stopping.", hint="Use another server.")
        if not services.ready():
            raise Overloaded("The server is still loading.", hint="Ask again in a second.")
        failure = services.hub.statistics().journal.failure
        if failure is not None:
            raise Overloaded(f"The session journal cannot be written: {failure}")
        return _json({"status": "ready"})

    @app.get("/v1/inferlets")
    async def inferlets() -> Response:
        return _json({"inferlets": [_describe(info) for info in services.inferlets()]})

    @app.get("/v1/statistics")
    async def statistics() -> Response:
        return _json(services.statistics())

    @app.get("/v1/sessions")
    async def upgrade_required() -> Response:
        error = InvalidRequest(
            "Sessions are a WebSocket.", hint="Open ws://HOST:PORT/v1/sessions; see the protocol."
        )
        response = _error(error, 426)
        response.headers["Upgrade"] = "websocket"
        return response


def _add_errors(app: Quart) -> None:
    @app.errorhandler(PieError)
    async def pie_error(error: PieError) -> Response:
        return _error(error, error.http_status)

    @app.errorhandler(HTTPException)
    async def http_error(failure: HTTPException) -> Response:
        status = failure.code or 500
        error: PieError
        if status == 413:
            error = MessageTooLarge(
                "The request body is too long.", hint="Send less, or raise the server's limit."
            )
        elif status == 404:
            error = InvalidRequest(
                f"There is no {_path()[:200]}.", hint="See docs/protocol.md for all paths."
            )
        else:
            error = InvalidRequest(failure.description or failure.name)
        response = _error(error, status)
        for name, value in failure.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    async def unexpected(failure: Exception) -> Response:
        LOGGER.error("a request failed", exc_info=failure)
        return _error(PieError("The server failed; its log explains it."), 500)


def _path() -> str:
    """The path of the request or the WebSocket that is being answered."""
    return request.path if has_request_context() else websocket.path


def _describe(info: InferletInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "language": info.language,
        "parameters": info.parameters,
    }


def _json(value: object, status: int = 200) -> Response:
    return Response(encode_json(value), status=status, content_type="application/json")


def _error(error: PieError, status: int) -> Response:
    return Response(error_body(error), status=status, content_type="application/json")


def _foreign_origin(
    origin: str | None, host: str | None, allowed: frozenset[str]
) -> PieError | None:
    """Refuses pages from elsewhere: browsers let any page send requests to localhost."""
    if origin is None or origin in allowed or urlsplit(origin).netloc == host:
        return None
    return InvalidRequest(
        f"Pages of {origin[:200]} may not use this server.",
        hint="Add the origin to the server's allowed origins.",
    )
