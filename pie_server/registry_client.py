"""A trio client of a server's store of inferlets: list, upload, aliases, canaries, rollback.

One request, one connection. Everything the server refuses is raised as the same typed error
(`pie_server.errors`) that it is there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

import h11
import msgspec
import trio

from pie_server import wire
from pie_server.errors import ConnectionLost, MalformedMessage

_CONNECT_SECONDS: Final = 15.0
# An upload may have to wait until the server has built its language's interpreter.
_ANSWER_SECONDS: Final = 330.0
_RECEIVE_BYTES: Final = 64 << 10
_ANSWER_BYTES: Final = 64 << 20


class RegistryClient:
    """Speaks to the server at a URL, e.g. `http://127.0.0.1:8080`.

    Args:
        url: `http://` or `ws://host:port`, or the same with TLS (`https`, `wss`).
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        self._tls = parts.scheme in ("https", "wss")
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._url = f"{'https' if self._tls else 'http'}://{parts.netloc}"

    async def list(self) -> list[dict[str, Any]]:
        """All inferlets that can be launched: name, version, language, description, parameters.

        Uploaded ones come without parameters; `describe` has them.

        Raises:
            ConnectionLost: No server there.
        """
        return cast("list[dict[str, Any]]", (await self._ask("GET", ""))["inferlets"])

    async def describe(self, name: str) -> dict[str, Any]:
        """All versions and aliases of one inferlet.

        Raises:
            UnknownInferlet: There is none.
            ConnectionLost: No server there.
        """
        return await self._ask("GET", f"/{quote(name, safe='')}")

    async def push(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Upload one version.

        Args:
            files: By name: `inferlet.toml` and the source, or the component `inferlet.wasm`.

        Returns:
            `name`, `version`, `digest`, and whether it was `created` now.

        Raises:
            InvalidInferlet: It cannot be one; the message says what is wrong where.
            VersionExists: The version exists with other content.
            ConnectionLost: No server there.
        """
        return await self._ask("POST", "", {"files": {n: _text(c) for n, c in files.items()}})

    async def set_alias(self, name: str, alias: str, version: str) -> dict[str, Any]:
        """Point an alias at a version; answers like `describe`.

        Raises:
            InvalidRequest: There cannot be such an alias.
            UnknownInferlet: There is no such version.
            ConnectionLost: No server there.
        """
        return await self._ask("PUT", _alias(name, alias), {"version": version})

    async def set_canary(self, name: str, alias: str, version: str, share: float) -> dict[str, Any]:
        """Send a share (0 to 1) of an alias's sessions to a second version; 0 ends that.

        Raises:
            InvalidRequest: The share is not between 0 and 1.
            UnknownInferlet: There is no such version or alias.
            ConnectionLost: No server there.
        """
        body = {"version": version, "share": share}
        return await self._ask("PUT", f"{_alias(name, alias)}/canary", body)

    async def roll_back(self, name: str, alias: str) -> dict[str, Any]:
        """Take an alias's newest change back; answers like `describe`.

        Raises:
            InvalidRequest: There is nothing before it.
            ConnectionLost: No server there.
        """
        return await self._ask("POST", f"{_alias(name, alias)}/rollback", {})

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        content = b"" if body is None else wire.encode_json(body)
        status, answer = await self._request(method, f"/v1/inferlets{path}", content)
        try:
            if status >= 400:
                raise wire.error_from_wire(msgspec.json.decode(answer, type=_Refusal).error)
            return msgspec.json.decode(answer, type=dict[str, Any])
        except msgspec.DecodeError:
            raise MalformedMessage(
                f"{self._url} answered {method} {path} with status {status} and no JSON of ours.",
                hint="Check that this is the address of a pie-server of this version.",
            ) from None

    async def _request(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        connection = h11.Connection(h11.CLIENT)
        headers = [
            ("Host", f"{self._host}:{self._port}"),
            ("Connection", "close"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(content))),
        ]
        head = connection.send(h11.Request(method=method, target=path, headers=headers))
        body = connection.send(h11.Data(content)) or b""
        end = connection.send(h11.EndOfMessage()) or b""
        async with await self._connect() as stream:
            try:
                with trio.fail_after(_ANSWER_SECONDS):
                    await stream.send_all((head or b"") + body + end)
                    return await _read_answer(connection, stream)
            except (trio.BrokenResourceError, h11.RemoteProtocolError, trio.TooSlowError) as error:
                raise ConnectionLost(f"{self._url} gave no whole answer: {error}") from None

    async def _connect(self) -> trio.abc.Stream:
        try:
            with trio.fail_after(_CONNECT_SECONDS):
                if self._tls:
                    return await trio.open_ssl_over_tcp_stream(
                        self._host, self._port, https_compatible=True
                    )
                return await trio.open_tcp_stream(self._host, self._port)
        except (OSError, trio.TooSlowError) as failure:
            raise ConnectionLost(
                f"Cannot connect to {self._url}: {failure or 'no answer'}.",
                hint="Check that the server runs and listens there (`pie-server serve`).",
            ) from None


class _Refusal(msgspec.Struct):
    error: wire.ErrorBody


async def _read_answer(connection: h11.Connection, stream: trio.abc.Stream) -> tuple[int, bytes]:
    status, parts, size = 0, [], 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
            size += len(event.data)
            if size > _ANSWER_BYTES:
                raise h11.RemoteProtocolError("the answer is too long")
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return status, b"".join(parts)


def _text(content: bytes) -> object:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _alias(name: str, alias: str) -> str:
    return f"/{quote(name, safe='')}/aliases/{quote(alias, safe='')}"
