"""What becomes of a session's failure: what its client may see, and what only the log gets.

Called by the hub's barrier; pure but for the log.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator

from pie_server.errors import InvalidRequest, OutputExceeded, PieError
from pie_server.wire import JsonValue, encode_json

LOGGER = logging.getLogger(__name__)


def unsendable(result: JsonValue, limit_bytes: int) -> PieError | None:
    """Why a result cannot be part of an event, if it cannot."""
    try:
        size = len(encode_json(result))
    except InvalidRequest as error:
        return error
    if size <= limit_bytes:
        return None
    return OutputExceeded(
        f"The inferlet's result has {size} bytes; a result may have {limit_bytes}.",
        hint="Send large results in parts with `session.send`.",
        details={"limit_bytes": limit_bytes},
    )


def contain(session: str, failure: Exception) -> PieError:
    """What a client may see of a failure; the rest goes to the log under a reference."""
    leaves = list(_leaves(failure))
    for leaf in leaves:
        if isinstance(leaf, PieError):
            return leaf
    reference = secrets.token_hex(4)
    LOGGER.error("session %s failed (%s)", session, reference, exc_info=failure)
    return PieError(
        "The server failed while it ran this session.",
        hint=f"Tell the operator the reference {reference}; the server's log explains it.",
        details={"reference": reference},
    )


def _leaves(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for child in failure.exceptions:
            yield from _leaves(child)
    else:
        yield failure
