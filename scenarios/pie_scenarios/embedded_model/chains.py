"""Calls one after the other: each step works on the result of the one before."""

from __future__ import annotations

from pie_scenarios.embedded_model import arithmetic, operations, programs
from pie_scenarios.embedded_model.draw import Draw, Phrases, phrases
from pie_scenarios.embedded_model.exchange import (
    PYTHON,
    Call,
    Exchange,
    Plan,
    Reply,
    Round,
    Setting,
)
from pie_scenarios.embedded_model.wording import styled

STEPS = (
    (
        phrases(
            """then add {n}
            then add {n} to it
            and then add {n}( to the result| to it| more|)
            then (increase|raise) it by {n}
            after that add {n}
            (next|afterwards) add {n}( to it| to the result|)
            (then|next) (increase|raise) (the result|the answer|the outcome) by {n}
            add {n} to the (result|answer|outcome)
            add {n} to (what you get|what comes out|the number you get)
            and add {n} to the (result|answer|outcome|total)
            (when|once|as soon as) you have (it|the result|the answer)(,|) add {n}
            then put {n} on top( of it| of the result|)
            to the (result|answer|outcome)(,|) add {n}
            and afterwards add {n}( to it|)
            then (sum|total) the result and {n}
            and (raise|increase) the (result|answer|outcome) by {n}
            then make it {n} (more|bigger|larger)""",
            """then add {n} to that
            after that increase it by {n}""",
        ),
        "{r}+{n}",
    ),
    (
        phrases(
            """then subtract {n}
            then subtract {n} from (it|the result|what you get)
            and then subtract {n} from the (result|answer|outcome)
            then take away {n}
            after that subtract {n}
            (next|afterwards) (subtract|take away|deduct) {n}
            (then|next) (decrease|reduce|lower) (it|the result|the answer) by {n}
            subtract {n} from the (result|answer|outcome)
            (subtract|take|deduct) {n} from (what you get|what comes out|the number you get)
            and (subtract|take away|deduct) {n} from the (result|answer|outcome|total)
            (when|once|as soon as) you have (it|the result|the answer)(,|) (subtract|take away) {n}
            then (take|knock) {n} off( it| the result|)
            from the (result|answer|outcome)(,|) (subtract|take away) {n}
            and afterwards (subtract|deduct) {n}( from it|)
            and (lower|reduce|decrease) the (result|answer|outcome) by {n}
            then make it {n} (less|smaller|lower)
            then remove {n} from (it|the result)""",
            """then subtract {n} from that
            after that take away {n}""",
        ),
        "{r}-{n}",
    ),
    (
        phrases(
            """then multiply by {n}
            then multiply it (by|with) {n}
            and then multiply the (result|answer|outcome) by {n}
            then take it times {n}
            after that multiply by {n}
            (next|afterwards) multiply (it |the result |)by {n}
            multiply the (result|answer|outcome) by {n}
            multiply (what you get|what comes out|the number you get) by {n}
            and multiply the (result|answer|outcome|total) (by|with) {n}
            (when|once|as soon as) you have (it|the result|the answer)(,|) multiply (it |)by {n}
            then take the (result|answer|outcome) times {n}
            and afterwards multiply (it |)by {n}
            then (make it|make the result) {n} times as (big|large)
            then (scale|multiply) the (result|answer) by a factor of {n}
            take {n} times the (result|answer|outcome)""",
            """then multiply that by {n}
            after that multiply it by {n}""",
        ),
        "{r}*{n}",
    ),
    (
        phrases(
            """then divide by {n}
            then divide it by {n}
            and then divide the (result|answer|outcome) by {n}
            after that divide by {n}
            (next|afterwards) divide (it |the result |)by {n}
            divide the (result|answer|outcome) by {n}
            divide (what you get|what comes out|the number you get) by {n}
            and divide the (result|answer|outcome|total) by {n}
            (when|once|as soon as) you have (it|the result|the answer)(,|) divide (it |)by {n}
            then (split|cut) (it|the result|the answer) into {n} equal (parts|shares|pieces)
            then share (it|the result) (equally|evenly|fairly) (among|between) {n}
            and (split|cut) the (result|answer|outcome) into {n} equal (parts|shares)
            and afterwards divide (it |)by {n}
            then (take|find) one of {n} equal (parts|shares) of (it|the result)
            then (find|get) the quotient of the result and {n}""",
            """then divide that by {n}
            after that divide it by {n}""",
        ),
        "{r}/{n}",
    ),
    (
        phrases(
            """then double it
            and then double (it|the result|the answer)
            after that double it
            (next|afterwards) double (it|the result|the answer)
            double the (result|answer|outcome)
            double (what you get|what comes out|the number you get)
            and double the (result|answer|outcome|total)
            (when|once|as soon as) you have (it|the result|the answer)(,|) double it
            then (take it|take the result|count it) (twice|two times)
            then multiply (it|the result|the answer) by two
            then take (twice|double) the (result|answer|outcome)
            then make (it|the result) twice as (big|large)
            and afterwards double (it|the result)
            and multiply the (result|answer|outcome) by two""",
            """then double that""",
        ),
        "{r}*2",
    ),
    (
        phrases(
            """then square it
            and then square (it|the result|the answer)
            after that square it
            (next|afterwards) square (it|the result|the answer)
            square the (result|answer|outcome)
            square (what you get|what comes out|the number you get)
            and square the (result|answer|outcome|total)
            (when|once|as soon as) you have (it|the result|the answer)(,|) square it
            then multiply (it|the result|the answer) (by|with) itself
            then take the square of (it|the result|the answer)
            then raise (it|the result|the answer) to the (second power|power of two)
            then take the (result|answer) times itself
            and afterwards square (it|the result)
            then find the square of (it|the result|the answer)""",
            """then square that""",
        ),
        "{r}**2",
    ),
)
CHAIN_FRAMES = phrases(
    """First {x}, {s}.
    {x}, {s}.
    {x}, {s}.
    {x} and {s}.
    {x} and {s}.
    {x}. {S}.
    Please {x}, {s}.
    Please {x} and {s}( for me|).
    Can you {x}, {s}?
    (Can|Could) you (first|please|quickly) {x} and {s}?
    (Step by step|In steps|One step at a time|Stepwise|In order): {x}, {s}.
    First( of all|,|) {x}. {S}.
    First {x} and {s}.
    I want you to {x}, {s}.
    (Start with this|Do this|Start here|My task|The exercise): {x}, {s}.
    (To begin|To start|To begin with|For a start), {x}. {S}.
    (Let us|Let's|Let me) {x} and {s}.
    (I have|I need|I want|I am trying|I was asked) to {x} and {s}.
    Help me( to|) {x} and {s}.
    If I {x} and {s}, what (do I get|is the result|comes out|is the answer)?
    If you {x} and {s}, what (do you get|is the result|comes out)?
    What do I get (if|when) I {x} and {s}?
    What do you get (if|when) you {x}, {s}?
    What (is the result|comes out|is the answer) (if|when) (I|you|we) {x} and {s}?
    Suppose (I|you|we) {x} and {s}. What (is the result|comes out|is the answer)?
    {x}; {s}.
    {x} - {s}.
    {x}, {s}, and (tell me the result|give me the answer|show me what you get).
    {x} and {s}. What (is the result|do you get|comes out|is the answer)?
    {x}, {s}. (What is the result|What do I get|What is the answer)?
    My (teacher|boss|sister|friend) (wants|told|asked) me to {x} and {s}.
    (The task is|Your task is|The idea is|It is my job) to {x} and {s}.
    Use (a tool|your tools) to {x} and {s}.""",
    """Could you {x}, {s}?
    Please first {x}, {s}.
    I need you to {x}. {S}.""",
)
FOLLOW_FRAMES = phrases(
    """{s}
    {s}
    {S}.
    {S}.
    Now {s}.
    And {s}?
    And {s}(.|, please.)
    Can you {s}?
    Can you (now|also|then|please) {s}?
    Please {s}.
    (Please|Now please|Then please) {s}( for me|).
    (Ok|Okay), now {s}.
    (Good|Fine|Nice|Right|Perfect|Cool|Well), {s}.
    (Thanks|Thank you|I see)(.|!) Now {s}.
    (Next|Then|After that|In the next step)(,|) {s}.
    (Now|Then|Next) (I want you to|you should|I need you to) {s}.
    What (do I get|is the result|comes out) (if|when) I {s}?
    What (is it|is the result|comes out) (if|when) (you|we) {s}?
    (And|So|Now) what (is it|do I get|comes out) (if|when) I {s}?
    What (would|will|do) we (get|have) if we {s}?
    And if (I|you|we) {s}?
    And what if (I|you|we) {s}?
    If (I|you|we) {s}, what (is the result|comes out|is the answer)?
    {S}(, please| for me| now| as well)(.|)
    {S}. What (is it now|do I get|is the result|do you get)?
    (Let us|Let's|Let me|I want to|I need to|I have to) {s}.
    (Now|Then|And) (let us|let's|I want to|I need to) {s}.
    (Go on|Continue|Next step|Then this|One more step|One more thing): {s}.
    (Wait|Sorry|Oh|Also|Actually), {s}.
    Suppose (I|you|we) {s}. What (is it now|comes out|is the result)?""",
    """And now {s}.
    Great, now {s}.
    Could you {s}?""",
)
FOLLOW_STEPS = (
    (
        phrases(
            """add {n}
            add {n}
            add {n} (to that|to it|to this|more)
            add {n} to the (last number|number you got|previous answer)
            increase (it|that|this|the answer|the result) by {n}
            (raise|lift) (it|that|the number|the answer) by {n}
            add (another|a further) {n}( to it| to that|)
            put {n} on top( of that| of it|)
            add the number {n}( to it| to that|)
            make (it|that) {n} (more|bigger|larger)
            take (it|that|the answer|the result) and add {n}
            take (that|the last) (number|result|answer) plus {n}
            (calculate|work out|compute) (that|the result|the answer) plus {n}
            (sum|add) (that|the answer) and {n}
            go up by {n}""",
            """add {n} to the result""",
        ),
        "{r}+{n}",
    ),
    (
        phrases(
            """subtract {n}
            subtract {n}
            subtract {n} from (that|it|this)
            take away {n}( from it| from that|)
            subtract {n} from the (last number|number you got|previous answer)
            (decrease|reduce|lower|cut) (it|that|this|the answer|the result) by {n}
            take {n} (away|off)( from it| from that|)
            (deduct|remove) {n}( from it| from that| from the answer|)
            make (it|that) {n} (less|smaller|lower)
            take (it|that|the answer|the result) and subtract {n}
            take (that|the last) (number|result|answer) minus {n}
            (calculate|work out|compute) (that|the result|the answer) minus {n}
            (deduct|subtract) the number {n}( from it| from that|)
            go down by {n}
            knock off {n}""",
            """subtract {n} from the result""",
        ),
        "{r}-{n}",
    ),
    (
        phrases(
            """multiply by {n}
            multiply by {n}
            multiply (that|it|this) by {n}
            multiply the (last number|number you got|previous answer) (by|with) {n}
            multiply (that|it|this) with {n}
            take (it|that|this|the answer|the result) times {n}
            multiply (that|it) by (a factor of|the number) {n}
            take {n} times (that|it|the answer|the result)
            make (it|that) {n} times as (big|large)
            take (it|that|the answer|the result) and multiply (it |)by {n}
            (calculate|work out|compute) (that|the result|the answer) times {n}
            (calculate|work out|compute) {n} times (that|the result|the answer)
            (scale|multiply) (it|that|the result) by a factor of {n}
            (get|find) {n} times (that|as much)""",
            """multiply the result by {n}""",
        ),
        "{r}*{n}",
    ),
    (
        phrases(
            """divide by {n}
            divide by {n}
            divide (that|it|this) by {n}
            divide the (last number|number you got|previous answer) by {n}
            split (that|it|this|the answer|the result) into {n} equal (parts|shares|pieces)
            share (that|it|the result|the answer) (equally|evenly|fairly) (among|between) {n}
            cut (that|it|the result) into {n} equal (parts|pieces)
            divide (that|it) by the number {n}
            take (it|that|the answer|the result) and divide (it |)by {n}
            take (that|the last) (number|result|answer) divided by {n}
            (calculate|work out|compute) (that|the result|the answer) (divided by|over) {n}
            divide (that|it|this) (evenly|equally|again) by {n}
            (get|find) one of {n} equal (parts|shares) of (that|it|the answer)
            divide (that|it) into {n} (equal|even) (parts|shares)""",
            """divide the result by {n}""",
        ),
        "{r}/{n}",
    ),
    (
        phrases(
            """double it
            double that
            double the (result|answer|number|last number|total)
            multiply (it|that|this|the result) by two
            take (it|that|this|the answer) (twice|two times|times two)
            make (it|that) twice as (big|large)
            take (twice|double) (that|the result|the answer)
            (calculate|work out|compute) (twice|double) (that|the result|the answer)
            (calculate|work out|compute) (that|the result|the answer) times two
            double the (number|result|answer) (you got|you gave me|from before)
            take (it|that|the answer|the result) and double it
            double the previous (result|answer|number)
            (get|find) (twice|two times) (that|as much)
            count (it|that) (twice|two times)""",
            """double this""",
        ),
        "{r}*2",
    ),
    (
        phrases(
            """square it
            square that
            square (this|the number|the last number)
            multiply (it|that|this|the result|the answer) (by|with) itself
            take (it|that|the answer|the result) times itself
            take the square of (it|that|the answer|the result)
            (calculate|work out|compute) the square of (it|that|the result|the answer)
            raise (it|that|the answer) to the (second power|power of two)
            square the (number|result|answer) (you got|you gave me|from before)
            take (it|that|the answer|the result) and square it
            square the previous (answer|number)
            (calculate|work out|compute) (that|the result|the answer) (squared|times itself)
            find the square of (it|that|this|the answer)
            (lift|take|bring) (it|that) to the second power""",
            """square the result""",
        ),
        "{r}**2",
    ),
    (
        phrases(
            """halve it
            halve that
            halve (this|the number|the last number)
            (cut|split) (it|that|this|the answer|the result) in (half|two)
            divide (it|that|this|the result|the answer) by two
            make (it|that) half as (big|large)
            take (one |)half of (it|that|the result|the answer)
            (calculate|work out|compute) half of (it|that|the result|the answer)
            halve the (number|result|answer) (you got|you gave me|from before)
            take (it|that|the answer|the result) and halve it
            halve the previous (answer|number)
            (split|divide) (it|that|the answer) into two equal (parts|halves|shares)
            share (it|that|the result) (equally|evenly) between two( people|)
            find half of (it|that|this|the answer)
            reduce (it|that|the answer) to half""",
            """halve the result""",
        ),
        "{r}/2",
    ),
)


