"""Runs the evaluation through a real server: its protocol, guest, scheduler, paged KV and sampler.

    python -m pie_scenarios.embedded_model.through_server [--questions 20] [--altered]

Evaluates the model that ships. Slower than `evaluate`, which runs the bare network, and it has to
come to the same result: any difference is a defect of the server.
"""

from __future__ import annotations

import argparse
from typing import cast

import trio
from tokenizers import Tokenizer

from pie_scenarios.embedded_model.evaluate import (
    MULTI_STEP,
    OTHER,
    SINGLE_TOOL,
    evaluate,
    report,
)
from pie_scenarios.server_process import open_server
from pie_server.client import Client, open_client
from pie_server.errors import PieError
from pie_server.model.loader import EMBEDDED_DIRECTORY

_MAX_TOKENS = 200


class ServedGenerator:
    """A `Generate` whose tokens come from a server; called from a worker thread of trio."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def generate(self, prompt_tokens: list[int]) -> list[int]:
        """Return the tokens that follow, without the end of the turn."""
        return trio.from_thread.run(self._complete, prompt_tokens)

    async def _complete(self, prompt_tokens: list[int]) -> list[int]:
        handle = await self._client.launch(
            "token-completion", {"tokens": [*prompt_tokens], "max_tokens": _MAX_TOKENS}, native=True
        )
        result = await handle.result()
        if not isinstance(result, dict):
            raise PieError("token-completion returned no object")
        tokens = cast("list[int]", result["tokens"])
        return tokens[:-1] if result["finish_reason"] == "stop" else tokens


async def _main(questions: int, seed: str, altered: bool) -> None:
    tokenizer = Tokenizer.from_file(str(EMBEDDED_DIRECTORY / "tokenizer.json"))
    kinds = (*SINGLE_TOOL, *MULTI_STEP, *OTHER)
    flags = ("--sandbox", "off", "--allow-native")
    async with open_server(*flags) as server, open_client(server.url) as client:
        rows = await trio.to_thread.run_sync(
            lambda: evaluate(
                ServedGenerator(client), tokenizer, kinds, questions, seed, altered=altered
            )
        )
    print(report(rows))


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=20, help="of every kind")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--altered", action="store_true", help="with altered tool results too")
    options = parser.parse_args()
    trio.run(_main, options.questions, options.seed, options.altered)


if __name__ == "__main__":
    main()
