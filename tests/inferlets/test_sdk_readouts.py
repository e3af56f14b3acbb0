"""Probes, masks, tensors, queues and the KV cache, from guests over a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from inferlet import masks
from tests.host.test_handlers import make_adapter
from tests.inferlets.real_engine import RealRunner
from tests.inferlets.real_engine import tiny as tiny

HEAD = """
from inferlet import *
import struct, math
model = Model.load("tiny")

async def after(ctx, tokens, *more):
    forward = ctx.forward().input(tokens)
    best = forward.sample([-1], Sampler.argmax())
    return (await forward.execute()).token(best)
"""


async def test_all_probes_of_a_pass_agree(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    forward = Context(model).forward().input([5, 6, 7])
    best = forward.sample([0, 1, 2], Sampler.argmax())
    top = forward.probe(1, Distribution())
    two = forward.probe(1, Logprobs([3, 1]))
    one = forward.probe(-2, Logprob(3))
    unsure = forward.probe(1, Entropy())
    first, second = forward.probe(2, Logits()), forward.probe(1, Logits())
    forward.keep_logits([1])
    out = await forward.execute()
    with out.kept_logits as kept:
        rows = [kept.rows, kept.width, kept.read(0)]
    probabilities = dict(zip(*out.distribution(top)))
    return {
        "best": out.tokens_at(best), "two": out.logprobs(two), "one": out.logprob(one),
        "wanted": [math.log(probabilities[t]) for t in (3, 1)],
        "entropy": out.entropy(unsure),
        "entropy_wanted": -sum(p * math.log(p) for p in probabilities.values() if p > 0),
        "logits": struct.unpack(f"{model.vocab_size}f", out.logits(second)),
        "last": struct.unpack(f"{model.vocab_size}f", out.logits(first)),
        "kept": rows,
    }
"""
    )
    got = await tiny(source)
    assert got["two"] == pytest.approx(got["wanted"], abs=1e-4)
    assert got["one"] == pytest.approx(got["two"][0])
    assert got["entropy"] == pytest.approx(got["entropy_wanted"], abs=1e-4)
    assert got["kept"] == [3, len(got["logits"]), pytest.approx(got["logits"])]
    assert got["logits"].index(max(got["logits"])) == got["best"][1]
    assert got["last"].index(max(got["last"])) == got["best"][2]


async def test_probed_logits_do_not_pile_up(tiny: RealRunner) -> None:
    """An instance may hold 256 tensors; each of 300 steps makes one."""
    source = (
        HEAD
        + """
async def main(input):
    generator = Context(model).append([5]).generate(Sampler.argmax(), max_tokens=300, stop=[])
    raw = generator.probe_each_step(-1, Logits())
    right = 0
    async for step in generator:
        out = await step.execute()
        numbers = struct.unpack(f"{model.vocab_size}f", out.logits(raw))
        right += numbers.index(max(numbers)) == out.tokens[0]
    return right
"""
    )
    assert await tiny(source) == 300


