"""Several models in one server, each with a device task and a pool of its own."""

from __future__ import annotations

from pathlib import Path

import trio

from pie_server.client import open_client

from ..conftest import make_checkpoint
from .conftest import OpenServer

BOTH = """
from inferlet import Context, Model, Sampler, gather, runtime


async def main(input: dict) -> list:
    async def say(name: str) -> list:
        ctx = Context(Model.load(name))
        ctx.append([5, 6, 7])
        reply = await ctx.complete(Sampler.argmax(), max_tokens=6)
        return [name, reply.tokens]

    return list(await gather(*[say(name) for name in runtime.models()]))
"""


async def test_one_inferlet_uses_two_models_at_once(
    open_server: OpenServer, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    second = make_checkpoint(tmp_path / "second", seed=7)
    async with open_server({"both": BOTH}, model=f"{tiny_checkpoint},{second}") as live:
        assert list(live.server.engines) == [tiny_checkpoint.name, "second"]
        async with open_client(live.url) as client:
            with trio.fail_after(60):
                result = await (await client.launch("both", {})).result()
        assert isinstance(result, list)
        (first_name, first), (second_name, other) = result
        assert (first_name, second_name) == (tiny_checkpoint.name, "second")
        assert first != other
        assert len(first) == len(other) == 6
        for engine in live.server.engines.values():
            engine.check_integrity()
            assert engine.scheduler.statistics.decode_tokens > 0
