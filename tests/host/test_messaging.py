"""Topics and work queues between instances of a tenant."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_server.errors import InvalidArguments, LimitExceeded, MessagesExceeded, UnknownHandle
from pie_server.host.children import Child
from pie_server.host.messaging import MAX_SUBSCRIPTIONS
from pie_server.services.inbox import Inbox, InboxLimits, Message, Sender
from pie_server.services.messaging import Messaging, MessagingLimits

from .conftest import Guest, OpenWorld, value

SMALL = MessagingLimits(
    message_bytes=100,
    sender_bytes=2000,
    subscription=InboxLimits(messages=8, share=3, bytes=1000),
    work_queue=InboxLimits(messages=8, share=3, bytes=1000),
    subscribers=4,
    work_queues=2,
)


async def subscribed(guest: Guest, topic: str = "news") -> int:
    handle = value(await guest.do("messaging.subscribe", topic=topic))["subscription"]
    assert isinstance(handle, int)
    return handle


async def test_a_broadcast_reaches_every_subscriber_of_the_tenant_in_order(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        one, two, stranger = world.guest, world.second_guest("alice"), world.second_guest("bob")
        guests = [(guest, await subscribed(guest)) for guest in (one, two, stranger)]
        for number in range(3):
            answer = await two.do("messaging.broadcast", topic="news", message={"n": number})
            assert answer == {"delivered": 2, "missed": 0}
        for guest, handle in guests[:2]:
            for number in range(3):
                got = await guest.do("messaging.receive", subscription=handle)
                assert got == {"message": {"n": number}, "missed": 0}
        waiting = stranger.start("messaging.receive", subscription=guests[2][1])
        await trio.testing.wait_all_tasks_blocked()
        await stranger.do("messaging.unsubscribe", subscription=guests[2][1])
        assert await stranger.wait(waiting) is None
        for guest, _ in guests:
            guest.host.close()
        assert world.host.services.messaging._topics == {}


async def test_nobody_subscribed_is_no_error(open_world: OpenWorld) -> None:
    async with open_world() as world:
        answer = await world.guest.do("messaging.broadcast", topic="void", message=None)
        assert answer == {"delivered": 0, "missed": 0}


async def test_a_flood_fills_the_flooders_share_only(open_world: OpenWorld) -> None:
    async with open_world() as world:
        reader, flooder, other = (world.second_guest("alice") for _ in range(3))
        handle = await subscribed(reader)
        limits = world.host.services.messaging.limits
        for _ in range(limits.subscription.share):
            await flooder.do("messaging.broadcast", topic="news", message="flood")
        with pytest.raises(MessagesExceeded, match="no subscriber of topic 'news'"):
            await flooder.do("messaging.broadcast", topic="news", message="flood")
        assert await other.do("messaging.broadcast", topic="news", message="calm") == {
            "delivered": 1,
            "missed": 0,
        }
        first = value(await reader.do("messaging.receive", subscription=handle))
        assert first == {"message": "flood", "missed": 1}
        for _ in range(limits.subscription.share - 1):
            await reader.do("messaging.receive", subscription=handle)
        last = value(await reader.do("messaging.receive", subscription=handle))
        assert last == {"message": "calm", "missed": 0}


async def test_a_subscriber_that_never_reads_harms_only_itself() -> None:
    messaging, sender = Messaging(SMALL), Sender()
    lazy, keen = messaging.subscribe("t", "news"), messaging.subscribe("t", "news")
    for number in range(100):
        messaging.broadcast("t", "news", Message(b"%d" % number, sender))
        taken = await keen.inbox.take()
        assert taken is not None
        assert taken.text == b"%d" % number
    assert (keen.missed, lazy.missed) == (0, 97)
    lazy.close()
    assert sender.unread_bytes == 0


async def test_each_pushed_message_goes_to_one_puller_and_waits_for_it(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        pusher, *pullers = (world.second_guest("alice") for _ in range(4))
        for number in range(2):
            await pusher.do("messaging.push", topic="jobs", message=number)
        pusher.host.close()  # work queues do not end with who filled them
        pulls = [(guest, guest.start("messaging.pull", topic="jobs")) for guest in pullers]
        await trio.testing.wait_all_tasks_blocked()
        await world.guest.do("messaging.push", topic="jobs", message=2)
        got = [value(await guest.wait(number))["message"] for guest, number in pulls]
        assert sorted(got) == [0, 1, 2]  # type: ignore[type-var]
        assert world.host.services.messaging._queues == {}


async def test_work_queues_of_tenants_are_apart(open_world: OpenWorld) -> None:
    async with open_world() as world:
        stranger = world.second_guest("bob")
        await world.guest.do("messaging.push", topic="jobs", message="mine")
        pull = stranger.start("messaging.pull", topic="jobs")
        await trio.testing.wait_all_tasks_blocked()
        assert pull not in stranger._answers
        assert await world.guest.do("messaging.pull", topic="jobs") == {"message": "mine"}
        stranger.host.close()


async def test_a_full_work_queue_refuses_the_flooder_and_takes_from_others() -> None:
    messaging = Messaging(SMALL)
    flooder, other = messaging.sender("t"), messaging.sender("t")
    for _ in range(3):
        messaging.push("t", "jobs", Message(b"1", flooder))
    with pytest.raises(MessagesExceeded, match="work queue 'jobs'"):
        messaging.push("t", "jobs", Message(b"1", flooder))
    messaging.push("t", "jobs", Message(b"2", other))
    with pytest.raises(MessagesExceeded, match="101 bytes"):
        messaging.push("t", "jobs", Message(b"x" * 101, other))
    messaging.push("t", "a", Message(b"3", other))
    with pytest.raises(LimitExceeded, match="2 work queues"):
        messaging.push("t", "b", Message(b"3", other))
    assert [(await messaging.pull("t", "jobs", other)).text for _ in range(4)] == [
        b"1",
        b"1",
        b"1",
        b"2",
    ]
    messaging.push("t", "b", Message(b"4", other))  # the name "jobs" is free again


async def test_one_instance_cannot_take_all_names_or_all_room_of_its_tenant() -> None:
    limits = MessagingLimits(sender_queues=2, tenant_bytes=250, message_bytes=100)
    messaging = Messaging(limits)
    greedy, other, stranger = (messaging.sender(tenant) for tenant in ("t", "t", "u"))
    for name in ("a", "b"):
        messaging.push("t", name, Message(b"x" * 100, greedy))
    with pytest.raises(LimitExceeded, match="this instance has begun 2"):
        messaging.push("t", "c", Message(b"x", greedy))
    messaging.push("t", "c", Message(b"x" * 50, other))
    with pytest.raises(MessagesExceeded):
        messaging.push("t", "c", Message(b"x", other))
    messaging.push("u", "c", Message(b"x", stranger))
    await messaging.pull("t", "a", other)
    assert (greedy.queues, greedy.account.unread_bytes) == (1, 150)
    messaging.push("t", "d", Message(b"x" * 100, greedy))


async def test_pullers_that_are_cancelled_together_leave_no_queue_behind() -> None:
    messaging = Messaging(SMALL)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(messaging.pull, "t", "jobs", Sender())
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert messaging._queues == {}


async def test_a_sender_meets_its_own_bound_over_all_queues() -> None:
    limits = MessagingLimits(message_bytes=100, sender_bytes=250, work_queues=100)
    messaging = Messaging(limits)
    sender = messaging.sender("t")
    for name in ("a", "b"):
        messaging.push("t", name, Message(b"x" * 100, sender))
    with pytest.raises(MessagesExceeded):
        messaging.push("t", "c", Message(b"x" * 100, sender))
    assert sender.unread_bytes == 200
    assert set(messaging._queues["t"]) == {"a", "b"}


async def test_the_talk_with_children_counts_against_the_senders_bound() -> None:
    messaging = Messaging(MessagingLimits(sender_bytes=250))
    parent, child = messaging.sender("t"), Child("c_1", "echo", 1)
    messaging.push("t", "jobs", Message(b"x" * 200, parent))
    for send in (child.hear, child.tell_parent):
        with pytest.raises(MessagesExceeded, match="sent is unread"):
            send(Message(b"x" * 100, parent))
    await messaging.pull("t", "jobs", parent)
    child.hear(Message(b"x" * 100, parent))
    with pytest.raises(MessagesExceeded):
        messaging.push("t", "jobs", Message(b"x" * 200, parent))


async def test_too_many_subscriptions_and_bad_topics_are_typed_errors(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        guest = world.guest
        handles = [await subscribed(guest, f"t{n}") for n in range(MAX_SUBSCRIPTIONS)]
        with pytest.raises(LimitExceeded, match="64 subscriptions"):
            await subscribed(guest)
        await guest.do("messaging.unsubscribe", subscription=handles[0])
        with pytest.raises(UnknownHandle):
            await guest.do("messaging.receive", subscription=handles[0])
        for topic in ("", "x" * 257, 7, None):
            with pytest.raises(InvalidArguments, match="topic"):
                await guest.do("messaging.push", topic=topic, message=1)
        stranger = world.second_guest("alice")
        with pytest.raises(UnknownHandle):
            await stranger.do("messaging.unsubscribe", subscription=handles[1])


async def test_readers_get_their_own_copy(open_world: OpenWorld) -> None:
    async with open_world() as world:
        message: dict[str, object] = {"list": [1]}
        handle = await subscribed(world.guest)
        world.host.call({"op": "messaging.broadcast", "topic": "news", "message": message})  # type: ignore[dict-item]
        message["list"] = "changed"
        got = value(await world.guest.do("messaging.receive", subscription=handle))
        assert got["message"] == {"list": [1]}
        with pytest.raises(InvalidArguments, match="no JSON"):
            world.host.call({"op": "messaging.push", "topic": "q", "message": object()})  # type: ignore[dict-item]


async def test_contexts_are_parked_while_an_instance_waits_for_a_message(
    open_world: OpenWorld,
) -> None:
    async with open_world() as world:
        context = value(await world.guest.do("context.create", model="tiny"))["context"]
        pull = world.guest.start("messaging.pull", topic="jobs")
        await trio.testing.wait_all_tasks_blocked()
        assert value(await world.guest.do("context.info", context=context))["state"] == "parked"
        await world.guest.do("messaging.push", topic="jobs", message=1)
        await world.guest.wait(pull)
        assert value(await world.guest.do("context.info", context=context))["state"] == "idle"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["push", "take", "cancel", "run"]), max_size=40))
def test_whatever_is_cancelled_every_message_is_taken_once_and_in_order(steps: list[str]) -> None:
    async def main() -> None:
        inbox, sender = Inbox(InboxLimits(1000, 1000, 10_000)), Sender()
        taken: list[int] = []
        scopes: list[trio.CancelScope] = []
        pushed = 0

        async def taker(scope: trio.CancelScope) -> None:
            with scope:
                message = await inbox.take()
                assert message is not None
                taken.append(int(message.text))

        async with trio.open_nursery() as nursery:
            for step in steps:
                if step == "push":
                    inbox.put(Message(b"%d" % pushed, sender))
                    pushed += 1
                elif step == "take":
                    scopes.append(trio.CancelScope())
                    nursery.start_soon(taker, scopes[-1])
                elif step == "cancel" and scopes:
                    scopes.pop().cancel()
                else:
                    await trio.testing.wait_all_tasks_blocked()
            await trio.testing.wait_all_tasks_blocked()
            assert not (len(inbox) and inbox.takers)  # nobody waits beside a message
            nursery.cancel_scope.cancel()
        assert taken == sorted(taken)
        while len(inbox):
            message = await inbox.take()
            assert message is not None
            taken.append(int(message.text))
        assert sorted(taken) == list(range(pushed))
        assert sender.unread_bytes == 0

    trio.run(main)
