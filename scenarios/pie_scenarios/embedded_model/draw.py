"""Random choices that keep training and evaluation apart.

Every phrasing, name, thing, word and number goes through a `Draw`, which knows the split it
draws for. Phrasings and nouns are parted by hand (`Phrases.held_out`), syllable words and
numbers by a hash, so no choice made for one split can be made for the other. Numbers up to
`SHARED_NUMBERS` are vocabulary, not data, and belong to both.
"""

from __future__ import annotations

import math
import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Split = Literal["train", "held_out"]
T = TypeVar("T")

SHARED_NUMBERS = 12
HELD_OUT_SHARE = 8  # one number or word in this many
ROUND_NUMBERS = frozenset({15, 20, 25, 30, 40, 50, 60, 75, 80, 90, 100, 200, 250, 500, 1000})


def words(text: str) -> tuple[str, ...]:
    """Return the words of `text`; long tables of words read better as one text."""
    return tuple(text.split())


ONSETS = words("b c d f g h k l m n p r s t v w z br ch dr fl gr kr pl sh st th tr")
VOWELS = words("a e i o u ai ea ou")
CODAS = words("l n r s t x m nd rn sk ll th")
STARTS = words(
    """b c d f g h j k l m n p r s t v w y z bl br ch cl cr dr dw fl fr gl gr ph pl pr qu sc scr
    sh sk sl sm sn sp spr squ st str sw th tr tw wh wr a e i o u al am an ar el em en in ol on um"""
)
MIDDLES = words(
    """a e i o u ai ay ea ee ei ew ey ia ie io oa oi oo ou ow oy ue ui all ang arl ash ell end ent
    err ick igh ill ing ink ock oll ong oss ound own uff ull umb unk ush ust"""
)
ENDS = words(
    """b ck d ff g k l ll m mp n nd ng nk nt p r rd rk rn rt s sh sk st t tch th ts x y a o age ard
    ble der dle en er ern et ette field ford gon ham ian ie in ion kin land ler let ley lin ling lor
    low man mer mond more nel ner ness on or ow ple ridge rin ster ter ton tor ven ver ville way
    well wick win wood worth"""
)
"""Letter groups of English, so that made-up words pass through all of a tokenizer's pieces."""


SPACES = re.compile(" +")
ALTERNATIVES = re.compile(r"\(([^()|]*(?:\|[^()|]*)+)\)")


@dataclass(frozen=True, slots=True)
class Phrases:
    """Wordings of one thing: some for training, others for evaluation only.

    `(one|another|)` in a training wording stands for any of its alternatives.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def phrases(train: str, held_out: str) -> Phrases:
    """Build `Phrases` from two texts with one wording a line."""
    return Phrases(_lines(train), _lines(held_out))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.splitlines())))


def split_of(text: str) -> Split:
    """Return the split that a number or a made-up word belongs to."""
    return "train" if zlib.crc32(text.lower().encode()) % HELD_OUT_SHARE else "held_out"


class Draw:
    """A seeded source of choices for one split."""

    def __init__(self, seed: int | str, split: Split) -> None:
        self.random = random.Random(f"{split}/{seed}")
        self.split: Split = split

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random.random() < probability

    def any_of(self, choices: Sequence[T]) -> T:
        """Return one of `choices`, which both splits share."""
        return self.random.choice(choices)

    def phrase(self, wordings: Phrases) -> str:
        """Return a wording of this split; alternatives never add up to a held-out one."""
        if self.split == "held_out":
            return self.random.choice(wordings.held_out)
        while True:
            text = ALTERNATIVES.sub(self._alternative, self.random.choice(wordings.train))
            text = SPACES.sub(" ", text).strip()
            if text not in wordings.held_out:
                return text

    def _alternative(self, group: re.Match[str]) -> str:
        alternatives: list[str] = group[1].split("|")
        return self.random.choice(alternatives)

    def number(self, low: int, high: int) -> int:
        """Return an integer of this split in [low, high], spread evenly over magnitudes."""
        spread = math.log((high + 1) / low)
        while True:
            for _ in range(40):
                value = min(high, int(low * math.exp(self.random.random() * spread)))
                if value <= SHARED_NUMBERS or self._mine(value):
                    return value
            high, spread = high * 2, spread + math.log(2)

    def multiple(self, divisor: int, most: int) -> int:
        """Return `divisor` times some number up to `most`, as a number of this split."""
        while True:
            value = divisor * self.random.randint(2, most)
            if self._mine(value) or value <= SHARED_NUMBERS:
                return value
            most += 1

    def square(self) -> int:
        """Return a square number of this split."""
        while True:
            value = self.random.randint(2, 99) ** 2
            if self._mine(value):
                return value

    def _mine(self, value: int) -> bool:
        split = "train" if value in ROUND_NUMBERS else split_of(str(value))
        return split == self.split

    def decimal(self, low: int, high: int) -> str:
        """Return a number with one or two decimals, as text."""
        while True:
            text = f"{self.random.uniform(low, high):.{self.any_of((1, 2, 2))}f}"
            if split_of(text) == self.split and not text.endswith("0"):
                return text

    def amount(self, low: int, high: int) -> str:
        """Return an integer, or now and then a decimal, as text."""
        return self.decimal(low, high) if self.chance(0.08) else str(self.number(low, high))

    def word(self, syllables: int = 2) -> str:
        """Return a made-up lower-case word of this split."""
        while True:
            if self.chance(0.4):
                parts = [self.any_of(ONSETS) + self.any_of(VOWELS) for _ in range(syllables)]
                end = self.any_of(CODAS) if self.chance(0.6) else ""
            else:  # its groups are longer
                count = max(1, syllables - 1)
                parts = [self.any_of(STARTS) + self.any_of(MIDDLES) for _ in range(count)]
                end = self.any_of(ENDS) if self.chance(0.9) else ""
            word = "".join(parts) + end
            if split_of(word) == self.split:
                return word
