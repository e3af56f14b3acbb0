"""Every operation as a guest sees it, on a real engine."""

from __future__ import annotations

import pytest
import trio

from pie_server.errors import (
    InvalidArguments,
    InvalidRequest,
    OperationCancelled,
    OperationsExceeded,
    PagesExceeded,
    UnknownHandle,
    UnknownModel,
    UnknownOperation,
)
from pie_server.host.operations import OPERATIONS
from pie_server.runtime.port import InstanceLimits
from pie_tools.function_tool import FunctionTool

from .conftest import Guest, OpenWorld, items, value

CHAT = [{"system": "Be brief."}, {"user": "hi"}, {"cue": True}]


async def new_context(guest: Guest, **options: object) -> int:
    answer = value(await guest.do("context.create", model="tiny", **options))
    assert isinstance(answer["context"], int)
    return answer["context"]


def test_the_operations_are_these() -> None:
    """The contract with every SDK: adding is fine, renaming breaks guests."""
    families = {
        "models": "list",
        "model": "info",
        "tokenizer": "encode decode vocabulary",
        "context": "create fork release truncate info render save open take delete "
        "list mask drop copy keep set_queue set_adapter flush forward generate",
        "embeddings": "create",
        "hidden": "read",
        "tensor": "info read release",
        "grammar": "compile release",
        "matcher": "create advance rollback fork state allowed release",
        "queue": "create set_priority synchronize release",
        "tools": "list parse call",
        "session": "send receive info send_file",
        "runtime": "launch sleep time random_seed version",
        "child": "join cancel detach send receive info",
        "messaging": "broadcast subscribe receive unsubscribe push pull",
        "store": "get put delete list",
        "http": "request",
        "files": "write read list delete",
    }
    named = {f"{family}.{name}" for family, names in families.items() for name in names.split()}
    assert set(OPERATIONS) == named | {"log", "cancel"}


