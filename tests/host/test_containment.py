"""What goes wrong for one instance stays with it, and what was refused left no trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from pie_server.engine.batch import Batch, StepResult
from pie_server.errors import (
    ContextTooLong,
    InvalidArguments,
    LimitExceeded,
    OperationCancelled,
    OutputExceeded,
    PagesExceeded,
    PieError,
)
from pie_server.host import instance_host, kv
from pie_server.runtime.port import InstanceLimits, JsonValue

from .conftest import Guest, OpenWorld, World, items, value

CHAT = [{"system": "Be brief."}, {"user": "hi"}, {"cue": True}]


async def new_context(guest: Guest, **options: object) -> int:
    answer = value(await guest.do("context.create", model="tiny", **options))
    assert isinstance(answer["context"], int)
    return answer["context"]


def text_of(world: World, context: int) -> str:
    held = world.host.context(context)
    return world.engine.checkpoint.tokenizer.decode(held.context.tokens)


def refuse_output(world: World) -> None:
    def emit(kind: str, data: dict[str, JsonValue]) -> None:
        raise OutputExceeded("the session has said too much")

    world.session.emit = emit  # type: ignore[method-assign]


async def test_a_session_that_may_say_no_more_ends_its_generation_and_nothing_else(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        refuse_output(world)
        context = await new_context(world.guest)
        with pytest.raises(OutputExceeded):
            await world.guest.do(
                "context.generate",
                context=context,
                fill=CHAT,
                max_tokens=300,
                ignore_eos=True,
                stream="text",
            )
        neighbour = world.second_guest("alice")
        other = await new_context(neighbour)
        done = await neighbour.do(
            "context.generate", context=other, fill=CHAT, max_tokens=3, ignore_eos=True
        )
        assert len(items(value(done)["tokens"])) == 3
        neighbour.host.close()


async def test_closing_frees_every_page_although_the_session_refuses_the_last_words(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        context = await new_context(world.guest, prefix_reuse=False)
        world.guest.start(
            "context.generate",
            context=context,
            fill=CHAT,
            max_tokens=400,
            ignore_eos=True,
            stream="text",
        )
        while world.engine.scheduler.statistics.steps < 3:
            await trio.lowlevel.checkpoint()
        refuse_output(world)
        world.host.close()
        assert world.engine.pool.free_pages == world.engine.pool.total_pages


async def test_an_owner_that_fails_to_take_its_result_ends_alone(open_world: OpenWorld) -> None:
    async with open_world() as world:
        neighbour = world.second_guest("alice")

        def broken(operation_id: int, answer: object) -> None:
            raise RuntimeError("mailbox on fire")

        world.guest.complete = broken  # type: ignore[method-assign]
        context = await new_context(neighbour)
        mine = world.engine.create_context("alice")
        handle = world.host.hold(world.engine, mine, instance_host.ChatState())
        world.guest.start("context.flush", context=handle, fill=[{"tokens": [5, 6]}])
        await neighbour.do("context.flush", context=context, fill=CHAT)
        assert await neighbour.do("models.list") == ["tiny"]
        neighbour.host.close()


async def test_a_release_while_the_device_reads_the_batch_harms_no_other_row(
    open_world: OpenWorld,
) -> None:
    """The device's thread waits in the middle of a step until the other session is gone."""
    async with open_world() as world:
        execute = world.engine.runner.execute
        token = trio.lowlevel.current_trio_token()
        entered = trio.Event()

        def slow(batch: Batch) -> Iterator[StepResult]:
            if len(batch.rows) == 2:
                trio.from_thread.run_sync(victim_leaves, trio_token=token)
            yield from execute(batch)

        def victim_leaves() -> None:
            entered.set()
            world.host.close()

        neighbour = world.second_guest("alice")
        mine, other = await new_context(world.guest), await new_context(neighbour)
        world.engine._gpu_task._execute = slow
        world.guest.start("context.flush", context=mine, fill=[{"tokens": [5] * 20}])
        await neighbour.do("context.flush", context=other, fill=[{"tokens": [6] * 20}])
        assert entered.is_set()
        neighbour.host.close()


