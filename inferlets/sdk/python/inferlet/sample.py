"""Samplers pick tokens; probes read the model's distribution without sampling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

_STRONGEST_BIAS = 100.0  # of the operation, either way


class Adjustments(TypedDict, total=False):
    """What changes logits before a sampler looks at them.

    Attributes:
        repetition_penalty: Above 1 makes all tokens that were there before less likely.
        presence_penalty: Taken from the logits of tokens that were generated, however often.
        frequency_penalty: Taken from them once for each time.
        logit_bias: Added to the logits of these tokens, -100 to 100.
    """

    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[int, float]


class Sampler:
    """How the next token is picked. Build one with the class methods.

    Every constructor takes `seed`, which makes the draws repeatable (`argmax` draws none), and the
    keyword arguments of `Adjustments`.

    Example:
        >>> greedy = Sampler.argmax()
        >>> creative = Sampler.top_p(temperature=0.8, p=0.95, seed=7, frequency_penalty=0.2)
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = {
            "temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "seed": None, **fields
        }  # fmt: skip

    @classmethod
    def _adjusted(cls, fields: dict[str, Any], adjustments: Adjustments) -> Sampler:
        unknown = adjustments.keys() - Adjustments.__annotations__.keys()
        if unknown:
            raise TypeError(
                f"a sampler has no argument {min(unknown)!r}; "
                f"it has {', '.join(Adjustments.__annotations__)}"
            )
        given: dict[str, Any] = dict(adjustments)
        if "logit_bias" in given:
            given["logit_bias"] = list(given["logit_bias"].items())
        return cls(fields | given)

    @classmethod
    def argmax(cls, **adjustments: Unpack[Adjustments]) -> Sampler:
        """Always the most probable token.

        Example:
            >>> await ctx.complete(Sampler.argmax(repetition_penalty=1.1), max_tokens=16)
        """
        return cls._adjusted({}, adjustments)

    @classmethod
    def top_p(
        cls,
        temperature: float = 0.6,
        p: float = 0.95,
        *,
        seed: int | None = None,
        **adjustments: Unpack[Adjustments],
    ) -> Sampler:
        """Nucleus: the most probable tokens that together have probability `p`.

        Example:
            >>> Sampler.top_p(0.6, 0.95)
        """
        return cls._adjusted({"temperature": temperature, "top_p": p, "seed": seed}, adjustments)

    @classmethod
    def top_k(
        cls,
        temperature: float = 0.6,
        k: int = 40,
        *,
        seed: int | None = None,
        **adjustments: Unpack[Adjustments],
    ) -> Sampler:
        """The `k` most probable tokens.

        Example:
            >>> Sampler.top_k(0.6, 40)
        """
        return cls._adjusted({"temperature": temperature, "top_k": k, "seed": seed}, adjustments)

    @classmethod
    def min_p(
        cls,
        temperature: float = 0.6,
        p: float = 0.1,
        *,
        seed: int | None = None,
        **adjustments: Unpack[Adjustments],
    ) -> Sampler:
        """Tokens with at least `p` times the probability of the best one.

        Example:
            >>> Sampler.min_p(0.6, 0.1)
        """
        return cls._adjusted({"temperature": temperature, "min_p": p, "seed": seed}, adjustments)

    @classmethod
    def top_k_top_p(
        cls,
        temperature: float = 0.6,
        k: int = 40,
        p: float = 0.95,
        *,
        seed: int | None = None,
        **adjustments: Unpack[Adjustments],
    ) -> Sampler:
        """First the `k` most probable tokens, then the nucleus `p` of those.

        Example:
            >>> Sampler.top_k_top_p(0.6, 40, 0.95)
        """
        return cls._adjusted(
            {"temperature": temperature, "top_k": k, "top_p": p, "seed": seed}, adjustments
        )

    @classmethod
    def multinomial(
        cls,
        temperature: float = 1.0,
        draws: int = 1,
        *,
        seed: int | None = None,
        **adjustments: Unpack[Adjustments],
    ) -> Sampler:
        """The whole distribution at a temperature. `draws` is there for Pie; only 1 is possible.

        Example:
            >>> Sampler.multinomial(1.0)
        """
        if draws != 1:
            raise ValueError("one draw per sampler: attach several samplers for several draws")
        return cls._adjusted({"temperature": temperature, "seed": seed}, adjustments)

    def to_wire(self) -> dict[str, Any]:
        """The sampler as operations carry it.

        Example:
            >>> Sampler.argmax().to_wire()["temperature"]
            0.0
        """
        return dict(self._fields)

    def _biases(self) -> dict[int, float]:
        return dict(self._fields.get("logit_bias", ()))

    def _with_biases(self, biases: Mapping[int, float]) -> Sampler:
        return Sampler({**self._fields, "logit_bias": list(biases.items())})

    def _counting(self, generated: Iterable[int]) -> Sampler:
        """The sampler of one step of a generation that has made these tokens so far.

        To a forward pass all tokens are prompt, so what counts generated ones goes as biases.
        """
        presence = self._fields.get("presence_penalty", 0.0)
        frequency = self._fields.get("frequency_penalty", 0.0)
        if not presence and not frequency:
            return self
        if self._fields.get("repetition_penalty", 1.0) != 1.0:
            raise ValueError(
                "repetition_penalty goes with presence_penalty or frequency_penalty in one "
                "operation only: use ctx.complete or the generator's collect_text"
            )
        biases = self._biases()
        for token, count in Counter(generated).items():
            bias = biases.get(token, 0.0) - presence - frequency * count
            biases[token] = max(-_STRONGEST_BIAS, min(_STRONGEST_BIAS, bias))
        plain = {**self._fields, "presence_penalty": 0.0, "frequency_penalty": 0.0}
        return Sampler(plain)._with_biases(biases)

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


@dataclass(frozen=True, slots=True)
class Logits:
    """Probe: the logits of all tokens, as packed float32 (see `Output.logits`).

    They travel to the inferlet as text; `Forward.keep_logits` leaves them on the device.

    Example:
        >>> raw = forward.probe(-1, Logits())
        >>> numbers = struct.unpack(f"{model.vocab_size}f", out.logits(raw))
    """


@dataclass(frozen=True, slots=True)
class Logprob:
    """Probe: the log-probability of one token.

    Example:
        >>> yes = forward.probe(-1, Logprob(token))
        >>> out.logprob(yes)
    """

    token: int


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Probe: the log-probabilities of some tokens, in their order.

    Example:
        >>> scores = forward.probe(-1, Logprobs([yes, no]))
        >>> out.logprobs(scores)
    """

    tokens: tuple[int, ...] = field(default=())

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        object.__setattr__(self, "tokens", tuple(tokens))


@dataclass(frozen=True, slots=True)
class Entropy:
    """Probe: the entropy of the next token, in nats.

    Example:
        >>> unsure = forward.probe(-1, Entropy())
        >>> out.entropy(unsure)
    """


Probe = Distribution | Logits | Logprob | Logprobs | Entropy
