"""Speculation techniques of the library: the text is greedy decoding's, in fewer passes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import torch
import trio
from safetensors.torch import load_file, save_file

from pie_server.engine.engine import Engine, EngineSettings
from pie_server.errors import GuestRaised
from pie_server.model.loader import EMBEDDED_DIRECTORY, load_checkpoint
from pie_tools.registry import ToolRegistry
from tests.inferlets.library_runs import run, run_with
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded

PROMPTS = ("Hello! Who are you?", "What can you do?", "Tell me something.", "Write a story.")


@pytest.mark.parametrize("name", ["jacobi", "draft-model"])
async def test_the_text_is_that_of_greedy_decoding(embedded: RealRunner, name: str) -> None:
    for prompt in PROMPTS:
        plain = await run(embedded, "text-completion", prompt=prompt)
        result = await run(embedded, name, prompt=prompt)
        assert result["text"] == plain


@pytest.mark.parametrize("most", [1, 2, 7])
@pytest.mark.parametrize("name", ["jacobi", "draft-model"])
async def test_no_token_more_than_was_asked_for(embedded: RealRunner, name: str, most: int) -> None:
    plain = await run(embedded, "text-completion", prompt=PROMPTS[0], max_tokens=most)
    result = await run(embedded, name, prompt=PROMPTS[0], max_tokens=most)
    assert (result["text"], result["tokens"]) == (plain, most)


async def test_jacobi_takes_several_tokens_a_pass_where_the_text_repeats(
    embedded: RealRunner, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """A model whose layers add nothing says the same token again and again."""

    def silence(name: str, weight: torch.Tensor) -> torch.Tensor:
        return weight * 0 if name.endswith(("o_proj.weight", "down_proj.weight")) else weight

    parrot = altered(tmp_path / "parrot", silence)
    await nursery.start(parrot.run)
    given = {"prompt": "Hello!", "max_tokens": 100, "model": parrot.checkpoint.name}
    plain = await run_with(embedded, "text-completion", ToolRegistry(), parrot, **given)
    result = await run_with(embedded, "jacobi", ToolRegistry(), parrot, **given)
    assert (result["text"], result["tokens"]) == (plain, 100)
    assert result["passes"] <= 2 + 100 / 8


def altered(directory: Path, change: Callable[[str, torch.Tensor], torch.Tensor]) -> Engine:
    """The embedded model with other weights."""
    shutil.copytree(EMBEDDED_DIRECTORY, directory)
    weights = load_file(directory / "model.safetensors")
    changed = {name: change(name, weight) for name, weight in weights.items()}
    save_file(changed, directory / "model.safetensors")
    return Engine(load_checkpoint(str(directory)), EngineSettings(pages=64))


async def test_all_drafts_of_the_model_itself_are_right(embedded: RealRunner) -> None:
    result = await run(embedded, "draft-model", prompt=PROMPTS[0], draft_tokens=4)
    assert result["accepted"] == result["drafted"] > 0
    assert result["passes"] == -(-(result["tokens"] + 1) // 5)  # the end of turn counts too


@pytest.fixture
async def noisy(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Engine]:
    """The embedded model with noise in its weights: right often, but not always."""
    generator = torch.Generator().manual_seed(1)

    def disturb(name: str, weight: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(weight.shape, generator=generator) * weight.float().std() * 0.25
        return (weight.float() + noise).to(weight.dtype)

    engine = altered(tmp_path / "noisy", disturb)
    await nursery.start(engine.run)
    yield engine
    engine.check_integrity()


async def test_wrong_drafts_cost_passes_and_change_nothing(
    embedded: RealRunner, noisy: Engine
) -> None:
    drafted = accepted = 0
    for prompt in PROMPTS:
        plain = await run(embedded, "text-completion", prompt=prompt)
        result = await run_with(
            embedded, "draft-model", ToolRegistry(), noisy,
            prompt=prompt, model="embedded", draft_model=noisy.checkpoint.name,
        )  # fmt: skip
        assert result["text"] == plain
        drafted, accepted = drafted + result["drafted"], accepted + result["accepted"]
    assert 0 < accepted < drafted


async def test_a_draft_model_with_another_vocabulary_is_refused(
    embedded: RealRunner, tiny_checkpoint: Path, nursery: trio.Nursery
) -> None:
    other = Engine(load_checkpoint(str(tiny_checkpoint)), EngineSettings(pages=16))
    await nursery.start(other.run)
    with pytest.raises(GuestRaised, match="does not have the vocabulary of embedded"):
        await run_with(
            embedded, "draft-model", ToolRegistry(), other,
            prompt="Hello!", model="embedded", draft_model=other.checkpoint.name,
        )  # fmt: skip
