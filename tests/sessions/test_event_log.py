from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pie_server.sessions import EventLog


class Listener:
    def __init__(self) -> None:
        self.calls = 0

    def news(self, log: EventLog) -> None:
        self.calls += 1


def append(log: EventLog, count: int, size: int = 10) -> int:
    return sum(log.append("text", 0.0, b"x" * size).cost_bytes for _ in range(count))


def test_events_are_invisible_until_they_are_stored() -> None:
    log = EventLog("s", 1, 10_000)
    cost = append(log, 3)
    assert log.tail(0, 10_000) == ()
    log.stored(2, cost // 3 * 2)
    tail = log.tail(0, 10_000)
    assert tail is not None
    assert [record.seq for record in tail] == [1, 2]
    assert log.backlog_bytes == cost // 3


def test_followers_hear_of_news_after_the_actions_that_waited_for_it() -> None:
    log, listener, order = EventLog("s", 1, 10_000), Listener(), []
    log.follow(listener)
    cost = append(log, 2)
    log.when_stored(1, lambda: order.append(("one", listener.calls)))
    log.when_stored(2, lambda: order.append(("two", listener.calls)))
    log.stored(1, cost // 2)
    assert order == [("one", 0)]
    log.stored(2, cost // 2)
    assert order == [("one", 0), ("two", 1)]
    log.when_stored(2, lambda: order.append(("at once", listener.calls)))
    assert order[-1] == ("at once", 2)
    log.unfollow(listener)
    log.stored(2, 0)
    assert listener.calls == 2


def test_a_page_has_at_least_one_event_however_large() -> None:
    log = EventLog("s", 1, 10_000)
    log.stored(3, append(log, 3, size=1000))
    tail = log.tail(1, 1)
    assert tail is not None
    assert [record.seq for record in tail] == [2]


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 300)), max_size=60),
    st.integers(500, 5000),
)
def test_a_reader_sees_every_event_once_in_order_and_memory_is_bounded(
    batches: list[tuple[int, int]], tail_bytes: int
) -> None:
    """Whatever is no longer in the tail is found, by its seq, in what was stored before."""
    log, stored, seen, after = EventLog("s", 1, tail_bytes), 0, [], 0
    for count, size in batches:
        cost = append(log, count, size)
        stored += count
        log.stored(stored, cost)
        if stored % 3 == 0:
            page = log.tail(after, 1000)
            numbers = range(after + 1, stored + 1) if page is None else [r.seq for r in page]
            seen.extend(numbers)
            after = seen[-1] if seen else 0
        kept = log.tail(max(stored - 1, 0), 10**9)
        assert kept is None or all(record.seq <= stored for record in kept)
        assert log._records_bytes <= 2 * tail_bytes
    assert seen == list(range(1, after + 1))


def test_an_ended_log_reads_from_the_journal_only() -> None:
    log = EventLog("s", 1, 0, stored_seq=5, ended=True)
    assert log.finished
    assert log.tail(0, 100) is None
    assert log.tail(4, 100) is None
    assert log.tail(5, 100) == ()
