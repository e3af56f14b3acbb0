"""Endless batches of generated conversations, as token tensors.

Conversations are made on the fly from consecutive seeds and never repeat. Batches hold
conversations of like length, padded at the end; targets that are not learnt are `IGNORED`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import count

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pie_scenarios.embedded_model.conversations import Segment, conversation
from pie_scenarios.embedded_model.exercises import exercise
from pie_scenarios.embedded_model.template import SPECIAL_TOKENS

IGNORED = -100
SPACE_MARK = "\u0120"  # how a byte-level tokenizer writes a leading space
EXERCISES_PER_CONVERSATION = 8  # about as many tokens
LENGTHS_TOKENS = (
    32,
    48,
    64,
    96,
    128,
    160,
    192,
    224,
    256,
    288,
    320,
    384,
    448,
    512,
    640,
    768,
    1024,
    1280,
)
"""Few lengths, because every new matrix shape costs the CPU kernels a compilation."""

Example = tuple[list[int], list[int]]


def example(tokenizer: Tokenizer, seed: int | str) -> Example:
    """Return (tokens, targets) of one training conversation; targets are already shifted."""
    return _encoded(tokenizer, conversation(seed))


def _encoded(tokenizer: Tokenizer, segments: list[Segment]) -> Example:
    encoded = tokenizer.encode_batch([s.text for s in segments], add_special_tokens=False)
    tokens = [token for part in encoded for token in part.ids]
    targets = [
        token if segment.learn else IGNORED
        for segment, part in zip(segments, encoded, strict=True)
        for token in part.ids
    ]
    return tokens[:-1], targets[1:]


def batches(
    tokenizer: Tokenizer, seed: int | str, batch_tokens: int, exercise_share: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (tokens, targets), each [conversations, tokens], just under `batch_tokens` tokens.

    `exercise_share` is the number of copying exercises per conversation, in units that make
    them about as many tokens. A batch is never cut short: Muon's steps do not know that a
    gradient came from few examples.
    """
    (padding,) = tokenizer.encode(SPECIAL_TOKENS[0]).ids
    waiting: dict[int, list[Example]] = defaultdict(list)
    for made in _examples(tokenizer, seed, exercise_share):
        length = _padded_length(len(made[0]))
        group = waiting[length]
        group.append(made)
        if (len(group) + 1) * length > batch_tokens:
            yield _padded(group, length, padding)
            group.clear()


def _examples(tokenizer: Tokenizer, seed: int | str, exercise_share: float) -> Iterator[Example]:
    exercises = 0.0
    pieces = letter_pieces(tokenizer)
    for index in count():
        made = example(tokenizer, f"{seed}/{index}")
        if len(made[0]) <= LENGTHS_TOKENS[-1]:
            yield made
        exercises += EXERCISES_PER_CONVERSATION * exercise_share
        while exercises >= 1:
            exercises -= 1
            yield _encoded(tokenizer, exercise(f"{seed}/{index}/{exercises}", pieces))


def letter_pieces(tokenizer: Tokenizer) -> list[str]:
    """Return the tokens that are letters only, without the mark of a space before them."""
    texts = {token.removeprefix(SPACE_MARK) for token in tokenizer.get_vocab()}
    return sorted(text for text in texts if text.isascii() and text.isalpha())


def _padded_length(length: int) -> int:
    return LENGTHS_TOKENS[bisect_left(LENGTHS_TOKENS, length)]


def _padded(group: list[Example], length: int, padding: int) -> tuple[Tensor, Tensor]:
    tokens = torch.full((len(group), length), padding)
    targets = torch.full((len(group), length), IGNORED)
    for row, (ids, learnt) in enumerate(group):
        tokens[row, : len(ids)] = torch.tensor(ids)
        targets[row, : len(learnt)] = torch.tensor(learnt)
    return tokens, targets
