"""How people put a request: openers, question frames, politeness, sloppy typing."""

from __future__ import annotations

import re

from pie_scenarios.embedded_model.draw import Draw, phrases

NOUN_FRAMES = phrases(
    """What is {x}?
    What is {x}?
    What is {x}?
    What is {x}?
    What is {x}?
    What is {x}?
    What is {x}?
    What's {x}?
    What's {x}?
    {x}
    {x}
    {x}
    {x}
    {x}?
    {x}?
    {x} = ?
    {x} =
    How much is {x}?
    How much is {x}?
    (Calculate|Compute|Find|Work out|Determine) {x}.
    (Calculate|Find|Work out|Figure out) {x}( for me| for us|, please|).
    Can you (calculate|find|compute|work out) {x}?
    Can you (figure out|determine|give me|show me|help me with) {x}(, please|)?
    Could you (calculate|compute|find|determine|give me) {x}( for me|, please|)?
    (Tell|Show|Give) me {x}.
    Please (tell me|calculate|give me|show me|determine) {x}.
    I (need|want|need to have) {x}.
    I (need|want) to (know|find|work out|have) {x}.
    I (have|am trying|was told) to (find|work out|figure out|calculate) {x}.
    What (do|would|will) (you|I|we) get for {x}?
    What (result|answer) (do|should|would) (you|I|we) get for {x}?
    Evaluate {x}.
    What (would|could|should|will|might) {x} be?
    What does {x} (equal|make|come to|give|amount to)?
    What is the (value|result) of {x}?
    What's the (answer|result|value) for {x}?
    What is the (answer|solution) to {x}?
    Use (a tool|your tools|any tool) to (find|get|calculate|work out) {x}.
    Do the (math|maths|calculation|computation)(:| for) {x}.
    Solve {x}( for me|, please|).
    Let me (know|have|see) {x}.
    I (wonder|was wondering|am wondering|am asking myself) what {x} is.
    I (forgot|don't know|have no idea|am not sure) what {x} is.
    I (can't|cannot|could not) (work out|figure out|find) {x}( myself| on my own| in my head|).
    {x} (is|makes|gives|equals) (what|how much)?
    {x}: (what is that|how much is that|what is the result|what do I get)?
    {x}, (what does it make|can you work it out|can you do that)?
    {x}(, please| please|, quickly|, thanks)
    (Remind me|Check|See|Say|Find out) what {x} is.
    Any idea what {x} (is|might be|could be)?
    (Need|Want|Looking for|Wanted:) {x}
    (Result|Value) of {x}(?|)
    (Answer|Result|Solution) for {x}(?|, please)
    (How|What) about {x}?
    (And|So|Now|Then|Ok, so) what is {x}?
    (And|So|Now|Next,|Also) {x}(?|.)
    Help me (find|work out|calculate|figure out|with) {x}.
    I need (help|a hand|some help) (with|to find|to work out) {x}.
    Let (us|me) (calculate|compute|work out|find) {x}.
    Let's (calculate|compute|work out|find|see) {x}.
    Do you mind (working out|calculating|finding|computing) {x}( for me|)?
    (Are you able|Is it possible for you|Is there a way) to (find|get|compute|work out) {x}?
    (Just|Quickly|Simply) (calculate|compute|tell me|give me) {x}.
    (I am|We are) (looking for|interested in|after) {x}.
    The (task|exercise|job|assignment) is to (find|calculate|determine|compute) {x}.
    (Task|Exercise|Problem|To do): (calculate|find|give|determine) {x}.
    (State|Name|Return|Output|Report|Provide|Write down) {x}.
    (Get|Fetch|Show) me {x}(, please|).
    My (teacher|boss|son|sister|friend) (is asking for|asked me for|wants to know) {x}.
    (Someone|A friend|My brother|A colleague) (asks|wants to know): what is {x}?
    For (my|this|the) (form|invoice|report|recipe|project) I need {x}.
    It would (help me|be nice|be good|be useful) to (know|have) {x}.
    If I (enter|work out|compute|calculate) {x}, what (do I get|comes out|is the result)?
    Suppose (you|we) (work out|compute|calculate) {x}. What (is the result|comes out)?
    (Here is|I have) a question: what is {x}?
    What (is|was) {x} (again|exactly)?
    (All I need is|All I want is|What I need is|What I want to know is) {x}.
    (I think I need|I am missing|I still need) {x}.""",
    """Do you know what {x} is?
    I'd like to know {x}.
    Would you work out {x}?
    Please find {x} for me.
    Can you tell me {x}?
    Please give me the value of {x}.
    Could you tell me what {x} is?
    I have to know {x}, please.
    Please compute {x} for me.""",
)
VERB_FRAMES = phrases(
    """{x}.
    {x}.
    {x}.
    {x}.
    {x}
    {x}
    Please {x}.
    Please {x}.
    Please {x}( for me| for us| now|).
    (Can|Could) you {x}?
    (Can|Could) you (quickly|just|now|first|) {x}?
    Could you (please|kindly|) {x}( for me|)?
    Can you (help me to|help me|try to|go and) {x}?
    I want you to {x}.
    I (need|want|am asking) you to {x}( for me|).
    (I need|I have|I want|I am trying|I was asked) to {x}.
    (I must|I should|I have to) {x}(. Can you help?|. Please help.|. Help me.)
    Help me {x}.
    Help me to {x}(, please|).
    {x}, please.
    {x} (for me|for us|now|quickly).
    {x} and (tell|show|give) me (the result|the answer|what you get).
    {x}. What (is the result|is the answer|do you get|comes out)?
    {x}(, and|, so) what do (I|you|we) get?
    Try to {x}.
    You should {x}.
    (You have|You need|Your task is|Your job is|The task is|The idea is) to {x}.
    Now {x}.
    (Now|Next|Ok now|Alright,|Go ahead and|Kindly|Just) {x}.
    Let (us|me) {x}.
    Let's {x}.
    If I {x}, what (do I get|is the result|comes out|is the answer)?
    If (you|we) {x}, what (is the result|comes out|is the answer)?
    What do I get (if|when) I {x}?
    What do you get (if|when) you {x}?
    What do we get (if|when) we {x}?
    What (comes out|is the result|is the answer) (if|when) (I|you|we) {x}?
    Suppose (I|you|we) {x}. What (is the result|comes out|is the answer)?
    When (I|you|we) {x}, what (is the result|comes out|is the answer)?
    (Tell|Show) me what (comes out|the result is) (if|when) (I|we|you) {x}.
    I wonder what (comes out|the result is|the answer is) (if|when) (I|you|we) {x}.
    (Are you able|Is it possible|Is there a way) to {x}?
    Use (a tool|your tools|any tool) to {x}.
    (Use|Call|Take) (a tool|your tools|the right tool) and {x}.
    (Task|Exercise|Problem|To do|Request): {x}.
    My (teacher|boss|son|sister|friend) (wants|asked|told) me to {x}.
    For (my|this|the) (form|invoice|report|recipe|project) I (have|need) to {x}.
    It would (help|be nice|be great|be useful) if you could {x}.
    (Do me a favour|One more thing|A small job|A request|Here is a task): {x}.
    We (need|have|want) to {x}.
    (I can't|I cannot|I don't know how to|I am unable to) {x}(. Help me.|. Please do it.|. Can you?)
    (Somebody|Someone) has to {x}(. Please do it.|. Can you?)
    Do you (think you can|have time to) {x}?
    What I (need|want) you to do is {x}.
    (The exercise says|The question is|The job is|It says here): {x}.""",
    """Would you {x}?
    Can you please {x}?
    I'd like you to {x}.
    {x} for me, please.
    Will you {x} for me?""",
)
OPENERS = phrases(
    """Hi,
    Hello,
    Hey,
    Ok,
    (Okay|Alright|Well|Now|So|Um|Hmm),
    (Quick|Short|Small|Easy|Simple|Another|Next) question:
    So,
    Good (morning|afternoon|day)!
    Good (morning|afternoon|day),
    Hi there!
    (Hi|Hey) (again|everyone|assistant),
    (Hello|Hi|Hey) (again|assistant|everybody|friend)!
    One (more |last |quick |)thing:
    (Just one|My next|My first|The) question:
    Question:
    I am (curious|wondering|just asking|in a hurry):
    My (homework|worksheet|exercise book|teacher|assignment) says:
    (Help!|Please help!|Can you help me?|Can you help?|I need help.|Help me.)
    I have a (question|problem|request|small question|quick question)(.|:)
    (Sorry|Pardon me|Sorry to bother you|If you have a moment|When you have time),
    (By the way|Actually|Anyway|Also|Just so I know),
    (Listen|Look|Say|Tell me something|Here is one|Try this|Think about this):
    (This is|Here is) (a question|my problem|an easy one|the exercise|what I need):
    (Dear assistant|Dear helper|My friend|Friend),
    I am (stuck|not good at this|lost|confused)(.|!)
    From my (book|worksheet|notes|exercises):
    (Exercise|Task|Problem|Next one|New question|Request):
    (For my class|For school|For work|For my report|For a friend),
    Can I ask you something?
    (May|Could) I ask (something|a question|you a question)?
    (Let me ask you this|Let me ask|I wanted to ask|I want to ask|I have to ask):""",
    """Hello there,
    A question:
    Good evening!
    Right,
    Excuse me,""",
)
CLOSERS = phrases(
    """Thanks!
    Thank you(.|!)
    Thanks(.| a lot!| a lot.| so much!)
    Thank you (very much|so much|for your help|in advance)(.|!)
    Please be (quick|exact|careful|precise).
    Thanks in advance(.|!)
    I need it for (school|work|my class|a friend|my report).
    I need (this|it) (today|now|soon|by tonight|quickly).
    It is for my (report|essay|exam|worksheet|notes|budget|class).
    Please use (a tool|the right tool|any tool you have).
    (Use a tool for this|Use a tool if you need one|A tool may help)(.|!)
    (Take your time|No hurry|There is no rush|It is not urgent).
    (It is urgent|I am in a hurry|Quickly, please|Be quick|Hurry).
    (Cheers|Please|Thx)(!|.)
    (Please help|Help me|Please help me)(.|!)
    I (really |)need to know(.| this.| it.)
    I (am curious|was just wondering|have no idea|always forget this).
    (I can't do it myself|I can't work it out|It is too hard for me|I am stuck).
    (Can you do that|Can you do it|Is that possible|Do you know)?
    (My teacher|My boss|My sister|A friend of mine|Somebody) (wants to know|asked me|needs it).
    (Tell me|Let me know|Give me the answer|Answer me)(, please|)(.|!)
    (A short answer is enough|A short answer is fine|Keep it short, please).
    (I am waiting|I can wait|My exam is tomorrow|My class starts soon)(.|!)
    (Don't guess|No guessing|Don't make it up|Please do not guess)(.|!)
    (I want to be sure|I want to get this right|I must not get it wrong|It has to be right).
    (I will check it|I want to check my own answer|I want to compare).
    (You are a great help|That would help a lot|That would be great|I would be grateful)(.|!)""",
    """Many thanks!
    Please use your tools.
    It's for my homework.""",
)


