"""Messages between the instances of a tenant: topics (to all) and work queues (to one).

Topics reach whoever is subscribed at that moment. Work queues keep messages until somebody pulls
them, as long as the server lives. Nobody waits for a reader: what has no room is refused, and who
floods meets the bound of its own share first. Everything runs on the loop; names are the tenant's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pie_server.errors import LimitExceeded, MessagesExceeded
from pie_server.services.inbox import Account, Inbox, InboxLimits, Message, Sender

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class MessagingLimits:
    """Bounds of messaging.

    Attributes:
        message_bytes: One message as JSON.
        sender_bytes: Unread messages of one instance, each copy counted.
        tenant_bytes: The same of a whole tenant, those of instances that have ended among them.
        subscription: Unread messages of one subscription.
        work_queue: The same of one work queue.
        subscribers: Subscriptions to one topic; a broadcast visits them all.
        work_queues: Of one tenant, those that hold messages or have waiting pullers.
        sender_queues: Of these, those that one instance has begun.
    """

    message_bytes: int = MIB // 4
    sender_bytes: int = 16 * MIB
    tenant_bytes: int = 256 * MIB
    subscription: InboxLimits = field(default_factory=lambda: InboxLimits(1024, 128, 4 * MIB))
    work_queue: InboxLimits = field(default_factory=lambda: InboxLimits(4096, 1024, 16 * MIB))
    subscribers: int = 1024
    work_queues: int = 1024
    sender_queues: int = 256


@dataclass(frozen=True, slots=True)
class MessagingStatistics:
    """A snapshot of messaging."""

    topics: int
    subscriptions: int
    work_queues: int
    queued_messages: int


class Subscription:
    """One subscriber's place at a topic.

    Attributes:
        inbox: What it has not read.
        missed: Messages that found no room since it last took one.
    """

    def __init__(self, messaging: Messaging, key: tuple[str, str], limits: InboxLimits) -> None:
        self._messaging = messaging
        self._key = key
        self.inbox = Inbox(limits)
        self.missed = 0

    def close(self) -> None:
        """Leaves the topic; whoever waits for a message gets None. Idempotent."""
        self.inbox.discard()
        self._messaging.forget(self._key, self)


class WorkQueue(Inbox):
    """A work queue; `beginner` used its name first, and its name counts as that instance's."""

    def __init__(self, limits: InboxLimits, beginner: Sender) -> None:
        super().__init__(limits)
        self.beginner = beginner
        beginner.queues += 1


class Messaging:
    """All topics and work queues of one server.

    Args:
        limits: Their bounds.
    """

    def __init__(self, limits: MessagingLimits | None = None) -> None:
        self.limits = limits or MessagingLimits()
        self._topics: dict[tuple[str, str], dict[Subscription, None]] = {}
        self._queues: dict[str, dict[str, WorkQueue]] = {}
        self._accounts: dict[str, Account] = {}

    def sender(self, tenant: str) -> Sender:
        """An instance of a tenant, as a sender."""
        account = self._accounts.setdefault(tenant, Account(self.limits.tenant_bytes))
        return Sender(account, self.limits.sender_bytes)

    # -- topics --------------------------------------------------------------------------------

    def subscribe(self, tenant: str, topic: str) -> Subscription:
        """Joins a topic: messages from now on.

        Raises:
            LimitExceeded: It has too many subscribers.
        """
        subscribers = self._topics.setdefault((tenant, topic), {})
        if len(subscribers) >= self.limits.subscribers:
            raise LimitExceeded(
                f"topic {topic!r} has {self.limits.subscribers} subscribers, the most it may",
                hint="Use several topics, or a work queue.",
            )
        subscription = Subscription(self, (tenant, topic), self.limits.subscription)
        subscribers[subscription] = None
        return subscription

    def forget(self, key: tuple[str, str], subscription: Subscription) -> None:
        """A subscription has been closed."""
        subscribers = self._topics.get(key, {})
        subscribers.pop(subscription, None)
        if not subscribers:
            self._topics.pop(key, None)

    def broadcast(self, tenant: str, topic: str, message: Message) -> tuple[int, int]:
        """Hands a message to every subscriber that has room.

        Returns:
            How many got it and how many missed it.

        Raises:
            MessagesExceeded: It is too large, or there are subscribers and none has room.
        """
        self._check_size(message)
        subscribers = self._topics.get((tenant, topic), {})
        delivered = 0
        for subscription in subscribers:
            if subscription.inbox.has_room(message):
                subscription.inbox.put(message)
                delivered += 1
            else:
                subscription.missed += 1
        missed = len(subscribers) - delivered
        if missed and not delivered:
            raise _full(f"no subscriber of topic {topic!r} has room for another of this instance's")
        return delivered, missed

    # -- work queues ---------------------------------------------------------------------------

    def push(self, tenant: str, name: str, message: Message) -> None:
        """Appends a message to a work queue.

        Raises:
            MessagesExceeded: It is too large, or the queue or the sender's share of it is full.
        """
        self._check_size(message)
        queue = self._queue(tenant, name, message.sender)
        if not queue.has_room(message):
            self._tidy(tenant, name, queue)
            raise _full(f"work queue {name!r} has no room for another of this instance's")
        queue.put(message)

    async def pull(self, tenant: str, name: str, puller: Sender) -> Message:
        """The next message of a work queue; each goes to one puller, first come first served.

        Raises:
            LimitExceeded: There are too many work queues to begin another.
        """
        queue = self._queue(tenant, name, puller)
        try:
            message = await queue.take()
        finally:
            self._tidy(tenant, name, queue)
        assert message is not None  # work queues are never closed
        return message

    def _queue(self, tenant: str, name: str, user: Sender) -> WorkQueue:
        queues = self._queues.setdefault(tenant, {})
        if name not in queues:
            limits = self.limits
            if user.queues >= limits.sender_queues:
                raise _too_many_queues(f"this instance has begun {limits.sender_queues}")
            if len(queues) >= limits.work_queues:
                raise _too_many_queues(f"the tenant has {limits.work_queues}")
            queues[name] = WorkQueue(limits.work_queue, user)
        return queues[name]

    def _tidy(self, tenant: str, name: str, queue: WorkQueue) -> None:
        """Names nobody uses are forgotten, so that they cannot pile up."""
        queues = self._queues.get(tenant, {})
        if len(queue) or queue.takers or queues.get(name) is not queue:
            return
        del queues[name]
        queue.beginner.queues -= 1
        if not queues:
            del self._queues[tenant]

    def statistics(self) -> MessagingStatistics:
        """What there is now, of all tenants."""
        queues = [queue for queues in self._queues.values() for queue in queues.values()]
        return MessagingStatistics(
            topics=len(self._topics),
            subscriptions=sum(len(subscribers) for subscribers in self._topics.values()),
            work_queues=len(queues),
            queued_messages=sum(len(queue) for queue in queues),
        )

    # -- bounds --------------------------------------------------------------------------------

    def _check_size(self, message: Message) -> None:
        if len(message.text) > self.limits.message_bytes:
            raise MessagesExceeded(
                f"this message has {len(message.text)} bytes; one may have "
                f"{self.limits.message_bytes}",
                hint="Put it into the key-value store and send its key.",
            )


def _too_many_queues(what: str) -> LimitExceeded:
    return LimitExceeded(
        f"{what} work queues, the most it may",
        hint="Pull what is in them; an empty one that nobody waits for is forgotten.",
    )


def _full(what: str) -> MessagesExceeded:
    return MessagesExceeded(f"{what} unread messages")
