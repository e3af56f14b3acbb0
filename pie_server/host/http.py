"""HTTP requests to what the operator allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pie_server.host.encoding import bytes_of, text_or_base64
from pie_server.host.requests import HttpRequest
from pie_server.runtime.port import JsonValue
from pie_server.services.http_client import HttpCall

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

# Of one session at once, with all it launches, so that it cannot take all the server's turns.
MAX_REQUESTS = 8


async def request(host: InstanceHost, request: HttpRequest) -> JsonValue:
    """Makes an HTTP request to an address on the server's list and reads the whole answer."""
    call = HttpCall(
        method=request.method,
        url=request.url,
        headers=request.headers,
        body=bytes_of(request.body, request.body_base64, "body_base64"),
        seconds=request.seconds,
        max_bytes=request.max_bytes,
        follow_redirects=request.follow_redirects,
    )
    with host.waiting():
        async with host.http_turns:
            answer = await host.services.http.request(call)
    headers: list[JsonValue] = [[name, value] for name, value in answer.headers]
    return {
        "status": answer.status,
        "url": answer.url,
        "headers": headers,
        **text_or_base64(answer.body, "body"),
    }