def step(draw: Draw, steps: tuple[tuple[Phrases, str], ...] = STEPS) -> tuple[str, str]:
    """Return (the words of a further step, its expression with {r} for the value before)."""
    wordings, expression = draw.any_of(steps)
    number = draw.number(2, draw.any_of((12, 99, 500)))
    return draw.phrase(wordings).format(n=number), expression.replace("{n}", str(number))


def chain(setting: Setting) -> Exchange:
    """Build "do this, then that (, then that)": each step is a call on the last result."""
    draw = setting.draw
    operation = draw.any_of([o for o in operations.OPERATIONS if o.verbs is not None])
    numbers = arithmetic.operands(draw)
    first = operation.expression.format(**numbers)
    phrase = draw.phrase(operation.verbs).format(**numbers)  # type: ignore[arg-type]
    steps = [step(draw) for _ in range(draw.any_of((1, 1, 1, 2)))]
    said = ", ".join(words for words, _ in steps)
    text = draw.phrase(CHAIN_FRAMES).format(x=phrase, s=said, S=said[0].upper() + said[1:])
    if said.startswith("and "):
        text = text.replace("and and ", "and ").replace(". And then", ". Then")
    question = styled(draw, text)

    def plan() -> Plan:
        (result,) = yield Round((setting.arithmetic(first),))
        for _, expression in steps:
            (result,) = yield Round((setting.arithmetic(on(expression, result)),))
        return Reply(f"The final result is {result}.", (result,))

    return Exchange("chain", question, plan)


