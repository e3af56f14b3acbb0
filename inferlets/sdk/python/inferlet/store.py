"""The tenant's key-value store: survives this inferlet, its session and restarts of the server.

Keys are text, values any JSON. Every change is on disk when the call returns. Each change of a key
gives it a higher version, by which `swap` and `remove` change only what nobody else has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inferlet._backend import operation


@dataclass(frozen=True, slots=True)
class Entry:
    """What a key holds, and since which change.

    Example:
        >>> entry = await store.entry("counter")
        >>> await store.swap("counter", entry.value + 1, entry.version)
    """

    value: Any
    version: int


async def get(key: str, default: Any = None) -> Any:
    """What a key holds, or `default`.

    Example:
        >>> count = await store.get("counter", 0)
    """
    found = await entry(key)
    return default if found is None else found.value


async def entry(key: str) -> Entry | None:
    """What a key holds together with its version; None if it does not exist.

    Example:
        >>> entry = await store.entry("counter")
    """
    answer = await operation("store.get", key=key)
    return None if answer is None else Entry(answer["value"], int(answer["version"]))


async def put(key: str, value: Any) -> int:
    """Set a key, whatever it holds; returns its new version.

    Example:
        >>> await store.put("summary/report.pdf", {"text": text})
    """
    return int((await operation("store.put", key=key, value=value))["version"])


async def swap(key: str, value: Any, version: int) -> int | None:
    """Set a key only if it still has `version` (0: if it does not exist): compare-and-swap.

    Returns:
        Its new version, or None if somebody else was faster and nothing was changed.

    Example:
        >>> while True:
        ...     entry = await store.entry("counter") or store.Entry(0, 0)
        ...     if await store.swap("counter", entry.value + 1, entry.version):
        ...         break
    """
    answer = await operation("store.put", key=key, value=value, version=version)
    return int(answer["version"]) if answer["done"] else None


async def delete(key: str) -> bool:
    """Forget a key; returns whether it existed.

    Example:
        >>> await store.delete("summary/report.pdf")
    """
    return bool((await operation("store.delete", key=key))["existed"])


async def remove(key: str, version: int) -> bool:
    """Forget a key only if it still has `version`; returns whether it did.

    Example:
        >>> done = await store.remove("lock", version)
    """
    return bool((await operation("store.delete", key=key, version=version))["done"])


async def keys(prefix: str = "", *, after: str = "", limit: int = 100) -> list[str]:
    """Keys that begin with `prefix`, in order, at most `limit` of those behind `after`.

    Example:
        >>> names = await store.keys("summary/")
        >>> more = await store.keys("summary/", after=names[-1])
    """
    found = await operation("store.list", prefix=prefix, after=after, limit=limit)
    return [str(item["key"]) for item in found]
