"""Messages that need no tool, and requests that no declared tool can serve."""

from __future__ import annotations

from pie_scenarios.embedded_model.draw import Phrases, phrases
from pie_scenarios.embedded_model.exchange import (
    CALCULATOR,
    PYTHON,
    SEARCH,
    Exchange,
    Setting,
    no_call,
)
from pie_scenarios.embedded_model.names import person
from pie_scenarios.embedded_model.wording import styled

ABILITIES = {
    CALCULATOR: "calculate",
    SEARCH: "search the documents",
    PYTHON: "run Python code",
}

TALK: tuple[tuple[Phrases, str, str], ...] = (
    (
        phrases(
            """Hello
            Hello!
            Hi
            Hi!
            Hey
            Good morning
            Good morning!
            Good evening
            Hello there
            Hi there!
            Hey there
            Good day
            Greetings!""",
            "Hello, hello!\nHi, good morning!\nHey hey!",
        ),
        "Hello! How can I help you?",
        "Hello",
    ),
    (
        phrases(
            """Thanks
            Thank you
            Thanks!
            Thank you!
            Thank you very much
            Thanks a lot!
            Great, thanks!
            Perfect, thank you.
            Thanks for your help.
            Many thanks""",
            "Wonderful, thanks a lot!\nThank you for the help.\nThanks, great!",
        ),
        "You are welcome!",
        "welcome",
    ),
    (
        phrases(
            """Who are you?
            What are you?
            What is your name?
            Are you a robot?
            Are you a human?
            Tell me about yourself.
            Who am I talking to?
            Introduce yourself.""",
            "Who are you exactly?\nTell me who you are.\nAre you human?",
        ),
        "I am a small assistant that can use tools.",
        "assistant",
    ),
    (
        phrases(
            """How are you?
            How are you doing?
            How do you do?
            How is it going?
            Are you well?
            How are things?""",
            "How are you today?\nHow are things going?",
        ),
        "I am fine, thank you. How can I help you?",
        "fine",
    ),
    (
        phrases(
            """Goodbye
            Bye
            Bye!
            See you
            See you later!
            Good night
            That is all, bye.
            Goodbye!""",
            "Goodbye, see you!\nBye bye!",
        ),
        "Goodbye!",
        "Goodbye",
    ),
    (
        phrases(
            """What is a prime number?
            What is a prime?
            Define prime number.
            Explain what a prime number is.
            What does prime mean?
            What are prime numbers?""",
            "Can you explain what a prime number is?\nTell me what a prime number is.",
        ),
        "A prime number is a whole number above 1 that only 1 and itself divide.",
        "divide",
    ),
    (
        phrases(
            """What is a palindrome?
            Define palindrome.
            Explain what a palindrome is.
            What does palindrome mean?
            What are palindromes?""",
            "Can you explain what a palindrome is?\nTell me what a palindrome is.",
        ),
        "A palindrome is a word that reads the same backwards.",
        "backwards",
    ),
    (
        phrases(
            """What is a factorial?
            Define factorial.
            Explain what a factorial is.
            What does factorial mean?""",
            "Can you explain what a factorial is?\nTell me what a factorial is.",
        ),
        "The factorial of a number is the product of all whole numbers from 1 up to it.",
        "product",
    ),
    (
        phrases(
            """What is an average?
            Define average.
            Explain what an average is.
            What does average mean?
            What is a mean?""",
            "Can you explain what an average is?\nTell me what an average is.",
        ),
        "The average is the sum of some numbers divided by how many there are.",
        "sum",
    ),
    (
        phrases(
            """What is Python?
            Define Python.
            What does Python mean?
            Explain what Python is.""",
            "Can you explain what Python is?\nTell me what Python is.",
        ),
        "Python is a programming language.",
        "programming language",
    ),
    (
        phrases(
            """What is a calculator?
            Define calculator.
            Explain what a calculator is.""",
            "Can you explain what a calculator is?\nTell me what a calculator is.",
        ),
        "A calculator is a tool that evaluates arithmetic expressions.",
        "arithmetic",
    ),
    (
        phrases(
            """What is a divisor?
            Define divisor.
            Explain what a divisor is.
            What does divisor mean?""",
            "Can you explain what a divisor is?\nTell me what a divisor is.",
        ),
        "A divisor of a number divides it without a remainder.",
        "remainder",
    ),
    (
        phrases(
            """What is a square root?
            Explain square roots.
            Define square root.
            Explain what a square root is.""",
            "Can you explain what a square root is?\nTell me what a square root is.",
        ),
        "The square root of a number gives the number when multiplied by itself.",
        "itself",
    ),
    (
        phrases(
            """Tell me a joke.
            Say something funny.
            Do you know a joke?
            Make me laugh.""",
            "Can you tell me a joke?\nTell me something funny.",
        ),
        "Why was six afraid of seven? Because seven ate nine.",
        "seven",
    ),
    (
        phrases(
            """What is the weather like?
            Will it rain tomorrow?
            Write me a poem.
            Book a flight for me.
            Play some music.
            Send an email to my boss.
            What is in the news?
            Translate this into French.
            Order a pizza for me.
            Who won the match yesterday?
            Paint me a picture.
            What do you think about love?""",
            "Will it snow tomorrow?\nWrite a poem for me.\nPlay a song for me.",
        ),
        "I am sorry, I cannot help with that.",
        "sorry",
    ),
    (
        phrases(
            """Ok
            Okay
            I see
            Good
            Great
            Nice
            Cool!
            Well done!
            Alright""",
            "Very nice\nOk, good",
        ),
        "Is there anything else I can do for you?",
        "else",
    ),
)
INTRODUCTIONS = phrases(
    """My name is {p}.
    I am {p}.
    Hi, I am {p}.
    Hello, my name is {p}.
    Hello, I'm {p}!
    You can call me {p}.""",
    "Hello, I am {p}.\nHi, you can call me {p}.",
)
ABILITY_QUESTIONS = phrases(
    """What can you do?
    How can you help me?
    What are you able to do?
    What can I ask you?
    Which tools do you have?
    Help
    What tools can you use?
    What are you good at?""",
    "Tell me what you can do.\nWhat can you do for me?",
)


def talk(setting: Setting) -> Exchange:
    """Build a message that is answered at once."""
    draw = setting.draw
    kind = draw.random.random()
    if kind < 0.1:
        name = person(draw)
        question = styled(draw, draw.phrase(INTRODUCTIONS).format(p=name), keep_case=True)
        return Exchange("talk", question, no_call(f"Hello {name}! How can I help you?", name))
    if kind < 0.2:
        question = draw.phrase(ABILITY_QUESTIONS)
        return Exchange("talk", question, no_call(*abilities(setting.tools)))
    wordings, answer, value = draw.any_of(TALK)
    question = draw.phrase(wordings)
    if draw.chance(0.2):
        question = question.lower()
    return Exchange("talk", question, no_call(answer, value))


def abilities(tools: tuple[str, ...]) -> tuple[str, str]:
    """Return the answer to "what can you do" and the value it must contain."""
    can = [ABILITIES[tool] for tool in (CALCULATOR, SEARCH, PYTHON) if tool in tools]
    if not can:
        return "I can talk with you.", "talk"
    text = can[0] if len(can) == 1 else f"{', '.join(can[:-1])} and {can[-1]}"
    return f"I can {text}.", can[-1]


def unable(setting: Setting, question: str) -> Exchange:
    """Build the refusal of a request for which there is no tool."""
    answer = "I cannot do that with the tools that I have."
    if not setting.tools:
        answer = "I cannot do that without a tool."
    return Exchange("no fitting tool", question, no_call(answer, "cannot"))