def noun_request(
    draw: Draw, noun_phrase: str, *, keep_case: bool = False, separators: bool = False
) -> str:
    """Ask for something that is named, e.g. "the sum of 3 and 4"."""
    text = draw.phrase(NOUN_FRAMES).format(x=noun_phrase)
    return styled(draw, text, keep_case=keep_case, separators=separators)


def verb_request(
    draw: Draw, verb_phrase: str, *, keep_case: bool = False, separators: bool = False
) -> str:
    """Ask for something to be done, e.g. "add 3 and 4"."""
    text = draw.phrase(VERB_FRAMES).format(x=verb_phrase)
    text = text[0].upper() + text[1:]
    return styled(draw, text, keep_case=keep_case, separators=separators)


def styled(draw: Draw, text: str, *, keep_case: bool = False, separators: bool = False) -> str:
    """Capitalise `text` and write it the way that somebody in a hurry might."""
    text = text[0].upper() + text[1:] if not keep_case else text
    training = draw.split == "train"  # where openers and closers vary more than in evaluation
    if draw.chance(0.2 if training else 0.12):
        opener = draw.phrase(OPENERS)
        keep = opener[-1] in ".!?" or keep_case
        text = f"{opener} {text if keep else text[0].lower() + text[1:]}"
    if draw.chance(0.1 if training else 0.06):
        text = f"{text if text[-1] in '.?!' else text + '.'} {draw.phrase(CLOSERS)}"
    if draw.chance(0.2):
        text = text.rstrip(".?")
    if draw.chance(0.15) and not keep_case:
        text = text.lower()
    if separators and draw.chance(0.12):
        text = re.sub(r"(?<![\d,.])(\d{1,3})(\d{3})(?![\d,.])", r"\1,\2", text)
    return text


def listed(items: list[str], *, comma_only: bool = False) -> str:
    """Join items as in "a, b and c"."""
    if comma_only or len(items) == 1:
        return ", ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
