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
            Greetings!
            (Good afternoon|Good evening|Good day)(!|.|)
            (Hello|Hi|Hey) (everyone|everybody|all|friend|my friend|assistant|you)(!|.|)
            (Hello|Hi|Hey) to (you|all of you|everybody)(!|.|)
            (Hey|Hi|Hello)(, are you|, is anybody|, is anyone) there?
            (Hiya|Howdy|Hallo|Heya|Yo|Hullo)(!|.|)
            (Hello|Hi), (I am back|here I am|I have a question)(!|.|)
            (Hello|Hi), (can we talk|nice to see you)(!|.|)
            (Nice|Good|Pleased) to meet you(!|.|)
            (Good to see you|Nice to see you)( again|)(!|.|)
            (A good|A very good) (morning|day|afternoon) to you(!|.|)
            (Welcome|Welcome back|Greetings|Salutations)(!|.|)
            (Hi|Hello|Hey) (again|once more)(!|.|)
            (Morning|Evening|Afternoon)(!|.|)
            (I just want|I only want|I just wanted) to say (hello|hi)(!|.|)
            (Hello|Hi), dear (assistant|helper|computer)(!|.|)""",
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
            Many thanks
            (Thanks|Thank you) (so much|very much indeed|a million|once again|again)(!|.|)
            (Thanks|Thank you|Many thanks) for (your time|your answer|the quick answer)(!|.|)
            (Thanks|Thank you|Many thanks) for (everything|that)(!|.|)
            (I|We) (really|truly) appreciate (it|that|your help)(!|.|)
            (That|This) (was|is) (very|really|so) (helpful|kind|useful|nice of you)(!|.|)
            (That|This) (helped|helps) (me|us) (a lot|very much|so much)(!|.|)
            (Thx|Ty|Cheers|Thanx|Tysm)(!|.|)
            (Much appreciated|Very kind of you|Very helpful|How kind of you)(!|.|)
            (Awesome|Excellent|Super|Good), (thank you|many thanks|much appreciated)(!|.|)
            (I am|I'm|We are) (very|so|really) (grateful|thankful)(!|.|)
            (Exactly what I needed|Just what I wanted), (thank you|thanks)(!|.|)
            (You helped|You have helped|You saved|You've saved) me, (thank you|thanks)(!|.|)
            (Thanks|Thank you) (from me|from all of us|from the whole class)(!|.|)
            (I just want|I wanted) to (thank you|say thank you|say thanks)(!|.|)
            (We want|I would like) to (thank you|say thank you|say thanks)(!|.|)
            Thank you(, that is all I need|, that was quick|, I like that)(!|.|)""",
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
            Introduce yourself.
            (Who or what|What exactly|What sort of thing) are you?
            What (kind|sort) of (program|assistant|machine|thing|bot) are you?
            What (should I|may I|do people|do I) call you?
            (Are|Aren't|So are) you (a person|a machine|a computer|a program)?
            (Are|Aren't|So are) you (a bot|an AI|a real person)?
            (Am I|Are we) (talking|writing) (to|with) (a machine|a person|a robot|a bot)?
            (Am I|Are we) (speaking|chatting) (to|with) (a machine|a person|a robot|a bot)?
            Who is (this|there|answering me|on the other side|writing to me)?
            Do you (have|have got|go by) a name?
            (Please introduce|Go on, introduce|Do introduce) yourself(| to me| briefly).
            (Say|Tell us|Tell me) (something|a bit|a little) about yourself.
            (I|We) (wonder|want to know|would love to know) (who|what) you are.
            (With whom|With what) am I (talking|speaking|chatting)?
            Is there (a human|a person|somebody real|a real person) behind this?
            (Describe|Present) yourself(| in one sentence| briefly| please).
            (What|Who) (am I dealing with|did I reach|do I have here)?
            (Your name|And your name|What was your name)(, please|)?""",
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
            How are things?
            How (are you|are you all) (feeling|this morning|this evening)?
            How (are you|are you all) (these days|doing these days)?
            How (have you been|is your day|is your day going|was your day|is life)?
            (Are you|Is everything) (ok|okay|alright|fine|all right)(| today)?
            How do you feel(| today| this morning| right now)?
            (Hi|Hello|Hey)(, how|! How) (are you|are you doing|is it going)?
            (Hi|Hello|Hey)(, how|! How) (do you do|have you been)?
            What's (up|new)(| with you| today)?
            How (goes it|is everything|is everything going|is it all going)(| with you)?
            (All good|Everything good|Everything fine|All well)(| with you)?
            (Did you have|Have you had|Are you having) a (good|nice|great) (day|morning|week)?
            (I hope|Hope) you are (well|fine|doing well|okay)(.|!)
            (Tell me|Say|So), how (are you|are you doing|is it going)?
            (Are you|And you, are you) (happy|in a good mood|feeling well|doing well)(| today)?
            (How|And how) (is your mood|are you getting on|are you keeping)(| today)?""",
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
            Goodbye!
            (See you|Talk to you|Until) (soon|later|tomorrow|next time|next week)(!|.|)
            (I have to|I must|I need to|I'll) (go|leave|run)( now|)(. Bye|, bye|. Goodbye)(!|.)
            (Good night|Good bye|Farewell|So long|Cheerio|Ciao|Bye now)(!|.|)
            (Have a|Have yourself a) (nice|good|great|lovely) (day|evening|weekend)(!|.|)
            (Have a|Have yourself a) (nice|good|great|lovely) (night|one)(!|.|)
            (That's|That is) (all|everything)(| for today), (goodbye|see you|bye)(!|.|)
            (That's|That is) (all|everything) for now, (goodbye|see you|bye)(!|.|)
            This was (all|everything)(| for today| for now), (goodbye|see you|bye)(!|.|)
            (Take care|Be well|Stay well|Keep well)(!|.|)
            (I am|I'm|We are) (done|leaving)(| for today| now), (bye|goodbye|see you)(!|.|)
            (I am|I'm|We are) (off|finished)(| for today| now), (bye|goodbye|see you)(!|.|)
            (Bye|Goodbye) (for now|then|everyone|my friend|assistant|and take care)(!|.|)
            (Catch you|See you) (around|later|on Monday|then)(!|.|)
            (Ok|Alright|Well), (bye|goodbye|see you later|see you tomorrow)(!|.|)
            (I will|I'll) (come back|be back) (later|tomorrow)(. Bye|. Goodbye)(!|.)
            (I will|I'll) (come back|be back) another day(. Bye|. Goodbye)(!|.)
            (I will|I'll) (talk to you|see you) (later|tomorrow)(. Bye|. Goodbye)(!|.)
            (I will|I'll) (talk to you|see you) another day(. Bye|. Goodbye)(!|.)
            (Time to|I want to|Now I) (go|say goodbye|go to bed|sleep)(. Bye|. Good night)(!|.)
            (It was|It has been) nice (talking|chatting) (to|with) you(. Bye|, goodbye)(!|.)
            (It was|It has been) nice (talking|chatting) (to|with) you. See you(!|.)
            (Let us|Let's) (stop|end) here(. Bye|, goodbye|. See you)(!|.)""",
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
            What are prime numbers?
            What (exactly|) is (meant by|the meaning of) (a prime|a prime number)?
            (Give me|State|I need) (a|the) definition of (prime|a prime).
            (Give me|State|I need) (a|the) definition of (a prime number|prime numbers).
            (When|In which case) is a number (prime|a prime|a prime number)?
            (When|In which case) do we call a number (prime|a prime|a prime number)?
            (How|How exactly) (would you|do you) (define|describe) (a prime|a prime number)?
            (How|How exactly) (would you|do you) explain (a prime|a prime number)?
            (How|How exactly) do people (define|describe|explain) (a prime|a prime number)?
            What makes a number (prime|a prime|a prime number)?
            (What|Which) (numbers|kind of numbers) are (primes|prime numbers|called prime)?
            (What|Which) sort of numbers are (primes|prime numbers|called prime)?
            (Describe|Explain) (prime numbers|primes)(| to me).
            (Describe|Explain) (the term prime number|the word prime)(| to me).
            What do (we|people|you|teachers) mean by (a prime|a prime number)?
            (My son|My sister) asks what a prime(| number) is. What (can|do) I say?
            (A child|My daughter) asks what a prime(| number) is. What (can|do) I say?
            (I do not|I don't) (know|understand|remember) what a (prime|prime number) is.
            (In simple words|In short|In one sentence|Quickly), what is a prime(| number)?
            (What is|What's) the definition of (a prime|a prime number|prime numbers)?
            (What is|What's) (special about|the idea of) (prime numbers|primes|a prime number)?
            (Definition|Meaning) of (prime|prime number|prime numbers)?
            (I keep hearing|We read) about (primes|prime numbers). What are (they|those)?""",
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
            What are palindromes?
            (Give me|State|I need) (a|the) definition of (palindrome|a palindrome|palindromes).
            (When|In which case) is a word (called|) a palindrome?
            (How|How exactly) (would you|do you) (define|describe|explain) a palindrome?
            (How|How exactly) (would you|do you) (define|describe|explain) palindromes?
            (How|How exactly) do people (define|describe|explain) (a palindrome|palindromes)?
            What makes a word a palindrome?
            (What|Which) (words|kind of words) are (palindromes|called palindromes)?
            (What|Which) sort of words are (palindromes|called palindromes)?
            (Describe|Explain) (palindromes|the term palindrome|the word palindrome)(| to me).
            What do (we|people|you|teachers) mean by a palindrome?
            (My son|My sister) asks what a palindrome is. What (can|do) I say?
            (A child|My daughter) asks what a palindrome is. What (can|do) I say?
            (I do not|I don't) (know|understand|remember) what a palindrome is.
            (In simple words|In short|In one sentence|Quickly), what is a palindrome?
            (What is|What's) the (definition|meaning) of (a palindrome|palindrome)?
            (What is|What's) (special about|the idea of) (palindromes|a palindrome)?
            (Definition|Meaning) of (palindrome|palindromes|the word palindrome)?
            (I keep hearing|I read|We heard) about palindromes. What are (they|those)?""",
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
            What does factorial mean?
            (Give me|State|I need) (a|the) definition of (factorial|a factorial|the factorial).
            (How|How exactly) (would you|do you) (define|describe) (a factorial|factorials)?
            (How|How exactly) (would you|do you) explain (a factorial|factorials)?
            (How|How exactly) do people (define|describe|explain) (a factorial|factorials)?
            (Describe|Explain) (factorials|the term factorial|the word factorial)(| to me).
            What do (we|people|you|teachers) mean by a factorial?
            What do (we|people|you|teachers) mean by the factorial of a number?
            (My son|My sister) asks what a factorial is. What (can|do) I say?
            (A child|My daughter) asks what a factorial is. What (can|do) I say?
            (I do not|I don't) (know|understand|remember) what a factorial is.
            (In simple words|In short|In one sentence|Quickly), what is a factorial?
            (What is|What's) the (definition|meaning) of (a factorial|factorial)?
            (What is|What's) the (definition|meaning) of the word factorial?
            What is the factorial of a number?
            What does the (exclamation mark|sign !) (mean|stand for) (in math|after a number)?
            (Definition|Meaning) of (factorial|the word factorial|the term factorial)?
            (I keep hearing|I read|We heard) about factorials. What are (they|those)?
            How is (the factorial|a factorial|the factorial of a number) defined?
            What is (meant by|the idea of) (a factorial|the factorial of a number)?""",
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
            What is a mean?
            (Give me|State|I need) (a|the) definition of (average|an average|the average).
            (How|How exactly) (would you|do you) (define|describe) (an average|averages)?
            (How|How exactly) (would you|do you) explain (an average|averages)?
            (How|How exactly) do people (define|describe|explain) (an average|averages)?
            (Describe|Explain) (averages|the term average|the word average)(| to me).
            What do (we|people|you|teachers) mean by (an average|the average|the mean)?
            (My son|My sister) asks what an average is. What (can|do) I say?
            (A child|My daughter) asks what an average is. What (can|do) I say?
            (I do not|I don't) (know|understand|remember) what an average is.
            (In simple words|In short|In one sentence|Quickly), what is (an average|a mean)?
            (What is|What's) the (definition|meaning) of (an average|average|the average)?
            What is the (average|mean) of (some|several|many) numbers?
            (How|In what way) is (an average|the average|the mean) defined?
            (Definition|Meaning) of (average|the average|the word average|mean)?
            (I keep hearing|I read|We heard) about averages. What are (they|those)?
            What is (meant by|the idea of) (an average|the average|the mean)?
            How do (I|you|we|people) (get|find|work out) (an average|the average|a mean)?""",
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
            Explain what Python is.
            (Give me|State|I need) (a|the) (definition|description) of Python.
            (How|How exactly) (would you|do you|do people) (define|describe|explain) Python?
            (Describe|Explain) (Python|the term Python|the word Python)(| to me).
            What do (programmers|people|you|teachers) mean by Python?
            (My son|My sister|A child|My daughter) asks what Python is. What (can|do) I say?
            (I do not|I don't) (know|understand|remember) what Python is.
            (In simple words|In short|In one sentence|Quickly), what is Python?
            What (kind|sort) of (thing|language|tool) is Python?
            (What is|What's) (this|the) (thing|language) (called|named|they call) Python?
            (Is|So is) Python a (language|programming language)?
            (Is|So is) Python a (kind of language|way to write programs)?
            (I keep hearing|I read|We heard) about Python. What is (it|that)?
            What is (meant by|the meaning of) Python(| in computing| in programming)?
            What (is Python|would I use Python) for?
            (Definition|Meaning) of Python(| in computing| in programming)?""",
            "Can you explain what Python is?\nTell me what Python is.",
        ),
        "Python is a programming language.",
        "programming language",
    ),
    (
        phrases(
            """What is a calculator?
            Define calculator.
            Explain what a calculator is.
            (Give me|State|I need) (a|the) (definition|description) of calculator.
            (Give me|State|I need) (a|the) (definition|description) of a calculator.
            (How|How exactly) (would you|do you) (define|describe|explain) a calculator?
            (How|How exactly) do people (define|describe|explain) a calculator?
            (Describe|Explain) (calculators|the term calculator|the word calculator)(| to me).
            What do (we|people|you|teachers) mean by a calculator?
            (My son|My sister) asks what a calculator is. What (can|do) I say?
            (A child|My daughter) asks what a calculator is. What (can|do) I say?
            (I do not|I don't) (know|understand|remember) what a calculator is.
            (In simple words|In short|In one sentence|Quickly), what is a calculator?
            What (kind|sort) of (thing|tool|device) is a calculator?
            (What does|What can) a calculator do?
            What (is a calculator|are calculators) (good for|used for|for)?
            (I keep hearing|I read|We heard) about calculators. What are (they|those)?
            (What is|What's) the (definition|meaning) of (calculator|the word calculator)?
            (Definition|Meaning) of (calculator|the word calculator|the term calculator)?
            What does (the word|the term|) calculator mean?""",
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
            What does divisor mean?
            (Give me|State|I need) (a|the) definition of (divisor|a divisor|divisors).
            (When|In which case) is a number (called|) a divisor of (another|another number)?
            (How|How exactly) (would you|do you) (define|describe) (a divisor|divisors)?
            (How|How exactly) (would you|do you) explain (a divisor|divisors)?
            (How|How exactly) do people (define|describe|explain) (a divisor|divisors)?
            What makes a number a divisor of (another|another number)?
            (Describe|Explain) (divisors|the term divisor|the word divisor)(| to me).
            What do (we|people|you|teachers) mean by a divisor?
            (My son|My sister|A child|My daughter) asks what a divisor is. What (can|do) I say?
            (I do not|I don't) (know|understand|remember) what a divisor is.
            (In simple words|In short|In one sentence|Quickly), what is a divisor?
            (What is|What's) the (definition|meaning) of (a divisor|divisor)?
            What is a divisor of a number?
            What are (divisors|the divisors of a number)?
            (Definition|Meaning) of (divisor|divisors|the word divisor)?
            (I keep hearing|I read|We heard) about divisors. What are (they|those)?
            What is (meant by|the idea of) a divisor(| of a number)?""",
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
            Explain what a square root is.
            (Give me|State|I need) (a|the) definition of (square root|a square root).
            (Give me|State|I need) (a|the) definition of square roots.
            (How|How exactly) (would you|do you) (define|describe|explain) a square root?
            (How|How exactly) (would you|do you) (define|describe|explain) square roots?
            (How|How exactly) do people (define|describe|explain) (a square root|square roots)?
            (Describe|Explain) (the term square root|the square root)(| to me).
            (Describe|Explain) the words square root(| to me).
            What do (we|people|you|teachers) mean by a square root?
            What do (we|people|you|teachers) mean by the square root of a number?
            (My son|My sister) asks what a square root is. What (can|do) I say?
            (A child|My daughter) asks what a square root is. What (can|do) I say?
            (I do not|I don't) (know|understand|remember) what a square root is.
            (In simple words|In short|In one sentence|Quickly), what is a square root?
            (What is|What's) the (definition|meaning) of (a square root|square root)?
            What is the square root of a number?
            How is (the square root|a square root|the square root of a number) defined?
            (Definition|Meaning) of (square root|square roots|the square root)?
            (I keep hearing|I read|We heard) about square roots. What are (they|those)?
            What is (meant by|the idea of) (a square root|the square root of a number)?
            What (are square roots|does square root mean|do square roots mean)?""",
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
            Make me laugh.
            (Tell|Give) (us|me) (a|another|one) (funny|good) (joke|story|one-liner).
            (Tell|Give) (us|me) (a|another|one) (silly|short) (joke|story|one-liner).
            (Say|Write) something (that makes me laugh|silly|amusing|hilarious)(.|!)
            (I|We) (want|need|feel like) (to hear a joke|a joke|a good laugh|to laugh)(.|!)
            (Do you|Don't you) know (any|some|any good|some good) jokes?
            (Got|Have you got|Do you have) (a joke|any jokes|some jokes)(| for me| for us)?
            (Can you|Could you) (make me laugh|make me smile|be funny|crack a joke|tell jokes)?
            (Cheer|Please cheer) (me|us) up(| a bit| with a joke)(.|!)
            (A joke|One joke|Another joke|Jokes|Joke)(, please| please|)(.|!)
            (Entertain|Amuse) (me|us)(| please| a little)(.|!)
            (What is|What's) (your|the) (best|favourite|favorite|funniest) joke?
            (I am|I'm) (sad|bored|tired). (Tell me a joke|Make me laugh)(.|!)
            (I am|I'm) (sad|bored|tired). Say something funny(.|!)
            (Let me|Let us) hear (a joke|a good joke|something funny|your best joke)(.|!)
            (Be|Please be) (funny|a comedian)(| for once| for a moment)(.|!)
            (My friend|My sister|My son) (wants to hear|needs) (a joke|a good joke)(.|!)
            (My friend|My sister|My son) would love (a joke|a good joke)(.|!)
            Is there a joke (you like|that you find funny|that everybody likes)?""",
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
            What do you think about love?
            What (will the weather be|is the weather) (tomorrow|tonight|on Sunday)?
            What is the weather going to be (tomorrow|tonight|on Sunday)?
            (Will it be|Is it going to be) (sunny|windy|cold|warm|foggy) (tomorrow|tonight)?
            (Will it be|Is it going to be) (sunny|windy|cold|warm|foggy) this weekend?
            Is it (sunny|windy|cold|warm|raining|snowing) (outside|right now|in Paris)?
            (Do I|Should I|Will I) need an umbrella (today|tomorrow|tonight|this weekend)?
            (Book|Reserve|Find|Get) (me|us) a (table|hotel room|taxi)(| for tonight)(.|!)
            (Book|Reserve|Find|Get) (me|us) a (train ticket|seat)(| for tonight)(.|!)
            (Buy|Order|Get) (me|us) (some|fresh) (food|flowers|bread|coffee|groceries)(.|!)
            (Call|Phone|Text|Ring) (my mother|my boss|a taxi|the doctor|my friend)(.|!)
            (Send|Write) (a message|a letter|an email) to (my sister|the bank)(.|!)
            (Send|Write) (a message|a letter|an email) to (my landlord|my team)(.|!)
            (Translate|Put|Turn) (this|my letter|this sentence) into (Spanish|German)(.|!)
            (Translate|Put|Turn) (this|my letter|this sentence) into (Italian|Japanese)(.|!)
            (Draw|Paint|Sketch) (me|us) a (picture|cat|house|portrait|sunset)(.|!)
            (Sing|Compose|Whistle) (me|us) a (song|tune|melody|lullaby)(.|!)
            (Play|Show) (me|us) (a film|a video|my favourite album|the radio|a series)(.|!)
            (Turn|Switch) (on|off) the (lights|heating|television|radio|alarm)(.|!)
            (Set|Start) (an alarm|a timer|a reminder) for (tonight|tomorrow morning)(.|!)
            (Set|Start) (an alarm|a timer|a reminder) for my meeting(.|!)
            Wake me (up|) (tomorrow morning|early tomorrow|in an hour)(.|!)
            (Who|Which team) (won|lost|is winning) the (game|race)(| last night| today)?
            (Who|Which team) (won|lost|is winning) the (final|election)(| last night| today)?
            (Read|Give|Show) me the (latest|newest|current) (headlines|football results)(.|!)
            (Read|Give|Show) me the (latest|newest|current) news(.|!)
            (Which|What) (film|book|dress|song|dog) (should I|shall I) (buy|choose|pick)?
            (Which|What) (film|book|dress|song|dog) would you (buy|choose|pick)?
            (Do you|Could you ever) (love me|believe in ghosts|have feelings|dream|like music)?
            (What do you think|How do you feel) about (politics|my hair|religion)?
            (What do you think|How do you feel) about (art|the president)?
            (Drive|Take|Bring) me (home|to work|to the airport|to the station)(.|!)
            (Cook|Make|Bake) (me|us) (dinner|a cake|a sandwich|some soup)(.|!)
            (Clean|Tidy|Paint) (my room|the kitchen|our house|the garage)(.|!)
            (Pay|Cancel) my (rent|phone bill|electricity bill|subscription)(.|!)
            (Should I|Do you think I should) (marry him|quit my job|move to Spain|get a cat)?
            (Predict|Foretell) (my future|my fortune|the lottery numbers)(.|!)
            (Fix|Repair) my (car|bike|washing machine|broken phone|roof)(.|!)
            (Take|Make|Edit) a (photo|video|picture) (of me|of my cat|of us)(.|!)
            (How do I|How can I) (mend a broken heart|become famous)?
            (How do I|How can I) (make her love me|lose weight)?""",
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
            Alright
            (Ok|Okay|Alright|Right)(, got it|, understood|, I see|, fine|, then)(.|!|)
            (I|Now I|I think I) (understand|see|get it|got it)(.|!|)
            (Very good|Very well|Quite good|Really good|So good)(.|!|)
            (That|This) (is|was|sounds|looks) (good|nice|great|right)(.|!|)
            (That|This) (is|was|sounds|looks) (fine|interesting|correct)(.|!|)
            (Interesting|Wonderful|Amazing|Awesome|Fantastic)(.|!|)
            (Excellent|Brilliant|Lovely|Perfect)(.|!|)
            (Good|Great|Nice|Excellent) (job|work|answer|one)(.|!|)
            (Got it|Understood|Noted|Fair enough|Makes sense|Sounds good|All right|Sure)(.|!|)
            (Yes|Yeah|Yep), (that's|that is) (right|correct|it|true)(.|!|)
            (You are|You're) (right|clever|very clever|so smart|good at this)(.|!|)
            (Oh|Ah|Aha|Hm|Wow)(, I see|, interesting|, okay|, nice|, right)(.|!|)
            (I|We) (like|love) (it|that|this|your answer)(.|!|)
            (Impressive|Not bad|Well said|Well played|Good to know|Nicely done)(.|!|)
            (What a|Such a) (good|nice|clever|great) (answer|reply)(.|!|)
            (As|Just as) I (thought|expected|hoped)(.|!|)
            (I am|I'm) (happy|glad|pleased|satisfied) (with that|about that|to hear it)(.|!|)""",
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
    You can call me {p}.
    (Hi|Hey|Good morning|Good evening), (my name is|I'm|my name's) {p}(.|!)
    (Hi|Hello|Hey), (this is|it is|it's|here is) {p}(.|!)
    (I'm|I am|My name's|This is|It's) {p}(.|!|)
    {p} (is my name|is what people call me|is what my friends call me)(.|!)
    (My friends|Most people|My parents|All my friends) call me {p}(.|!)
    (Please|Just|You may|Feel free to) call me {p}(.|!)
    (The name is|My first name is|The name's|My nickname is) {p}(.|!)
    (Let me|Allow me to|May I) introduce myself: (I am|I'm|my name is) {p}(.|!)
    (You are|You're) (talking|speaking|chatting) (to|with) {p}(.|!)
    (I go by|I am called|I'm called|They call me|I answer to) {p}(.|!)
    (By the way|Just so you know), (I'm|I am|my name is) {p}(.|!)
    (So you know|For your information), (I'm|I am|my name is) {p}(.|!)
    (Nice|Pleased|Good) to meet you, (I'm|I am|my name is) {p}(.|!)
    {p} (here|speaking)(.|!|)
    (Please remember|Remember) that (my name is|I am|I'm called) {p}(.|!)
    (I should|I want to|Let me) tell you my name: (it is|it's) {p}(.|!)""",
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
    What are you good at?
    What (kinds|sorts|types) of (tasks|questions|problems) can you (handle|deal with)?
    What (kinds|sorts|types) of (tasks|questions|problems) can you help with?
    (With what|With which things|In which ways) can you (help|assist|support) me?
    (What|Which) (tools|abilities|skills|functions|features) do you (have|offer|possess)?
    (List|Name|Describe|Show me) (your|all your) (tools|abilities|skills|functions|features).
    (What|Which) (tools|programs) (are available to you|can you call|do you know)?
    (I want to know|I wonder|Explain) what you (can do|are able to do).
    (Please explain|Please say) what you (can do|are able to do).
    What (are you capable of|do you know how to do|are your strengths|is it that you do)?
    What (is|would be) your (purpose|job|task|speciality)?
    What (can|could|should|may) I (use you for|ask you for|ask you to do)?
    What (can|could|should|may) I (do with you|expect from you)?
    (How|In what way) (do you work|can I use you|should I use you|could you be useful to me)?
    (Give me|I need|I want) an overview of (your|all your) (abilities|tools|skills).
    (Give me|I need|I want) a list of (your|all your) (abilities|tools|skills).
    (Help|Help me|I need help|Some help)(!|, please|.|)
    (Can|Could) you (do anything useful|help me with something|do something for me)?
    What (were|are) you (made|built|created) for?
    (I am new here|This is my first time). What (can you do|are your abilities|do you offer)?
    (Your|All your) (abilities|tools|skills|functions)(, please|)?""",
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
