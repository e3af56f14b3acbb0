"""The HTTP paths of the inferlets' store: upload, versions, aliases, canaries, rollback.

Reads and checks the shape of requests; what they mean is the registry's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct
from quart import Quart, Response, request

from pie_server.errors import InvalidRequest
from pie_server.wire import encode_json

_Body = TypeVar("_Body")
_NAME = "/v1/inferlets/<name>"
_ALIAS = f"{_NAME}/aliases/<alias>"


class InferletRegistry(Protocol):
    """What these paths need of the registry; each change answers with the new description."""

    def describe(self, name: str) -> Mapping[str, object]: ...  # noqa: D102
    async def set_alias(  # noqa: D102
        self, name: str, alias: str, version: str
    ) -> Mapping[str, object]: ...
    async def set_canary(  # noqa: D102
        self, name: str, alias: str, version: str, share: float
    ) -> Mapping[str, object]: ...
    async def roll_back(self, name: str, alias: str) -> Mapping[str, object]: ...  # noqa: D102


class PublishedVersion(Protocol):
    """What an upload answers."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def created(self) -> bool: ...  # noqa: D102


Publish = Callable[[Mapping[str, bytes]], Awaitable[PublishedVersion]]


class _Binary(Struct, forbid_unknown_fields=True):
    base64: bytes


class _Upload(Struct, forbid_unknown_fields=True):
    files: dict[str, str | _Binary]


class _Alias(Struct, forbid_unknown_fields=True):
    version: Annotated[str, Meta(min_length=1, max_length=80)]


class _Canary(Struct, forbid_unknown_fields=True):
    version: Annotated[str, Meta(min_length=1, max_length=80)]
    share: float


def add_inferlets(app: Quart, registry: InferletRegistry, publish: Publish) -> None:
    """Add the paths to the application."""

    @app.get(_NAME)
    async def describe(name: str) -> Response:
        return _json(registry.describe(name))

    @app.post("/v1/inferlets")
    async def upload() -> Response:
        body = await _read(_Upload)
        files = {
            name: content.encode() if isinstance(content, str) else content.base64
            for name, content in body.files.items()
        }
        done = await publish(files)
        answer = {
            "name": done.name,
            "version": done.version,
            "digest": done.digest,
            "created": done.created,
        }
        return _json(answer, 201 if done.created else 200)

    @app.put(_ALIAS)
    async def set_alias(name: str, alias: str) -> Response:
        body = await _read(_Alias)
        return _json(await registry.set_alias(name, alias, body.version))

    @app.put(f"{_ALIAS}/canary")
    async def set_canary(name: str, alias: str) -> Response:
        body = await _read(_Canary)
        return _json(await registry.set_canary(name, alias, body.version, body.share))

    @app.post(f"{_ALIAS}/rollback")
    async def roll_back(name: str, alias: str) -> Response:
        return _json(await registry.roll_back(name, alias))


async def _read(kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(await request.get_data(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(
            f"the request's body does not fit: {error}", hint="See docs/registry.md."
        ) from None


def _json(value: object, status: int = 200) -> Response:
    return Response(encode_json(value), status=status, content_type="application/json")
