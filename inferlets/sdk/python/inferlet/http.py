"""HTTP requests, made by the server, to the addresses that its operator allows.

Nothing is allowed unless the server's setting `http_allow` lists it. Redirects are followed within
the list; the answer is read whole.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from inferlet._backend import operation

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status.

    Attributes:
        status: 200, 404, ...
        content: The body.
        headers: By name in lower case; several of one name are joined by ", ".
        url: Where it came from, behind all redirects.

    Example:
        >>> response = await http.get("https://example.org/prices.json")
        >>> response.ok, response.headers["content-type"]
    """

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx.

        Example:
            >>> if response.ok: ...
        """
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as UTF-8; what is none becomes the replacement character.

        Example:
            >>> ctx.user(response.text[:2000])
        """
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Example:
            >>> price = response.json()["price"]
        """
        return json.loads(self.content)


async def request(
    method: Method,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: str | bytes | None = None,
    json: Any = None,
    seconds: float = 30.0,
    max_bytes: int = 1 << 20,
    follow_redirects: bool = True,
) -> Response:
    """Make a request and read the whole answer.

    Args:
        method: What to do.
        url: An http or https URL.
        headers: Besides those that the server sets.
        content: The body, as it is.
        json: The body, as JSON with its content type.
        seconds: For all of it, up to 120.
        max_bytes: Of the answer's body, up to 2 MiB.
        follow_redirects: False returns the redirect itself.

    Raises:
        InvalidOperation: The address is not allowed, or the request is malformed.
        ServerFault: No complete answer came, or it is too large.

    Example:
        >>> response = await http.request("PUT", url, json={"done": True})
    """
    fields: dict[str, Any] = {"headers": dict(headers or {})}
    if json is not None:
        content = _dumps(json)
        fields["headers"].setdefault("content-type", "application/json")
    if isinstance(content, bytes):
        fields["body_base64"] = base64.b64encode(content).decode()
    elif content is not None:
        fields["body"] = content
    answer = await operation(
        "http.request",
        method=method,
        url=url,
        seconds=seconds,
        max_bytes=max_bytes,
        follow_redirects=follow_redirects,
        **fields,
    )
    return _response(answer)


async def get(url: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Fetch a URL.

    Example:
        >>> page = (await http.get("https://example.org/")).text
    """
    return await request("GET", url, headers=headers)


async def post(
    url: str,
    *,
    json: Any = None,
    content: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Send something to a URL.

    Example:
        >>> await http.post("https://example.org/results", json={"answer": 42})
    """
    return await request("POST", url, json=json, content=content, headers=headers)


def _dumps(value: Any) -> str:
    return json.dumps(value)


def _response(answer: dict[str, Any]) -> Response:
    headers: dict[str, str] = {}
    for name, value in answer["headers"]:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if "body" in answer:
        content = str(answer["body"]).encode()
    else:
        content = base64.b64decode(answer["body_base64"])
    return Response(int(answer["status"]), content, headers, str(answer["url"]))
