"""What sessions ask of the layers around them. Protocols only; nothing here is implemented here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pie_server.wire import JsonValue

if TYPE_CHECKING:
    from pie_server.sessions.session import Session


class Launcher(Protocol):
    """Runs inferlets for sessions; implemented by the server, by fakes in tests."""

    def check(self, inferlet: str, arguments: JsonValue, *, native: bool) -> None:
        """Refuses what cannot run before a session exists.

        Raises:
            InvalidRequest: `native` is not allowed here.
            UnknownInferlet: No inferlet of that name.
            InvalidArguments: They do not fit its parameters.
        """

    async def launch(
        self, *, inferlet: str, arguments: JsonValue, session: Session, native: bool
    ) -> JsonValue:
        """Runs one inferlet to its end and returns its result.

        Sets `session.usage` (at any time; the last value counts). Everything it starts has ended
        when it returns, also when it is cancelled.

        Raises:
            PieError: The inferlet failed; the session reports it to its clients.
        """
