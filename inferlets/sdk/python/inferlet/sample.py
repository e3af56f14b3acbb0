"""Samplers pick tokens; probes read the model's distribution without sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class Sampler:
    """How the next token is picked. Build one with the class methods.

    Every constructor takes `seed`, which makes the draws repeatable.

    Example:
        >>> greedy = Sampler.argmax()
        >>> creative = Sampler.top_p(temperature=0.8, p=0.95, seed=7)
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = {
            "temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "seed": None, **fields
        }  # fmt: skip

    @classmethod
    def argmax(cls) -> Sampler:
        """Always the most probable token.

        Example:
            >>> await ctx.complete(Sampler.argmax(), max_tokens=16)
        """
        return cls({})

    @classmethod
    def top_p(
        cls, temperature: float = 0.6, p: float = 0.95, *, seed: int | None = None
    ) -> Sampler:
        """Nucleus: the most probable tokens that together have probability `p`.

        Example:
            >>> Sampler.top_p(0.6, 0.95)
        """
        return cls({"temperature": temperature, "top_p": p, "seed": seed})

    @classmethod
    def top_k(cls, temperature: float = 0.6, k: int = 40, *, seed: int | None = None) -> Sampler:
        """The `k` most probable tokens.

        Example:
            >>> Sampler.top_k(0.6, 40)
        """
        return cls({"temperature": temperature, "top_k": k, "seed": seed})

    @classmethod
    def min_p(cls, temperature: float = 0.6, p: float = 0.1, *, seed: int | None = None) -> Sampler:
        """Tokens with at least `p` times the probability of the best one.

        Example:
            >>> Sampler.min_p(0.6, 0.1)
        """
        return cls({"temperature": temperature, "min_p": p, "seed": seed})

    @classmethod
    def top_k_top_p(
        cls, temperature: float = 0.6, k: int = 40, p: float = 0.95, *, seed: int | None = None
    ) -> Sampler:
        """First the `k` most probable tokens, then the nucleus `p` of those.

        Example:
            >>> Sampler.top_k_top_p(0.6, 40, 0.95)
        """
        return cls({"temperature": temperature, "top_k": k, "top_p": p, "seed": seed})

    @classmethod
    def multinomial(
        cls, temperature: float = 1.0, draws: int = 1, *, seed: int | None = None
    ) -> Sampler:
        """The whole distribution at a temperature. `draws` is there for Pie; only 1 is possible.

        Example:
            >>> Sampler.multinomial(1.0)
        """
        if draws != 1:
            raise ValueError("one draw per sampler: attach several samplers for several draws")
        return cls({"temperature": temperature, "seed": seed})

    def to_wire(self) -> dict[str, Any]:
        """The sampler as operations carry it.

        Example:
            >>> Sampler.argmax().to_wire()["temperature"]
            0.0
        """
        return dict(self._fields)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self._fields.items())
        return f"Sampler({shown})"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Probe: the `k` most probable next tokens with their probabilities (0: all tokens).

    With a `temperature` other than 1 the whole distribution is fetched and rescaled here.

    Example:
        >>> forward = ctx.forward().input(tokens)
        >>> top = forward.probe(-1, Distribution(k=5))
        >>> tokens, probabilities = (await forward.execute()).distribution(top)
    """

    temperature: float = 1.0
    k: int = 0

    def _wire_width(self) -> int:
        return self.k if self.temperature == 1.0 else 0

    def _scale(
        self, tokens: list[int], probabilities: list[float]
    ) -> tuple[list[int], list[float]]:
        if self.temperature == 1.0:
            return tokens, probabilities
        if self.temperature <= 0.0:
            raise ValueError("a distribution's temperature must be above 0; read k=1 for argmax")
        powers = [p ** (1.0 / self.temperature) for p in probabilities]
        total = sum(powers) or 1.0
        width = self.k or len(tokens)
        return tokens[:width], [power / total for power in powers[:width]]
