"""What arithmetic is asked for, in symbols and in words: data for `arithmetic`."""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.embedded_model.draw import Phrases, phrases

SYMBOLS = {
    "*": (" * ", "*", " x ", " times ", " × ", "x", " multiplied by "),
    "+": (" + ", "+", " plus "),
    "-": (" - ", "-", " minus "),
    "/": (" / ", "/", " divided by ", " ÷ ", " over "),
    "**": ("^", "**", " to the power of ", " ^ ", " ** "),
    "%": (" % ", " mod ", " modulo "),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation in words: its noun phrases, its verb phrases and its expression."""

    nouns: Phrases | None
    verbs: Phrases | None
    expression: str


OPERATIONS = (
    Operation(
        phrases(
            """the sum of {a} and {b}
            the (total|combined total) of {a} and {b}
            (the number |){a} (added to|plus|combined with) {b}
            {a} and {b} (together|combined|taken together|added together|all together)
            {b} (more|greater|higher|larger) than {a}
            {a} (increased|raised|enlarged|topped up) by {b}
            {a} with {b} (added|more|on top|extra)
            {a} and (another|a further) {b}
            the (result|outcome|total) of adding {a} and {b}
            the number (you get|I get|that comes out) by adding {a} to {b}
            the total (if|when|after) {a} and {b} are (added|put together|combined)
            the (answer|result) (if|when) {a} is added to {b}
            the number that is {b} (more|greater|bigger) than {a}
            {a} (plus|and then) {b} more
            the (addition|combination) of {a} and {b}
            {a} (grown|gone up) by {b}""",
            """the sum when you add {a} and {b}
            the sum of the numbers {a} and {b}""",
        ),
        phrases(
            """add {a} and {b}
            add {a} to {b}
            sum (|the two numbers |the values ){a} and {b}
            sum up {a} and {b}
            add the (|two )(numbers|values|amounts) {a} and {b}
            put {a} and {b} (together|in one sum|on one heap)
            (calculate|compute|work out|find) the (sum|total) of {a} and {b}
            (take|start with|begin with) {a} and add {b}(| to it)
            combine {a} (and|with) {b} into one (total|sum)
            increase {a} by {b}
            (raise|top up) {a} by {b}
            total {a} and {b}
            count {a} and {b} together
            (join|combine) the (amounts|numbers|values) {a} and {b} by adding them
            (find out|work out|figure out) (what {a} and {b} make together|what {a} plus {b} is)
            go up by {b} from {a}""",
            """add up {a} and {b}
            add together {a} and {b}""",
        ),
        "{a}+{b}",
    ),
    Operation(
        phrases(
            """the difference between {a} and {b}
            the difference of {a} and {b}
            {b} (less|lower|fewer|smaller) than {a}
            {a} (decreased|lowered|diminished|cut) by {b}
            {a} (take away|less|minus) {b}
            {a} reduced by {b}
            {a} with {b} (taken off|taken away|subtracted|removed|deducted)
            the (result|outcome) of (subtracting|taking|deducting) {b} from {a}
            the (answer|result) (if|when) {b} is (subtracted|taken|deducted) from {a}
            the amount (left|left over|remaining) (if|when) {b} is taken (from|out of) {a}
            the number that is {b} (less|smaller|lower) than {a}
            {a} without {b}
            the number (you get|I get|that comes out) by (taking|subtracting) {b} from {a}
            the (subtraction|deduction) of {b} from {a}
            {a} (shrunk|gone down) by {b}
            the rest of {a} once {b} is (gone|spent|used up|taken out)""",
            """the difference between the numbers {a} and {b}
            what is left of {a} after taking away {b}""",
        ),
        phrases(
            """subtract {b} from {a}
            take {b} (away|off|out) from {a}
            take {b} (from|out of|off) {a}
            (decrease|lower|cut|diminish) {a} by {b}
            (deduct|remove) {b} from {a}
            reduce {a} by {b}
            (calculate|compute|work out|find) {a} (minus|less|take away) {b}
            (calculate|compute|work out|find) the difference (between|of) {a} and {b}
            (take|start with|begin with) {a} and (subtract|take away|remove|deduct) {b}
            make {a} smaller by {b}
            go back by {b} from {a}
            go down by {b} from {a}
            count back {b} from {a}
            (find out|work out) what {a} (less|minus) {b} is
            (pull|knock) {b} off {a}""",
            """subtract the number {b} from {a}
            take away {b} from {a}""",
        ),
        "{a}-{b}",
    ),
    Operation(
        phrases(
            """the product of {a} and {b}
            {a} multiplied (by|with) {b}
            {a} times {b}
            {a} (lots|groups|sets) of {b}
            the product (if|when) {a} is multiplied (by|with) {b}
            the number (you get|I get|that comes out) by multiplying {a} (and|by) {b}
            the (answer|result) (if|when) {a} is (multiplied by|taken times) {b}
            the product from multiplying {a} with {b}
            {a} taken {b} times
            {a} times (the number|as much as) {b}
            the multiplication of {a} (by|with|and) {b}
            (the area of|the size of) a rectangle of {a} by {b}
            the area of a (rectangle|room|field) {a} long and {b} wide
            {a} and {b} multiplied(| together| with each other)
            the (value|amount) of {a} (times|multiplied by) {b}
            {a} repeated {b} times and added up""",
            """the product of the numbers {a} and {b}
            the result of multiplying {a} by {b}""",
        ),
        phrases(
            """multiply {a} (by|with) {b}
            multiply {a} and {b}
            multiply {a} (with the factor|by a factor of) {b}
            multiply the (|two )(numbers|values|amounts) {a} and {b}
            take {a} times {b}
            (take|start with|begin with) {a} and multiply (by|it by) {b}
            (calculate|compute|work out|find) the product of {a} and {b}
            (calculate|compute|work out|find) {a} (times|multiplied by) {b}
            (do|work out) the multiplication {a} times {b}
            (figure out|work out) {a} (lots|groups) of {b}
            (form|build|get) the product of {a} and {b}
            scale {a} (by|up by a factor of) {b}
            multiply {a} and {b} (with each other|with one another)
            (find out|figure out|work out) (what {a} times {b} is|how much {a} times {b} makes)
            make {a} (bigger|larger) by a factor of {b}""",
            """multiply together {a} and {b}
            multiply the number {a} by {b}""",
        ),
        "{a}*{b}",
    ),
    Operation(
        phrases(
            """the quotient of {a} and {b}
            {a} divided by {b}
            {a} split (by|evenly by) {b}
            {a} split (|up )into {b} (equal|even) parts
            the ratio (of {a} to {b}|between {a} and {b})
            {a} over {b}
            the quotient (if|when) {a} is divided by {b}
            the (answer|result) (if|when) {a} is (divided|split) by {b}
            one of {b} equal (parts|shares|pieces) of {a}
            (each|one) (part|share) (if|when) {a} is (split|divided) into {b} equal parts
            the number (you get|I get|that comes out) by dividing {a} by {b}
            the division of {a} by {b}
            {a} shared (equally|evenly) (among|between) {b}
            {a} (cut|broken|separated) into {b} equal (parts|pieces)
            {a} (shared out|handed out|spread) (evenly|equally) over {b}
            the (share|amount) for each of {b} (if|when) {a} is split (evenly|equally)""",
            """the quotient of the numbers {a} and {b}
            the result of dividing {a} by {b}""",
        ),
        phrases(
            """divide {a} by {b}
            (split|separate|cut|break) {a} into {b} equal (parts|pieces|shares)
            divide {a} into {b} (|equal |even )parts
            share {a} (equally|evenly|fairly) (among|between) {b}
            split {a} (equally|evenly) (among|between) {b}
            (take|start with|begin with) {a} and divide (by|it by) {b}
            (calculate|compute|work out|find) {a} (divided by|over) {b}
            (calculate|compute|work out|find) the (quotient|ratio) of {a} and {b}
            (do|work out) the division {a} (by|over) {b}
            (find out|figure out|work out) how (often|many times) {b} (goes|fits) into {a}
            divide up {a} into {b} equal (parts|shares)
            distribute {a} (equally|evenly) over {b}
            (form|get|take) the quotient of {a} and {b}
            (find|work out) one of {b} equal (parts|shares) of {a}
            (see|check|find out) what {a} divided by {b} is""",
            """divide the number {a} by {b}
            split {a} into {b} parts""",
        ),
        "{a}/{b}",
    ),
    Operation(
        phrases(
            """{a} squared
            the square of {a}
            {a} (times|multiplied by) itself
            {a} to the (second power|power of two|power two)
            {a}(^2|**2| ^ 2)
            the second power of {a}
            the area of a square (with side|with sides of|whose side is) {a}
            the area of a {a} by {a} square
            the product of {a} (and|with) itself
            the (result|outcome) of squaring {a}
            the number (you get|I get|that comes out) by squaring {a}
            the (answer|result) (if|when) {a} is (squared|multiplied by itself)
            the (value|amount) of {a} squared
            {a} raised to the (second power|power of two)
            the number {a} (squared|to the second power)""",
            """the square of the number {a}""",
        ),
        phrases(
            """square {a}
            square the (number|value|amount|figure) {a}
            multiply {a} (by|with) itself
            (calculate|work out|find) how much {a} (squared|times itself) is
            (calculate|compute|work out|find) {a} (squared|times itself)
            raise {a} to the (second power|power of two)
            (take|start with|begin with) {a} and (square it|multiply it by itself)
            take {a} times itself
            multiply {a} by the same number again
            (find|work out) the area of a square with (side|sides of) {a}
            (find out|figure out|see) what {a} (squared|times itself) is
            (lift|take) {a} to the (second power|power of two)
            bring {a} to the second power
            (do|work out) {a} to the power of two""",
            """take the square of {a}""",
        ),
        "{a}**2",
    ),
    Operation(
        phrases(
            """{a} cubed
            the cube of {a}
            {a} to the (third power|power of three|power three)
            the third power of {a}
            {a}(^3|**3| ^ 3)
            {a} raised to the (third power|power of three)
            the volume of a cube (with edge|with edges of|whose side is|with side) {a}
            the (result|outcome) of cubing {a}
            the number (you get|I get|that comes out) by cubing {a}
            the (answer|result) (if|when) {a} is cubed
            the (value|amount) of {a} cubed
            three factors of {a} multiplied together
            the number {a} (cubed|to the third power)
            the space inside a cube (with edges of|with sides of) {a}
            {a} with (exponent|an exponent of|the exponent) three""",
            """the cube of the number {a}""",
        ),
        None,
        "{a}**3",
    ),
    Operation(
        phrases(
            """{a} to the power (of |){s}
            {a} to the power {s}
            {a} raised to {s}
            {a} raised to the power of {s}
            {a}(^|**| ^ | ** ){s}
            {a} to the {s}
            {a} with (exponent|an exponent of|the exponent) {s}
            the power with base {a} and exponent {s}
            the (result|outcome) of raising {a} to (the power of |){s}
            the number (you get|I get|that comes out) by raising {a} to the power (of |){s}
            the (answer|result) (if|when) {a} is raised to (the power of |){s}
            a product of {s} factors that are all {a}
            pow({a}, {s})
            {a} (lifted|taken|brought) to the power of {s}
            the (value|amount) of {a} to the power (of |){s}
            base {a}(,| and| with) exponent {s}""",
            """{a} raised to the power {s}
            the number {a} to the power of {s}""",
        ),
        phrases(
            """raise {a} to the power of {s}
            raise {a} to the power {s}
            (lift|bring|take) {a} to the power (of |){s}
            (take|lift) {a} to the {s}
            raise {a} to the {s}
            (calculate|compute|work out|find|determine) {a} to the power (of |){s}
            (calculate|compute|work out|find) {a}(^|**| ^ ){s}
            (take|start with|begin with) {a} and raise it to the power (of |){s}
            (calculate|compute|work out|find) the power with base {a} and exponent {s}
            (calculate|compute|work out) {a} (with exponent|raised to) {s}
            (find out|figure out|see) what {a} to the power (of |){s} is
            (calculate|compute|find|do) pow({a}, {s})
            (form|get|take) the power of {a} with exponent {s}
            (calculate|compute|work out|do) {a} to the {s}""",
            """raise the number {a} to the power of {s}""",
        ),
        "{a}**{s}",
    ),
    Operation(
        phrases(
            """the square root of {q}
            sqrt( of|) {q}
            sqrt({q})
            (the root of|root) {q}
            √{q}
            the (second|positive) root of {q}
            the (positive|) number whose square is {q}
            the number that gives {q} when it is squared
            the number that makes {q} when multiplied by itself
            the side of a square (of area|with area|with an area of|whose area is) {q}
            the (result|outcome) of taking the square root of {q}
            the number (you get|I get|that comes out) by taking the root of {q}
            the (value|amount) of the square root of {q}
            the (length|size) of each side of a square with (area|an area of) {q}
            the (exact|plain) square root of {q}""",
            """the square root of the number {q}
            the square root for {q}""",
        ),
        phrases(
            """take the (square |)root of {q}
            find the square root of {q}
            (find|work out|get|extract|calculate) the root of {q}
            (work out|figure out) the square root of {q}
            (calculate|work out|compute|do) sqrt( of|) {q}
            (calculate|work out|compute|do) sqrt({q})
            (take|start with) {q} and take (the|its) (square |)root
            (calculate|work out|compute) √{q}
            (find|determine) the number whose square is {q}
            find the number that (multiplied by itself|times itself) (gives|makes) {q}
            (find|work out) the side of a square (with area|with an area of|of area) {q}
            (find out|see|figure out) what the square root of {q} is
            (see|find out) which number squared (gives|makes) {q}
            (find|get) the side length of a square with (area|an area of) {q}""",
            """compute the square root of {q}""",
        ),
        "sqrt({q})",
    ),
    Operation(
        phrases(
            """the remainder (of|for) {a} divided by {b}
            the remainder (if|when|after) {a} is (divided|split) by {b}
            the rest (when|of|after) dividing {a} by {b}
            {a} (modulo|mod|%) {b}
            the remainder (of|from|after|left by) dividing {a} by {b}
            the remainder of {a} (/|over) {b}
            the remainder of the division (of {a} by {b}|{a} / {b})
            the rest (if|when) {a} is divided by {b}
            the (leftover|rest|remainder) (if|when) {a} is split into groups of {b}
            the (amount|number) left over (after|when) dividing {a} by {b}
            the (amount|number) that remains after dividing {a} by {b}
            the (leftover|remainder) that {a} (leaves|has) when divided by {b}
            the value of {a} (mod|modulo) {b}
            the leftover of {a} (divided by|after division by) {b}
            the remainder that dividing {a} by {b} leaves""",
            """the remainder when you divide {a} by {b}
            what remains when {a} is divided by {b}""",
        ),
        None,
        "{a}%{b}",
    ),
    Operation(
        phrases(
            """{p} (percent|per cent) of {a}
            {p}(%| %) of {a}
            a part of {p}(%| percent) out of {a}
            {p}( hundredths|/100) of {a}
            a {p}% (share|part|cut|portion|slice) of {a}
            the {p}% (share|part|portion) of {a}
            {p}(%| percent) (interest|tax|commission) on {a}
            a {p}% (tip|tax|commission|fee|deposit) on {a}
            a (tip|tax|commission|fee|deposit) of {p}(%| percent) on {a}
            a {p}(%| percent) tip (on|for) a bill of {a}
            the amount that is {p}(%| percent) of {a}
            the (result|outcome) of taking {p}(%| percent) of {a}
            the number (you get|I get|that comes out) by taking {p}(%| percent) of {a}
            {p} pct of {a}
            exactly {p}(%| percent) of {a}""",
            """{p} percent of the number {a}
            a share of {p}% of {a}""",
        ),
        phrases(
            """take {p}% of {a}
            take {p} (percent|per cent) of {a}
            find {p}% of {a}
            (work out|figure out) {p}(%| percent) of {a}
            (calculate|work out|figure out) a (share|part|portion) of {p}(%| percent) of {a}
            (take|start with) {a} and take {p}(%| percent) of it
            (find out|figure out|see) (how much|what) {p}(%| percent) of {a} is
            (take|calculate|work out) a {p}% (share|cut|part) of {a}
            (calculate|work out|find) a (tip|tax|commission|fee) of {p}(%| percent) on {a}
            (calculate|work out|find) a {p}% (tip|tax|commission|fee) on {a}
            (calculate|work out|find) {p}(%| percent) (interest|tax) on {a}
            (find|work out) the amount that is {p}(%| percent) of {a}
            multiply {a} by {p}(%| percent)
            (calculate|work out) what {p}(%| percent) of {a} (comes to|makes)""",
            """compute {p}% of {a}
            get {p} percent of {a}""",
        ),
        "{a}*{p}/100",
    ),
    Operation(
        phrases(
            """{a} (plus|and) {p}%
            {a} increased by {p}%
            {a} increased by {p} percent
            {a} with {p}% (tax|interest|VAT) added
            {a} plus {p} percent (tax|interest|tip)
            {a} plus (a tip of|interest of|a tax of) {p}(%| percent)
            {p}(%| percent) more than {a}
            {a} and {p}(%| percent) (on top|more|extra)
            {a} (with|after) (a rise|an increase|a raise) of {p}(%| percent)
            the (price|cost) of {a} (plus|with) {p}% (tax|VAT)
            the price of {a} after (a {p}% increase|an increase of {p} percent|it rises by {p}%)
            a (bill|check) of {a} (plus|with) a {p}(%| percent) tip
            a (price|wage|rent|salary) of {a} that (goes|went|has gone) up by {p}(%| percent)
            a (salary|wage|rent) of {a} after a {p}(%| percent) (raise|rise|increase)
            the (new value|result) (if|when|after) {a} (grows|rises|goes up) by {p}(%| percent)""",
            """{a} raised by {p} percent
            {a} with {p} percent added""",
        ),
        phrases(
            """increase {a} by {p}%
            add {p}% to {a}
            increase {a} by {p} (percent|per cent)
            (raise|grow|push up) {a} by {p}(%| percent)
            add (a tip of|a tax of|interest of) {p}(%| percent) to {a}
            add a {p}(%| percent) (tip|tax|fee) to (a bill of |){a}
            (take|start with) {a} and (add {p}%|increase it by {p} percent|raise it by {p}%)
            (let|make) {a} (grow|rise) by {p}(%| percent)
            put {p}(%| percent) on top of {a}
            (calculate|compute|work out) {a} plus {p}(%| percent)
            (calculate|compute|find) {p}(%| percent) more than {a}
            (calculate|work out) the price of {a} (plus|with) {p}% tax
            make {a} (bigger|larger|higher) by {p}(%| percent)
            work out (a salary|a rent|a wage) of {a} after a {p}% (raise|rise)""",
            """add {p} percent to {a}""",
        ),
        "{a}*(100+{p})/100",
    ),
    Operation(
        phrases(
            """{a} (minus|less) {p}%
            {a} with {p}% off
            {a} with a {p}% (discount|reduction|rebate)
            {a} decreased by {p} percent
            {a} (reduced|lowered|cut|decreased) by {p}%
            the price of {a} after a {p}% (discount|reduction|price cut)
            {p}(%| percent) (less|lower) than {a}
            {a} (minus|less) a (reduction|rebate) of {p}(%| percent)
            the (sale|reduced) price of (something|a ticket) at {a} with {p}% off
            a price of {a} that (goes|went|has gone) down by {p}(%| percent)
            (a price|an amount|a bill) of {a} (cut|reduced|lowered) by {p}(%| percent)
            the (new value|result) (if|when|after) {a} (falls|drops|goes down) by {p}(%| percent)
            {a} after (a drop|a fall|a loss|a cut) of {p}(%| percent)
            {a} less {p} percent
            {a} with {p}(%| percent) (of it |)taken off""",
            """{a} after {p}% off
            {a} with a discount of {p}%""",
        ),
        phrases(
            """decrease {a} by {p}%
            reduce {a} by {p} (percent|per cent)
            take {p}% off {a}
            (bring|take) {a} down by {p}(%| percent)
            (knock|take) {p}(%| percent) off (a price of |){a}
            (subtract|deduct) {p}(%| percent) from {a}
            (take|start with) {a} and (take {p}% off|lower it by {p} percent|cut it by {p}%)
            (apply|give) a (discount of {p}%|{p}% discount|{p} percent discount) (to|on) {a}
            (let|make) {a} (drop|fall|shrink) by {p}(%| percent)
            (calculate|compute|work out) {a} minus {p}(%| percent)
            (calculate|compute|find) {p}(%| percent) less than {a}
            (calculate|work out) the price of {a} (with|after) a {p}% discount
            make {a} (smaller|lower|cheaper) by {p}(%| percent)
            mark down {a} by {p}(%| percent)""",
            """reduce {a} by {p}%""",
        ),
        "{a}*(100-{p})/100",
    ),
    Operation(
        phrases(
            """half (of |){a}
            half(| of) the (number|amount|value) {a}
            one half of {a}
            {a} (halved|cut in half|split in half)
            {a} (divided by|split in) two
            {a} split (two ways|into two equal parts|down the middle)
            (1/2|one-half) of {a}
            {a} times one half
            half as (much|many) as {a}
            a number half as (big|large|high) as {a}
            the number that is half (of |){a}
            one of two equal (parts|shares|halves) of {a}
            (each|one) share (if|when) two (people|friends) split {a} (equally|evenly)
            the (result|outcome) of halving {a}
            the (answer|result) (if|when) {a} is (halved|cut in half)
            {a} shared (equally|evenly) (by|between) two""",
            """a half of {a}""",
        ),
        phrases(
            """halve {a}
            cut {a} in (half|two)
            halve the (number|amount|value|figure) {a}
            split {a} (in two|into halves|down the middle)
            (split|cut|divide) {a} into two equal (parts|halves|shares)
            divide {a} by two
            (take|find|get|work out|calculate) (one |)half of {a}
            share {a} (equally|evenly|fairly) between two(| people| friends)
            (take|start with) {a} and (halve it|cut it in half|take half of it)
            reduce {a} by half
            make {a} half as (big|large)
            (find out|see|figure out) what half of {a} is
            (find|work out) the half of {a}
            shrink {a} to half""",
            """divide {a} in half""",
        ),
        "{a}/2",
    ),
    Operation(
        phrases(
            """(double|twice) {a}
            two times {a}
            {a} doubled
            {a} (times|multiplied by) two
            {a} taken (twice|two times)
            the double of {a}
            (twice|two times) as (much|many) as {a}
            a number (twice|two times) as (big|large|high) as {a}
            the number that is (double|twice) {a}
            double the (amount|figure|quantity) {a}
            the (result|outcome) of doubling {a}
            the (answer|result) (if|when) {a} is doubled
            the number (you get|I get|that comes out) by doubling {a}
            two (lots|groups) of {a}
            {a} counted (twice|two times)""",
            """twice the number {a}""",
        ),
        phrases(
            """double {a}
            double the number {a}
            multiply {a} (by|with) two
            take {a} (twice|two times|times two)
            (find|get|calculate|work out) (twice|double) {a}
            (find|get|calculate|work out) the double of {a}
            (take|start with) {a} and (double it|multiply it by two)
            make {a} twice as (big|large)
            (find out|see|figure out) what (twice|double) {a} is
            count {a} (twice|two times)
            (work out|calculate|compute) {a} times two
            (work out|calculate|compute) two times {a}
            (find|work out) the number that is (double|twice) {a}
            increase {a} to (twice|two times) its size""",
            """double the value {a}""",
        ),
        "{a}*2",
    ),
    Operation(
        phrases(
            """(triple|treble) {a}
            three times {a}
            {a} (tripled|trebled)
            {a} (times|multiplied by) three
            {a} taken three times
            the triple of {a}
            three times as (much|many) as {a}
            a number three times as (big|large|high) as {a}
            the number that is (triple|three times) {a}
            triple the (amount|figure|quantity) {a}
            the (result|outcome) of tripling {a}
            the (answer|result) (if|when) {a} is tripled
            the number (you get|I get|that comes out) by tripling {a}
            three (lots|groups) of {a}
            {a} counted three times""",
            """three times the number {a}""",
        ),
        phrases(
            """(triple|treble) {a}
            triple the number {a}
            multiply {a} (by|with) three
            take {a} (three times|times three)
            (find|get|calculate|work out) (three times|triple) {a}
            (find|get|calculate|work out) the triple of {a}
            (take|start with) {a} and (triple it|multiply it by three)
            make {a} three times as (big|large)
            (find out|see|figure out) what (three times|triple) {a} is
            count {a} three times
            (work out|calculate|compute) {a} times three
            (work out|calculate|compute) three times {a}
            (find|work out) the number that is (triple|three times) {a}
            increase {a} to three times its size""",
            """triple the value {a}""",
        ),
        "{a}*3",
    ),
    Operation(
        phrases(
            """a quarter of {a}
            one quarter of {a}
            one fourth of {a}
            (1/4|one-fourth) of {a}
            {a} divided by four
            {a} split (four ways|into four equal parts|into quarters)
            (a|one) quarter (share|part) of {a}
            the (quarter|fourth part) of {a}
            (a|one) quarter of the (number|amount|value) {a}
            one of four equal (parts|shares|pieces) of {a}
            (each|one) share (if|when) four (people|friends) split {a} (equally|evenly)
            (each|one) part (if|when) {a} is (cut|split|divided) into four equal parts
            {a} shared (equally|evenly) (by|among|between) four
            a number a quarter (as big as|the size of) {a}
            the number that is (a|one) quarter of {a}""",
            """a fourth of {a}""",
        ),
        None,
        "{a}/4",
    ),
    Operation(
        phrases(
            """a third of {a}
            one third of {a}
            (1/3|one-third) of {a}
            {a} divided by three
            {a} split (three ways|into three equal parts|into thirds)
            a third (share|part) of {a}
            the third part of {a}
            one third of the (amount|value) {a}
            one of three equal (parts|shares|pieces) of {a}
            (each|one) share (if|when) three (people|friends) split {a} (equally|evenly)
            (each|one) part (if|when) {a} is (cut|split|divided) into three equal parts
            {a} shared (equally|evenly) (by|among|between) three
            a number a third (as big as|the size of) {a}
            the number that is (a|one) third of {a}""",
            """a third of the number {a}""",
        ),
        None,
        "{a}/3",
    ),
)
COMBINED = (
    ("multiply {a} by {b} and add {c}", "{a}*{b}+{c}"),
    ("multiply {a} by {b} and subtract {c}", "{a}*{b}-{c}"),
    ("multiply {a} and {b} and divide by {c}", "{a}*{b}/{c}"),
    ("add {a} and {b} and multiply by {c}", "({a}+{b})*{c}"),
    ("add {a} to {b} and subtract {c}", "{a}+{b}-{c}"),
    ("add {a} and {b} and divide by {c}", "({a}+{b})/{c}"),
    ("divide {a} by {b} and add {c}", "{a}/{b}+{c}"),
    ("divide {a} by {b} and multiply by {c}", "{a}/{b}*{c}"),
    ("subtract {b} from {a} and multiply by {c}", "({a}-{b})*{c}"),
    ("subtract {b} from {a} and add {c}", "{a}-{b}+{c}"),
    ("take {a}, double it and add {b}", "{a}*2+{b}"),
    ("take {a}, add {b} and halve it", "({a}+{b})/2"),
    ("double {a} and subtract {b}", "{a}*2-{b}"),
    ("square {a} and add {b}", "{a}**2+{b}"),
    ("square {a} and subtract {b}", "{a}**2-{b}"),
)
NESTED = (
    ("the sum of {a} and the product of {b} and {c}", "{a}+{b}*{c}"),
    ("{a} plus the product of {b} and {c}", "{a}+{b}*{c}"),
    ("the product of {a} and {b} plus {c}", "{a}*{b}+{c}"),
    ("the product of {a} and {b} minus {c}", "{a}*{b}-{c}"),
    ("the sum of {a} and {b} times {c}", "({a}+{b})*{c}"),
    ("the sum of {a} and {b} divided by {c}", "({a}+{b})/{c}"),
    ("the sum of {a} and {b} minus {c}", "{a}+{b}-{c}"),
    ("the difference of {a} and {b} times {c}", "({a}-{b})*{c}"),
    ("the square of {a} plus {b}", "{a}**2+{b}"),
    ("half of the sum of {a} and {b}", "({a}+{b})/2"),
    ("twice the sum of {a} and {b}", "2*({a}+{b})"),
    ("{p}% of the sum of {a} and {b}", "({a}+{b})*{p}/100"),
    ("{p}% of {a} plus {b}", "{a}*{p}/100+{b}"),
)
LISTS = (
    (
        phrases(
            """the (sum|total) of {l}
            the sum of the (numbers|values|amounts|figures) {l}
            {l} added (together|up)
            {l} (all together|in total|combined|taken together|summed up)
            the (total|sum) (if|when|after) {l} are added(| together)
            the (result|outcome) of adding {l}
            the number (you get|I get|that comes out) by adding {l}
            the (combined|grand|overall) total of {l}
            the (addition|combination) of {l}
            the (total|sum) that {l} (make|give|add up to)
            the overall sum of {l}
            {l} (counted|put) together
            the sum (over|from) {l}
            the (total amount|total cost) of (items|things|parts) at {l}
            the total of a (list|column) with {l}
            the (total|sum) for {l}""",
            """the total of the numbers {l}
            the sum of these numbers: {l}""",
        ),
        "+",
    ),
    (
        phrases(
            """the product of {l}
            {l} multiplied (together|with each other|with one another)
            the product of the (numbers|values|factors) {l}
            the product (if|when|after) {l} are multiplied(| together)
            the (result|outcome) of multiplying {l}(| together)
            the number (you get|I get|that comes out) by multiplying {l}
            the multiplication of {l}
            the (product|number) that {l} make when multiplied
            the product of all of {l}
            the number that comes from multiplying {l}
            the product of a (list|row) with {l}
            the overall product of {l}
            the product for {l}
            the (result|answer) (if|when) {l} are all multiplied""",
            """the product of these numbers: {l}""",
        ),
        "*",
    ),
    (
        phrases(
            """the (average|mean) of {l}
            the average of the (numbers|values|figures) {l}
            the (mean|average) value of {l}
            the arithmetic (mean|average) of {l}
            the (average|mean) (if|when) (the values|the scores|the grades|my marks) are {l}
            the (average|mean) (score|grade|mark|result) of {l}
            the average of (grades|scores|prices|temperatures) of {l}
            the (average|mean) of (a list|a series|a set) with {l}
            the (average|mean) for {l}
            the average (size|amount|value) among {l}
            the (average|mean) amount of {l}
            {l} (averaged|on average)
            the (result|outcome) of averaging {l}
            the number (you get|I get|that comes out) by averaging {l}
            the (average|mean) over {l}""",
            """the mean of the numbers {l}
            the average of these numbers: {l}""",
        ),
        "mean",
    ),
    (
        phrases(
            """the (largest|greatest|highest|biggest) of {l}
            the maximum (of|among|over|in) {l}
            the biggest (of|among|out of) {l}
            the largest (number|value|one) (of|out of) {l}
            the biggest (number|value|one) (among|of|in) {l}
            the (highest|greatest|top) (number|value|one) (of|in) {l}
            the max of {l}
            the (maximum|largest) value of {l}
            max({l})
            the one that is (biggest|largest|greatest|highest) among {l}
            the (highest|best|top) (score|mark|price) (of|among) {l}
            the (largest|biggest|highest) out of {l}
            the (biggest|largest|highest) (number|value) in the list {l}
            the (top|upper) end of {l}
            the (peak|top value) of {l}""",
            """the largest number among {l}
            the maximum of the numbers {l}""",
        ),
        "max",
    ),
    (
        phrases(
            """the (smallest|least|lowest|littlest) of {l}
            the minimum (of|among|over|in) {l}
            the lowest (of|among|out of) {l}
            the smallest (number|value|one) (of|out of) {l}
            the lowest (number|value|one) (among|of|in) {l}
            the (least|bottom) (number|value|one) (of|in) {l}
            the min of {l}
            the (minimum|smallest) value of {l}
            min({l})
            the one that is (smallest|lowest|least) among {l}
            the (lowest|worst|cheapest) (score|mark|price) (of|among) {l}
            the (smallest|lowest) out of {l}
            the (smallest|lowest) (number|value) in the list {l}
            the (low|bottom|lower) end of {l}""",
            """the smallest number among {l}
            the minimum of the numbers {l}""",
        ),
        "min",
    ),
)
