"""The server this inferlet runs in: models, identity, time, randomness, log."""

from __future__ import annotations

from typing import Any

from inferlet._backend import control
from inferlet.children import Child as Child
from inferlet.concurrency import sleep as sleep


def version() -> str:
    """Version of the server.

    Example:
        >>> runtime.version()
    """
    return str(control("runtime.version"))


def models() -> list[str]:
    """Names of the models that are loaded.

    Example:
        >>> model = Model.load(runtime.models()[0])
    """
    return list(control("models.list"))


def instance_id() -> str:
    """Identity of the session this inferlet runs for.

    Example:
        >>> runtime.instance_id()
    """
    info: dict[str, Any] = control("session.info")
    return str(info["id"])


def username() -> str:
    """The tenant on whose behalf it runs.

    Example:
        >>> runtime.username()
    """
    info: dict[str, Any] = control("session.info")
    return str(info["tenant"])


def time() -> float:
    """Seconds since 1970 by the server's clock.

    Example:
        >>> started = runtime.time()
    """
    return float(control("runtime.time"))


def random_seed() -> int:
    """A seed that the server records, so that a session can be replayed.

    Example:
        >>> random.seed(runtime.random_seed())
    """
    return int(control("runtime.random_seed"))


def launch(program: str, arguments: dict[str, Any] | None = None) -> Child:
    """Launch another inferlet of the server beside this one; its `main` gets the arguments.

    Raises:
        InvalidOperation: There is no such inferlet, or it does not take these arguments.
        LimitExceeded: The session runs too many, or they launch each other too deeply.

    Example:
        >>> child = runtime.launch("text-completion", {"prompt": "Once upon a time"})
        >>> text = await child.join()
    """
    answer = control("runtime.launch", program=program, arguments=arguments or {})
    return Child(int(answer["child"]), str(answer["name"]))


def log(message: str, level: str = "info", **fields: str | float | bool | None) -> None:
    """Write to the server's log, for its operator; `fields` are facts beside the message.

    Example:
        >>> runtime.log("no document matched", level="warning", query=query, tried=3)
    """
    more = {"fields": fields} if fields else {}
    control("log", level=level, message=message, **more)
