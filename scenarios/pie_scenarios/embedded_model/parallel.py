"""Several independent calls in one turn, and an answer with all their results."""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.embedded_model import arithmetic, problems, programs
from pie_scenarios.embedded_model.draw import Draw, phrases
from pie_scenarios.embedded_model.exchange import (
    PYTHON,
    SEARCH,
    Call,
    Exchange,
    Fact,
    Plan,
    Reply,
    Round,
    Setting,
)
from pie_scenarios.embedded_model.joint_lookups import two_items
from pie_scenarios.embedded_model.lookups import distractors, item, require
from pie_scenarios.embedded_model.topics import BY_NAME, NUMERIC
from pie_scenarios.embedded_model.wording import listed, styled

JOINED = phrases(
    """{x} and {y}
    {x} and {y}
    {x} and {y}
    {x} and {y}
    {x} and {y}
    {x} and also {y}
    {x} and in addition {y}
    {x} and (then|next|after that|afterwards) {y}
    {x} and besides( that|) {y}
    {x}, also {y}
    {x}, and {y}
    {x}; {y}
    {x}, (then|next|besides) {y}
    {x}; (also|then|and|next|besides that) {y}
    {x} and (as well|at the same time|on top of that) {y}
    {x}, and (while you are at it|while we are at it|at the same time|in the same go) {y}
    {x}. (Oh and|And|Also) {y}
    {x} and, (if you can|please|if possible|while you are at it), {y}
    {x}, and (after that|besides|secondly|second|finally|last of all) {y}
    {x} & {y}
    {x}, (as a second question|as a second thing|secondly), {y}
    {x} (and separately|and apart from that|and as a second thing) {y}
    (Two things|Two requests|Two tasks|Both of these, please|I need two things): {x}; {y}
    (Please do both|Please answer both|Help me with both|Do both of these): {x}, and {y}
    (First|Firstly|First of all): {x}; (second|next|then): {y}
    1) {x}, 2) {y}
    a) {x}, b) {y}""",
    """{x} and additionally {y}
    {x}, and also {y}""",
)
SEPARATE = phrases(
    """{x} {y}
    {x} {y}
    {x} {y}
    {x} {y}
    {x} And {z}
    {x} And also {z}
    {x} (Then|Next|After that|One more|Second|And another thing): {z}
    {x} Then {z}
    {x} (Next|After that|Besides that|Secondly|Besides|In addition|Afterwards), {z}
    {x} (One more|Another one|The next one|The other one|My other question): {y}
    (First|Firstly|First of all): {x} (Second|Secondly|Then|Next|After that): {y}
    I have (a question|something to ask|a problem|something for you). {x} {y}
    {x} Also, {z}
    {x} And (also|besides|finally|next|in addition): {z}
    (Two|Here are two|Just two|My two) (questions|things|requests|tasks): {x} {y}
    Question one: {x} Question two: {y}
    1. {x} 2. {y}
    1) {x} 2) {y}
    a. {x} b. {y}
    {x} (While you are at it|While we are at it|At the same time|On top of that), {z}
    {x} (Another|A second|A different|One more) (question|thing|request): {z}
    {x} (Apart from that|Separately|On another note|Something else|By the way): {z}
    {x} (That is one thing|That is the first|That is my first question). (The other|The second): {z}
    (Please answer both|Please do both|I need both of these|Help me with both). {x} {y}
    (I want to know two things|I need two things|There are two things I need). {x} {y}
    {x} (Once you are done|When you have that|When that is done|And if you have time), {z}
    {x} (I also have this|I have another one|There is one more|And here is another): {z}
    {x} Plus, {z}""",
    """{x} And then: {z}
    I have two questions. {x} {y}""",
)


def several_lookups(setting: Setting) -> Exchange:
    """Build a question about two facts that has two searches in one turn."""
    draw = setting.draw
    if draw.chance(0.5):
        one, other = two_items(draw, draw.any_of([t.name for t in NUMERIC]))
    else:
        first, second = draw.random.sample((*NUMERIC, BY_NAME["ferry"], BY_NAME["age"]), 2)
        one = item(draw, first)
        other = item(draw, second, (one.entity,))
    questions = [each.form(draw.phrase(each.topic.questions)) for each in (one, other)]
    question = styled(draw, joined(draw, questions))

    def plan() -> Plan:
        found, also = yield Round((Call(SEARCH, one.query), Call(SEARCH, other.query)))
        require(found, one)
        require(also, other)
        return Reply(f"{one.answer} {other.answer}", (one.value, other.value))

    facts = (one.fact, other.fact, *distractors(draw, [one, other], draw.random.randint(0, 4)))
    return Exchange("parallel lookups", question, plan, facts)


def joined(draw: Draw, questions: list[str]) -> str:
    """Put two requests in one message."""
    first, second = questions
    if first[-1] not in ".?!" or draw.chance(0.5):
        lowered = second[0].lower() + second[1:]
        return draw.phrase(JOINED).format(x=first.rstrip(".?"), y=lowered)
    lowered = second[0].lower() + second[1:]
    return draw.phrase(SEPARATE).format(x=first, y=second, z=lowered)


