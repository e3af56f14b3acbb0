"""The pool, tables and prefix tree against a simple model, under random operations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pie_server.kv import Context, Exports, IntegrityError, PagePool, PrefixTree
from pie_server.kv.free_pages import FreePages

PAGE = 4


class PoolMachine(RuleBasedStateMachine):
    """Contexts write a distinct value into each slot; nobody may ever see another's value."""

    contexts = Bundle("contexts")

    def __init__(self) -> None:
        super().__init__()
        self.pool = PagePool(24, PAGE)
        self.tree = PrefixTree(self.pool)
        self.live: list[Context] = []
        self.slots: dict[int, int] = {}  # slot -> token whose KV it holds
        self.count = 0

    def write(self, context: Context, tokens: list[int]) -> None:
        """What the scheduler and the device do: extend, copy pages, write slots, commit."""
        context.tokens.extend(tokens)
        needed = context.table.pages_needed(context.missing_tokens)
        if needed > self.pool.free_pages:
            self.tree.evict(needed - self.pool.free_pages)
        copies = context.table.try_extend(context.missing_tokens)
        if copies is None:
            return
        for copy in copies:
            for offset in range(PAGE):
                if copy.source * PAGE + offset in self.slots:
                    self.slots[copy.target * PAGE + offset] = self.slots[
                        copy.source * PAGE + offset
                    ]
        for position in range(context.table.length, len(context.tokens)):
            page = context.table.pages[position // PAGE]
            self.slots[page * PAGE + position % PAGE] = context.tokens[position]
        context.table.commit(context.missing_tokens)

    @rule(target=contexts, tokens=st.lists(st.integers(0, 2), min_size=1, max_size=9))
    def create(self, tokens: list[int]) -> Context:
        self.count += 1
        context = Context(self.count, self.pool)
        context.table.adopt(self.tree.match("t", tokens[:-1]))
        context.tokens = tokens[: context.table.length]
        self.live.append(context)
        self.write(context, tokens[context.table.length :])
        return context

    @rule(context=contexts, tokens=st.lists(st.integers(0, 2), min_size=1, max_size=9))
    def append(self, context: Context, tokens: list[int]) -> None:
        if len(context.tokens) < 60:
            self.write(context, tokens)

    @rule(target=contexts, context=contexts)
    def fork(self, context: Context) -> Context:
        self.count += 1
        other = context.fork(self.count)
        self.live.append(other)
        return other

    @rule(context=contexts, data=st.data())
    def truncate(self, context: Context, data: st.DataObject) -> None:
        context.truncate(data.draw(st.integers(0, len(context.tokens))))

    @rule(context=contexts)
    def drop(self, context: Context) -> None:
        context.drop()

    @rule(context=contexts)
    def share(self, context: Context) -> None:
        done = context.table.length
        self.tree.insert("t", context.tokens[:done], context.table.pages)

    @rule(count=st.integers(1, 24))
    def evict(self, count: int) -> None:
        before = self.pool.free_pages
        freed = self.tree.evict(count)
        assert self.pool.free_pages == before + freed

    @rule(context=consumes(contexts))
    def release(self, context: Context) -> None:
        context.release()
        self.live.remove(context)

    @invariant()
    def every_context_sees_its_own_tokens(self) -> None:
        for context in self.live:
            for position in range(context.table.length):
                page = context.table.pages[position // PAGE]
                assert self.slots[page * PAGE + position % PAGE] == context.tokens[position]

    @invariant()
    def the_books_balance(self) -> None:
        tables = [context.table.pages for context in self.live]
        self.pool.check_integrity([*tables, list(self.tree.pages())])

    def teardown(self) -> None:
        for context in self.live:
            context.release()
        self.tree.clear()
        assert self.pool.free_pages == self.pool.total_pages


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPool = PoolMachine.TestCase


def test_a_pool_gives_all_or_nothing() -> None:
    pool = PagePool(3)
    assert pool.try_acquire(4) is None
    assert pool.free_pages == 3
    assert len(pool.try_acquire(3) or []) == 3


@settings(deadline=None)
@given(st.data())
def test_free_pages_are_a_set_that_knows_its_gaps(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 60))
    free, model, held = FreePages(total), set(range(total)), list[int]()
    for _ in range(data.draw(st.integers(0, 80))):
        if held and data.draw(st.booleans()):
            page = held.pop(data.draw(st.integers(0, len(held) - 1)))
            free.add(page)
            model.add(page)
            continue
        count = data.draw(st.integers(0, len(model)))
        behind = data.draw(st.none() | st.sampled_from(held)) if held else None
        pages = free.take(count, behind)
        assert len(set(pages)) == count
        assert model.issuperset(pages)
        if behind is not None and behind + 1 in model and count:
            assert pages[0] == behind + 1
        model.difference_update(pages)
        held += pages
        assert set(free) == model
        assert len(free) == len(model)


def test_tables_that_grow_side_by_side_stay_in_one_piece() -> None:
    pool = PagePool(1024, PAGE)
    contexts = [Context(number, pool) for number in range(16)]
    for _ in range(40):
        for context in contexts:
            context.append([1] * PAGE)
            context.table.try_extend(PAGE)
            context.table.commit(PAGE)
    for context in contexts:
        first = context.table.pages[0]
        assert context.table.pages == list(range(first, first + 40))
        context.release()
    pool.check_integrity([])


def test_releasing_a_page_twice_is_an_integrity_error() -> None:
    pool = PagePool(2)
    pages = pool.try_acquire(1) or []
    pool.release(pages)
    with pytest.raises(IntegrityError, match="released twice"):
        pool.release(pages)
    with pytest.raises(IntegrityError, match="is free"):
        pool.retain(pages)


def test_integrity_check_finds_a_lost_page() -> None:
    pool = PagePool(4)
    pool.try_acquire(1)
    with pytest.raises(IntegrityError, match="differ"):
        pool.check_integrity([])


def test_prefixes_of_other_scopes_never_match() -> None:
    pool = PagePool(8, PAGE)
    tree = PrefixTree(pool)
    pages = pool.try_acquire(2) or []
    tokens = list(range(8))
    tree.insert("alice", tokens, pages)
    assert tree.match("bob", tokens) == []
    assert tree.match("alice", tokens) == pages


def test_eviction_takes_the_least_recently_used_leaf_first() -> None:
    pool = PagePool(8, PAGE)
    tree = PrefixTree(pool)
    old, new = pool.try_acquire(1) or [], pool.try_acquire(1) or []
    tree.insert("t", [1] * PAGE, old)
    tree.insert("t", [2] * PAGE, new)
    pool.release([*old, *new])
    pool.release(tree.match("t", [1] * PAGE))
    tree.evict(1)
    assert tree.match("t", [2] * PAGE) == []
    assert tree.match("t", [1] * PAGE) == old


def test_an_export_survives_its_context_and_is_forked_on_open() -> None:
    pool = PagePool(8, PAGE)
    exports = Exports()
    context = Context(1, pool, scope="alice")
    context.tokens = [1, 2, 3]
    context.table.try_extend(3)
    context.table.commit(3)
    exports.save("docs", context, 2)
    context.release()
    opened = exports.open("alice", "docs", 3)
    assert opened is not None
    assert opened.tokens == [1, 2, 3]
    assert exports.open("bob", "docs", 4) is None
    opened.release()
    assert exports.delete("alice", "docs")
    assert pool.free_pages == 8
