"""The models of the server and their tokenizers."""

from __future__ import annotations

from typing import Any

from inferlet._backend import control


class Tokenizer:
    """Text to tokens and back.

    Example:
        >>> tokenizer = Model.load("embedded").tokenizer()
        >>> tokenizer.decode(tokenizer.encode("hello"))
        'hello'
    """

    __slots__ = ("_model",)

    def __init__(self, model: str) -> None:
        self._model = model

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`; text that looks like a special token stays text.

        Example:
            >>> tokenizer.encode("2 + 2")
        """
        return list(control("tokenizer.encode", model=self._model, text=text))

    def decode(self, tokens: list[int], *, skip_special: bool = False) -> str:
        """Text of `tokens`, without special tokens if `skip_special`.

        Example:
            >>> tokenizer.decode(reply.tokens, skip_special=True)
        """
        return str(
            control(
                "tokenizer.decode",
                model=self._model,
                tokens=list(tokens),
                skip_special=skip_special,
            )
        )

    def vocabulary(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Tokens `start..stop` as the vocabulary writes them; at most 16,384 at a time.

        Example:
            >>> digits = [t for t, text in enumerate(tokenizer.vocabulary()) if text.isdigit()]
        """
        return list(control("tokenizer.vocabulary", model=self._model, start=start, stop=stop))


class Model:
    """One model that the server has loaded.

    Attributes:
        name: As in `runtime.models()`.
        architecture: Such as "llama".
        vocab_size: Number of tokens.
        page_size: Tokens in one KV page.
        max_context_tokens: Longest context.
        eos_tokens: Tokens that end a turn.
        traits: What it can do beyond text, such as "tools".
        adapters: Names of its LoRA adapters.

    Example:
        >>> model = Model.load(runtime.models()[0])
        >>> model.max_context_tokens
    """

    __slots__ = (
        "adapters",
        "architecture",
        "eos_tokens",
        "max_context_tokens",
        "name",
        "page_size",
        "traits",
        "vocab_size",
    )

    def __init__(self, info: dict[str, Any]) -> None:
        self.name = str(info["name"])
        self.architecture = str(info["architecture"])
        self.vocab_size = int(info["vocab_size"])
        self.page_size = int(info["page_size_tokens"])
        self.max_context_tokens = int(info["max_context_tokens"])
        self.eos_tokens: list[int] = list(info["eos_tokens"])
        self.traits: list[str] = list(info["traits"])
        self.adapters: list[str] = list(info.get("adapters", ()))

    @staticmethod
    def load(name: str) -> Model:
        """The model called `name`.

        Raises:
            InvalidOperation: The server has no such model.

        Example:
            >>> Model.load("embedded")
        """
        return Model(control("model.info", model=name))

    def tokenizer(self) -> Tokenizer:
        """Its tokenizer.

        Example:
            >>> model.tokenizer().encode("hello")
        """
        return Tokenizer(self.name)

    def __repr__(self) -> str:
        return f"Model({self.name!r})"
