"""Answers what was asked about the tokens of a step, each kind for all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from pie_server.engine.batch import (
    Answer,
    Distribution,
    Entropy,
    Hidden,
    Logits,
    Logprobs,
    Readout,
    Sample,
)
from pie_server.engine.grammar_masks import Masks, PendingMasks
from pie_server.engine.sampler import entropies, logprobs_of, sample, top_tokens
from pie_server.model.transfer import to_device


def read_out(
    logits_of: Callable[[torch.Tensor], torch.Tensor],
    hidden: torch.Tensor,
    readouts: Sequence[Readout],
    masks: PendingMasks | None = None,
) -> list[Answer]:
    """Computes all answers.

    Args:
        logits_of: [rows, hidden] -> [rows, vocab].
        hidden: [tokens, hidden] of the step.
        readouts: Their `index` is a token of `hidden`.
        masks: Of the samples among them, in their order, if they were begun beforehand.

    Returns:
        One answer a readout, in order.
    """
    if not readouts:
        return []
    if all(type(readout) is Sample for readout in readouts):  # every plain decode step
        logits = logits_of(_rows(hidden, [readout.index for readout in readouts]))
        return list(sample(logits, readouts, _wait(masks)))  # type: ignore[arg-type] # samples
    rows: dict[int, int] = {}  # flat index -> row of `logits`: each product is made once
    for readout in readouts:
        if not isinstance(readout, Hidden):
            rows.setdefault(readout.index, len(rows))
    logits = logits_of(_rows(hidden, list(rows))) if rows else hidden[:0]
    answers: list[Answer | None] = [None] * len(readouts)
    samples: list[tuple[int, Sample]] = []
    tops: list[tuple[int, Distribution]] = []
    candidates: list[tuple[int, Logprobs]] = []
    entropic: list[tuple[int, Entropy]] = []
    for at, readout in enumerate(readouts):
        match readout:
            case Sample():
                samples.append((at, readout))
            case Distribution():
                tops.append((at, readout))
            case Logprobs():
                candidates.append((at, readout))
            case Entropy():
                entropic.append((at, readout))
            case Logits():
                answers[at] = logits[rows[readout.index]].clone()
            case Hidden():
                answers[at] = hidden[readout.index].clone()

    def of(asked: Sequence[tuple[int, Readout]]) -> torch.Tensor:
        return _rows(logits, [rows[readout.index] for _, readout in asked])

    def put(asked: Sequence[tuple[int, Readout]], found: Sequence[Answer]) -> None:
        for (at, _), answer in zip(asked, found, strict=True):
            answers[at] = answer

    if tops:
        put(tops, top_tokens(of(tops), [readout.top_k for _, readout in tops]))
    if candidates:
        put(candidates, logprobs_of(of(candidates), [list(r.tokens) for _, r in candidates]))
    if entropic:
        put(entropic, entropies(of(entropic)))
    if samples:  # last: it advances penalties and grammars, and a step that fails is run again
        put(samples, sample(of(samples), [readout for _, readout in samples], _wait(masks)))
    return [answer for answer in answers if answer is not None]


def _wait(masks: PendingMasks | None) -> Masks | None:
    return None if masks is None else masks.wait()


def _rows(tensor: torch.Tensor, rows: list[int]) -> torch.Tensor:
    return tensor[to_device(rows, tensor.device)]
