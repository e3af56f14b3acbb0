"""Attention and cache techniques of the library: dense masks as the oracle, pages freed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import trio

from pie_server.errors import GuestRaised
from pie_server.model.loader import EMBEDDED_DIRECTORY
from tests.inferlets.library_runs import run
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import embedded as embedded

Seen = Callable[[int], Iterable[int]]  # the tokens that a token sees
SYSTEM = "You are a helpful assistant."


@pytest.fixture(scope="module")
def dense() -> Callable[..., torch.Tensor]:
    """Log-probabilities behind each token under any mask, [tokens, vocab], by transformers."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        EMBEDDED_DIRECTORY, dtype=torch.float32, attn_implementation="eager"
    )
    model.eval()

    def logprobs(tokens: list[int], seen: Seen, positions: list[int] | None = None) -> torch.Tensor:
        count = len(tokens)
        mask = torch.full((1, 1, count, count), torch.finfo(torch.float32).min)
        for token in range(count):
            mask[0, 0, token, list(seen(token))] = 0
        with torch.inference_mode():
            logits = model(
                torch.tensor([tokens]),
                attention_mask=mask,
                position_ids=torch.tensor([positions or list(range(count))]),
            ).logits
        return logits[0].log_softmax(dim=-1)

    return logprobs


def check(logprobs: torch.Tensor, answer: list[int], total: float | None = None) -> None:
    """The answer stands at the end and is the most probable one at each of its tokens."""
    rows = logprobs[-len(answer) - 1 : -1]
    assert rows.argmax(dim=-1).tolist() == answer
    if total is not None:
        assert rows[range(len(answer)), answer].sum().item() == pytest.approx(total, abs=1e-3)


async def rendered(runner: RealRunner, *segments: dict[str, str]) -> list[int]:
    """Tokens of messages."""
    source = """
        from inferlet import Model, chat
        async def main(input):
            return chat.render(Model.load("embedded"), input["segments"])
        """
    segments_given: Any = {"segments": list(segments)}
    return await runner(source, segments_given)  # type: ignore[no-any-return]


def prompt_of(text: str) -> list[dict[str, Any]]:
    return [{"system": SYSTEM}, {"user": text}, {"cue": True}]


async def test_windowed_attention_has_the_logits_of_a_banded_mask(
    embedded: RealRunner, dense: Callable[..., torch.Tensor]
) -> None:
    window = 12
    result = await run(
        embedded, "windowed-attention",
        prompt="Tell me something.", window=window, max_tokens=60, ignore_eos=True,
    )  # fmt: skip
    tokens = [*await rendered(embedded, *prompt_of("Tell me something.")), *result["tokens"]]
    banded = dense(tokens, lambda at: range(max(0, at + 1 - window), at + 1))
    check(banded, result["tokens"], result["logprob"])
    assert len(tokens) > 80
    assert result["most_pages"] <= 2  # 12 tokens lie on two pages of 16 at most


async def test_a_window_over_everything_changes_nothing(embedded: RealRunner) -> None:
    plain = await run(embedded, "text-completion", prompt="Hello!")
    for name in ("windowed-attention", "attention-sink"):
        assert (await run(embedded, name, prompt="Hello!", window=2000))["text"] == plain


async def test_attention_sinks_stay_visible_beside_the_last_tokens(
    embedded: RealRunner, dense: Callable[..., torch.Tensor]
) -> None:
    sink, window, every = 4, 12, 8
    result = await run(
        embedded, "attention-sink", prompt="Tell me something.",
        sink=sink, window=window, every=every, max_tokens=100, ignore_eos=True,
    )  # fmt: skip
    prompt = await rendered(embedded, *prompt_of("Tell me something."))

    def seen(at: int) -> Iterable[int]:
        # A token is read by the operation that generates the one behind it.
        evictions = (at + 1 - len(prompt)) // every if at >= len(prompt) else 0
        hidden = range(sink, len(prompt) + evictions * every - window) if evictions else ()
        return [token for token in range(at + 1) if token not in hidden]

    check(dense([*prompt, *result["tokens"]], seen), result["tokens"], result["logprob"])
    assert result["most_pages"] <= 3
    assert len(prompt) + len(result["tokens"]) > 120