async def test_a_handle_of_another_probe_is_refused(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    forward = Context(model).forward().input([5])
    unsure = forward.probe(-1, Entropy())
    out = await forward.execute()
    try:
        out.logprob(unsure)
    except TypeError as error:
        return str(error)
"""
    )
    assert await tiny(source) == "the handle is of a Entropy, not of a Logprobs"


async def test_embedding_layers_and_reading_out_apart_equal_the_whole_pass(
    tiny: RealRunner,
) -> None:
    source = (
        HEAD
        + """
async def main(input):
    prompt = [5, 6, 7, 8]
    whole = await after(Context(model), prompt)
    with await tensors.embed(model, prompt) as embeddings:
        shape = [embeddings.rows, embeddings.width]
        ctx = Context(model)
        out = await ctx.forward().input_embeddings(embeddings).keep_hidden([-1]).execute()
    queue = Queue("high")
    hidden = out.hidden
    best = hidden.sample([0], Sampler.argmax())
    top = hidden.probe(0, Distribution(k=2))
    read = await hidden.execute(queue=queue)
    hidden.release()
    return [whole, read.token(best), read.distribution(top)[0][0], shape, ctx.seq_len]
"""
    )
    whole, read, top, shape, length = await tiny(source)
    assert whole == read == top
    assert shape == [4, 32]
    assert length == 4


async def test_masked_dropped_and_copied_tokens_act_as_if_they_were_or_were_not_there(
    tiny: RealRunner,
) -> None:
    source = (
        HEAD
        + """
async def main(input):
    masked, window = Context(model), Context(model)
    await masked.append([50, 51, 52]).flush()
    masked.mask(0, 3)
    await window.append([50, 51, 52]).flush()
    pages = []
    async def seen(ctx, **how):
        forward = ctx.forward().input([5, 6])
        if how:
            getattr(forward, how["by"])(how["masks"])
        top = forward.probe(-1, Distribution(k=3))
        return (await forward.execute()).distribution(top)
    hidden = await seen(masked)
    ranges = await seen(window.fork(), by="visible", masks=[[(3, 4)], [(3, 5)]])
    runs = await seen(window.fork(), by="attention_mask", masks=[[3, 9], [3, 9]])
    everything = await seen(window.fork())
    masked.truncate(2)
    masked.unmask(0, 3)
    shown = await seen(masked)
    copy = Context(model)
    await copy.copy_from(window, range(3))
    copied = [copy.seq_len, await seen(copy)]
    long = Context(model)
    await long.append(list(range(64))).flush()
    pages = long.drop(0, 32)
    return [hidden, ranges, runs, everything, shown, copied, pages, long.seq_len]
"""
    )
    hidden, ranges, runs, everything, shown, copied, pages, length = await tiny(source)
    assert hidden == ranges == runs
    assert hidden != everything
    assert shown == everything
    assert copied == [3, everything]
    assert (pages, length) == (2, 64)


async def test_a_tree_is_checked_in_one_pass_and_a_path_of_it_kept(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    ctx = Context(model)
    await ctx.append([5, 6, 7]).flush()
    forward = ctx.forward().input_at([10, 20, 11, 21], [3, 3, 4, 4])
    forward.visible([[(0, 3)], [(0, 3)], [(0, 4)], [(0, 3), (4, 5)]])
    each = forward.sample([0, 1, 2, 3], Sampler.argmax())
    out = await forward.execute()
    await ctx.keep(3, [4, 6])
    alone = [await after(Context(model), [5, 6, 7, *path]) for path in ([10, 11], [20, 21])]
    more = [await after(ctx, [9]), await after(Context(model), [5, 6, 7, 20, 21, 9])]
    return [out.tokens_at(each)[2:], alone, more, ctx.seq_len]
"""
    )
    checked, alone, more, length = await tiny(source)
    assert checked == alone
    assert more[0] == more[1]
    assert length == 6


async def test_masks_confine_samplers(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    forward = Context(model).forward().input([5, 6, 7])
    some = forward.sample([0, 1, 2], Sampler.multinomial(1.0, seed=3))
    forward.mask(masks.mask_of([65, 66], model.vocab_size))
    chosen = (await forward.execute()).tokens_at(some)
    text = await Context(model).append([5]).generate(
        Sampler.top_p(1.0, 1.0, seed=1), max_tokens=20, logit_mask=[65, 2]
    ).collect_tokens()
    return [chosen, text]
"""
    )
    chosen, generated = await tiny(source)
    assert set(chosen) <= {65, 66}
    assert set(generated) == {65, 66}


async def test_penalties_act_alike_in_one_operation_and_in_steps(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    found = []
    for how in ({}, {"frequency_penalty": 1.5}, {"presence_penalty": 2.0},
                {"repetition_penalty": 1.8}):
        sampler = Sampler.argmax(logit_bias={9: 5.0}, **how)  # so that token 9 comes again
        ctx = Context(model).append([5, 6])
        at_once = await ctx.fork().complete(sampler, max_tokens=24, cue=False, ignore_eos=True)
        steps = []
        async for step in ctx.generate(sampler, max_tokens=24, stop=[], auto_flush=False):
            steps += (await step.execute()).tokens
        found.append([at_once.tokens, steps])
    return found
"""
    )
    found = await tiny(source)
    for at_once, steps in found:
        assert at_once == steps
    assert len({str(at_once) for at_once, _ in found}) == 4


