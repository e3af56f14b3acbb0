"""Time of one sampler call by kind of row, batch size and vocabulary: a table, not a test.

    python -m tests.engine.measure_sampler [--threads N]

Thread time where there is one thread, so that a busy machine shows less; the best of several calls.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import tokenizers
import torch
import trio
from rich.console import Console
from rich.table import Table

import pie_server.model
from pie_server.engine.batch import Sample
from pie_server.engine.grammar import Grammar, GrammarCompiler
from pie_server.engine.grammar_sources import JsonObject
from pie_server.engine.sampler import SamplerState, sample
from pie_server.engine.sampling import SamplingParams, uniform

ROWS, VOCABULARIES = (1, 32, 128), (2048, 128256)
SEEN_TOKENS = 1000
KINDS = {
    "greedy": SamplingParams(),
    "temperature": SamplingParams(temperature=1.0),
    "top-p 0.95": SamplingParams(temperature=1.0, top_p=0.95),
    "top-k 50, min-p": SamplingParams(temperature=1.0, top_k=50, min_p=0.02),
    "penalties": SamplingParams(repetition_penalty=1.1, frequency_penalty=0.2),
    "biases": SamplingParams(logit_bias=tuple((token, -1.0) for token in range(20))),
    "grammar": SamplingParams(),
}


def compile_grammar(vocabulary: int) -> Grammar:
    """A JSON object's grammar for the embedded tokenizer, its masks widened to `vocabulary`."""
    path = f"{pie_server.model.__path__[0]}/embedded/tokenizer.json"
    compiler = GrammarCompiler(tokenizers.Tokenizer.from_file(path), vocabulary, [2041])
    return trio.run(compiler.compile, JsonObject())


def requests_of(kind: str, rows: int, vocabulary: int) -> list[Sample]:
    """One request a row; states do not advance, so that every call does the same."""
    params = KINDS[kind]
    matcher = compile_grammar(vocabulary).matcher() if kind == "grammar" else None
    return [
        Sample(
            params,
            uniform=uniform(row, 1),
            state=SamplerState(
                params, range(SEEN_TOKENS), vocabulary, matcher.copy() if matcher else None
            ),
            advance=False,
        )
        for row in range(rows)
    ]


def best_microseconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """The least of several calls."""
    times = []
    for _ in range(6):
        started = clock()
        call()
        times.append(clock() - started)
    return min(times[1:]) * 1e6


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    clock = time.thread_time if threads == 1 else time.perf_counter
    table = Table("rows", title=f"microseconds a call (a row), {threads} threads")
    columns = [(vocabulary, rows) for vocabulary in VOCABULARIES for rows in ROWS]
    for vocabulary, rows in columns:
        table.add_column(f"{vocabulary:,} x {rows}", justify="right")
    for kind in KINDS:
        cells = []
        for vocabulary, rows in columns:
            generator = torch.Generator().manual_seed(rows)
            # As peaked as a trained model's: a dozen tokens have most of the probability.
            logits = torch.randn(rows, vocabulary, generator=generator) * 4
            requests = requests_of(kind, rows, vocabulary)

            def call(logits: torch.Tensor = logits, requests: list[Sample] = requests) -> object:
                return sample(logits, requests)

            spent = best_microseconds(call, clock)
            cells.append(f"{spent:,.0f} ({spent / rows:,.1f})")
        table.add_row(kind, *cells)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
