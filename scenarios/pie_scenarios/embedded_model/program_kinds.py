"""What a short program is asked for: its wordings, its code, its answer: data for `programs`."""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.embedded_model.draw import Phrases, phrases


@dataclass(frozen=True, slots=True)
class Program:
    """A program in several wordings; a wording that ends in "?" is a whole question."""

    nouns: Phrases
    verbs: Phrases
    questions: Phrases
    code: str
    answer: str


def _program(
    code: str, answer: str, train: tuple[str, str, str], held: tuple[str, str, str]
) -> Program:
    nouns, verbs, questions = (phrases(a, b) for a, b in zip(train, held, strict=True))
    return Program(nouns, verbs, questions, code, answer)


PRIME = "all(n % d for d in range(2, int(n**0.5) + 1))"

PROGRAMS = (
    _program(
        f"print(sum({PRIME} for n in range(2, {{n}})))",
        "There are {r} primes below {n}.",
        (
            """the number of primes below {n}
            the number of prime numbers below {n}
            the count of primes less than {n}
            the number of primes smaller than {n}
            the (total|exact|) (number|count) of (primes|prime numbers) (under|before) {n}
            the (total|exact|) (number|count) of (primes|prime numbers) lower than {n}
            the amount of (primes|prime numbers) (below|under|smaller than) {n}
            the (number|count) of (primes|prime numbers) that are (less than|smaller than) {n}
            the (number|count) of (primes|prime numbers) that are under {n}
            the (size|length) of the (list|set) of primes (below|smaller than) {n}
            the (size|length) of the (list|set) of prime numbers (below|smaller than) {n}
            the (number|count) of (numbers|integers) (below|under|less than) {n} that are prime
            the (number|quantity) of (primes|prime numbers) (before you reach|below|under) {n}""",
            """count the primes below {n}
            count the prime numbers less than {n}
            count all primes under {n}
            count how many primes are below {n}
            (find out|work out) how many (primes|prime numbers) (exist|lie) below {n}
            (determine|figure out) how many (primes|prime numbers) (exist|lie) below {n}
            count (the|all|all the) (primes|prime numbers) (that are|) (smaller|lower) than {n}
            (use|run) Python to count the (primes|prime numbers) (below|under) {n}
            (use|run) Python to count the (primes|prime numbers) smaller than {n}
            run a (program|script) that counts the (primes|prime numbers) (below|under) {n}
            look at the numbers (below|under) {n} and count the (primes|prime ones)
            go through the numbers (below|under) {n} and count the (primes|prime ones)
            check the numbers (below|under) {n} and count the (primes|prime ones)
            (get|find|determine) the (number|count) of primes (below|under|before) {n}
            (get|find|determine) the (number|count) of prime numbers (below|under|before) {n}""",
            """How many primes are below {n}?
            How many prime numbers are below {n}?
            How many primes are there below {n}?
            How many primes are less than {n}?
            How many primes are smaller than {n}?
            How many prime numbers are there under {n}?
            How many (numbers|integers) (below|under|less than) {n} are (prime|prime numbers)?
            How many whole numbers (below|under|less than) {n} are (prime|prime numbers)?
            (Below|Under) {n}, how many (primes|prime numbers) (are there|exist|do we have)?
            Tell me how many (primes|prime numbers) (there are|exist|lie) (below|under) {n}.
            I (wonder|want to know) how many (primes|prime numbers) lie (below|under) {n}.
            I need to know how many (primes|prime numbers) lie (below|under) {n}.
            (If|When) (I|you|we) list the primes (below|under) {n}, how many are there?
            (If|When) (I|you|we) list the primes (below|under) {n}, how many numbers is that?
            Take (all|the) numbers (below|less than) {n}. How many of (them|these) are prime?
            Take (all|the) integers (below|less than) {n}. How many of (them|these) are prime?
            (Number|Count) of (primes|prime numbers) (below|under) {n}?
            How many (primes|prime numbers) (come before|do you find below|lie under) {n}?""",
        ),
        (
            "the number of prime numbers less than {n}",
            "count all prime numbers below {n}",
            """How many prime numbers are less than {n}?
            How many primes are there under {n}?""",
        ),
    ),
    _program(
        f"print([n for n in range(2, {{s}} + 1) if {PRIME}])",
        "The primes are {r}.",
        (
            """the primes up to {s}
            all primes up to {s}
            all prime numbers up to {s}
            (the|a) list of (the|all) (primes|prime numbers) up to {s}
            (the|all|all the) (primes|prime numbers) (from 1 to|not greater than|not above) {s}
            (the|all) numbers (from 1 to|up to) {s} that are (prime|primes)
            every prime (number|) (up to|from 2 to|not above) {s}
            the (primes|prime numbers) up to and including {s}
            (the|all) (primes|prime numbers) in the range (from 1 to|up to) {s}""",
            """list the primes up to {s}
            list all prime numbers up to {s}
            print all primes up to {s}
            show all primes up to {s}
            (write down|give me) (the|all) (primes|prime numbers) (up to|from 1 to) {s}
            (name|enumerate) (the|all) (primes|prime numbers) (up to|from 1 to) {s}
            (find|get|determine|collect) (all|all the) primes (up to|from 1 to) {s}
            (find|get|determine|collect) every one of the primes (up to|from 1 to) {s}
            (go through|look at) the numbers (from 1 to|up to) {s} and list the primes
            (go through|look at) the numbers (from 1 to|up to) {s} and list the prime ones
            (make|print) (a|the) list of (the|all) (primes|prime numbers) up to {s}
            (create|write) (a|the) list of (the|all) (primes|prime numbers) up to {s}
            (use|run) Python to (list|print|find) the (primes|prime numbers) up to {s}
            (pick|choose|filter) the (primes|prime numbers) out of the numbers from 1 to {s}""",
            """Which primes are there up to {s}?
            What are the primes up to {s}?
            Which numbers up to {s} are prime?
            Which (numbers|integers) from 1 to {s} are (prime|primes|prime numbers)?
            Which (numbers|integers) not greater than {s} are (prime|primes|prime numbers)?
            Tell me which (numbers|integers) (up to|from 1 to) {s} are (prime|primes).
            (I want to know|I need to know|Show me) which numbers up to {s} are (prime|primes).
            (Going|Counting) from 2 to {s}, which numbers are prime?
            Of (all|the) numbers (up to|from 1 to) {s}, which (ones|) are (prime|primes)?
            Of (all|the) integers (up to|from 1 to) {s}, which (ones|) are (prime|primes)?
            (Take|Look at) the numbers from 1 to {s}. Which (of them|ones|of these) are prime?
            Think of the numbers from 1 to {s}. Which (of them|ones|of these) are prime?
            Which (primes|prime numbers) (do you find|exist|can you find|are there) up to {s}?
            (Primes|All primes|Prime numbers|List of primes) up to {s}?""",
        ),
        (
            "the prime numbers up to {s}",
            "list all primes up to {s}",
            "What are all the primes up to {s}?",
        ),
    ),
    _program(
        "n = {n}\nprint(n > 1 and " + PRIME + ")",
        "Is {n} prime: {r}.",
        (
            """whether {n} is prime
            whether {n} is a prime number
            if {n} is prime
            whether (the number|the integer) {n} is (a prime|prime)
            whether or not {n} is (prime|a prime|a prime number)
            if (the number|the integer|) {n} is a prime
            whether {n} (belongs to|is one of|is among) the (primes|prime numbers)
            (the answer to the question|) whether {n} is (prime|a prime)
            whether {n} is (prime or not|prime or composite|a prime or not)""",
            """check whether {n} is prime
            test if {n} is a prime number
            check if {n} is prime
            decide whether {n} is a prime
            (find out|determine) (whether|if) {n} is (prime|a prime|a prime number)
            (work out|figure out) (whether|if) {n} is (prime|a prime|a prime number)
            (see|look|test) (whether|if) (the number|) {n} is (prime|a prime)
            (verify|check) that {n} is (prime|a prime|a prime number)
            test {n} for (primality|primeness)
            (run|do|make) a (prime|primality) test (on|for) {n}
            (use|run) Python to (check|test|find out) (whether|if) {n} is (prime|a prime)""",
            """Is {n} prime?
            Is {n} a prime number?
            Is the number {n} prime?
            Is {n} a prime?
            (Can|Could) {n} be a (prime|prime number)?
            Tell me (whether|if) {n} is (prime|a prime|a prime number).
            I (wonder|want to know|need to know) (whether|if) {n} is (prime|a prime number).
            {n}: (prime or not|is it prime|is that a prime)?
            (Someone|My teacher) says that {n} is (prime|a prime). Is (that true|this right)?
            My friend says that {n} is (prime|a prime). Is (that true|this right)?
            (Look at|Take) (the number|) {n}. Is (it|this|that) (prime|a prime number)?
            Consider (the number|) {n}. Is (it|this|that) (prime|a prime number)?
            (Look at|Take|Consider) (the number|) {n}. Is (it|this|that) a prime?
            Is {n} (one of|among) the (primes|prime numbers)?
            Is {n} (prime or composite|a prime or not|prime or not)?
            (Does|Would) {n} count as (prime|a prime|a prime number)?""",
        ),
        (
            "if {n} is a prime number",
            "check whether {n} is a prime number",
            "Is the number {n} a prime?",
        ),
    ),
    _program(
        "import math\nprint(math.gcd({a}, {b}))",
        "The greatest common divisor is {r}.",
        (
            """the greatest common divisor of {a} and {b}
            the gcd of {a} and {b}
            gcd({a}, {b})
            the greatest common factor of {a} and {b}
            the largest common divisor of {a} and {b}
            the (GCD|gcf|GCF|hcf|highest common factor) of {a} and {b}
            the (biggest|largest) (common factor|common divisor) of {a} and {b}
            the (greatest|highest) (common factor|common divisor) of {a} and {b}
            the (largest|biggest) (number|integer) that (divides|goes into) both {a} and {b}
            the greatest (number|integer) that (divides|goes into) both {a} and {b}
            the (largest|greatest) (divisor|factor) that {a} and {b} (share|have in common)
            the biggest (divisor|factor) that {a} and {b} (share|have in common)
            the (gcd|largest common factor|highest common divisor) for {a} and {b}
            (gcd|GCD|greatest common divisor): {a} and {b}""",
            """find the gcd of {a} and {b}
            find the greatest common divisor of {a} and {b}
            compute gcd of {a} and {b}
            (determine|calculate) the (gcd|GCD|greatest common divisor) of {a} and {b}
            (work out|get) the (gcd|GCD|greatest common divisor) of {a} and {b}
            (find|compute) the (largest|highest) common (factor|divisor) of {a} and {b}
            calculate the (largest|highest) common (factor|divisor) of {a} and {b}
            (find|compute|calculate) the biggest common (factor|divisor) of {a} and {b}
            find the (largest|biggest) (number|integer) that divides (both|) {a} and {b}
            find the greatest (number|integer) that divides (both|) {a} and {b}
            (use|run) Python to (find|get) the (gcd|greatest common divisor) of {a} and {b}
            (take|get) the numbers {a} and {b} and (find|compute) their gcd
            (take|get) the numbers {a} and {b} and (find|compute) their greatest common divisor
            (give|show) me the (biggest|largest|highest) common (divisor|factor) of {a} and {b}""",
            """What is the gcd of {a} and {b}?
            What is the largest number that divides {a} and {b}?
            (Which|What) is the (largest|biggest) common (factor|divisor) of {a} and {b}?
            (Which|What) is the (highest|greatest) common (factor|divisor) of {a} and {b}?
            (Which|What) is the (largest|biggest) (number|integer) dividing both {a} and {b}?
            (Which|What) is the greatest (number|integer) dividing both {a} and {b}?
            By which (largest|greatest) number can (you|we|I) divide both {a} and {b}?
            (I have|Take|Given are) the numbers {a} and {b}. What is their gcd?
            (I have|Take) the numbers {a} and {b}. What is their greatest common divisor?
            Given are the numbers {a} and {b}. What is their greatest common divisor?
            (For|Given) {a} and {b}, what is the (gcd|GCD)?
            (For|Given) {a} and {b}, what is the greatest common divisor?
            (For|Given) {a} and {b}, what is the largest common factor?
            What is the (largest|greatest) (divisor|factor) that {a} and {b} share?
            What is the (largest|greatest) (divisor|factor) that {a} and {b} have in common?
            What (do|would) you get (as|for) the (gcd|greatest common divisor) of {a} and {b}?
            (Gcd|GCD|Greatest common divisor|Highest common factor) of {a} and {b}?""",
        ),
        (
            "the gcd of the numbers {a} and {b}",
            "compute the greatest common divisor of {a} and {b}",
            "What is the greatest common divisor for {a} and {b}?",
        ),
    ),
    _program(
        "import math\nprint(math.lcm({a}, {b}))",
        "The least common multiple is {r}.",
        (
            """the least common multiple of {a} and {b}
            the lcm of {a} and {b}
            lcm({a}, {b})
            the smallest common multiple of {a} and {b}
            the (LCM|lowest common multiple|least common multiple) (of|for) {a} and {b}
            the (smallest|lowest) (common multiple|shared multiple) of {a} and {b}
            the (smallest|lowest|least) (number|integer) that (both|) {a} and {b} divide
            the (smallest|least) (number|integer) divisible by both {a} and {b}
            the (smallest|least) (number|integer) that is a multiple of both {a} and {b}
            the (first|smallest) multiple that {a} and {b} (share|have in common)
            (lcm|LCM|least common multiple): {a} and {b}""",
            """find the lcm of {a} and {b}
            find the least common multiple of {a} and {b}
            (determine|calculate) the (lcm|LCM|least common multiple) of {a} and {b}
            (work out|get) the (lcm|LCM|least common multiple) of {a} and {b}
            (find|compute|calculate) the (smallest|lowest) common multiple of {a} and {b}
            find the (smallest|lowest) (number|integer) divisible by both {a} and {b}
            find the (smallest|lowest) (number|integer) that is a multiple of both {a} and {b}
            (use|run) Python to (find|get) the (lcm|least common multiple) of {a} and {b}
            (take|get) the numbers {a} and {b} and (find|compute) their lcm
            (take|get) the numbers {a} and {b} and (find|compute) their least common multiple
            (give|show) me the (smallest|lowest|least) common multiple of {a} and {b}""",
            """What is the lcm of {a} and {b}?
            What is the smallest number that {a} and {b} divide?
            (Which|What) is the (smallest|lowest|least) common multiple of {a} and {b}?
            What is the smallest (number|integer) that (both|) {a} and {b} (divide|go into)?
            What is the lowest (number|integer) that (both|) {a} and {b} (divide|go into)?
            (Which|What) is the smallest (number|integer) divisible by both {a} and {b}?
            (Which|What) is the least (number|integer) divisible by both {a} and {b}?
            (I have|Take|Given are) the numbers {a} and {b}. What is their lcm?
            (I have|Take) the numbers {a} and {b}. What is their least common multiple?
            Given are the numbers {a} and {b}. What is their least common multiple?
            (For|Given) {a} and {b}, what is the (lcm|LCM)?
            (For|Given) {a} and {b}, what is the least common multiple?
            (For|Given) {a} and {b}, what is the lowest common multiple?
            What is the (first|smallest) multiple that {a} and {b} (share|have in common)?
            What (do|would) you get (as|for) the (lcm|least common multiple) of {a} and {b}?
            (Lcm|LCM|Least common multiple|Lowest common multiple) of {a} and {b}?""",
        ),
        (
            "the lcm of the numbers {a} and {b}",
            "compute the least common multiple of {a} and {b}",
            "What is the least common multiple for {a} and {b}?",
        ),
    ),
    _program(
        "print(sum(int(d) for d in str({n})))",
        "The digit sum is {r}.",
        (
            """the digit sum of {n}
            the sum of the digits of {n}
            the sum of digits of {n}
            the cross sum of {n}
            the sum of (all|all the|the single|the individual) digits (of|in) {n}
            the (total|sum) of the digits (that make up|making up|in the number) {n}
            the (digit sum|sum of digits|cross sum) of the number {n}
            the (total|sum) you get (by adding|when you add|from adding) the digits of {n}
            the digits of {n} (added up|added together|summed up)
            {n}'s (digit sum|sum of digits|cross sum)""",
            """add the digits of {n}
            sum the digits of {n}
            add up the digits of {n}
            (calculate|compute|find|work out) the (digit sum|sum of the digits) of {n}
            (calculate|compute|find|work out) the cross sum of {n}
            add (together|up) (all|the|all the) digits (of|in) (the number|) {n}
            (take|split) {n} (digit by digit|into its digits) and (add them up|sum them)
            (total|sum) (all|the|all the) digits (of|in) {n}
            (use|run) Python to (add|sum) the digits of {n}
            (give|show) me the (digit sum|sum of digits|sum of the digits) of {n}""",
            """What do the digits of {n} add up to?
            What is the sum of all digits in {n}?
            What (do you get|is the total) (when you|if you|if I) add the digits of {n}?
            What is the sum (when you|if you|if I) add the digits of {n}?
            (If|When) (I|you|we) add (up|together) the digits of {n}, what is the sum?
            (If|When) (I|you|we) add (up|together) the digits of {n}, what do I get?
            (If|When) (I|you|we) add (up|together) the digits of {n}, what comes out?
            What is the (digit sum|sum of digits|cross sum|total of the digits) of {n}?
            What (do|would) (all|the|all the) digits of {n} (add up to|make together|sum to)?
            (Take|I have|Look at) the number {n}. What is its digit sum?
            (Take|I have|Look at) the number {n}. What is the sum of its digits?
            (Digit sum|Sum of digits|Cross sum) of {n}?
            (What is|How big is|How much is) {n}'s (digit sum|sum of digits)?""",
        ),
        (
            "the sum of the digits in {n}",
            "sum up the digits of {n}",
            "What is the sum of the digits of the number {n}?",
        ),
    ),
    _program(
        "import math\nprint(len(str(math.factorial({k}))))",
        "It has {r} digits.",
        (
            """the number of digits of {k} factorial
            the number of digits in {k}!
            the (number|count|amount) of (decimal digits|digits) (in|of) {k}!
            the (number|count) of digits (that|which) {k} factorial has
            the (number|count) of digits (in|of) the factorial of {k}
            the (length|digit count) of {k} factorial
            the length of {k}! in (digits|decimal digits)
            the (number|count) of digits (needed|you need) to write ({k}!|{k} factorial)
            the (digit count|number of digits) (of|for) ({k}!|the factorial of {k})""",
            """count the digits of {k}!
            count the digits of {k} factorial
            (find out|work out|determine|figure out) how many digits ({k}!|{k} factorial) has
            count (all|the|all the) digits (in|of) the factorial of {k}
            (compute|calculate|take) {k} factorial and count (its|the) digits
            (find|determine|get) the number of digits (in|of) ({k}!|{k} factorial)
            (use|run) Python to count the digits (in|of) ({k}!|{k} factorial)
            multiply the numbers from 1 to {k} together and count the digits of the product
            take the numbers from 1 to {k} together and count the digits of the product""",
            """How many digits does {k} factorial have?
            How many digits does {k}! have?
            How many digits are in {k}!?
            How many digits are in {k} factorial?
            What is the (number|count) of digits (of|in) ({k}!|{k} factorial)?
            (If|When) (I|you|we) write out ({k}!|{k} factorial), how many digits are there?
            (If|When) (I|you|we) write out ({k}!|{k} factorial), how many digits does it have?
            Tell me how many digits ({k}!|{k} factorial|the factorial of {k}) has.
            I (wonder|want to know) how many digits ({k}!|{k} factorial) has.
            I (wonder|want to know) how many digits the factorial of {k} has.
            How (long|many digits long) is (the number|) ({k}!|{k} factorial)?
            (Take|Compute|Think of) the factorial of {k}. How many digits does it have?
            (Take|Compute|Think of) the factorial of {k}. How many digits are there?
            How many (digits|decimal digits) (has|do you need to write) the factorial of {k}?
            (Number|Count) of digits in ({k}!|{k} factorial)?""",
        ),
        (
            "the number of digits in {k} factorial",
            "count the digits in {k} factorial",
            "How many digits are there in {k} factorial?",
        ),
    ),
    _program(
        "import math\nprint(math.factorial({s}))",
        "The factorial is {r}.",
        (
            """{s} factorial
            {s}!
            the factorial of {s}
            factorial of {s}
            (the value of|the number|) {s} factorial
            the product (of|of all|of all the) (numbers|integers|whole numbers) from 1 to {s}
            the product (1 * 2 * ... * {s}|of 1, 2, 3 and so on up to {s})
            the (value|result) of (the factorial of {s}|{s} factorial)
            (factorial|the factorial) (for|of) {s}
            {s}! (written out|as a number|as one number)""",
            """compute the factorial of {s}
            calculate {s}!
            (work out|compute|find|get|determine) {s} factorial
            (find|work out|determine) the factorial of {s}
            (find|work out|compute|evaluate) {s}!
            multiply (all|the|all the) (numbers|integers|whole numbers) from 1 to {s}
            (use|run) Python to (compute|calculate|get) (the factorial of {s}|{s} factorial)
            (form|take|find|compute) the product of (all|the) (numbers|integers) from 1 to {s}""",
            """How much is {s} factorial?
            What is the factorial of {s}?
            What (do|would) you get (as|for) (the factorial of {s}|{s} factorial)?
            (If|When) (I|you|we) multiply the numbers from 1 to {s}, what comes out?
            (If|When) (I|you|we) multiply the numbers from 1 to {s}, what is the result?
            What is the product of (all|the|all the) (numbers|integers) from 1 to {s}?
            What is the product of (all|the|all the) whole numbers from 1 to {s}?
            What (does|is the value of) {s} factorial?
            How (big|large) is (the factorial of {s}|{s} factorial|{s}!)?
            Tell me (the value of|) (the factorial of {s}|{s} factorial).
            (I need|I am looking for|Show me) (the factorial of {s}|{s} factorial|{s}!).
            (Factorial|The factorial) of {s}?""",
        ),
        (
            "the factorial of the number {s}",
            "calculate the factorial of {s}",
            "How much is the factorial of {s}?",
        ),
    ),
    _program(
        "print('{w}'[::-1])",
        "{r}",
        (
            """{q} backwards
            {q} in reverse
            the reverse of {q}
            the word {q} backwards
            {q} spelled backwards
            the reverse of the word {q}
            the (letters|characters) of {q} in (reverse|reverse order|reversed order)
            {q} (reversed|written backwards|written in reverse)
            {q} (read backwards|the other way round)
            the (reversed|backward) (form|version|spelling) of {q}
            {q} (from back to front|from the last letter to the first|from right to left)
            the mirror image of the (word|string|text) {q}
            the (word|string|name) you get by (reversing|turning around) {q}""",
            """reverse {q}
            reverse the word {q}
            reverse the string {q}
            write {q} backwards
            spell {q} backwards
            (turn|flip) (the word|the string|) {q} (around|back to front)
            (print|show|give) (the word|the letters of|the string) {q} (in reverse|backwards)
            (write|spell|put) the letters of {q} in (reverse|reverse order|the opposite order)
            (use|run) Python to (reverse|turn around) (the word|the string|) {q}
            (read|say) the word {q} (backwards|from right to left|from back to front)
            reverse the (order of the letters|letters|characters) (in|of) {q}""",
            """What is {q} backwards?
            What is {q} spelled backwards?
            How do you write {q} backwards?
            What does {q} look like reversed?
            What do you get (if|when) you (reverse|spell backwards|turn around) {q}?
            (If|When) (I|you|we) (reverse|turn around) {q}, what (comes out|do I get)?
            (If|When) (I|you|we) (reverse|turn around) {q}, what does it say?
            How is {q} (spelled|written) (backwards|in reverse|from right to left)?
            How (would|do) (you|I|we) (spell|write|say) {q} (backwards|in reverse)?
            Tell me (how {q} is spelled backwards|what {q} is in reverse).
            (I have|Take|Here is) the word {q}. What is it (backwards|in reverse)?
            (I have|Take|Here is) the word {q}. What is it spelled backwards?
            What does {q} (become|read|turn into) (when reversed|from right to left|backwards)?
            What are the letters of {q} in reverse(| order)?""",
        ),
        (
            "the string {q} in reverse",
            "write the word {q} backwards",
            "What is the word {q} in reverse?",
        ),
    ),
    _program(
        "print('{w}'.upper())",
        "{r}",
        (
            """{q} in capital letters
            {q} in upper case
            {q} in uppercase
            {q} in (capitals|all capitals|all caps|block capitals|big letters)
            {q} (written|spelled|printed) in (capitals|capital letters|upper case|uppercase)
            the (uppercase|upper-case|upper case) (form|version|spelling) of {q}
            {q} with (all|all its|only) (letters in upper case|capital letters)
            the (letters|characters) of {q} as (capitals|capital letters)
            the (string|text) {q} in (upper case|uppercase|capitals)""",
            """write {q} in capital letters
            convert {q} to upper case
            make {q} uppercase
            turn {q} into capitals
            put {q} in upper case
            (write|print|show) (the word|) {q} in (all caps|capitals|big letters)
            (change|turn|convert) (the word|the string|) {q} (to|into) capitals
            (change|turn|convert) (the word|the string|) {q} (to|into) capital letters
            (make|turn) (all|all the|the) letters of {q} (uppercase|into capitals)
            (capitalise|capitalize) (all|all the|every one of the) letters (of|in) {q}
            (use|run) Python to (write|put) {q} in (upper case|capitals|capital letters)
            (spell|type|give) {q} in (capital letters|upper case|capitals)""",
            """What is {q} in capital letters?
            How does {q} look in upper case?
            What (does|would) {q} look like in (capitals|capital letters|upper case|all caps)?
            How (do|would) (you|I|we) write {q} in (capitals|capital letters|upper case)?
            How is {q} (written|spelled) in (capitals|capital letters|upper case|all caps)?
            What is the (uppercase|upper case|upper-case) (form|version|spelling) of {q}?
            What do I get (when|if) I (put|write) {q} in (capitals|upper case|capital letters)?
            Tell me how {q} (looks|is written) in (capitals|upper case|all caps).
            (I have|Take|Here is) the word {q}. What is it in (capitals|all caps)?
            (I have|Take|Here is) the word {q}. What is it in capital letters?
            (Please show|Show|Give) me {q} in (capitals|capital letters).
            (Please show|Show|Give) me {q} in (upper case|big letters).""",
        ),
        (
            "the word {q} in capital letters",
            "convert {q} to uppercase",
            "What is {q} in upper case?",
        ),
    ),
    _program(
        "print('{w}'.count('{l}'))",
        "The letter {l} occurs {r} times.",
        (
            """the number of {l}'s in {q}
            the number of times {l} occurs in {q}
            how often {l} occurs in {q}
            the (number|count) of (times the letter {l} is|letters {l}) in {q}
            the (number|count) of (occurrences|appearances) of (the letter|) {l} in {q}
            the (number|count) of {l}'s (that are found|there are|contained) in the word {q}
            the (frequency|count) of (the letter|) {l} in (the word|) {q}
            the number of times (that|) (the letter|) {l} (is found|is used|shows up) in {q}
            the {l} count of (the word|) {q}""",
            """count the letter {l} in {q}
            count the {l}'s in {q}
            count how often {l} appears in {q}
            (find out|determine|work out) how (often|many times) {l} (is|occurs) in {q}
            count (all|all the|every one of the) {l}'s in (the word|) {q}
            count the (occurrences|appearances) of (the letter|) {l} in {q}
            (use|run) Python to count the (letter {l}|{l}'s) in {q}
            (look at|take|go through) the word {q} and count the (letter {l}|{l}'s)
            (find|get) the number of (times {l} is|{l}'s) in (the word|) {q}""",
            """How many {l}'s are in {q}?
            How many times does {l} occur in {q}?
            How often does the letter {l} appear in {q}?
            How many {l} are there in {q}?
            How many letters {l} are in {q}?
            How (often|many times) (is|do you find|can you find) the letter {l} in {q}?
            (In|Within) the word {q}, how (often|many times) is there a letter {l}?
            (In|Within) the word {q}, how (often|many times) do you see the letter {l}?
            What is the (number|count) of {l}'s in (the word|) {q}?
            Tell me how (often|many times) (the letter|) {l} (appears|occurs|is) in {q}.
            I (wonder|want to know) how many {l}'s (are in|there are in|are contained in) {q}.
            (Take|Look at|Here is) the word {q}. How many {l}'s (are in it|does it have)?
            (Take|Look at|Here is) the word {q}. How many {l}'s do you see?
            How many (letters {l}|{l}'s) (does the word|does) {q} (have|contain)?
            How many (letters {l}|{l}'s) does the string {q} (have|contain)?
            (Number|Count) of {l}'s in (the word|) {q}?
            (If|When) (I|you|we) spell {q}, how often does the letter {l} (come up|occur)?
            (If|When) (I|you|we) spell {q}, how many times does the letter {l} (come up|occur)?""",
        ),
        (
            "how often {l} appears in {q}",
            "count how often the letter {l} occurs in {q}",
            "How many times does the letter {l} appear in {q}?",
        ),
    ),
    _program(
        "print(len('{w}'))",
        "It has {r} letters.",
        (
            """the number of letters in {q}
            the length of {q}
            the length of the word {q}
            the (letter count|character count|number of characters) of {q}
            the (number|count) of (letters|characters) (that make up|making up|of) {q}
            the (length|size) of the (string|name|text) {q}
            the (length|size) of (the word|) {q} in (letters|characters)
            the (total|exact|) number of letters (that the word {q} has|needed to write {q})""",
            """count the letters in {q}
            count the letters of {q}
            count the characters in {q}
            (find out|determine|work out) how (long {q} is|many letters {q} has)
            (determine|find|measure|get) the length of (the word|the string|) {q}
            (find|get|give me) the number of (letters|characters) (in|of) {q}
            count (all|all the|every one of the) (letters|characters) (in|of) (the word|) {q}
            (use|run) Python to count the (letters|characters) (in|of) {q}
            (take|look at) the word {q} and count (its|the) (letters|characters)""",
            """How many letters are in {q}?
            How long is the word {q}?
            How many letters does {q} have?
            How many characters does {q} have?
            How many (letters|characters) long is (the word|the string|) {q}?
            What is the (length|letter count|number of letters) of (the word|) {q}?
            How many (letters|characters) (does it take|do you need) to (write|spell) {q}?
            How many (letters|characters) are needed to (write|spell) {q}?
            Tell me how (long the word {q} is|many letters {q} has|many characters {q} has).
            I (wonder|want to know) how many (letters|characters) {q} (has|contains).
            I need to know how many (letters|characters) {q} (has|contains).
            (Take|Look at|Here is) the word {q}. How (long is it|many letters does it have)?
            (Length|Letter count|Number of letters) of (the word|) {q}?
            (If|When) (I|you|we) (write|spell) {q}, how many letters (are there|is that)?
            How long (is|would be) {q} in (letters|characters)?""",
        ),
        (
            "the number of letters in the word {q}",
            "count the letters in the word {q}",
            "How many letters does the word {q} have?",
        ),
    ),
    _program(
        "print(sum(c in 'aeiou' for c in '{w}'))",
        "It has {r} vowels.",
        (
            """the number of vowels in {q}
            the vowel count of {q}
            the (total|exact|) (number|count) of vowels (that are in|contained in|of) {q}
            the (number|count) of (letters|characters) (in|of) {q} that are vowels
            the (number|count) of vowels (that the word {q} has|there are in {q})
            the (number|count) of (a, e, i, o and u|vowel letters) in {q}
            the (number|count|amount) of vowels (used|needed) (to write|to spell) {q}
            the (number|count|amount) of vowels (used|needed) in writing {q}
            the vowel count (for|in) (the word|the string|) {q}""",
            """count the vowels in {q}
            count all vowels of {q}
            (find out|determine|work out) how many vowels {q} (has|contains)
            count the (letters|characters) (in|of) {q} that are vowels
            (find|determine|get|give me) the number of vowels in {q}
            (use|run) Python to count the vowels (in|of) (the word|) {q}
            (take|go through|look at) the word {q} and count (the|its) vowels
            count (all|all the|every one of the) vowels (in|of) the (string|name|word) {q}""",
            """How many vowels are in {q}?
            How many vowels does {q} have?
            How many (of the letters|letters|characters) (in|of) {q} are vowels?
            What is the (number|count) of vowels (in|of) (the word|) {q}?
            How many vowels does (the word|the string|) {q} (contain|include)?
            Tell me how many vowels (are in|you find in|there are in) {q}.
            I (wonder|want to know|need to know) how many vowels {q} (has|contains).
            (Take|Look at|Here is) the word {q}. How many vowels (does it have|are in it)?
            (Number of vowels|Vowel count|Count of vowels) in (the word|) {q}?
            (If|When) (I|you|we) (write|spell) {q}, how many vowels do I need?
            (If|When) (I|you|we) (write|spell) {q}, how many vowels are there?""",
        ),
        (
            "the number of vowels in the word {q}",
            "count the vowels in the word {q}",
            "How many vowels are there in {q}?",
        ),
    ),
    _program(
        "w = '{w}'\nprint(w == w[::-1])",
        "Is it a palindrome: {r}.",
        (
            """whether {q} is a palindrome
            if {q} is a palindrome
            whether (or not|) (the string|) {q} is a palindrome
            if (the string|the name|) {q} (is a palindrome|is palindromic)
            whether {q} (is the same|reads the same|stays the same) (backwards|when reversed)
            if {q} (is the same|reads the same|is spelled the same) (in reverse|backwards)
            whether {q} (equals its reverse|is equal to its own reverse|is its own reverse)
            whether {q} (reads the same|is the same) forwards and backwards
            whether {q} (reads the same|is the same) in both directions""",
            """check whether {q} is a palindrome
            test if {q} is a palindrome
            (find out|determine|decide|work out) (whether|if) {q} is a palindrome
            (check|test|see) (whether|if) {q} (reads|is) the same (backwards|in reverse)
            (check|test|see) (whether|if) {q} (is its own reverse|equals its reverse)
            (use|run) Python to (check|test|see) (whether|if) {q} is a palindrome
            (take|look at) the word {q} and (see|check) (whether|if) it is a palindrome
            (compare|check) {q} with its (reverse|reversal) to see if it is a palindrome
            (compare|check) {q} with its mirror image to see if it is a palindrome""",
            """Is {q} a palindrome?
            Does {q} read the same backwards?
            Tell me (whether|if) {q} is a palindrome.
            I (wonder|want to know|need to know) (whether|if) {q} is a palindrome.
            Does {q} (read|stay|look) the same (in reverse|when reversed|from right to left)?
            Is {q} (the same|spelled the same) (backwards|in reverse|forwards and backwards)?
            (If|When) (I|you|we) reverse {q}, is it (still|) the same (word|string)?
            (If|When) (I|you|we) turn around {q}, is it (still|) the same (word|string)?
            (Take|Look at|Here is) the word {q}. Is (it|this|that) a palindrome?
            Is {q} (equal to its reverse|its own reverse|a palindrome or not|palindromic)?
            (Can|Could|Would) (you|we|I) call {q} a palindrome?
            {q}: (palindrome or not|is it a palindrome|is this a palindrome)?""",
        ),
        (
            "whether the word {q} is a palindrome",
            "check if {q} is a palindrome",
            "Is the word {q} a palindrome?",
        ),
    ),
    _program(
        "print(sorted([{list}]))",
        "Sorted: {r}.",
        (
            """the numbers {list} in order
            {list} sorted
            {list} in ascending order
            the sorted list of {list}
            {list} (arranged|sorted|ordered) (by size|in increasing order|from small to large)
            the numbers {list} (sorted|ordered|arranged) from (smallest to largest|low to high)
            {list} from (smallest to largest|lowest to highest|the smallest to the largest)
            the (sorted|ordered) (version|form) of (the list|) {list}
            the (sorted|ordered) (sequence|list) (of|for) the numbers {list}
            {list} in (increasing|rising|sorted) order""",
            """sort {list}
            sort the numbers {list}
            sort these numbers: {list}
            order the numbers {list}
            put {list} in order
            arrange {list} in ascending order
            (sort|order|arrange) {list} (from smallest to largest|from low to high|by size)
            (put|bring|arrange) the numbers {list} (in|into) (ascending|increasing) order
            (put|bring|arrange) the numbers {list} (in|into) the right order
            (sort|order) the (values|integers|following numbers): {list}
            (use|run) Python to (sort|order) (the numbers|the list|) {list}
            (take|read) the numbers {list} and (sort them|put them in order|order them by size)
            (write|list|print|show) {list} (from smallest to largest|in ascending order)
            (write|list|print|show) {list} in order
            rank {list} from (smallest to largest|lowest to highest|the lowest to the highest)""",
            """What is {list} in sorted order?
            What is the order of {list}?
            What (is|would be) the (ascending|increasing|sorted) order of {list}?
            How (do|would) (you|I|we) (sort|order|arrange) {list} (by size|from low to high)?
            What (does|would) the list {list} look like (sorted|in order|when sorted)?
            (I have|Here are|Take) the numbers {list}. What is their (ascending|sorted) order?
            (I have|Here are|Take) the numbers {list}. What is their increasing order?
            (If|When) (I|you|we) sort {list}, what (do I get|is the result|comes out)?
            In (which|what) order do {list} (come|go) from (smallest to largest|low to high)?
            {list}: (which order is ascending|what is the sorted list|what is the right order)?
            What do you get (when|if) you (sort|order) (the numbers|the list|) {list}?
            (My|Our) (scores|results) are {list}. What are they from smallest to largest?
            (My|Our) numbers are {list}. What are they from smallest to largest?
            (My|Our) (scores|results|numbers) are {list}. What are they from low to high?""",
        ),
        (
            "the numbers {list} in ascending order",
            "sort the list {list}",
            "What are the numbers {list} in sorted order?",
        ),
    ),
    _program(
        "print(sorted([{list}], reverse=True))",
        "Sorted: {r}.",
        (
            """the numbers {list} in descending order
            {list} sorted from largest to smallest
            {list} (sorted|ordered|arranged) (from high to low|in decreasing order)
            {list} (sorted|ordered|arranged) in falling order
            the numbers {list} (sorted|ordered|arranged) from largest to smallest
            the numbers {list} (sorted|ordered|arranged) from highest to lowest
            {list} from (the largest to the smallest|highest to lowest|biggest to smallest)
            the (numbers|values|list) {list} in (decreasing|falling|reverse sorted) order
            the (reverse sorted|descending) (list|sequence) of {list}
            {list} (sorted|ordered) with the (largest|biggest|highest) first""",
            """sort {list} in descending order
            sort the numbers {list} from largest to smallest
            order {list} from high to low
            (sort|order|arrange) {list} (from largest to smallest|from high to low)
            (sort|order|arrange) {list} in decreasing order
            (put|bring|arrange) the numbers {list} (in|into) (descending|decreasing) order
            (put|bring|arrange) the numbers {list} (in|into) falling order
            (sort|order) {list} with the (largest|biggest|highest) (number|value|) first
            (use|run) Python to (sort|order) {list} (from high to low|in descending order)
            (take|read) the numbers {list} and (sort|order) them from largest to smallest
            (take|read) the numbers {list} and (sort|order) them from high to low
            (write|list|print|show) {list} (from largest to smallest|in descending order)
            rank {list} from (highest to lowest|the highest to the lowest)""",
            """What is {list} in descending order?
            How do you sort {list} from high to low?
            What (is|would be) the (descending|decreasing) order of {list}?
            How (would|do) (I|you|we) (order|arrange) {list} from largest to smallest?
            How (would|do) (I|you|we) (order|arrange) {list} from highest to lowest?
            What (does|would) the list {list} look like in descending order?
            What (does|would) the list {list} look like sorted from high to low?
            (I have|Here are|Take) the numbers {list}. What is their descending order?
            (I have|Here are|Take) the numbers {list}. What is their decreasing order?
            (If|When) (I|you|we) sort {list} from high to low, what comes out?
            (If|When) (I|you|we) sort {list} from largest to smallest, what comes out?
            In (which|what) order do {list} (come|go) from (largest to smallest|high to low)?
            What do you get (when|if) you (sort|order) {list} with the (largest|highest) first?
            (My|Our) (scores|results) are {list}. What are they from highest to lowest?
            (My|Our) (scores|results) are {list}. What are they from high to low?
            {list}: (what is the descending order|which order goes from high to low)?""",
        ),
        (
            "{list} in descending order",
            "sort the numbers {list} in descending order",
            "What are the numbers {list} in descending order?",
        ),
    ),
    _program(
        "a, b = 0, 1\nfor i in range({k}):\n    a, b = b, a + b\nprint(a)",
        "Fibonacci number {k} is {r}.",
        (
            """Fibonacci number {k}
            the Fibonacci number {k}
            the {k}th Fibonacci number
            the {k}-th Fibonacci number
            fib({k})
            fibonacci({k})
            the Fibonacci number (at index|at position|number) {k}
            the (value|result) of (Fibonacci|the Fibonacci function) (at|for) {k}
            (number|term|element) {k} (of|in) the Fibonacci (sequence|series|numbers)
            the {k}th (number|term|element) (of|in) the Fibonacci (sequence|series)
            the {k}-th (number|term|element) (of|in) the Fibonacci (sequence|series)
            F({k}) in the Fibonacci (sequence|series)""",
            """compute Fibonacci number {k}
            find the {k}th Fibonacci number
            calculate the {k}-th Fibonacci number
            (compute|calculate) the Fibonacci number (number|at index|at position) {k}
            (find|work out) the Fibonacci number (number|at index|at position) {k}
            (compute|find) (term|number|element) {k} of the Fibonacci (sequence|series)
            determine (term|number|element) {k} of the Fibonacci (sequence|series)
            (determine|get|work out|give me) the {k}th Fibonacci number
            (find|compute|get) the {k}-th (term|number) of the Fibonacci (sequence|series)
            (find|compute|get) the {k}-th element of the Fibonacci (sequence|series)
            (use|run) Python to (compute|find) the {k}th Fibonacci number
            (evaluate|compute|work out) (fib|fibonacci) of {k}""",
            """What is Fibonacci number {k}?
            What is the {k}th number in the Fibonacci sequence?
            (Which|What) number is (at position|at index|number) {k} in the Fibonacci sequence?
            What is (term|number|element) {k} (of|in) the Fibonacci (sequence|series)?
            Which (number|value) is the {k}th (number|term|) (of|in) the Fibonacci sequence?
            Which (number|value) is the {k}th (number|term|) (of|in) the Fibonacci series?
            (How|Just how) (big|large) is (Fibonacci number {k}|the {k}th Fibonacci number)?
            Tell me (Fibonacci number {k}|the {k}-th Fibonacci number).
            Tell me the {k}th Fibonacci number.
            In the Fibonacci (sequence|series), what is (number|term|element) {k}?
            (Take|Think of) the Fibonacci (sequence|series). What is its {k}th (term|number)?
            Look at the Fibonacci (sequence|series). What is its {k}th (term|number)?
            What (value|number) does (the Fibonacci function|fib) (return|give) for {k}?
            (I need|I am looking for|Show me) Fibonacci number {k}.
            (I need|I am looking for|Show me) the {k}th Fibonacci number.""",
        ),
        (
            "the Fibonacci number with index {k}",
            "calculate the {k}th Fibonacci number",
            "What is the {k}th Fibonacci number?",
        ),
    ),
    _program(
        "print(sum(i * i for i in range(1, {n} + 1)))",
        "The sum of squares is {r}.",
        (
            """the sum of squares up to {n}
            the sum of the squares from 1 to {n}
            the sum of the first {n} squares
            the sum of all squares from 1 to {n}
            the (total|sum) of (the squares|the squared numbers) from 1 to {n}
            the (total|sum) of all squared numbers from 1 to {n}
            the sum of the squares of (the|all|all the) (numbers|integers) from 1 to {n}
            the (total|sum) of the first {n} (square numbers|perfect squares|squares)
            1 squared plus 2 squared (and so on|plus 3 squared and so on) up to {n} squared
            the (sum|total) (1^2 + 2^2 + ... + {n}^2|of 1^2, 2^2, 3^2 and so on up to {n}^2)
            1^2 + 2^2 + ... + {n}^2""",
            """sum the squares from 1 to {n}
            add the squares of 1 to {n}
            add up the first {n} squares
            (add up|sum|add|total) the squares of (the|all|all the) numbers from 1 to {n}
            square (each|every|every one) of the numbers from 1 to {n} and add them up
            square (each|every|every one) of the numbers from 1 to {n} and sum the results
            (compute|calculate|find|work out) the (sum|total) of the squares from 1 to {n}
            (use|run) Python to (add up|sum) the squares (from|of) 1 to {n}
            (sum|add up|add) the first {n} (square numbers|perfect squares)
            (take|go through) the numbers from 1 to {n}, square them and add them up
            (take|go through) the numbers from 1 to {n}, square them and sum the squares""",
            """What do the squares from 1 to {n} add up to?
            What is the sum of the squares of 1 to {n}?
            What is the (sum|total) of the first {n} (squares|square numbers|perfect squares)?
            (If|When) (I|you|we) add (up|) the squares from 1 to {n}, what is the sum?
            (If|When) (I|you|we) add (up|) the squares from 1 to {n}, what comes out?
            (If|When) (I|you|we) add (up|) the squares from 1 to {n}, what is it?
            How much (do|would) the squares (from|of) 1 to {n} (make together|add up to)?
            How much (do|would) the squares (from|of) 1 to {n} sum to?
            What do you get when you (add|sum) the squares of (the|all) numbers from 1 to {n}?
            What do you get if you (add|sum) the squares of (the|all) numbers from 1 to {n}?
            Square each of the numbers from 1 to {n}. What is the (sum|total) of the squares?
            Square every one of the numbers from 1 to {n}. What is the sum of the squares?
            Square every one of the numbers from 1 to {n}. What is the total of the squares?
            Tell me (the sum of the squares|what the squares add up to) (from|for) 1 to {n}.
            What is 1^2 + 2^2 + ... + {n}^2?
            What (does|would) 1 squared plus 2 squared and so on up to {n} squared (make|give)?
            What (does|would) 1 squared plus 2 squared and so on up to {n} squared equal?
            How (big|large) is the sum of the squares of the numbers from 1 to {n}?
            How (big|large) is the sum of the squares of all numbers from 1 to {n}?
            How (big|large) is the sum of the squares from 1 to {n}?""",
        ),
        (
            "the sum of squares from 1 to {n}",
            "add up the squares from 1 to {n}",
            "What is the sum of all squares up to {n}?",
        ),
    ),
    _program(
        "print(sum(range(1, {n} + 1)))",
        "The sum is {r}.",
        (
            """the sum of the numbers from 1 to {n}
            the sum from 1 to {n}
            the sum of all numbers up to {n}
            the sum of the first {n} numbers
            the (total|sum) of (the|all the) (integers|whole numbers) from 1 to {n}
            the (total|sum) of (the|all the) natural numbers from 1 to {n}
            the (total|sum) of the first {n} (natural numbers|positive integers|whole numbers)
            the (sum|total) (1 + 2 + ... + {n}|1 + 2 + 3 + ... + {n})
            1 plus 2 plus 3 (and so on|and so forth|plus all the others) up to {n}
            the (sum|total) of (every number|all integers) from 1 (to|through|up to) {n}
            the (sum|total) of each number from 1 (to|through|up to) {n}
            (all|all the) numbers from 1 to {n} (added up|added together|summed up)""",
            """add the numbers from 1 to {n}
            add up all numbers from 1 to {n}
            sum the integers from 1 to {n}
            (add up|sum|total|add together) the (integers|whole numbers) from 1 to {n}
            (add up|sum|total|add together) the natural numbers from 1 to {n}
            (add up|sum|add) the first {n} (positive integers|natural numbers|whole numbers)
            (compute|calculate|find|work out) the (sum|total) of the numbers from 1 to {n}
            (use|run) Python to (add up|sum) (the|all|all the) numbers from 1 to {n}
            (compute|calculate|work out) 1 + 2 + (3 + ...|...) + {n}
            (take|write down) (all|the) numbers from 1 to {n} and (add them up|sum them)""",
            """What do the numbers from 1 to {n} add up to?
            What is 1 + 2 + ... + {n}?
            What is the (total|sum) of (the|all the) numbers from 1 (to|through) {n}?
            What is the (total|sum) of (the|all the) whole numbers from 1 (to|through) {n}?
            (If|When) (I|you|we) add (up|) the numbers from 1 to {n}, what is the sum?
            (If|When) (I|you|we) add (up|) the numbers from 1 to {n}, what comes out?
            (If|When) (I|you|we) add (up|) the numbers from 1 to {n}, what is it?
            How much (do|would) (the|all) (numbers|integers) from 1 to {n} make together?
            How much (do|would) (the|all) (numbers|integers) from 1 to {n} add up to?
            What do you get (when|if) you (add|sum) (the|all) (numbers|integers) from 1 to {n}?
            Tell me what (the|all) numbers from 1 to {n} (add up to|sum to|make together).
            How (big|large) is the sum of the first {n} (whole numbers|positive integers)?
            How (big|large) is the sum of the first {n} natural numbers?
            (Add|Sum) the numbers from 1 to {n}. What (do you get|is the sum|is the total)?
            How much is 1 + 2 + 3 and so on up to {n}?""",
        ),
        (
            "the sum of all numbers from 1 to {n}",
            "sum all numbers from 1 to {n}",
            "What is the sum of the integers from 1 to {n}?",
        ),
    ),
    _program(
        "print(sum(range({o}, {n} + 1, 2)))",
        "The sum is {r}.",
        (
            """the sum of the {e} numbers up to {n}
            the sum of all {e} numbers from 1 to {n}
            the sum of {e} numbers up to {n}
            the (total|sum) of (the|all the|all) {e} integers (up to|from 1 to) {n}
            the (total|sum) of (the|all the|all) {e} whole numbers (up to|from 1 to) {n}
            the (total|sum) of (every {e} number|each {e} number) (up to|from 1 to) {n}
            the (sum|total) of (the|all|all the) numbers from 1 to {n} that are {e}
            (all|all the|the) {e} numbers (up to|from 1 to) {n} (added up|added together)
            (all|all the|the) {e} numbers (up to|from 1 to) {n} summed
            the sum of those numbers (up to|from 1 to) {n} (which|that) are {e}
            the (sum|total) of the {e} (ones|numbers) among the numbers from 1 to {n}""",
            """add the {e} numbers up to {n}
            sum all {e} numbers from 1 to {n}
            (add up|add together|total) (the|all|all the) {e} numbers from 1 to {n}
            (compute|calculate) the (sum|total) of the {e} numbers (up to|from 1 to) {n}
            (find|work out) the (sum|total) of the {e} numbers (up to|from 1 to) {n}
            (use|run) Python to (add up|sum) (the|all|all the) {e} numbers up to {n}
            (take|pick) the {e} numbers (up to|from 1 to) {n} and (add them up|sum them)
            (add|sum) (every|each) {e} number (up to|from 1 to) {n}
            (go through|look at) the numbers from 1 to {n} and (add up|sum) the {e} ones""",
            """What do the {e} numbers up to {n} add up to?
            What is the sum of all {e} numbers below or equal to {n}?
            What is the (sum|total) of (the|all the) {e} numbers (up to|from 1 to) {n}?
            (If|When) (I|you|we) add (up|) the {e} numbers up to {n}, what is the sum?
            (If|When) (I|you|we) add (up|) the {e} numbers from 1 to {n}, what is the sum?
            (If|When) (I|you|we) add (up|) the {e} numbers (up to|from 1 to) {n}, what is it?
            How much (do|would) (the|all the) {e} numbers (up to|from 1 to) {n} make together?
            How much (do|would) (the|all the) {e} numbers (up to|from 1 to) {n} sum to?
            What do you get (when|if) you (add|sum) the {e} numbers (up to|from 1 to) {n}?
            Tell me what the {e} numbers (up to|from 1 to) {n} (add up to|sum to).
            Tell me what the {e} numbers (up to|from 1 to) {n} make together.
            (Take|Look at) the numbers from 1 to {n}. What is the (sum|total) of the {e} ones?
            How (big|large) is the sum of (the|all) {e} numbers (from 1 to|up to) {n}?
            (Sum|Total) of (the|all|all the) {e} numbers (from 1 to|up to) {n}?
            Of the numbers from 1 to {n}, what do the {e} ones (add up to|sum to)?
            Of the numbers from 1 to {n}, what do the {e} ones make together?""",
        ),
        (
            "the sum of all {e} numbers up to {n}",
            "sum the {e} numbers up to {n}",
            "What do all the {e} numbers from 1 to {n} add up to?",
        ),
    ),
    _program(
        "print({n} // {s})",
        "There are {r}.",
        (
            """the number of multiples of {s} up to {n}
            the number of numbers from 1 to {n} divisible by {s}
            the (count|quantity) of multiples of {s} (up to|from 1 to) {n}
            the (count|quantity) of numbers divisible by {s} (up to|from 1 to) {n}
            the (number|count) of integers (up to|from 1 to) {n} that {s} divides
            the (number|count) of whole numbers (up to|from 1 to) {n} that {s} divides
            the (number|count) of numbers (from 1 to|not above) {n} that are divisible by {s}
            the (number|count) of numbers (from 1 to|not above) {n} that are multiples of {s}
            the (number|count) of multiples of {s} (that are not above|not greater than) {n}
            the (number|count) of multiples of {s} not above {n}
            the (number|count) of positive multiples of {s} (up to|not above) {n}
            the number of times you (can|could) count up by {s} from 0 without passing {n}""",
            """count the multiples of {s} up to {n}
            count the numbers up to {n} divisible by {s}
            count (all|all the|every one of the) multiples of {s} (up to|not above) {n}
            (find out|work out) how many multiples of {s} (there are|lie|exist) up to {n}
            determine how many multiples of {s} (there are|lie|exist) up to {n}
            (find out|determine) how many numbers from 1 to {n} can be divided by {s}
            (find out|determine) how many numbers from 1 to {n} are divisible by {s}
            (use|run) Python to count the multiples of {s} (up to|from 1 to) {n}
            (go through|look at) the numbers from 1 to {n} and count the multiples of {s}
            (go through|look at) the numbers from 1 to {n} and count those divisible by {s}
            count the (integers|numbers) from 1 to {n} that are multiples of {s}
            count the (integers|numbers) from 1 to {n} that are divisible by {s}""",
            """How many multiples of {s} are there up to {n}?
            How many numbers from 1 to {n} are divisible by {s}?
            (From 1 to|Up to) {n}, how many numbers are divisible by {s}?
            (From 1 to|Up to) {n}, how many multiples are there of {s}?
            How many (numbers|integers) (from 1 to|up to) {n} are multiples of {s}?
            How many (of the|) numbers from 1 to {n} can be divided by {s} evenly?
            How many (of the|) numbers from 1 to {n} can be divided by {s} without a remainder?
            How many (of the|) numbers from 1 to {n} (does {s} divide|does {s} go into)?
            Tell me how many multiples of {s} there are (up to|from 1 to) {n}.
            Tell me how many numbers divisible by {s} there are (up to|from 1 to) {n}.
            (Take|Look at) the numbers from 1 to {n}. How many (of them|) are divisible by {s}?
            (Take|Look at) the numbers from 1 to {n}. How many (of them|) are multiples of {s}?
            I (wonder|want to know) how many multiples of {s} lie up to {n}.
            I (wonder|want to know) how many numbers divisible by {s} are up to {n}.
            (Number|Count) of multiples of {s} (up to|from 1 to) {n}?
            What is the (number|count) of multiples of {s} (up to|from 1 to) {n}?
            What is the (number|count) of numbers divisible by {s} (up to|from 1 to) {n}?""",
        ),
        (
            "the number of numbers up to {n} divisible by {s}",
            "count the multiples of {s} from 1 to {n}",
            "How many numbers up to {n} are divisible by {s}?",
        ),
    ),
    _program(
        "import datetime\nprint(datetime.date({Y}, {M}, {D}).strftime('%A'))",
        "It is a {r}.",
        (
            """the weekday of {date}
            the day of the week of {date}
            the day of the week on {date}
            the (weekday|day of the week) that {date} (is|was|falls on)
            the (weekday|day of the week) (belonging to|that belongs to|for the date) {date}
            the (weekday|day of the week) (of|on|for) the date {date}
            the name of the (weekday|day of the week) (on|of) {date}
            the day of the week (on which {date} falls|when the date is {date})""",
            """find the weekday of {date}
            find out which day of the week {date} is
            (determine|work out|compute) the (weekday|day of the week) (of|for) {date}
            (find out|work out) what (weekday|day of the week) {date} (is|was)
            (determine|figure out) what (weekday|day of the week) {date} (is|was)
            (find out|check|say) on which (weekday|day of the week) {date} falls
            (use|run) Python to (find|get|compute) the (weekday|day of the week) of {date}
            (give|show) me the (weekday|day of the week) (of|for) (the date|) {date}
            (name|find) the (weekday|day of the week) that {date} (is|was|falls on)""",
            """What weekday is {date}?
            Which weekday was {date}?
            What day of the week is {date}?
            On which weekday does {date} fall?
            (What|Which) (weekday|day of the week) (was|is) it on {date}?
            On (what|which) (weekday|day of the week) (does|did|will) {date} fall?
            What day of the week (will|would) {date} be?
            (What|Which) day of the week does {date} (fall on|land on)?
            (I was|My sister was) born on {date}. (What|Which) weekday was that?
            (I was|My sister was) born on {date}. (What|Which) day of the week was that?
            My son was born on {date}. (What|Which) (weekday|day of the week) was that?
            (Our party|The meeting) is on {date}. (What|Which) weekday is (it|that)?
            (Our party|The meeting) is on {date}. (What|Which) day of the week is (it|that)?
            My exam is on {date}. (What|Which) (weekday|day of the week) is (it|that)?
            Tell me (which|what) (weekday|day of the week) {date} (is|was).
            I (wonder|want to know) (which|what) (weekday|day of the week) {date} (is|was).
            {date} is (what|which) (weekday|day of the week)?
            (The weekday|Weekday|Day of the week) (on|of|for) {date}?
            (If|When) the date is {date}, (what|which) (weekday|day of the week) is it?
            {date}: (what|which) (weekday|day of the week) is (it|that)?""",
        ),
        (
            "the weekday for {date}",
            "find the day of the week of {date}",
            "Which day of the week is {date}?",
        ),
    ),
    _program(
        "print(bin({n})[2:])",
        "In binary it is {r}.",
        (
            """{n} in binary
            the binary form of {n}
            the number {n} in binary
            {n} (written|expressed|shown|represented) in (binary|base 2|the binary system)
            {n} (as a binary number|in binary notation|in base 2|in binary digits)
            the binary (representation|notation|version|code|equivalent) of {n}
            the base 2 (representation|form) of (the number|) {n}
            {n} (converted|turned|translated) (to|into) (binary|base 2|a binary number)
            the (bits|binary digits) of (the number|the integer|) {n}""",
            """convert {n} to binary
            write {n} in binary
            turn {n} into binary
            (change|translate|turn|transform) {n} (to|into) (binary|a binary number|base 2)
            (express|show|represent|give) {n} (in binary|in base 2|as a binary number)
            convert (the number|the decimal number|decimal) {n} (to|into) (binary|base 2)
            (find|get|compute) the binary (form|representation|version) of {n}
            (use|run) Python to (convert {n} to binary|write {n} in binary)
            (take|start from) the number {n} and (write|express) it in (binary|base 2)""",
            """What is {n} in binary?
            How do you write {n} in binary?
            What is (the binary form of|the binary representation of) {n}?
            What is the binary version of {n}?
            What does {n} look like in (binary|base 2|the binary system)?
            How is (the number|) {n} (written|expressed|represented) in (binary|base 2)?
            How (do|would|can) (I|we|you) (write|express) {n} in (base 2|binary)?
            How (do|would|can) (I|we|you) (write|express) {n} in the binary system?
            What do you get (if|when) you (convert|turn) {n} into (binary|a binary number)?
            Which binary number (is equal to|equals|stands for) {n}?
            Tell me how {n} (is written|looks|is expressed) in (binary|base 2).
            (I have|Take|Here is) the number {n}. What is it in (binary|base 2)?
            (I have|Take|Here is) the decimal number {n}. What is it in (binary|base 2)?
            {n} to binary?""",
        ),
        (
            "the binary form of the number {n}",
            "write the number {n} in binary",
            "What is the number {n} in binary?",
        ),
    ),
    _program(
        "print(hex({n})[2:])",
        "In hexadecimal it is {r}.",
        (
            """{n} in hexadecimal
            {n} in hex
            the hexadecimal form of {n}
            {n} (written|expressed|shown|represented) in (hexadecimal|hex|base 16)
            {n} (as a hexadecimal number|as a hex number|in hex notation|in base 16)
            the (hexadecimal|hex) (representation|notation|version|equivalent) of {n}
            the base 16 (representation|form) of (the number|) {n}
            {n} (converted|turned|translated) (to|into) (hex|hexadecimal|base 16)
            the (hex|hexadecimal) (digits|code|value) of (the number|the integer) {n}""",
            """convert {n} to hexadecimal
            write {n} in hex
            (change|translate|turn|transform) {n} (to|into) (hexadecimal|a hex number)
            (change|translate|turn|transform) {n} (to|into) (base 16|hex)
            (express|show|represent|give) {n} (in hex|in base 16|as a hexadecimal number)
            convert (the number|the decimal number) {n} (to|into) (hex|hexadecimal|base 16)
            convert decimal {n} (to|into) (hex|hexadecimal|base 16)
            (find|get|compute) the (hexadecimal|hex) (form|representation|version) of {n}
            (use|run) Python to (convert {n} to hex|write {n} in hex)
            (take|start from) the number {n} and (write|express) it in (hex|hexadecimal)
            (take|start from) the number {n} and (write|express) it in base 16""",
            """What is {n} in hexadecimal?
            How do you write {n} in hex?
            What is the (hex|hexadecimal) (form|representation|version) of {n}?
            What does {n} look like in (hex|hexadecimal|base 16|the hexadecimal system)?
            How is (the number|) {n} (written|expressed) in (hex|hexadecimal|base 16)?
            How is (the number|) {n} represented in (hex|hexadecimal|base 16)?
            How (do|would|can) (I|we|you) (write|express) {n} in (hexadecimal|base 16)?
            What do you get (if|when) you (convert|turn) {n} into (hexadecimal|a hex number)?
            Which (hexadecimal|hex) number (is equal to|equals|stands for) {n}?
            Tell me how {n} (is written|looks|is expressed) in (hex|hexadecimal|base 16).
            (I have|Take|Here is) the number {n}. What is it in (hex|hexadecimal)?
            (I have|Take|Here is) the decimal number {n}. What is it in (hex|hexadecimal)?
            {n} to (hex|hexadecimal|base 16)?""",
        ),
        ("the number {n} in hexadecimal", "write {n} in hexadecimal", "What is {n} in hex?"),
    ),
    _program(
        "print([d for d in range(1, {n} + 1) if {n} % d == 0])",
        "The divisors are {r}.",
        (
            """the divisors of {n}
            all divisors of {n}
            the factors of {n}
            (the list of|a list of|) (the|all) (divisors|factors) of {n}
            (the|all the|all) numbers (that divide|dividing|that go into) {n}
            (the|all the|all) (integers|whole numbers) {n} (is divisible by|can be divided by)
            every (divisor|factor|divider) of (the number|) {n}
            the (complete|full) (list|set) of (divisors|factors) of {n}
            (the|all) (divisors|factors) (that {n} has|belonging to {n})""",
            """list the divisors of {n}
            list all divisors of {n}
            find all divisors of {n}
            list (all|all the|every one of the) factors of {n}
            (print|show|write down|give me) (the|all|all the) (divisors|factors) of {n}
            (find|list|get) (the|all|all the) numbers (that divide|dividing|that go into) {n}
            (determine|compute|work out) (the|all|all the) (divisors|factors) of {n}
            (use|run) Python to (find|list) (the|all) (divisors|factors) of {n}
            (find|list) every (number|integer) that divides {n} (evenly|without a remainder)
            (find|list) every (number|integer) that divides {n} exactly
            (make|create|print) a list of (the|all) (divisors|factors) of {n}""",
            """What are the divisors of {n}?
            Which numbers divide {n}?
            (What are|Which are) (the|all the) (factors|dividers) of {n}?
            Which (numbers|integers|whole numbers) (go into|divide) {n}?
            Which (numbers|integers|whole numbers) (are divisors of|are factors of) {n}?
            By (what|which) numbers (can|could) (I|you|we) divide {n} evenly?
            By (what|which) numbers (can|could) (I|you|we) divide {n} without a remainder?
            By which (numbers|integers) is {n} divisible?
            What (divisors|factors) does (the number|) {n} have?
            Tell me (which numbers divide|the divisors of) {n}.
            Tell me (all factors of|which numbers go into) {n}.
            (I need|I want) (the|all|all the) (divisors|factors) of {n}.
            (I am looking for|Show me) (the|all|all the) (divisors|factors) of {n}.
            (Take|Look at|I have) the number {n}. What are (its|all its) (divisors|factors)?
            (Divisors|All divisors|List of divisors|Factors) of {n}?
            (If|When) (I|you|we) want to divide {n} evenly, which numbers (work|are possible)?""",
        ),
        ("all the divisors of {n}", "find the divisors of {n}", "What are all divisors of {n}?"),
    ),
    _program(
        "print(sum({n} % d == 0 for d in range(1, {n} + 1)))",
        "It has {r} divisors.",
        (
            """the number of divisors of {n}
            the count of divisors of {n}
            the (number|count) of (factors|dividers) (of|that belong to) (the number|) {n}
            the (total|exact|) number of (divisors|factors) of {n}
            the (number|count) of (numbers|integers|whole numbers) that (divide|go into) {n}
            the (number|count) of (integers|whole numbers) {n} is divisible by
            the (number|count) of (integers|whole numbers) {n} can be divided by
            the (length|size) of the (list|set) of (divisors|factors) of {n}
            the (divisor count|factor count) of {n}""",
            """count the divisors of {n}
            count all divisors of {n}
            (find out|determine|work out|figure out) how many (divisors|factors) {n} has
            count (the|all|all the) (factors|dividers) of (the number|) {n}
            count (the|all|all the) (numbers|integers) (that divide|dividing|that go into) {n}
            (find|get|compute|determine) the number of (divisors|factors) of {n}
            (use|run) Python to count the (divisors|factors) of {n}
            (take|look at) the number {n} and count its (divisors|factors)""",
            """How many divisors does {n} have?
            How many numbers divide {n}?
            How many factors does (the number|) {n} have?
            How many (numbers|integers|whole numbers) (go into|are divisors of) {n}?
            How many (numbers|integers|whole numbers) are factors of {n}?
            How many (divisors|factors) (are there of|belong to|can you find for) {n}?
            By how many (numbers|integers|whole numbers) (is {n} divisible|can {n} be divided)?
            What is the (number|count) of (divisors|factors) of {n}?
            Tell me how many (divisors|factors) {n} has.
            I (wonder|want to know|need to know) how many (numbers divide {n}|factors {n} has).
            (Take|Look at|I have) the number {n}. How many (divisors|factors) does it have?
            (Number|Count) of (divisors|factors) of {n}?
            (If|When) (I|you|we) list the (divisors|factors) of {n}, how many are there?""",
        ),
        (
            "the number of divisors that {n} has",
            "count how many divisors {n} has",
            "How many divisors has {n}?",
        ),
    ),
    _program(
        "n, d, f = {n}, 2, []\nwhile n > 1:\n    while n % d == 0:\n"
        "        f.append(d)\n        n //= d\n    d += 1\nprint(f)",
        "The prime factors are {r}.",
        (
            """the prime factors of {n}
            the prime factorization of {n}
            the (prime decomposition|prime factorisation|decomposition into primes) of {n}
            the (primes|prime numbers) that multiply (to|to give) {n}
            the (primes|prime numbers) (whose product is|with the product) {n}
            {n} (as a product of primes|split into prime factors)
            {n} written as a product of primes
            {n} (broken down|split up|factored) into (primes|prime factors)
            the list of (the|all|) prime factors of {n}""",
            """factor {n} into primes
            find the prime factors of {n}
            factorize {n}
            (split|break|decompose|break down) {n} into (primes|prime factors)
            (split|break|decompose|break down) {n} into its prime factors
            (write|express|show) {n} as a product of (primes|prime numbers)
            (find|compute|determine|work out) the prime (factorization|factorisation) of {n}
            (list|get|print|give me|determine) (the|all|all the) prime factors of {n}
            (use|run) Python to (find the prime factors of {n}|factor {n} into primes)
            (take|look at) the number {n} and (split|break|factor) it into primes""",
            """What are the prime factors of {n}?
            Which primes divide {n}?
            (Which|What) (primes|prime numbers) (multiply to give|multiply to|make up) {n}?
            Which (primes|prime numbers) have the product {n}?
            How (do|can|would) (I|you|we) (write|express) {n} as a product of primes?
            How (do|can|would) (I|you|we) (write|express) {n} as a product of prime numbers?
            Into which (primes|prime factors) does {n} (split|break down|decompose)?
            Into which prime numbers does {n} (split|break down|decompose)?
            What (prime factors|primes as factors) does (the number|) {n} have?
            What do you get (if|when) you (split|factor|break) {n} into (primes|prime factors)?
            Tell me (the prime factors of|the prime decomposition of) {n}.
            Tell me which primes multiply to {n}.
            (Take|Look at|I have) the number {n}. What are its prime factors?
            (Prime factors|Prime factorisation|Prime decomposition) of {n}?""",
        ),
        (
            "the prime factors of the number {n}",
            "factorize {n} into primes",
            "What is the prime factorization of {n}?",
        ),
    ),
    _program(
        "print(sorted([{words}]))",
        "Sorted: {r}.",
        (
            """the words {items} in alphabetical order
            {items} in alphabetical order
            the (words|strings|items) {items} (sorted|ordered) (by alphabet|from A to Z)
            the (words|strings|items) {items} arranged (by alphabet|from A to Z)
            {items} (sorted|ordered|arranged) (in alphabetical order|from A to Z)
            {items} (sorted|ordered|arranged) by the alphabet
            the (alphabetical|alphabetically sorted) (list|order) of (the words|) {items}
            {items} (ordered|arranged|listed) alphabetically
            the (words|strings) {items} (ordered|listed|arranged) alphabetically
            {items} as an (alphabetical|alphabetically sorted) list""",
            """sort the words {items}
            sort {items} alphabetically
            put {items} in alphabetical order
            order the words {items} alphabetically
            (arrange|order|rank|list) (the words|the strings|) {items} alphabetically
            (arrange|list|write|sort) {items} (in alphabetical order|from A to Z)
            (arrange|list|write|sort) {items} by the alphabet
            (put|bring|arrange) the strings {items} (in|into) alphabetical order
            (put|bring|arrange) the following words {items} (in|into) alphabetical order
            alphabetize (the words|the list|) {items}
            (use|run) Python to (sort|order) (the words|) {items} alphabetically
            (take|read) the words {items} and (sort|order|arrange) them alphabetically
            sort these (words|strings) (alphabetically|from A to Z): {items}""",
            """What is the alphabetical order of {items}?
            How do you sort {items} alphabetically?
            In (what|which) order (do|would) {items} (come|stand) alphabetically?
            In (what|which) order (do|would) {items} (come|stand) in a dictionary?
            What (does|would) the list {items} look like in alphabetical order?
            How (would|do|can) (I|we|you) (order|arrange|list) {items} alphabetically?
            How (would|do|can) (I|we|you) (order|arrange|list) {items} from A to Z?
            What do you get (if|when) you (sort|order) {items} alphabetically?
            What do you get (if|when) you (sort|order) {items} by the alphabet?
            (I have|Here are|Take) the words {items}. What is their alphabetical order?
            (If|When) (I|you|we) sort {items} alphabetically, what (comes out|is the order)?
            (If|When) (I|you|we) sort {items} from A to Z, what (comes out|is the order)?
            What is the (alphabetical|right alphabetical) order of the (words|strings) {items}?
            (My|Our) words are {items}. In (what|which) order do they come alphabetically?
            (My|Our) words are {items}. In (what|which) order do they come from A to Z?
            Tell me the alphabetical order of (the words|) {items}.
            {items}: (what is the alphabetical order|which order is alphabetical)?""",
        ),
        (
            "{items} sorted alphabetically",
            "put the words {items} in alphabetical order",
            "What are the words {items} in alphabetical order?",
        ),
    ),
)
