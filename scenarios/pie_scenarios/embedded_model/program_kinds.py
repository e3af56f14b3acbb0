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
            the number of primes smaller than {n}""",
            """count the primes below {n}
            count the prime numbers less than {n}
            count all primes under {n}
            count how many primes are below {n}""",
            """How many primes are below {n}?
            How many prime numbers are below {n}?
            How many primes are there below {n}?
            How many primes are less than {n}?
            How many primes are smaller than {n}?
            How many prime numbers are there under {n}?""",
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
            all prime numbers up to {s}""",
            """list the primes up to {s}
            list all prime numbers up to {s}
            print all primes up to {s}
            show all primes up to {s}""",
            """Which primes are there up to {s}?
            What are the primes up to {s}?
            Which numbers up to {s} are prime?""",
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
            if {n} is prime""",
            """check whether {n} is prime
            test if {n} is a prime number
            check if {n} is prime
            decide whether {n} is a prime""",
            """Is {n} prime?
            Is {n} a prime number?
            Is the number {n} prime?
            Is {n} a prime?""",
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
            the largest common divisor of {a} and {b}""",
            """find the gcd of {a} and {b}
            find the greatest common divisor of {a} and {b}
            compute gcd of {a} and {b}""",
            """What is the gcd of {a} and {b}?
            What is the largest number that divides {a} and {b}?""",
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
            the smallest common multiple of {a} and {b}""",
            """find the lcm of {a} and {b}
            find the least common multiple of {a} and {b}""",
            """What is the lcm of {a} and {b}?
            What is the smallest number that {a} and {b} divide?""",
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
            the cross sum of {n}""",
            """add the digits of {n}
            sum the digits of {n}
            add up the digits of {n}""",
            """What do the digits of {n} add up to?
            What is the sum of all digits in {n}?""",
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
            the number of digits in {k}!""",
            """count the digits of {k}!
            count the digits of {k} factorial""",
            """How many digits does {k} factorial have?
            How many digits does {k}! have?
            How many digits are in {k}!?
            How many digits are in {k} factorial?""",
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
            factorial of {s}""",
            """compute the factorial of {s}
            calculate {s}!""",
            """How much is {s} factorial?
            What is the factorial of {s}?""",
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
            the reverse of the word {q}""",
            """reverse {q}
            reverse the word {q}
            reverse the string {q}
            write {q} backwards
            spell {q} backwards""",
            """What is {q} backwards?
            What is {q} spelled backwards?
            How do you write {q} backwards?
            What does {q} look like reversed?""",
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
            {q} in uppercase""",
            """write {q} in capital letters
            convert {q} to upper case
            make {q} uppercase
            turn {q} into capitals
            put {q} in upper case""",
            """What is {q} in capital letters?
            How does {q} look in upper case?""",
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
            how often {l} occurs in {q}""",
            """count the letter {l} in {q}
            count the {l}'s in {q}
            count how often {l} appears in {q}""",
            """How many {l}'s are in {q}?
            How many times does {l} occur in {q}?
            How often does the letter {l} appear in {q}?
            How many {l} are there in {q}?
            How many letters {l} are in {q}?""",
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
            the length of the word {q}""",
            """count the letters in {q}
            count the letters of {q}
            count the characters in {q}""",
            """How many letters are in {q}?
            How long is the word {q}?
            How many letters does {q} have?
            How many characters does {q} have?""",
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
            the vowel count of {q}""",
            """count the vowels in {q}
            count all vowels of {q}""",
            """How many vowels are in {q}?
            How many vowels does {q} have?""",
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
            if {q} is a palindrome""",
            """check whether {q} is a palindrome
            test if {q} is a palindrome""",
            """Is {q} a palindrome?
            Does {q} read the same backwards?""",
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
            the sorted list of {list}""",
            """sort {list}
            sort the numbers {list}
            sort these numbers: {list}
            order the numbers {list}
            put {list} in order
            arrange {list} in ascending order""",
            """What is {list} in sorted order?
            What is the order of {list}?""",
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
            {list} sorted from largest to smallest""",
            """sort {list} in descending order
            sort the numbers {list} from largest to smallest
            order {list} from high to low""",
            """What is {list} in descending order?
            How do you sort {list} from high to low?""",
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
            fibonacci({k})""",
            """compute Fibonacci number {k}
            find the {k}th Fibonacci number
            calculate the {k}-th Fibonacci number""",
            """What is Fibonacci number {k}?
            What is the {k}th number in the Fibonacci sequence?""",
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
            the sum of all squares from 1 to {n}""",
            """sum the squares from 1 to {n}
            add the squares of 1 to {n}
            add up the first {n} squares""",
            """What do the squares from 1 to {n} add up to?
            What is the sum of the squares of 1 to {n}?""",
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
            the sum of the first {n} numbers""",
            """add the numbers from 1 to {n}
            add up all numbers from 1 to {n}
            sum the integers from 1 to {n}""",
            """What do the numbers from 1 to {n} add up to?
            What is 1 + 2 + ... + {n}?""",
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
            the sum of {e} numbers up to {n}""",
            """add the {e} numbers up to {n}
            sum all {e} numbers from 1 to {n}""",
            """What do the {e} numbers up to {n} add up to?
            What is the sum of all {e} numbers below or equal to {n}?""",
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
            the number of numbers from 1 to {n} divisible by {s}""",
            """count the multiples of {s} up to {n}
            count the numbers up to {n} divisible by {s}""",
            """How many multiples of {s} are there up to {n}?
            How many numbers from 1 to {n} are divisible by {s}?""",
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
            the day of the week on {date}""",
            """find the weekday of {date}
            find out which day of the week {date} is""",
            """What weekday is {date}?
            Which weekday was {date}?
            What day of the week is {date}?
            On which weekday does {date} fall?""",
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
            the number {n} in binary""",
            """convert {n} to binary
            write {n} in binary
            turn {n} into binary""",
            """What is {n} in binary?
            How do you write {n} in binary?""",
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
            the hexadecimal form of {n}""",
            """convert {n} to hexadecimal
            write {n} in hex""",
            """What is {n} in hexadecimal?
            How do you write {n} in hex?""",
        ),
        ("the number {n} in hexadecimal", "write {n} in hexadecimal", "What is {n} in hex?"),
    ),
    _program(
        "print([d for d in range(1, {n} + 1) if {n} % d == 0])",
        "The divisors are {r}.",
        (
            """the divisors of {n}
            all divisors of {n}
            the factors of {n}""",
            """list the divisors of {n}
            list all divisors of {n}
            find all divisors of {n}""",
            """What are the divisors of {n}?
            Which numbers divide {n}?""",
        ),
        ("all the divisors of {n}", "find the divisors of {n}", "What are all divisors of {n}?"),
    ),
    _program(
        "print(sum({n} % d == 0 for d in range(1, {n} + 1)))",
        "It has {r} divisors.",
        (
            """the number of divisors of {n}
            the count of divisors of {n}""",
            """count the divisors of {n}
            count all divisors of {n}""",
            """How many divisors does {n} have?
            How many numbers divide {n}?""",
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
            the prime factorization of {n}""",
            """factor {n} into primes
            find the prime factors of {n}
            factorize {n}""",
            """What are the prime factors of {n}?
            Which primes divide {n}?""",
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
            {items} in alphabetical order""",
            """sort the words {items}
            sort {items} alphabetically
            put {items} in alphabetical order
            order the words {items} alphabetically""",
            """What is the alphabetical order of {items}?
            How do you sort {items} alphabetically?""",
        ),
        (
            "{items} sorted alphabetically",
            "put the words {items} in alphabetical order",
            "What are the words {items} in alphabetical order?",
        ),
    ),
)
