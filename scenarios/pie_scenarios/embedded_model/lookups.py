"""Questions about a document collection: facts, one search each, and searches that miss."""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.embedded_model.draw import Draw
from pie_scenarios.embedded_model.exchange import (
    SEARCH,
    Call,
    Exchange,
    Fact,
    Plan,
    Reply,
    Round,
    Setting,
    Unanswerable,
    one_call,
)
from pie_scenarios.embedded_model.names import CURRENCIES, plural, with_article
from pie_scenarios.embedded_model.topics import BY_NAME, NUMERIC, TOPICS, Topic
from pie_scenarios.embedded_model.wording import styled

NOT_FOUND = "error: no document matches"


@dataclass(frozen=True, slots=True)
class Item:
    """One fact about one entity, in every form that a plan needs."""

    topic: Topic
    entity: str
    value: str
    fact: Fact
    fields: dict[str, str]

    def form(self, template: str) -> str:
        """Fill the placeholders of `template`."""
        return template.format(**self.fields)

    @property
    def query(self) -> str:
        """The search query that finds the fact."""
        return self.form(self.topic.query)

    @property
    def answer(self) -> str:
        """The sentence that answers a question about the fact."""
        text = self.form(self.topic.answer)
        return f"An{text[1:]}" if text[:2] == "A " and text[2] in "aeiou" else text


def item(draw: Draw, topic: Topic, taken: tuple[str, ...] = (), currency: str = "") -> Item:
    """Return a new fact of `topic` about an entity that is not in `taken`."""
    entity = topic.entity(draw)
    while entity in taken:
        entity = topic.entity(draw)
    return item_about(draw, topic, entity, currency)


def item_about(draw: Draw, topic: Topic, entity: str, currency: str = "") -> Item:
    """Return a new fact of `topic` about `entity`."""
    value = topic.value(draw)
    fields = {
        "x": entity,
        "xs": plural(entity),
        "x_a": with_article(entity),
        "v": value,
        "m": currency or draw.any_of(CURRENCIES),
    }
    sentence = draw.any_of(topic.sentences).format(**fields)
    if sentence[:2] == "A " and sentence[2] in "aeiou":
        sentence = f"An{sentence[1:]}"
    return Item(topic, entity, value, Fact(draw.any_of(topic.titles), sentence), fields)


def distractors(draw: Draw, about: list[Item], count: int) -> tuple[Fact, ...]:
    """Return facts of the same topics about others, and of other topics about the same."""
    facts = []
    taken = tuple(one.entity for one in about)
    for _ in range(count):
        if draw.chance(0.35):
            facts += [_otherwise_about(draw, draw.any_of(about)).fact]
            continue
        topic = draw.any_of(about).topic if draw.chance(0.6) else draw.any_of(TOPICS)
        if topic.name == "role":
            topic = BY_NAME["age"]  # two people with one role would be a contradiction
        facts.append(item(draw, topic, taken).fact)
    return tuple(facts)


def _otherwise_about(draw: Draw, one: Item) -> Item:
    """Return a fact of another topic about the same entity, where there is such a topic."""
    topics = [t for t in TOPICS if t.entity is one.topic.entity and t is not one.topic]
    if not topics:
        return item(draw, draw.any_of(NUMERIC), (one.entity,))
    return item_about(draw, draw.any_of(topics), one.entity)


def require(result: str, one: Item) -> None:
    """Raise `Unanswerable` unless the search result holds the value of `one`."""
    if one.value not in result:
        raise Unanswerable


def single(setting: Setting) -> Exchange:
    """Build one question that one search answers."""
    draw = setting.draw
    one = item(draw, draw.any_of(TOPICS + NUMERIC))
    question = styled(draw, one.form(draw.phrase(one.topic.questions)))

    def reply(result: str) -> Reply:
        require(result, one)
        return Reply(one.answer, (one.value,))

    facts = (one.fact, *distractors(draw, [one], draw.random.randint(1, 5)))
    return Exchange("lookup", question, one_call(Call(SEARCH, one.query), reply), facts)


def missing(setting: Setting) -> Exchange:
    """Build a question whose answer is not in the collection: say so, invent nothing."""
    draw = setting.draw
    one = item(draw, draw.any_of(TOPICS))
    question = styled(draw, one.form(draw.phrase(one.topic.questions)))

    def plan() -> Plan:
        (result,) = yield Round((Call(SEARCH, one.query),))
        if result == NOT_FOUND and one.topic.query != "{x}":
            (result,) = yield Round((Call(SEARCH, one.entity),))
        return Reply("I could not find that in the documents.", ("could not find",))

    topics = [topic for topic in NUMERIC if topic is not one.topic]
    facts = tuple(item(draw, draw.any_of(topics), (one.entity,)).fact for _ in range(3))
    return Exchange("lookup without a match", question, plan, facts)


def retried(setting: Setting) -> Exchange:
    """Build a question whose first search misses and whose shorter second one hits."""
    draw = setting.draw
    one = item(draw, draw.any_of([topic for topic in TOPICS if topic.name != "role"]))
    question = styled(draw, one.form(draw.phrase(one.topic.questions)))

    def plan() -> Plan:
        yield Round((Call(SEARCH, one.query),))
        (result,) = yield Round((Call(SEARCH, one.entity),))
        require(result, one)
        return Reply(one.answer, (one.value,))

    return Exchange("recovery: search", question, plan, (one.fact,), NOT_FOUND, 1)
