"""The tenant's key-value store, which survives sessions and restarts of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pie_server.errors import InvalidArguments, StoreError
from pie_server.host.requests import DeleteKey, KeyRequest, ListKeys, PutKey
from pie_server.runtime.port import JsonValue
from pie_server.services.key_value_file import Written
from pie_server.services.key_values import KeyValueStore

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost


async def get(host: InstanceHost, request: KeyRequest) -> JsonValue:
    """What a key holds and its version, or null."""
    entry = await _store(host).get(host.session.tenant, _checked(request.key))
    if entry is None:
        return None
    return {"value": msgspec.json.decode(entry.value), "version": entry.version}


async def put(host: InstanceHost, request: PutKey) -> JsonValue:
    """Sets a key once it is on disk; with `version` only if the key has that one (0: is new)."""
    try:
        value = msgspec.json.encode(request.value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArguments(f"the value is no JSON: {error}") from None
    written = await _store(host).put(
        host.session.tenant, _checked(request.key), value, request.version
    )
    return _answer(written)


async def delete(host: InstanceHost, request: DeleteKey) -> JsonValue:
    """Forgets a key; with `version` only if the key has that one."""
    written = await _store(host).delete(host.session.tenant, _checked(request.key), request.version)
    return {**_answer(written), "existed": written.existed}


async def list_keys(host: InstanceHost, request: ListKeys) -> JsonValue:
    """Keys that begin with `prefix` and follow `after`, in order, with their versions."""
    keys = await _store(host).keys(
        host.session.tenant, _checked(request.prefix), _checked(request.after), request.limit
    )
    return [{"key": key, "version": version} for key, version in keys]


def _checked(key: str) -> str:
    if "\0" in key or (not key.isascii() and any("\ud800" <= char <= "\udfff" for char in key)):
        raise InvalidArguments("a key must be text without NUL and without lone surrogates")
    return key


def _answer(written: Written) -> dict[str, JsonValue]:
    return {"done": written.done, "version": written.version}


def _store(host: InstanceHost) -> KeyValueStore:
    if host.services.store is None:
        raise StoreError("this server has no key-value store")
    return host.services.store
