"""Text to tokens and back, by the `tokenizers` library, plus incremental detokenisation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tokenizers

from pie_server.errors import CheckpointError

_REPLACEMENT = "\ufffd"


class Tokenizer:
    """A checkpoint's tokenizer. Stateless; safe to call from any task."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner

    @property
    def inner(self) -> tokenizers.Tokenizer:
        """The library's own object, for libraries that build on it."""
        return self._inner

    @classmethod
    def from_directory(cls, directory: Path) -> Tokenizer:
        """Reads `tokenizer.json`.

        Raises:
            CheckpointError: It is missing or cannot be parsed.
        """
        path = directory / "tokenizer.json"
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception
            raise CheckpointError(f"{path} cannot be read: {error}") from error

    @property
    def size(self) -> int:
        """Number of tokens, added ones included."""
        return int(self._inner.get_vocab_size(with_added_tokens=True))

    def texts(self, first: int, stop: int) -> list[str | None]:
        """The tokens `first..stop` as the vocabulary writes them; None where there is none."""
        return [self._inner.id_to_token(token) for token in range(first, stop)]

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`; special tokens written out in it are recognised, none are added."""
        return list(self._inner.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int], *, skip_special: bool = False) -> str:
        """Text of `tokens`; bytes that are no complete character become U+FFFD."""
        return str(self._inner.decode(list(tokens), skip_special_tokens=skip_special))


class IncrementalDecoder:
    """Turns a growing token sequence into text pieces without ever changing one already given.

    A token may end in the middle of a character and its text may depend on its neighbours, so the
    last few tokens are decoded again with each new one, and text is held back while it ends in an
    incomplete character.
    """

    __slots__ = ("_before", "_read", "_start", "_tokenizer", "_tokens")

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._start = 0  # the window that is decoded again begins here
        self._read = 0  # tokens before this have been given out
        self._before = ""  # text of the tokens between the two

    def feed(self, token: int) -> str:
        """The text that `token` completes, often empty or one word."""
        self._tokens.append(token)
        decode = self._tokenizer.decode
        now = decode(self._tokens[self._start :], skip_special=True)
        if len(now) <= len(self._before) or now.endswith(_REPLACEMENT):
            return ""
        piece = now[len(self._before) :]
        self._start, self._read = self._read, len(self._tokens)
        self._before = decode(self._tokens[self._start :], skip_special=True)
        return piece

    def finish(self) -> str:
        """What was held back, incomplete as it is."""
        now = self._tokenizer.decode(self._tokens[self._start :], skip_special=True)
        piece = now[len(self._before) :]
        self._start = self._read = len(self._tokens)
        self._before = ""
        return piece
