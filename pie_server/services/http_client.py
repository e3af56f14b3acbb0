"""HTTP requests of inferlets, to the addresses that the operator has listed and to no others.

Every connection is made in one place, which looks the name up once, checks what it found, and
connects to that very address: neither redirects nor a name that changes its address lead anywhere
else. Nothing is read from the environment (no proxies), nothing is decompressed, nothing is kept
between requests.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from urllib.parse import urljoin

import httpcore2
import trio

from pie_server.errors import HttpError, HttpForbidden, InvalidArguments
from pie_server.services.http_addresses import (
    Address,
    AllowList,
    Target,
    addresses_of,
    parse_url,
)

MIB = 1 << 20

Resolve = Callable[[str, int], Awaitable[list[Address]]]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# The connection's own, and those that would say something else than what is sent.
_RESERVED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_CREDENTIALS = frozenset({"authorization", "cookie"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.ConnectionNotAvailable,
)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of requests.

    Attributes:
        requests: At once, of all instances.
        body_bytes: Of a request.
        header_bytes: Names and values of a request.
        redirects: Followed one after the other.
    """

    requests: int = 64
    body_bytes: int = MIB
    header_bytes: int = 16 * 1024
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request as an inferlet makes it.

    Attributes:
        seconds: For all of it, redirects and waiting for a turn included.
        max_bytes: Of the answer's body.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    max_bytes: int
    follow_redirects: bool


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back; `url` is where it came from in the end."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    url: str


class HttpClient:
    """Makes requests.

    Args:
        allow: What may be reached; nothing by default.
        limits: Bounds of requests.
        resolve: Looks a name up; the system's way by default.
        tls: Whom to believe; the system's certificates by default.
    """

    def __init__(
        self,
        allow: AllowList | None = None,
        limits: HttpLimits | None = None,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or HttpLimits()
        self._allow = allow or AllowList()
        self._backend = _CheckedBackend(self._allow, resolve or _resolve)
        self._tls = tls
        self._turns = trio.CapacityLimiter(self.limits.requests)

    async def request(self, call: HttpCall) -> HttpAnswer:
        """Makes a request and reads the whole answer.

        Raises:
            InvalidArguments: The URL or a header is malformed, or the request is too large.
            HttpForbidden: The address, or one it redirects to, is not on the list.
            HttpError: No complete answer came, or it is too large.
        """
        self._check(call)
        parse_url(call.url)  # a malformed one is the caller's mistake, not the network's
        with trio.move_on_after(call.seconds):
            async with self._turns:
                return await self._follow(call)
        raise HttpError(f"{call.url[:200]}: no complete answer within {call.seconds:g} s")

    async def _follow(self, call: HttpCall) -> HttpAnswer:
        target = parse_url(call.url)
        for _ in range(self.limits.redirects + 1):
            answer = await self._send(target, call)
            location = next((value for name, value in answer.headers if name == "location"), None)
            if not call.follow_redirects or answer.status not in _REDIRECTS or location is None:
                return answer
            target, call = _redirected(target, call, answer.status, location)
        raise HttpError(f"{call.url[:200]}: more than {self.limits.redirects} redirects")

    async def _send(self, target: Target, call: HttpCall) -> HttpAnswer:
        tls = await self._tls_context() if target.scheme == "https" else None
        url = httpcore2.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        )
        try:
            async with (
                httpcore2.AsyncConnectionPool(tls, network_backend=self._backend) as pool,
                pool.stream(
                    call.method, url, headers=_headers(target, call), content=call.body or None
                ) as got,
            ):
                body = await _read(got, call.max_bytes)
                headers = [
                    (n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in got.headers
                ]
                return HttpAnswer(got.status, headers, body, target.url)
        except _FAILURES as failure:
            raise HttpError(f"{target.origin}: {_reason(failure)}") from failure

    def _check(self, call: HttpCall) -> None:
        limits = self.limits
        if len(call.body) > limits.body_bytes:
            raise InvalidArguments(
                f"body: {len(call.body)} bytes; a request may have {limits.body_bytes}"
            )
        size = sum(len(name) + len(value) for name, value in call.headers.items())
        if size > limits.header_bytes:
            raise InvalidArguments(f"headers: {size} bytes; they may have {limits.header_bytes}")
        for name, value in call.headers.items():
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                raise InvalidArguments(f"headers: {name[:80]!r} or its value is malformed")
            if name.lower() in _RESERVED or name.lower().startswith("proxy-"):
                raise InvalidArguments(f"headers: {name!r} is the server's to set")

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await trio.to_thread.run_sync(httpcore2.default_ssl_context)
        return self._tls


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    """The only place that connects: a listed name, looked up once, to a permitted address."""

    def __init__(self, allow: AllowList, resolve: Resolve) -> None:
        self._allow = allow
        self._look_up = resolve
        self._network = httpcore2.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connects, to the first permitted address that answers. Raises HttpForbidden."""
        if not self._allow.has(host, port):
            raise HttpForbidden(f"inferlets may not reach {host}:{port}")
        try:
            addresses = await self._look_up(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} cannot be looked up: {error}") from error
        permitted = [address for address in addresses if self._allow.permits(address, port)]
        if not permitted:
            raise HttpForbidden(
                f"{host} is at no public address",
                hint="If that is meant, the operator lists the address itself in `http_allow`.",
            )
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in permitted:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuses."""
        raise HttpForbidden("inferlets may not reach sockets of this machine")


def _headers(target: Target, call: HttpCall) -> list[tuple[bytes, bytes]]:
    given = {name.lower(): value for name, value in call.headers.items()}
    # The library would write addresses of IPv6 without their brackets.
    headers = {"Host": target.authority, "user-agent": "trio-pie-server", "accept": "*/*", **given}
    headers |= {"accept-encoding": "identity", "connection": "close"}
    if call.body or call.method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(call.body))
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def _redirected(
    target: Target, call: HttpCall, status: int, location: str
) -> tuple[Target, HttpCall]:
    """The next hop; what is meant for one origin is not sent to another."""
    try:
        following = parse_url(urljoin(target.url, location))
    except (InvalidArguments, ValueError) as error:
        reason = error.message if isinstance(error, InvalidArguments) else error
        raise HttpError(f"{target.origin} redirects to a bad address: {reason}") from None
    if target.scheme == "https" and following.scheme == "http":
        raise HttpForbidden(f"{target.origin} redirects from https to http")
    dropped: frozenset[str] = frozenset()
    if following.origin != target.origin:
        dropped |= _CREDENTIALS
    if status == 303 or (status in (301, 302) and call.method == "POST"):
        dropped |= {"content-type", "content-encoding", "content-language"}
        call = replace(call, method="HEAD" if call.method == "HEAD" else "GET", body=b"")
    headers = {n: v for n, v in call.headers.items() if n.lower() not in dropped}
    return following, replace(call, headers=headers)


def _reason(failure: BaseException) -> str:
    """The first of its causes that says something."""
    cause: BaseException | None = failure
    while cause is not None:
        if str(cause) and not isinstance(cause, trio.BrokenResourceError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return type(failure).__name__


async def _read(response: httpcore2.Response, max_bytes: int) -> bytes:
    body = bytearray()
    async with aclosing(response.aiter_stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > max_bytes:
                raise HttpError(
                    f"the answer has more than {max_bytes} bytes",
                    hint="Ask for less, or raise `max_bytes` as far as it goes.",
                    details={"limit_bytes": max_bytes},
                )
    return bytes(body)


async def _resolve(host: str, port: int) -> list[Address]:
    infos = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return addresses_of(list(infos))
