"""The paper's handlers one by one: embed, forward, read out, mask, copy, keep, queues, grammars."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import trio
from safetensors.torch import save_file

from pie_server.engine.scheduler import SchedulerLimits
from pie_server.errors import (
    InvalidArguments,
    InvalidRequest,
    LimitExceeded,
    PieError,
    UnknownHandle,
)
from pie_server.model.config import ModelConfig

from .conftest import Guest, OpenWorld, items, value
from .test_operations import new_context

GREEDY = [{"index": -1, "sampler": {}}]


async def number(guest: Guest, op: str, name: str, **arguments: object) -> int:
    answer = value(await guest.do(op, **arguments))[name]
    assert isinstance(answer, int)
    return answer


async def next_token(guest: Guest, context: int, tokens: list[int], **more: object) -> object:
    answer = await guest.do(
        "context.forward", context=context, fill=[{"tokens": tokens}], samplers=GREEDY, **more
    )
    return items(value(answer)["tokens"])[0]


async def test_embed_forward_and_sample_as_separate_handlers_equal_the_fused_one(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest, prompt = world.guest, [5, 6, 7, 8]
        fused = await next_token(guest, await new_context(guest), prompt)
        tensor = await number(guest, "embeddings.create", "tensor", model="tiny", tokens=prompt)
        assert value(await guest.do("tensor.info", tensor=tensor))["rows"] == 4
        context = await new_context(guest)
        answer = value(
            await guest.do("context.forward", context=context, embeddings=tensor, hidden=[-1])
        )
        read = value(
            await guest.do(
                "hidden.read",
                tensor=answer["hidden"],
                samplers=[{"index": 0, "sampler": {}}],
                distributions=[{"index": 0, "top_k": 2}],
            )
        )
        assert items(read["tokens"]) == [fused]
        assert items(value(items(read["distributions"])[0])["tokens"])[0] == fused
        more = await next_token(guest, context, [9])  # a context goes on after embeddings
        assert more == await next_token(guest, await new_context(guest), [*prompt, 9])


async def test_all_readouts_of_a_pass_agree_with_each_other(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        answer = value(
            await guest.do(
                "context.forward",
                context=await new_context(guest),
                fill=[{"tokens": [5, 6, 7]}],
                samplers=[{"index": i, "sampler": {}} for i in (0, 1, 2)],
                distributions=[{"index": 1, "top_k": 0}],
                logprobs=[{"index": 1, "tokens": [3, 1]}],
                entropies=[1],
                logits=[1, 2],
            )
        )
        top = value(items(answer["distributions"])[0])
        probability = dict(zip(items(top["tokens"]), items(top["probabilities"]), strict=True))
        (logprobs,) = items(answer["logprobs"])
        assert items(logprobs) == [pytest.approx(math.log(probability[t])) for t in (3, 1)]
        entropy = -sum(p * math.log(p) for p in probability.values() if p > 0)
        assert items(answer["entropies"]) == [pytest.approx(entropy, abs=1e-4)]
        row = items(await guest.do("tensor.read", tensor=answer["logits"], row=0))
        assert row.index(max(row)) == items(answer["tokens"])[1]  # type: ignore[type-var]
        await guest.do("tensor.release", tensor=answer["logits"])
        with pytest.raises(UnknownHandle, match="no tensor"):
            await guest.do("tensor.release", tensor=answer["logits"])


async def test_a_masked_context_answers_like_one_that_never_had_the_tokens(
    open_world: OpenWorld,
) -> None:
    """With positions given, since what is behind a mask keeps its place."""
    async with open_world() as world:
        guest = world.guest
        masked, shorter = await new_context(guest), await new_context(guest)
        await guest.do("context.flush", context=masked, fill=[{"tokens": [50, 51, 52]}])
        await guest.do("context.mask", context=masked, start=0, stop=3)
        after_mask = await next_token(guest, masked, [5, 6], positions=[3, 4])
        assert after_mask == await next_token(guest, shorter, [5, 6], positions=[3, 4])
        info = value(await guest.do("context.drop", context=masked, start=0, stop=3))
        assert info["pages"] == 1


async def test_a_draft_tree_is_verified_in_one_pass_and_its_best_path_kept(
    open_world: OpenWorld,
) -> None:
    """Two branches behind one prompt; the kept one goes on as if it had been fed alone."""
    async with open_world() as world:
        guest, prompt = world.guest, [5, 6, 7]
        tree = await new_context(guest)
        await guest.do("context.flush", context=tree, fill=[{"tokens": prompt}])
        answer = value(
            await guest.do(
                "context.forward",
                context=tree,
                fill=[{"tokens": [10, 20, 11, 21]}],  # two children, a grandchild of each
                positions=[3, 3, 4, 4],
                visible=[[(0, 3)], [(0, 3)], [(0, 4)], [(0, 3), (4, 5)]],
                samplers=[{"index": i, "sampler": {}} for i in range(4)],
            )
        )
        tokens = items(answer["tokens"])
        for path, at in (([10, 11], 2), ([20, 21], 3)):
            alone = await next_token(guest, await new_context(guest), [*prompt, *path])
            assert tokens[at] == alone
        await guest.do("context.keep", context=tree, length=3, tokens=[4, 6])
        held = world.host.context(tree).context
        assert held.tokens == [*prompt, 20, 21]
        assert not held.pinned
        assert held.recipes.first_special is None
        plain = await new_context(guest)
        assert await next_token(guest, tree, [9]) == await next_token(
            guest, plain, [*prompt, 20, 21, 9]
        )


async def test_copied_tokens_bring_their_kv_along(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        source, target = await new_context(guest), await new_context(guest)
        await guest.do("context.flush", context=source, fill=[{"tokens": [5, 6, 7, 8]}])
        await guest.do("context.copy", context=target, source=source, tokens=[0, 1, 2, 3])
        assert await next_token(guest, target, [9]) == await next_token(guest, source, [9])
        with pytest.raises(InvalidArguments, match="two contexts"):
            await guest.do("context.copy", context=target, source=target, tokens=[0])


async def test_a_queue_is_synchronized_when_all_it_was_given_has_ended(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        queue = await number(guest, "queue.create", "queue", priority="low")
        context = await new_context(guest)
        await guest.do("context.set_queue", context=context, queue=queue)
        first = guest.start(
            "context.generate", context=context, fill=[{"text": "a"}], max_tokens=40,
            ignore_eos=True,
        )  # fmt: skip
        waiting = guest.start("queue.synchronize", queue=queue)
        await guest.do("queue.set_priority", queue=queue, priority="high")
        await guest.wait(waiting)
        assert first in guest._answers
        await guest.do("queue.release", queue=queue)
        with pytest.raises(UnknownHandle, match="no queue"):
            await guest.do("queue.synchronize", queue=queue)


async def test_higher_priority_goes_first_when_steps_are_full(open_world: OpenWorld) -> None:
    """Steps of one row: the late high-priority generation overtakes the early low ones."""
    async with open_world(limits=None, pages=64) as world:
        world.engine.scheduler._limits = SchedulerLimits(rows=1)
        guest, ended = world.guest, []
        low = await number(guest, "queue.create", "queue", priority="low")
        high = await number(guest, "queue.create", "queue", priority="high")
        started = []
        for name, queue in (("low", low), ("low", low), ("high", high)):
            context = await new_context(guest)
            await guest.do("context.set_queue", context=context, queue=queue)
            started.append(
                (name, guest.start("context.generate", context=context, fill=[{"text": "a"}],
                                   max_tokens=12, ignore_eos=True))
            )  # fmt: skip

        async def wait(name: str, operation: int) -> None:
            await guest.wait(operation)
            ended.append(name)

        async with trio.open_nursery() as nursery:
            for name, operation in started:
                nursery.start_soon(wait, name, operation)
        assert ended[0] == "high"


SCHEMA = {
    "type": "object",
    "properties": {"name": {"enum": ["ann", "bob"]}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


async def test_a_grammar_makes_even_a_random_model_write_what_fits(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        grammar = await number(
            guest, "grammar.compile", "grammar", model="tiny", json_schema=SCHEMA
        )
        for seed in range(4):
            answer = value(
                await guest.do(
                    "context.generate",
                    context=await new_context(guest),
                    fill=[{"text": "who?"}],
                    max_tokens=200,
                    grammar=grammar,
                    sampler={"temperature": 1.5, "seed": seed, "repetition_penalty": 1.1},
                )
            )
            text = answer["text"]
            assert isinstance(text, str)
            assert answer["finish_reason"] == "stop"
            found = json.loads(text)
            assert found["name"] in ("ann", "bob")
            assert found["age"] <= 99
        await guest.do("grammar.release", grammar=grammar)


@pytest.mark.parametrize(
    ("op", "arguments", "error", "says"),
    [
        ("context.mask", {"context": 1, "start": 2, "stop": 9}, InvalidArguments, "no range"),
        ("context.drop", {"context": 1, "start": 2, "stop": 2}, InvalidArguments, "no range"),
        ("context.keep", {"context": 1, "length": 1, "tokens": [0]}, InvalidArguments, "between 1"),
        ("context.keep", {"context": 1, "length": 1, "tokens": [1, 1]}, InvalidArguments, "twice"),
        ("context.copy", {"context": 1, "source": 2, "tokens": [7]}, InvalidArguments, "between"),
        ("context.set_queue", {"context": 1, "queue": 9}, UnknownHandle, "no queue 9"),
        ("embeddings.create", {"model": "tiny"}, InvalidArguments, "need tokens"),
        ("embeddings.create", {"model": "tiny", "tokens": [-1]}, InvalidArguments, "between 0"),
        ("hidden.read", {"tensor": 4}, UnknownHandle, "no tensor 4"),
        ("grammar.compile", {"model": "tiny"}, InvalidArguments, "exactly one"),
        ("grammar.compile", {"model": "tiny", "regex": "("}, InvalidArguments, "unclosed group"),
        ("grammar.compile", {"model": "tiny", "tools": ["no"]}, InvalidArguments, "no tool 'no'"),
        ("tokenizer.vocabulary", {"model": "tiny", "start": -1}, InvalidArguments, "within"),
        ("context.forward",
         {"context": 1, "fill": [{"tokens": [1, 2]}], "visible": [[(0, 1)]]},
         InvalidArguments, "1 entries for 2 tokens"),
        ("context.forward",
         {"context": 1, "fill": [{"tokens": [1]}], "visible": [[]]},
         InvalidArguments, "attends to nothing"),
        ("context.forward",
         {"context": 1, "fill": [{"tokens": [1]}], "visible": [[(0, 99)]]},
         InvalidArguments, "attends to nothing, or to more"),
        ("context.forward",
         {"context": 1, "fill": [{"tokens": [1]}], "positions": [1 << 40]},
         InvalidArguments, "positions"),
        ("context.forward",
         {"context": 1, "fill": [{"tokens": [1]}], "embeddings": 1}, InvalidArguments, "not both"),
        ("context.forward",
         {"context": 1, "fill": [{"tokens": [1]}], "logprobs": [{"index": 0, "tokens": [-3]}]},
         InvalidArguments, "logprobs.tokens"),
        ("context.forward",
         {"context": 1, "fill": [{"tokens": [1]}],
          "samplers": [{"index": 0, "sampler": {"logit_bias": [[100000, 1.0]]}}]},
         InvalidArguments, "logit_bias"),
        ("context.generate",
         {"context": 1, "max_tokens": 3, "grammar": 5}, UnknownHandle, "no grammar 5"),
    ],
)  # fmt: skip
async def test_bad_arguments_are_refused_by_name_and_nothing_changes(
    open_world: OpenWorld, op: str, arguments: dict[str, object], error: type[PieError], says: str
) -> None:
    async with open_world() as world:
        guest = world.guest
        for _ in range(2):
            context = await new_context(guest)
            await guest.do("context.flush", context=context, fill=[{"tokens": [5, 6, 7]}])
        await guest.do("embeddings.create", model="tiny", tokens=[1])
        with pytest.raises(error, match=says):
            await guest.do(op, **arguments)
        assert world.host.context(1).context.tokens == [5, 6, 7]
        assert not world.host.in_flight


async def test_another_instances_handles_are_unknown(open_world: OpenWorld) -> None:
    async with open_world() as world:
        await world.guest.do("embeddings.create", model="tiny", tokens=[1])
        await world.guest.do("queue.create")
        other = world.second_guest()
        with pytest.raises(UnknownHandle):
            await other.do("tensor.info", tensor=1)
        with pytest.raises(UnknownHandle):
            await other.do("queue.set_priority", queue=1, priority="high")


async def test_an_instance_holds_no_more_tensors_than_it_may(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pie_server.host.held_tensors.MAX_TENSOR_BYTES", 3000)
    async with open_world() as world:
        await world.guest.do("embeddings.create", model="tiny", tokens=[1])
        with pytest.raises(LimitExceeded, match="bytes"):
            await world.guest.do("embeddings.create", model="tiny", tokens=list(range(40)))


async def test_rearranging_what_a_fork_shares_is_refused(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        await guest.do("context.flush", context=context, fill=[{"tokens": [5, 6, 7, 8]}])
        fork = await number(guest, "context.fork", "context", context=context)
        with pytest.raises(InvalidRequest, match="a fork or the prefix cache shares"):
            await guest.do("context.keep", context=context, length=1, tokens=[2])
        await guest.do("context.release", context=fork)
        await guest.do("context.keep", context=context, length=1, tokens=[2])
        assert world.host.context(context).context.tokens == [5, 7]


async def test_contexts_with_different_adapters_share_a_batch(
    open_world: OpenWorld, tmp_path: Path
) -> None:
    """Equal prompts, three adapters at once: each answers as it does alone."""
    async with open_world() as world:
        guest, engine = world.guest, world.engine
        for seed, name in enumerate(("formal", "rude")):
            make_adapter(engine.checkpoint.config, tmp_path / name, seed)
            engine.add_adapter(name, tmp_path / name)
        info = value(await guest.do("model.info", model="tiny"))
        assert info["adapters"] == ["formal", "rude"]

        async def generated(adapter: str | None) -> object:
            context = await new_context(guest)
            await guest.do("context.set_adapter", context=context, adapter=adapter)
            answer = await guest.do(
                "context.generate",
                context=context,
                fill=[{"tokens": [5, 6, 7]}],
                max_tokens=8,
                ignore_eos=True,
            )
            return value(answer)["tokens"]

        names = (None, "formal", "rude")
        alone = [await generated(name) for name in names]
        assert len({str(tokens) for tokens in alone}) == 3
        together: dict[str | None, object] = {}

        async def one(name: str | None) -> None:
            together[name] = await generated(name)

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(one, name)
        assert [together[name] for name in names] == alone
        with pytest.raises(InvalidArguments, match="no adapter 'kind'"):
            await guest.do("context.set_adapter", context=await new_context(guest), adapter="kind")


def make_adapter(config: ModelConfig, directory: Path, seed: int) -> None:
    """Writes a PEFT directory with large random weights for every query projection."""
    directory.mkdir()
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (directory / "adapter_config.json").write_text(json.dumps(settings))
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(config.layers):
        prefix = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        width = config.query_heads * config.head_dim
        tensors[f"{prefix}.lora_A.weight"] = torch.randn(4, config.hidden_size, generator=generator)
        tensors[f"{prefix}.lora_B.weight"] = torch.randn(width, 4, generator=generator)
    save_file(tensors, directory / "adapter_model.safetensors")


async def test_exports_are_listed_by_tenant(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest, other = world.guest, world.second_guest("bob")
        context = await new_context(guest)
        await guest.do("context.flush", context=context, fill=[{"tokens": [5, 6]}])
        for name in ("b", "a"):
            await guest.do("context.save", context=context, name=name)
        assert await guest.do("context.list", model="tiny") == ["a", "b"]
        assert await other.do("context.list", model="tiny") == []
        await guest.do("context.delete", model="tiny", name="b")
        assert await guest.do("context.list", model="tiny") == ["a"]
        await guest.do("context.delete", model="tiny", name="a")
