"""What one generation remembers between its tokens, for penalties and for its grammar.

Made on the event loop at no cost; from its first step on only the device's thread touches it (and
whoever that thread waits for). Its tensors are made at the first use, on the device of the logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pie_server.engine.grammar import Matcher
from pie_server.engine.sampling import SamplingParams
from pie_server.errors import InvalidGrammar

_ROOM_TOKENS = 256  # what a history has space for at first; it doubles


class SamplerState:
    """The tokens a generation has seen, and where it stands in its grammar.

    Args:
        params: The generation's sampler; without penalties in it no token is remembered.
        prompt_tokens: What stands before the first generated token.
        vocab_size: Width of the logits.
        matcher: The grammar's position, if there is one.

    Attributes:
        matcher: May be replaced between two steps; the new one judges from the next token on.
    """

    __slots__ = ("_history", "_output", "_params", "_prompt", "_vocab_size", "matcher")

    def __init__(
        self,
        params: SamplingParams,
        prompt_tokens: Sequence[int],
        vocab_size: int,
        matcher: Matcher | None = None,
    ) -> None:
        self.matcher = matcher
        self._params = params
        self._prompt = sorted(set(prompt_tokens)) if params.needs_state else []
        self._vocab_size = vocab_size
        self._output: list[int] = []  # what was accepted before there was a history
        self._history: TokenHistory | None = None

    def history(self, device: torch.device) -> TokenHistory:
        """The tokens seen, on `device`."""
        if self._history is None:
            self._history = TokenHistory(self._prompt, self._vocab_size, device)
            self._history.extend(torch.tensor(self._output, dtype=torch.int64, device=device))
            self._prompt, self._output = [], []
        return self._history

    def accept(self, tokens: Sequence[int]) -> None:
        """Advances over tokens that were not chosen by a row with `advance`: verified drafts.

        Raises:
            InvalidGrammar: The grammar does not allow one of them; nothing was advanced.
        """
        if self.matcher is not None:
            self._match(self.matcher, tokens)
        if not self._params.needs_state:
            return
        if self._history is None:
            self._output.extend(tokens)
        else:
            self._history.extend(
                torch.tensor(list(tokens), dtype=torch.int64, device=self._history.device)
            )

    def rollback(self, tokens: int) -> None:
        """Takes back the last `tokens` generated tokens.

        A matcher that was put in later than that goes back to its own beginning.
        """
        if self.matcher is not None:
            self.matcher.rollback(min(tokens, self.matcher.consumed_tokens))
        if self._history is not None:
            self._history.drop(tokens)
        elif tokens:
            del self._output[-tokens:]

    def fork(self) -> SamplerState:
        """An independent state that stands where this one stands."""
        twin = SamplerState(self._params, (), self._vocab_size)
        twin.matcher = self.matcher.copy() if self.matcher is not None else None
        twin._prompt, twin._output = list(self._prompt), list(self._output)
        twin._history = self._history.copy() if self._history is not None else None
        return twin

    @staticmethod
    def _match(matcher: Matcher, tokens: Sequence[int]) -> None:
        for done, token in enumerate(tokens):
            if not matcher.accept(token):
                matcher.rollback(done)
                raise InvalidGrammar(
                    f"the grammar does not allow token {token} (number {done} of those accepted)",
                    details={"token": token, "index": done},
                )


class TokenHistory:
    """A prompt's distinct tokens and all output tokens, with how often each was output.

    Everything stays on the device: a chosen token is added without the host having seen it.
    """

    __slots__ = ("_counts", "_length", "_prompt_length", "_seen")

    def __init__(self, prompt: Sequence[int], vocab_size: int, device: torch.device) -> None:
        seen = torch.tensor(prompt, dtype=torch.int64, device=device)
        self._length = self._prompt_length = len(seen)
        self._seen = torch.cat((seen, seen.new_empty(_ROOM_TOKENS)))
        self._counts = torch.zeros(vocab_size, dtype=torch.float32, device=device)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self._counts.device

    @torch.inference_mode()
    def extend(self, tokens: torch.Tensor) -> None:
        """Adds output tokens: [tokens] int64."""
        end = self._length + len(tokens)
        if end > len(self._seen):
            self._seen = torch.cat((self._seen, self._seen.new_empty(end)))
        self._seen[self._length : end] = tokens
        self._length = end
        self._counts.index_add_(0, tokens, torch.ones_like(tokens, dtype=torch.float32))

    @torch.inference_mode()
    def drop(self, tokens: int) -> None:
        """Takes back the last output tokens, at most all of them."""
        start = max(self._prompt_length, self._length - tokens)
        dropped = self._seen[start : self._length]
        self._counts.index_add_(0, dropped, -torch.ones_like(dropped, dtype=torch.float32))
        self._length = start

    def seen(self, draft: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens seen (some more than once) and how often each was output, as if `draft` were."""
        tokens = self._seen[: self._length]
        if not draft:
            return tokens, self._counts[tokens]
        drafted = torch.tensor(draft, dtype=torch.int64, device=self.device)
        tokens = torch.cat((tokens, drafted))
        in_draft = (tokens[:, None] == drafted).sum(dim=1)  # [seen]
        return tokens, self._counts[tokens] + in_draft

    @torch.inference_mode()
    def copy(self) -> TokenHistory:
        """An independent history."""
        twin = TokenHistory((), len(self._counts), self.device)
        twin._length, twin._prompt_length = self._length, self._prompt_length
        twin._seen, twin._counts = self._seen.clone(), self._counts.clone()
        return twin