PARALLEL_FRAMES = phrases(
    """What are {x}?
    What is {x}?
    What is {x}?
    (Calculate|Compute|Find|Work out|Determine|Evaluate) {x}.
    (Calculate|Compute|Figure out) {x}( for me| for us|).
    I (need|want|have to know) {x}.
    (Give|Tell|Show|Get) me {x}.
    {x}
    {x}
    {x}?
    {x}(, please|, please.| please)
    Please (calculate|compute|give me|tell me|solve|do) {x}.
    How much (are|is) {x}?
    (Can|Could) you (calculate|compute|work out|find|give me) {x}?
    (Can|Could) you (do|solve|work out) (these|the following)(, please|)(:|?) {x}
    I need the (results|answers|values) (of|for) {x}.
    What are the (results|values) of {x}?
    What (are the answers to|are the solutions to|do I get for|do you get for) {x}?
    (Do|Solve|Calculate|Compute|Work out) (these|the following|each of these|all of these): {x}
    (Some|A few|My) (sums|calculations|exercises|problems|tasks) (to do|for you|to solve): {x}
    (These|The following) (need|have) to be (calculated|worked out|solved): {x}
    (Results|Answers|Values)(, please:| for|:) {x}
    What do {x} each (make|equal|come to|give)?
    How much do {x} each (make|come to|amount to)?
    I need (help|a hand) with {x}.
    Help me (with|calculate|find|work out) {x}.
    I am (trying to work out|looking for|working on|stuck on) {x}.
    (Find out|Check|See|I wonder|I forgot) what {x} are.
    Let's (calculate|compute|work out|do) {x}.
    (My homework|My worksheet|The exercise|My list) has (these|the following): {x}
    Use (a tool|your tools) to (find|get|calculate|compute) {x}.
    (One by one|Separately|Each on its own), please (calculate|compute) {x}""",
    """Please work out {x}.
    What would {x} be?
    Find {x}, please.""",
)


def several_calculations(setting: Setting) -> Exchange:
    """Build two or three independent calculations, called in one turn."""
    draw = setting.draw
    count = draw.any_of((2, 2, 3))
    parts: list[tuple[str, str]] = []
    while len(parts) < count:
        text, expression, verbal = (
            (*arithmetic.symbolic(draw), False) if draw.chance(0.6) else arithmetic.worded(draw)
        )
        if not verbal and len(text) < 32 and "," not in text and " and " not in text:
            parts.append((text, expression))
    texts = [text for text, _ in parts]
    text = draw.any_of(("{0}", "{0}", "{1}"))
    text = listed(texts) if text == "{0}" else "; ".join(texts)
    question = styled(draw, draw.phrase(PARALLEL_FRAMES).format(x=text))

    def plan() -> Plan:
        results = yield Round(tuple(setting.arithmetic(each) for _, each in parts))
        return Reply(f"The results are {listed(results)}.", tuple(results))

    return Exchange("parallel calculations", question, plan)


@dataclass(frozen=True, slots=True)
class Part:
    """One of two requests in a message; an empty value stands for the call's result."""

    question: str
    call: Call
    answer: str
    value: str = ""
    facts: tuple[Fact, ...] = ()


def several_mixed(setting: Setting) -> Exchange:
    """Build two different requests in one message, called in one turn."""
    draw = setting.draw
    makers = [_calculation_part, _story_part]
    if setting.has(SEARCH):
        makers += [_lookup_part, _lookup_part]
    if setting.has(PYTHON):
        makers += [_program_part, _program_part]
    parts = [make(setting) for make in draw.random.sample(makers, 2)]
    question = joined(draw, [part.question for part in parts])

    def plan() -> Plan:
        results = yield Round(tuple(part.call for part in parts))
        paired = list(zip(parts, results, strict=True))
        answers = [part.answer.replace("{r}", result) for part, result in paired]
        return Reply(" ".join(answers), tuple(part.value or result for part, result in paired))

    facts = tuple(fact for part in parts for fact in part.facts)
    return Exchange("parallel mixed", question, plan, facts)


def _lookup_part(setting: Setting) -> Part:
    draw = setting.draw
    one = item(draw, draw.any_of(NUMERIC))
    question = one.form(draw.phrase(one.topic.questions))
    facts = (one.fact, *distractors(draw, [one], draw.random.randint(0, 2)))
    return Part(question, Call(SEARCH, one.query), one.answer, one.value, facts)


def _program_part(setting: Setting) -> Part:
    question, code, answer = programs.task(setting.draw)
    return Part(question, Call(PYTHON, code), answer)


def _story_part(setting: Setting) -> Part:
    question, expression, answer = problems.story(setting.draw)
    return Part(question, setting.arithmetic(expression), answer)


def _calculation_part(setting: Setting) -> Part:
    question, expression = arithmetic.request(setting.draw)
    return Part(question, setting.arithmetic(expression), "The answer is {r}.")
