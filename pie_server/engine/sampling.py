"""How a token is to be chosen, as the guest asked for it."""

from __future__ import annotations

from dataclasses import dataclass

from pie_server.errors import InvalidArguments

LOWEST_TEMPERATURE = 1e-3  # below it the division overflows, and the result is greedy anyway
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """One sampler.

    Attributes:
        temperature: 0 is greedy; otherwise logits are divided by it, and it is at least 0.001.
        top_k: Keep the k most likely tokens; 0 keeps all.
        top_p: Keep the smallest set of most likely tokens that reaches this probability.
        min_p: Drop tokens less likely than this share of the most likely one.
        seed: Randomness of this request; the same seed gives the same tokens in any batch.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("temperature", 0.0 if self.temperature == 0 else LOWEST_TEMPERATURE, 100.0),
            ("top_k", 0, 1 << 20),
            ("top_p", 1e-6, 1.0),
            ("min_p", 0.0, 1.0),
        ):
            value = getattr(self, name)
            # Written so that NaN fails too.
            if not low <= value <= high:
                raise InvalidArguments(
                    f"sampler.{name} is {value!r}, it must be between {low:g} and {high:g}"
                )

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is taken, without any randomness."""
        return self.temperature == 0.0


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) that depends on the request's seed and the token position alone.

    SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014) as
    a counter-based generator, so that a row's randomness does not depend on the batch it is in.
    """
    z = (seed * _GOLDEN + position * 0xD1B54A32D192ED03 + _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) * (1.0 / (1 << 53))