async def test_hierarchical_attention_sees_sections_and_their_ends(
    embedded: RealRunner, dense: Callable[..., torch.Tensor]
) -> None:
    section, summary = 48, 5
    document = "The moon is far away. A cat eats fish. " * 14
    result = await run(
        embedded, "hierarchical-attention", document=document, question="Who are you?",
        section=section, summary=summary,
    )  # fmt: skip
    read = await rendered(embedded, {"system": f"{SYSTEM}\n\n{document}"})
    asked = await rendered(embedded, {"user": "Who are you?"}, {"cue": True})  # type: ignore[dict-item]
    assert result["document_tokens"] == len(read)

    def seen(at: int) -> Iterable[int]:
        own = min(at, len(read)) // section * section if at < len(read) else len(read)
        return [
            token
            for token in range(at + 1)
            if token >= own
            or token < section
            or token >= min(len(read), (token // section + 1) * section) - summary
        ]

    check(dense([*read, *asked, *result["tokens"]], seen), result["tokens"], result["logprob"])
    assert result["document_pages"] < len(read) / embedded.engine.pool.page_size_tokens


async def test_a_saved_prefix_is_not_read_again(embedded: RealRunner) -> None:
    engine = embedded.engine
    prefix = "Be brief. " * 40
    read = []
    for forget in (False, True):
        engine.prefixes.clear()  # what the server shares by itself
        before = engine.scheduler.statistics.prefill_tokens
        result = await run(
            embedded, "prefix-caching", prefix=prefix, prompt="Hello!", forget=forget
        )
        read.append(engine.scheduler.statistics.prefill_tokens - before)
        assert result["found"] is forget
    assert read[0] - read[1] == result["prefix_tokens"]
    assert result["text"] == await run(embedded, "text-completion", system=prefix, prompt="Hello!")


async def test_a_prefix_tree_answers_alike_and_reads_each_piece_once(embedded: RealRunner) -> None:
    texts = ["Hello! Who are you?", "Hello! How are you?", "Hello!", "What can you do?", "Hello!"]
    plain = [await run(embedded, "text-completion", prompt=text) for text in texts]
    prompts = [await rendered(embedded, *prompt_of(text)) for text in texts]
    embedded.engine.prefixes.clear()
    before = embedded.engine.scheduler.statistics.prefill_tokens
    result = await run(embedded, "prefix-tree", prompts=texts)
    assert result["answers"] == plain
    beginnings = {tuple(prompt[:end]) for prompt in prompts for end in range(1, len(prompt) + 1)}
    assert result["tokens_read"] == len(beginnings)
    assert result["prompt_tokens"] == sum(map(len, prompts))
    assert embedded.engine.scheduler.statistics.prefill_tokens - before < result["prompt_tokens"]


MODULES = {"moon": "The moon is far away.", "cat": "A cat eats fish.", "dog": "Dogs bark."}


async def test_modules_act_as_if_they_had_been_read_side_by_side(
    embedded: RealRunner, dense: Callable[..., torch.Tensor]
) -> None:
    encode = embedded.engine.checkpoint.tokenizer.encode
    parts = {"": await rendered(embedded, {"system": SYSTEM})}
    parts |= {name: encode(f"{text}\n") for name, text in MODULES.items()}
    asked = await rendered(embedded, {"user": "Who are you?"}, {"cue": True})  # type: ignore[dict-item]
    for use in (["moon", "dog"], ["moon", "cat", "dog"], []):
        result = await run(
            embedded, "modular-caching", modules=MODULES, use=use, prompt="Who are you?",
            forget=len(use) == 0,
        )  # fmt: skip
        tokens, positions, starts, place = [], [], [], 0
        for name, part in parts.items():
            if name in use or not name:
                starts += [len(tokens)] * len(part)
                tokens += part
                positions += range(place, place + len(part))
            place += len(part)
        assert result["copied_tokens"] == len(tokens)
        behind = [*asked, *result["tokens"]]
        tokens += behind
        positions += range(place, place + len(behind))
        starts += [0] * len(behind)
        logprobs = dense(tokens, lambda at: range(starts[at], at + 1), positions)  # noqa: B023
        check(logprobs, result["tokens"])
    await forget_exports(embedded)


async def forget_exports(runner: RealRunner) -> None:
    exports = runner.engine.exports
    for name in exports.names("alice"):
        exports.delete("alice", name)
    await trio.lowlevel.checkpoint()


async def test_modules_are_computed_once(embedded: RealRunner) -> None:
    statistics = embedded.engine.scheduler.statistics
    read = []
    for _ in range(2):
        before = statistics.prefill_tokens
        result = await run(embedded, "modular-caching", modules=MODULES, prompt="Hello!")
        read.append(statistics.prefill_tokens - before)
    await forget_exports(embedded)
    assert read[0] - read[1] == result["copied_tokens"]


async def test_a_module_that_is_not_there_is_named(embedded: RealRunner) -> None:
    with pytest.raises(GuestRaised, match="no such module: cats"):
        await run(embedded, "modular-caching", modules=MODULES, use=["cats"], prompt="Hello!")


async def test_trimmed_work_frees_pages_and_answers_stay_right(embedded: RealRunner) -> None:
    questions = ["What is 12 * 34?", "What is 17 + 25?", "What is 90 - 45?", "What is 8 * 9?"]
    trimmed = await run(embedded, "page-trimming", questions=questions)
    whole = await run(embedded, "page-trimming", questions=questions, trim=False)
    for answer, right in zip(trimmed["answers"], ("408", "42", "45", "72"), strict=True):
        assert right in answer
    assert trimmed["dropped_tokens"] > 100
    size = embedded.engine.pool.page_size_tokens
    freed = trimmed["dropped_tokens"] // size - len(questions) * 2
    assert trimmed["pages"] <= whole["pages"] - max(freed, len(questions))


async def test_pages_with_influence_keep_the_answer_that_the_oldest_would_have_taken_along(
    embedded: RealRunner,
) -> None:
    """Quality at one budget, against the full cache: how often the first call is the same."""
    kept = {"influence": 0, "recency": 0}
    for sum_ in ("12 * 34", "5 + 7", "99 - 45", "8 * 9", "410 - 77"):
        given = {
            "prompt": f"What is {sum_}?" + " I would like to know it for my friend." * 3,
            "tools": ["calculator"], "recent": 16, "every": 8, "max_tokens": 60, "budget": 64,
        }  # fmt: skip
        full = await run(embedded, "heavy-hitter", policy="none", **given)
        assert full["evicted_tokens"] == 0
        call = full["text"].partition("</tool_call>")[0]
        for policy in kept:
            result = await run(embedded, "heavy-hitter", policy=policy, **given)
            kept[policy] += result["text"].partition("</tool_call>")[0] == call
            assert result["evicted_tokens"] > 0
    assert kept["influence"] > kept["recency"]


async def test_a_budget_above_the_context_changes_nothing(embedded: RealRunner) -> None:
    plain = await run(embedded, "text-completion", prompt="Hello!")
    result = await run(embedded, "heavy-hitter", prompt="Hello!", budget=1000, every=4)
    assert (result["text"], result["evicted_tokens"]) == (plain, 0)