async def test_models_describe_themselves_and_tokenize_both_ways(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        assert await guest.do("models.list") == ["tiny"]
        info = value(await guest.do("model.info", model="tiny"))
        assert (info["max_context_tokens"], info["eos_tokens"]) == (512, [2])
        tokens = await guest.do("tokenizer.encode", model="tiny", text="the dog ✓")
        assert await guest.do("tokenizer.decode", model="tiny", tokens=tokens) == "the dog ✓"
        with pytest.raises(UnknownModel, match="no model 'other'"):
            await guest.do("model.info", model="other")


async def test_a_chat_renders_turn_by_turn_as_the_template_renders_it_whole(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest, template = world.guest, world.engine.checkpoint.chat_template
        context = await new_context(guest)
        await guest.do("context.flush", context=context, fill=CHAT)
        await guest.do("context.flush", context=context, fill=[{"text": "hello"}, {"seal": True}])
        await guest.do("context.flush", context=context, fill=[{"user": "more"}, {"cue": True}])
        whole = template.render(
            [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "hello"},
                {"role": "user", "content": "more"},
            ],
            cue=True,
        )
        held = world.host.context(context).context
        assert world.engine.checkpoint.tokenizer.decode(held.tokens) == whole


async def test_a_turn_the_model_ended_itself_is_not_ended_twice(open_world: OpenWorld) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        await world.guest.do("context.flush", context=context, fill=CHAT)
        await world.guest.do("context.flush", context=context, fill=[{"tokens": [40, 2]}])
        rendered = items(
            await world.guest.do("context.render", context=context, fill=[{"user": "more"}])
        )
        assert rendered[0] != 2
        text = world.engine.checkpoint.tokenizer.decode(rendered)  # type: ignore[arg-type]
        assert text == "\n<|im_start|>user\nmore<|im_end|>\n"


async def test_token_by_token_forward_equals_generate(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        coarse, fine = await new_context(guest), await new_context(guest)
        whole = value(
            await guest.do(
                "context.generate", context=coarse, fill=CHAT, max_tokens=6, ignore_eos=True
            )
        )
        tokens: list[object] = []
        fill: list[dict[str, object]] = CHAT
        for _ in range(6):
            step = value(
                await guest.do(
                    "context.forward",
                    context=fine,
                    fill=fill,
                    samplers=[{"index": -1, "sampler": {}}],
                    distributions=[{"index": -1, "top_k": 3}],
                )
            )
            token = items(step["tokens"])[0]
            assert items(value(items(step["distributions"])[0])["tokens"])[0] == token
            tokens.append(token)
            fill = [{"tokens": [token]}]
        assert whole["tokens"] == tokens
        assert whole["finish_reason"] == "length"


async def test_a_forward_without_readouts_has_the_same_shape_of_answer(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        answer = await world.guest.do(
            "context.forward", context=context, fill=[{"tokens": [4, 5, 6]}]
        )
        assert answer == {"length": 3, "tokens": [], "distributions": []}


async def test_forks_diverge_and_truncate_returns_to_the_shared_prefix(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        base = await new_context(guest)
        await guest.do("context.flush", context=base, fill=CHAT)
        length = value(await guest.do("context.info", context=base))["tokens"]
        fork = value(await guest.do("context.fork", context=base))["context"]
        one = await guest.do("context.generate", context=base, max_tokens=5, ignore_eos=True)
        await guest.do(
            "context.generate",
            context=fork,
            max_tokens=5,
            ignore_eos=True,
            sampler={"temperature": 5.0, "seed": 1},
        )
        await guest.do("context.truncate", context=fork, length=length)
        two = await guest.do("context.generate", context=fork, max_tokens=5, ignore_eos=True)
        assert value(one)["tokens"] == value(two)["tokens"]


async def test_saved_contexts_belong_to_the_tenant(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        await guest.do("context.flush", context=context, fill=CHAT)
        await guest.do("context.save", context=context, name="docs")
        stranger = world.second_guest()
        assert await stranger.do("context.open", model="tiny", name="docs") is None
        opened = value(await guest.do("context.open", model="tiny", name="docs"))["context"]
        info = value(await guest.do("context.info", context=opened))
        assert info["shared_pages"] == info["pages"] != 0
        assert await guest.do("context.delete", model="tiny", name="docs") is True
        assert await guest.do("context.open", model="tiny", name="docs") is None


async def test_streamed_text_arrives_as_events_and_equals_the_result(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        result = value(
            await world.guest.do(
                "context.generate",
                context=context,
                fill=CHAT,
                max_tokens=30,
                stream="text",
                ignore_eos=True,
            )
        )
        streamed = "".join(str(data["text"]) for kind, data in world.session.events)
        assert streamed == result["text"]
        assert set(world.session.kinds()) == {"text"}


async def test_a_stop_string_ends_the_generation_and_is_cut(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        first = value(
            await guest.do(
                "context.generate",
                context=await new_context(guest),
                fill=CHAT,
                max_tokens=20,
                ignore_eos=True,
            )
        )
        text = str(first["text"])
        stop = next(text[i : i + 2] for i in range(4, len(text)) if text[i : i + 2].isascii())
        again = value(
            await guest.do(
                "context.generate",
                context=await new_context(guest),
                fill=CHAT,
                max_tokens=20,
                ignore_eos=True,
                stop=[stop],
            )
        )
        assert again["finish_reason"] == "stop"
        assert again["text"] == text[: text.index(stop)]


async def test_a_tool_call_parks_the_context_and_keeps_its_pages(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        await guest.do("context.flush", context=context, fill=CHAT)
        pages = value(await guest.do("context.info", context=context))["pages"]
        call = guest.start("tools.call", name="slow", arguments={}, contexts=[context])
        await trio.testing.wait_all_tasks_blocked()
        info = value(await guest.do("context.info", context=context))
        assert (info["state"], info["pages"]) == ("parked", pages)
        world.release_tool.set()
        result = value(await guest.wait(call))
        assert (result["content"], result["is_error"]) == ("released", False)
        assert value(await guest.do("context.info", context=context))["state"] == "idle"
        assert world.session.kinds() == ["tool_call", "tool_result"]
        assert world.host.usage.parked_pages_peak == pages


async def test_tool_calls_of_one_turn_run_at_the_same_time(open_world: OpenWorld) -> None:
    """Each call waits for the other: one after the other they would never end."""
    async with open_world() as world:
        arrived = [trio.Event(), trio.Event()]

        async def meet(mine: int) -> str:
            """Wait for the other."""
            arrived[mine].set()
            await arrived[1 - mine].wait()
            return f"met {1 - mine}"

        world.host.services.tools.register(FunctionTool(meet))
        calls = [
            world.guest.start("tools.call", name="meet", arguments={"mine": n}, contexts=[])
            for n in (0, 1)
        ]
        results = [value(await world.guest.wait(call))["content"] for call in calls]
        assert results == ["met 1", "met 0"]


async def test_failing_and_unknown_tools_are_results_for_the_model(open_world: OpenWorld) -> None:
    async with open_world() as world:
        for name, arguments, words in (
            ("broken", {}, "out of order"),
            ("nothing", {}, "unknown tool nothing"),
            ("calculator", {"wrong": 1}, "invalid arguments"),
            ("calculator", {"expression": "1/0"}, "division by zero"),
        ):
            result = value(
                await world.guest.do("tools.call", name=name, arguments=arguments, contexts=[])
            )
            assert result["is_error"] is True
            assert words in str(result["content"])


async def test_receive_waits_for_the_client_and_cancel_ends_the_wait(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        world.session.send_input.send_nowait({"text": "hello"})
        assert await guest.do("session.receive") == {"text": "hello"}
        waiting = guest.start("session.receive")
        await trio.testing.wait_all_tasks_blocked()
        assert await guest.do("cancel", target=waiting) is True
        with pytest.raises(OperationCancelled):
            await guest.wait(waiting)
        assert await guest.do("cancel", target=waiting) is False


async def test_cancelling_a_generation_takes_effect_and_frees_the_context(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        running = guest.start(
            "context.generate", context=context, fill=CHAT, max_tokens=400, ignore_eos=True
        )
        while world.engine.scheduler.statistics.steps < 3:
            await trio.lowlevel.checkpoint()
        assert await guest.do("cancel", target=running) is True
        with pytest.raises(OperationCancelled):
            await guest.wait(running)
        await guest.do("context.truncate", context=context, length=0)


async def test_everything_in_flight_ends_with_the_instance(open_world: OpenWorld) -> None:
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        guest.start("context.generate", context=context, fill=CHAT, max_tokens=400, ignore_eos=True)
        guest.start("tools.call", name="slow", arguments={}, contexts=[])
        guest.start("session.receive")
        guest.start("runtime.sleep", seconds=100)
        await trio.lowlevel.checkpoint()
        world.host.close()
        world.host.close()
        with pytest.raises(OperationCancelled, match="has ended"):
            await guest.do("models.list")
        assert world.host.in_flight == {}


@pytest.mark.parametrize(
    ("op", "arguments", "error", "words"),
    [
        ("no.such", {}, UnknownOperation, "no operation 'no.such'"),
        ("context.info", {"context": 999}, UnknownHandle, "no context 999"),
        ("context.info", {"context": "x"}, InvalidArguments, r"\$.context"),
        ("context.info", {}, InvalidArguments, "missing required field `context`"),
        ("context.info", {"context": 1, "extra": 2}, InvalidArguments, "extra"),
        ("context.generate", {"context": 1, "max_tokens": 0, "fill": [{"text": "a"}]},
         InvalidArguments, "at least 1"),
        ("context.generate", {"context": 1, "max_tokens": 5}, InvalidArguments, "fill"),
        ("context.generate",
         {"context": 1, "max_tokens": 5, "fill": [{"text": "a"}], "sampler": {"top_p": 7}},
         InvalidArguments, "sampler.top_p"),
        ("context.flush", {"context": 1, "fill": [{}]}, InvalidArguments, "segment is empty"),
        ("context.flush", {"context": 1, "fill": [{"tokens": [-1]}]}, InvalidArguments, "tokens"),
        ("context.flush", {"context": 1, "fill": [{"tools": ["nope"]}]}, InvalidArguments, "nope"),
        ("context.flush", {"context": 1, "fill": [{"tokens": [1] * 600}]}, None, "512"),
        ("context.forward", {"context": 1, "fill": []}, InvalidArguments, "at least one token"),
        ("context.forward",
         {"context": 1, "fill": [{"text": "a"}], "samplers": [{"index": 5, "sampler": {}}]},
         InvalidArguments, "index 5"),
        ("context.forward",
         {"context": 1, "fill": [{"text": "a"}], "distributions": [{"index": 0, "top_k": 9999}]},
         InvalidArguments, "top_k"),
        ("context.truncate", {"context": 1, "length": 7}, InvalidArguments, "outside"),
        ("tokenizer.decode", {"model": "tiny", "tokens": [10**9]}, InvalidArguments, "tokens"),
        ("runtime.sleep", {"seconds": -1}, InvalidArguments, "seconds"),
    ],
)  # fmt: skip
async def test_bad_operations_get_typed_errors_and_harm_nothing(
    open_world: OpenWorld, op: str, arguments: dict[str, object], error: type | None, words: str
) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        assert context == 1
        with pytest.raises(error or Exception, match=words):
            await world.guest.do(op, **arguments)
        result = await world.guest.do(
            "context.generate", context=context, fill=CHAT, max_tokens=2, ignore_eos=True
        )
        assert len(items(value(result)["tokens"])) == 2


async def test_another_instances_context_is_unknown(open_world: OpenWorld) -> None:
    async with open_world() as world:
        context = await new_context(world.guest)
        stranger = world.second_guest()
        with pytest.raises(UnknownHandle):
            await stranger.do("context.info", context=context)


async def test_a_generating_context_cannot_be_filled_forked_or_truncated(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        context = await new_context(guest)
        running = guest.start(
            "context.generate", context=context, fill=CHAT, max_tokens=50, ignore_eos=True
        )
        for op, arguments in (
            ("context.flush", {"fill": [{"user": "x"}]}),
            ("context.fork", {}),
            ("context.truncate", {"length": 0}),
        ):
            with pytest.raises(InvalidRequest, match=str(context)):
                await guest.do(op, context=context, **arguments)
        await guest.wait(running)


async def test_operations_above_the_limit_are_refused(open_world: OpenWorld) -> None:
    async with open_world(InstanceLimits(operations_in_flight=3)) as world:
        for _ in range(3):
            world.guest.start("session.receive")
        with pytest.raises(OperationsExceeded, match="more than 3"):
            await world.guest.do("session.receive")
        assert await world.guest.do("models.list") == ["tiny"]


async def test_pages_above_the_instances_limit_are_refused(open_world: OpenWorld) -> None:
    async with open_world(InstanceLimits(pages=2)) as world:
        context = await new_context(world.guest)
        with pytest.raises(PagesExceeded, match="may hold 2"):
            await world.guest.do("context.flush", context=context, fill=[{"tokens": [1] * 40}])
        await world.guest.do("context.flush", context=context, fill=[{"tokens": [1] * 30}])