async def test_contexts_and_passes_go_through_the_adapter_they_name(
    tiny: RealRunner, tmp_path: Path
) -> None:
    make_adapter(tiny.engine.checkpoint.config, tmp_path / "formal", 0)
    tiny.engine.add_adapter("formal", tmp_path / "formal")
    source = (
        HEAD
        + """
async def main(input):
    formal = Adapter.open(model, "formal")
    def ctx():
        return Context(model).append([5, 6, 7])
    async def said(context, **how):
        done = await context.complete(
            Sampler.argmax(), max_tokens=8, cue=False, ignore_eos=True, **how
        )
        return done.tokens
    plain, set_before = ctx(), ctx()
    set_before.set_adapter(formal)
    for_once = ctx()
    forward = for_once.forward().input([5, 6, 7]).adapter(formal)
    top = forward.probe(-1, Distribution(k=1))
    first = (await forward.execute()).distribution(top)[0][0]
    for_once.truncate(3)
    try:
        set_before.set_adapter("rude")
    except InvalidOperation as error:
        unknown = error.message
    try:
        formal.save("x")
    except NotImplementedError as error:
        refused = str(error)
    return {
        "plain": await said(plain), "set": await said(set_before),
        "given": await said(ctx(), adapter=formal),
        "stepped": await ctx().generate(
            Sampler.argmax(), max_tokens=8, stop=[], auto_flush=False, adapter=formal,
            logit_mask=[0, model.vocab_size]).collect_tokens(),
        "first": first, "back": await said(for_once),
        "none": Adapter.open(model, "rude"), "unknown": unknown, "refused": refused,
    }
"""
    )
    got = await tiny(source)
    assert got["set"] == got["given"] == got["stepped"]
    assert got["plain"] != got["set"]
    assert got["first"] == got["set"][0]
    assert got["back"] == got["plain"]
    assert got["none"] is None
    assert "no adapter 'rude'" in got["unknown"]
    assert "model.adapters" in got["refused"]


async def test_a_queue_is_synchronized_when_its_contexts_are_done(tiny: RealRunner) -> None:
    source = (
        HEAD
        + """
async def main(input):
    with Queue("low") as queue:
        ctx = Context(model).append([5])
        ctx.queue = queue
        task = spawn(ctx.complete(Sampler.argmax(), max_tokens=40, cue=False, ignore_eos=True))
        await sleep(0)
        queue.priority = "high"
        await queue.synchronize()
        length = ctx.info()["tokens"]
    ctx.queue = None
    return [length, (await task.join()).length, queue.priority, ctx.queue]
"""
    )
    assert await tiny(source) == [41, 41, "high", None]


def test_masks_are_alternating_runs_that_begin_with_what_is_hidden() -> None:
    assert masks.ranges_of([0, 4, 3, 2]) == [(0, 4), (7, 9)]
    assert masks.ranges_of([5]) == []
    assert masks.mask_of([0, 1, 5], 8) == [0, 2, 3, 1, 2]
    assert masks.mask_of([], 8) == [8]
    assert masks.mask_of([7, 99, -1], 8) == [7, 1]
    with pytest.raises(ValueError, match="runs are lengths"):
        masks.ranges_of([1, -2])


def test_a_mask_is_undone_by_its_ranges() -> None:
    for number in range(256):
        allowed = [bit for bit in range(8) if number >> bit & 1]
        ranges = masks.ranges_of(masks.mask_of(allowed, 8))
        assert [place for low, high in ranges for place in range(low, high)] == allowed
        assert sum(masks.mask_of(allowed, 8)) == 8