def on(expression: str, result: str) -> str:
    bracketed = f"({result})" if result.startswith("-") and "**" in expression else result
    return expression.replace("{r}", bracketed)


def program_then_sum(setting: Setting) -> Exchange:
    """Build "run this program, then compute with its number"."""
    draw = setting.draw
    question, code, answer = programs.task(draw)
    while not any(k in code for k in ("sum(", "gcd", "lcm", "len(", "count(", " // ")) or (
        "[" in answer
    ):
        question, code, answer = programs.task(draw)
    words, expression = step(draw)
    joint = draw.any_of((". {S}.", ", {s}.", " and {s}.")) if question[-1] != "?" else " {S}."
    words = words.removeprefix("and ")
    text = question.rstrip(".") + joint.format(s=words, S=words[0].upper() + words[1:])

    def plan() -> Plan:
        (result,) = yield Round((Call(PYTHON, code),))
        (result,) = yield Round((setting.arithmetic(on(expression, result)),))
        return Reply(f"The final result is {result}.", (result,))

    return Exchange("program, then calculation", text, plan)


def follow_up(setting: Setting) -> tuple[str, str]:
    """Return a message about the previous result, and its expression with {r}."""
    draw = setting.draw
    words, expression = step(draw, FOLLOW_STEPS)
    text = draw.phrase(FOLLOW_FRAMES).format(s=words, S=words[0].upper() + words[1:])
    return styled(draw, text), expression
