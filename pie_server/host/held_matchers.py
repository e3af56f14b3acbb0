"""Matchers that a guest holds by number, and their copies that operations under way follow.

The device works on copies, so a pass that is cancelled or fails, and drafts that turn out wrong,
leave the guest's own matcher where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pie_server.engine.engine import Engine
from pie_server.engine.grammar import Matcher
from pie_server.errors import InvalidArguments, InvalidGrammar, InvalidRequest

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

MAX_MATCHERS = 1024  # as many as contexts, for beams and trees of constrained branches
MAX_TOKENS = 4096  # in one advance or draft: a few microseconds each, on the event loop


@dataclass(eq=False, slots=True)
class HostMatcher:
    """A matcher as its instance holds it.

    Attributes:
        moves: How often it was moved; what was copied before the last time is out of date.
        followed: An operation under way will advance it, so nothing else may move it.
    """

    engine: Engine
    matcher: Matcher
    moves: int = 0
    followed: bool = False

    def check_free(self, handle: int) -> None:
        """Refuses to move it while an operation is about to. Raises InvalidRequest."""
        if self.followed:
            raise InvalidRequest(
                f"matcher {handle} is being advanced by an operation under way",
                hint="Await that operation first.",
            )

    def advance(self, tokens: Sequence[int]) -> None:
        """Takes all tokens or none.

        Raises:
            InvalidGrammar: The grammar does not allow one of them.
        """
        for index, token in enumerate(tokens):
            if not self.matcher.accept(token):
                self.matcher.rollback(index)
                raise InvalidGrammar(
                    f"the grammar does not allow token {token} (tokens[{index}])",
                    hint="Ask matcher.allowed what may follow.",
                    details={"token": token, "index": index},
                )
        self.moves += bool(tokens)


class MatcherLoan:
    """One matcher for the time of one operation: the device gets a copy of it.

    Args:
        advances: The operation's tokens are accepted in the end.
    """

    def __init__(self, held: HostMatcher, *, advances: bool) -> None:
        self._held = held
        self._moves = held.moves
        self.advances = advances
        self.copy = held.matcher.copy()

    def begin(self) -> None:
        """The operation is under way."""
        if self.advances:
            self._held.followed = True

    def end(self, tokens: Sequence[int] = ()) -> None:
        """The operation has ended, well or not; `tokens` were chosen under the grammar."""
        if not self.advances:
            return
        self._held.followed = False
        self._held.advance(tokens)

    def keep_copy(self) -> None:
        """The copy stands where it was lent and nobody uses it: it has masks that are known now."""
        if self._moves == self._held.moves:
            self._held.matcher = self.copy


class MatcherLoans:
    """All matchers of one operation; several samplers of it may follow the same one."""

    def __init__(self, host: InstanceHost, engine: Engine) -> None:
        self._host = host
        self._engine = engine
        self._loans: dict[int, MatcherLoan] = {}

    def lend(self, handle: int, *, advances: bool) -> Matcher:
        """The copy that the device follows.

        Raises:
            UnknownHandle: This instance has no such matcher.
            InvalidRequest: Another operation under way is about to move it.
            InvalidArguments: It is another model's, or two samplers would advance it.
        """
        held = get(self._host, handle, self._engine)
        loan = self._loans.get(handle)
        if loan is None:
            held.check_free(handle)
            self._loans[handle] = loan = MatcherLoan(held, advances=advances)
        elif advances:
            if loan.advances:
                raise InvalidArguments(f"only one sampler may advance matcher {handle}")
            loan.advances = True
        return loan.copy

    def begin(self) -> None:
        """The operation is under way."""
        for loan in self._loans.values():
            loan.begin()

    def fail(self) -> None:
        """It has ended without a result; the device may even be using the copies."""
        for loan in self._loans.values():
            loan.end()

    def finish(self, tokens: dict[int, int]) -> None:
        """It has ended; `tokens` has what was chosen for matchers that advance, by handle."""
        for handle, loan in self._loans.items():
            loan.keep_copy()
            loan.end([tokens[handle]] if handle in tokens else ())


def get(host: InstanceHost, handle: int, engine: Engine) -> HostMatcher:
    """A matcher of a model.

    Raises:
        UnknownHandle: This instance has no such matcher.
        InvalidArguments: It is another model's.
    """
    held = host.matchers.get(handle)
    if held.engine is not engine:
        raise InvalidArguments(f"matcher {handle} is of another model's grammar")
    return held


def check_tokens(name: str, tokens: Sequence[int], engine: Engine) -> None:
    """Refuses too many tokens, and tokens that the model does not have.

    Raises:
        InvalidArguments: See above.
    """
    vocabulary = engine.checkpoint.config.vocab_size
    if len(tokens) > MAX_TOKENS:
        raise InvalidArguments(f"{name} has {len(tokens)} tokens, it may have {MAX_TOKENS}")
    if any(not 0 <= token < vocabulary for token in tokens):
        raise InvalidArguments(f"{name} must be between 0 and {vocabulary - 1}")