async def test_a_refused_generation_changes_nothing_so_it_can_be_tried_again(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        tried, fresh = await new_context(guest), await new_context(guest)
        for bad in ({"sampler": {"top_p": 9}}, {"max_tokens": 0}):
            with pytest.raises(InvalidArguments):
                await guest.do(
                    "context.generate", context=tried, fill=CHAT, **({"max_tokens": 2} | bad)
                )
        for context in (tried, fresh):
            await guest.do("context.flush", context=context, fill=CHAT)
        assert text_of(world, tried) == text_of(world, fresh)


async def test_a_fill_cancelled_in_the_queue_was_never_there(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        tried, fresh = await new_context(guest), await new_context(guest)
        cancelled = guest.start("context.flush", context=tried, fill=CHAT)
        assert await guest.do("cancel", target=cancelled) is True
        with pytest.raises(OperationCancelled):
            await guest.wait(cancelled)
        for context in (tried, fresh):
            await guest.do("context.flush", context=context, fill=CHAT)
        assert text_of(world, tried) == text_of(world, fresh)


@pytest.mark.parametrize("back", [1, 2, 3, 4])
async def test_a_turn_that_was_cut_open_is_closed_before_the_next_message(
    open_world: OpenWorld, back: int
) -> None:
    """Truncated inside the assistant's turn, at its end token, or behind it."""
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        await guest.do("context.flush", context=context, fill=CHAT)
        await guest.do("context.flush", context=context, fill=[{"text": "hello"}, {"seal": True}])
        length = value(await guest.do("context.info", context=context))["tokens"]
        assert isinstance(length, int)
        await guest.do("context.truncate", context=context, length=length - back)
        await guest.do("context.flush", context=context, fill=[{"user": "more"}])
        text = text_of(world, context)
        assert text.count("<|im_end|>\n<|im_start|>user\nmore<|im_end|>\n") == 1
        assert text.count("<|im_end|>") == text.count("<|im_start|>")


async def test_an_opened_export_goes_on_where_the_conversation_stood(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        await guest.do("context.flush", context=context, fill=[*CHAT, {"tokens": [40, 2]}])
        await guest.do("context.save", context=context, name="x")
        opened = value(await guest.do("context.open", model="tiny", name="x"))["context"]
        more = [{"user": "more"}]
        assert await guest.do("context.render", context=opened, fill=more) == await guest.do(
            "context.render", context=context, fill=more
        )
        await guest.do("context.delete", model="tiny", name="x")


async def test_tools_that_no_message_declares_are_an_error(open_world: OpenWorld) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        with pytest.raises(InvalidArguments, match="no message"):
            await world.guest.do(
                "context.flush", context=context, fill=[{"tools": ["calculator"]}, {"cue": True}]
            )


async def test_several_readouts_at_one_offset_are_answered_one_by_one(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        samplers = [
            {"index": -1, "sampler": {"temperature": 3.0, "seed": seed}} for seed in range(8)
        ]
        answer = value(
            await world.guest.do(
                "context.forward",
                context=await new_context(world.guest),
                fill=CHAT,
                samplers=samplers,
                distributions=[{"index": -1, "top_k": 5}, {"index": -1, "top_k": 0}],
            )
        )
        assert len(set(items(answer["tokens"]))) > 1  # type: ignore[arg-type]
        widths = [len(items(value(d)["tokens"])) for d in items(answer["distributions"])]
        assert widths == [5, world.engine.checkpoint.config.vocab_size]


async def test_generate_without_a_fill_may_follow_a_queued_flush(open_world: OpenWorld) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        flush = world.guest.start("context.flush", context=context, fill=CHAT)
        done = await world.guest.do(
            "context.generate", context=context, max_tokens=2, ignore_eos=True
        )
        await world.guest.wait(flush)
        assert len(items(value(done)["tokens"])) == 2


async def test_queued_work_counts_against_the_page_limit(open_world: OpenWorld) -> None:
    async with open_world(InstanceLimits(pages=8)) as world:
        contexts = [await new_context(world.guest) for _ in range(7)]
        started = [
            world.guest.start(
                "context.generate", context=c, fill=CHAT, max_tokens=40, ignore_eos=True
            )
            for c in contexts
        ]
        outcomes = []
        for number in started:
            try:
                await world.guest.wait(number)
                outcomes.append("done")
            except PagesExceeded:
                outcomes.append("refused")
        assert outcomes[0] == "done"
        assert outcomes.count("refused") >= 4
        assert world.host.promised_pages() <= 8


async def test_contexts_and_exports_are_bounded(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_host, "MAX_CONTEXTS", 3)
    monkeypatch.setattr(kv, "MAX_EXPORTS", 1)
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        await guest.do("context.save", context=context, name="a")
        with pytest.raises(LimitExceeded, match="saved 1"):
            await guest.do("context.save", context=context, name="b")
        await new_context(guest)
        await new_context(guest)
        for op in ("context.fork", "context.create", "context.open"):
            arguments = {"context": context} if op == "context.fork" else {"model": "tiny"}
            if op == "context.open":
                arguments["name"] = "a"
            with pytest.raises(LimitExceeded, match="3 contexts"):
                await guest.do(op, **arguments)
        await guest.do("context.delete", model="tiny", name="a")


async def test_a_text_that_fits_no_context_is_not_even_tokenized(open_world: OpenWorld) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        for op, arguments in (
            ("tokenizer.encode", {"model": "tiny", "text": "x" * 1_000_000}),
            ("context.flush", {"context": context, "fill": [{"user": "x" * 1_000_000}]}),
        ):
            with pytest.raises(ContextTooLong, match="characters fits no context"):
                await world.guest.do(op, **arguments)


async def test_temperatures_too_small_to_divide_by_are_refused(open_world: OpenWorld) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        with pytest.raises(PieError, match=r"sampler\.temperature"):
            await world.guest.do(
                "context.generate",
                context=context,
                fill=CHAT,
                max_tokens=2,
                sampler={"temperature": 1e-40},
            )
        done = await world.guest.do(
            "context.generate",
            context=context,
            fill=CHAT,
            max_tokens=2,
            ignore_eos=True,
            sampler={"temperature": 1e-3},
        )
        assert len(items(value(done)["tokens"])) == 2
