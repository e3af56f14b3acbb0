"""How a token is to be chosen, as the guest asked for it."""

from __future__ import annotations

from dataclasses import dataclass

from pie_server.errors import InvalidArguments

LOWEST_TEMPERATURE = 1e-3  # below it the division overflows, and the result is greedy anyway
MOST_LOGIT_BIASES = 4096  # a bias is work in every step; longer lists are a grammar's business
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
        repetition_penalty: Logits of tokens in the prompt or the output are divided by it where
            positive and multiplied where negative (Keskar et al.: CTRL, 2019); 1 does nothing.
        presence_penalty: Subtracted from the logit of each token in the output.
        frequency_penalty: Subtracted once for each time the token is in the output.
        logit_bias: (token, number) pairs, added to the logits before anything else.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("temperature", 0.0 if self.temperature == 0 else LOWEST_TEMPERATURE, 100.0),
            ("top_k", 0, 1 << 20),
            ("top_p", 1e-6, 1.0),
            ("min_p", 0.0, 1.0),
            ("repetition_penalty", 0.01, 100.0),
            ("presence_penalty", -2.0, 2.0),
            ("frequency_penalty", -2.0, 2.0),
        ):
            value = getattr(self, name)
            # Written so that NaN fails too.
            if not low <= value <= high:
                raise InvalidArguments(
                    f"sampler.{name} is {value!r}, it must be between {low:g} and {high:g}"
                )
        self._check_biases()

    def _check_biases(self) -> None:
        if len(self.logit_bias) > MOST_LOGIT_BIASES:
            raise InvalidArguments(
                f"sampler.logit_bias has {len(self.logit_bias)} entries, "
                f"it may have {MOST_LOGIT_BIASES}"
            )
        tokens = set()
        for token, bias in self.logit_bias:
            if not -100.0 <= bias <= 100.0:
                raise InvalidArguments(
                    f"sampler.logit_bias of token {token} is {bias!r}, "
                    "it must be between -100 and 100"
                )
            if token < 0 or token in tokens:
                raise InvalidArguments(
                    f"sampler.logit_bias has token {token} "
                    f"{'twice' if token in tokens else 'in it, tokens are not negative'}"
                )
            tokens.add(token)

    def check_vocabulary(self, vocab_size: int) -> None:
        """Refuses tokens that the model does not have.

        Raises:
            InvalidArguments: A biased token is outside the vocabulary.
        """
        largest = max((token for token, _ in self.logit_bias), default=0)
        if largest >= vocab_size:
            raise InvalidArguments(
                f"sampler.logit_bias has token {largest}, the vocabulary has {vocab_size} tokens"
            )

    @property
    def needs_state(self) -> bool:
        """Whether a choice depends on the tokens before it: some penalty is set."""
        return (
            self.repetition_penalty != 1.0
            or self.presence_penalty != 0.0
            or self.frequency_penalty != 0.0
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
