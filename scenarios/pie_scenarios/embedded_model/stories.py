"""Word problems in several wordings each: data for `problems`."""

from __future__ import annotations

from dataclasses import dataclass

from pie_scenarios.embedded_model.draw import Phrases, phrases


@dataclass(frozen=True, slots=True)
class Problem:
    """A story in several wordings, its expression and its answer."""

    wordings: Phrases
    expression: str
    answer: str


PROBLEMS = (
    Problem(
        phrases(
            """(One|A|Each|A single) {t} costs {a} {m}. How much do {b} {ts} cost?
            A {t} costs {a} {m}. (What do {b} {ts} cost|What is the price of {b} {ts}|And {b} {ts})?
            If (one|a|each|a single) {t} costs {a} {m}, (how much are|what do I pay for) {b} {ts}?
            {P} (buys|orders|takes) {b} {ts} (at|for) {a} {m} (each|apiece). How much does {P} pay?
            {b} {ts} at {a} {m} each(: what is the total|. What does that come to|, how much is it)?
            What is the (price|cost) of {b} {ts} if (one {t}|each|a single one) costs {a} {m}?
            {P} needs {b} {ts}. (Each|One|Every {t}) costs {a} {m}. What is the total (cost|price)?
            The price of (a|one) {t} is {a} {m}. (How much|What) would {b} of them cost?
            (We are|My sister is) buying {b} {ts} for {a} {m} each. (What|How much) is the bill?
            At {a} {m} (a|for each) {t}, (how much are|what do you pay for|what will I pay for) {b}?
            (Suppose|Say|Imagine) (a|each|one) {t} is {a} {m}. What would you pay for {b} of them?
            {ts} are sold at {a} {m} (each|apiece|per piece). (What|How much) do {b} cost?
            {P} wants {b} {ts}, and (each is|every one costs) {a} {m}. (What|How much) is that?
            How much does {P} need (to buy|for) {b} {ts} (that cost|priced at) {a} {m} each?
            Price of (a|one) {t}: {a} {m}. (Price|Cost|Total) for {b}?
            How much (must|will|should) I pay for {b} {ts} when (a|one|a single) {t} is {a} {m}?
            (Calculate|Work out|Find) the (price|cost) of {b} {ts} at {a} {m} (each|per {t}|apiece).
            (A shop|{P}|The market) sells {ts} (at|for) {a} {m} each. What do (you|we) pay for {b}?
            {b} {ts} were bought (at|for) {a} {m} each. How much was (paid|spent)( in total|)?
            (You|We|I) pay {a} {m} for (a|one) {t}. How much (for|is it for) {b}( of them|)?
            (One|1) {t}, {a} {m}. {b} {ts}, (how much|how many {m}|what price)?""",
            """How much does {P} pay for {b} {ts} if each costs {a} {m}?
            One {t} costs {a} {m}. {P} buys {b} {ts}. What is the total cost?""",
        ),
        "{b}*{a}",
        "{b} {ts} cost {r} {m}.",
    ),
    Problem(
        phrases(
            """{P} has {a} {ts} and (buys|gets) {b} more. How many {ts} does {P} have now?
            {P} had {a} {ts} and got {b} more. How many {ts} are there now?
            {P} (owns|has) {a} {ts}. {Q} gives {P} {b} more {ts}. How many does {P} have( then|)?
            There are {a} {ts} on a pile and {b} are added. How many {ts} (is that|are there)?
            {P} has {a} {ts} and {Q} has {b}. How many {ts} do they have (together|in total|in all)?
            {P} collected {a} {ts} and {Q} collected {b} {ts}. How many is that in total?
            (I have|We have|My sister has) {a} {ts}, and {P} brings {b} more. How many {ts} is that?
            (I|We) (had|owned) {a} {ts} and then bought {b}. How many {ts} (is that|are there) now?
            If {P} has {a} {ts} and {Q} has {b}, how many {ts} (do both have|are there) together?
            How many {ts} (are there|is that) if {P} brings {a} and {Q} brings {b}?
            After (finding|getting) {b} {ts}, how many does {P} have who (had|began with) {a}?
            {a} {ts} are in the (room|garage) and {b} more arrive. How many are (there now|there)?
            {P} starts with {a} {ts}, then (buys|finds) {b}. (How many {ts} is that|Total {ts})?
            {P} made {a} {ts} (yesterday|in May) and {b} today. (How many in all|How many is that)?
            A shop has {a} {ts} in stock and {b} are delivered. How many {ts} are in stock now?
            To {a} {ts}, {P} adds {b}( more|). What is the number of {ts} now?
            To {a} {ts}, {P} adds {b}( more|). How many {ts} is that?
            In one box there are {a} {ts}, in (another|the other) {b}. How many {ts} in all?
            {P}: {a} {ts}, {Q}: {b}. (How many together|What is the total|How many in all)?
            (Find|Give|Tell me) the total number of {ts} if {P} has {a} and {Q} has {b}.
            {P} found {a} {ts} in {L} and {b} (at work|on the way). How many {ts} in total?
            (Altogether|In total), how many {ts} do {P} with {a} and {Q} with {b} have?
            {P}'s collection of {a} {ts} (grows|has grown) by {b}. How (big|large) is it( now|)?""",
            """{P} has {a} {ts} and finds {b} more. How many {ts} are there now?
            {P} owns {a} {ts} and {Q} owns {b}. How many {ts} do they own together?""",
        ),
        "{a}+{b}",
        "There are {r} {ts}.",
    ),
    Problem(
        phrases(
            """{P} has {A} {ts} and gives (away {b}|{b} away). How many {ts} (are left|remain)?
            {P} had {A} {ts} and (lost|broke|used) {b}. How many {ts} does {P} have left?
            A shop has {A} {ts} and sells {b}( of them|). How many {ts} (remain|does it still have)?
            There were {A} {ts} in the store. {P} took {b} of them. How many are left?
            {P} had {A} {ts} and (gave|sent|sold) {b} to {Q}. How many {ts} (are left|remain)?
            (Out of|Of) {A} {ts}, {b} are broken. How many {ts} are (fine|not broken|still good)?
            (I|We) had {A} {ts} and (sold|lost|gave away) {b}. How many (are left|are still there)?
            If {b} of {P}'s {A} {ts} (get lost|are stolen|break), how many (are left|remain)?
            How many {ts} are left (if|when|after) {b} of {A} are (sold|removed|taken|thrown away)?
            How many {ts} does {P} (keep|still have) after giving {b} of {A} to {Q}?
            From {A} {ts}, {b} are (taken away|removed|sold). (How many stay|How many remain)?
            {b} of the {A} {ts} in {L} were (sold|stolen|broken). How many {ts} (are|were) left?
            Suppose {P} has {A} {ts} and throws {b} away. What (is left|remains)?
            (A box|A crate|A truck) holds {A} {ts}. {P} (removes|unloads) {b}. How many stay in it?
            {A} {ts}, {b} of them (sold|gone|broken|used up). How many (are left|remain)?
            {P} (starts with|begins with) {A} {ts} and (loses|uses) {b}. How many {ts} remain?
            {P} (starts with|begins with) {A} {ts} and (loses|uses) {b}. What remains?
            After (selling|losing) {b} {ts}, how many of the {A} does {P} (still have|have left)?
            The stock was {A} {ts} and {b} (have been|were) sold. How many are there now?
            There were {A} {ts} and {b} (have been|were) sold. How many are there now?
            {Q} borrowed {b} of {P}'s {A} {ts}. (How many did {P} keep|How many were left)?""",
            """{P} owns {A} {ts} and sells {b}. How many {ts} are left?
            {P} had {A} {ts}. {Q} took {b} of them. How many remain?""",
        ),
        "{A}-{b}",
        "{r} {ts} are left.",
    ),
    Problem(
        phrases(
            """There are {a} (boxes|baskets|crates) with {b} {ts} each. How many {ts} are there?
            {P} has {a} (boxes|bags|jars). Each (holds|contains) {b} {ts}. How many {ts} is that?
            {a} (bags|trays|boxes) hold {b} {ts} each. How many {ts} are there (in total|in all)?
            A (truck|ship|train) carries {a} crates with {b} {ts} each. How many {ts} does it carry?
            There are {a} rows (of {b} {ts}|with {b} {ts} each). How many {ts} are there altogether?
            {P} fills {a} shelves with {b} {ts} each. How many {ts} does {P} need?
            (I have|We have|{P} bought) {a} packs of {b} {ts}. How many {ts} (is that|are in them)?
            If (a|one|each) box holds {b} {ts}, how many {ts} are in {a} boxes?
            How many {ts} are (in|inside) {a} (bags|boxes|crates) with {b} (in each|in every one)?
            How many {ts} (do you need|are needed) to fill {a} boxes with {b} (each|apiece)?
            Each of {a} (shelves|tables|drawers) has {b} {ts}. What is the total number of {ts}?
            {b} {ts} fit in (one|each) crate, and there are {a} crates. How many {ts} (is that|fit)?
            {a} (children|workers) bring {b} {ts} each. How many {ts} do they bring( in all|)?
            Every one of the {a} (guests|players) gets {b} {ts}. How many {ts} (is that|are needed)?
            {a} boxes, {b} {ts} (per|in each|in every) box. How many {ts}( in all| in total|)?
            {ts} come in packs of {b}. How many {ts} are in {a} packs?
            (Suppose|Say) {P} orders {a} packs and each has {b} {ts}. How many {ts} arrive?
            {P} puts {b} {ts} (on|in) each of {a} (carts|piles|trays). How many {ts} are used?
            With {b} {ts} (in|to) a row, how many {ts} are there in {a} rows?
            (Find|Give) the number of {ts} in {a} (boxes|bags|crates) of {b}( each|).
            (A|One|This) box has {b} {ts}. How many {ts} do {a} (such boxes|boxes like it) have?""",
            """{P} packs {a} boxes with {b} {ts} each. How many {ts} are there in total?
            There are {a} bags. Each bag holds {b} {ts}. How many {ts} are there?""",
        ),
        "{a}*{b}",
        "There are {r} {ts}.",
    ),
    Problem(
        phrases(
            """{P} shares {n} {ts} (equally|evenly) among {d} (friends|cousins). How many for each?
            {n} {ts} are (divided|shared) equally among {d} people. How many {ts} does each get?
            {d} (children|pupils|players) share {n} {ts} equally. How many {ts} per (child|person)?
            {P} splits {n} {ts} between {d} people. How many {ts} are there for each?
            If {d} people share {n} {ts}( equally| evenly|), how many {ts} does (each|one) get?
            How many {ts} does each of {d} (children|workers|guests) get (if|when) they share {n}?
            How many {ts} (per person|for each|does each get) if {n} are split {d} ways?
            There are {d} teams and {n} {ts}. All get the same number. How many (each|for each)?
            (I|We) (have|brought) {n} {ts} for {d} (children|friends). How many can each one have?
            (Divide|Split|Share) {n} {ts} (equally|fairly|evenly) (among|between) {d} people.
            {n} {ts} for {d} (people|kids|teams), shared (equally|fairly|evenly). How many each?
            {P} hands out {n} {ts} to {d} (guests|pupils), the same number to each. How many each?
            (Suppose|Say) {d} friends split {n} {ts} evenly. What does (each|one) get?
            When {n} {ts} are given to {d} teams in equal parts, how many does (each|one) team get?
            Each of {d} (cousins|players) gets the same share of {n} {ts}. How (big|large) is it?
            {n} {ts} go to {d} (schools|houses) in equal (shares|parts|numbers). How many to each?
            What is (a single|each) person's share if {d} people divide {n} {ts} (evenly|fairly)?
            {P} and friends, {d} people in all, share {n} {ts}. How many (for each|does one get)?
            {P} has {n} {ts} for {d} nieces, who all get the same. How many {ts} (for each|each)?
            {d} people found {n} {ts} and (want to split|split) them equally. What is each share?
            A (gift|load) of {n} {ts} is shared by {d} winners. How many {ts} does one take?""",
            """{P} divides {n} {ts} equally among {d} children. How many does each get?
            {d} friends share {n} {ts}. How many {ts} does each friend get?""",
        ),
        "{n}/{d}",
        "Each gets {r} {ts}.",
    ),
    Problem(
        phrases(
            """{P} packs {n} {ts} (into|in) (boxes|crates) of {d}. How many does {P} (need|fill)?
            How many (crates|jars) (do I|must we) need for {n} {ts}, (with {d} in each|{d} in each)?
            (A|One|Each) box (holds|takes) {d} {ts}. How many boxes do {n} {ts} (fill|need)?
            {n} {ts} are (packed|sorted) in bags of {d}. How many bags (is that|are there|are used)?
            If {d} {ts} (fit in|go into|fill) (a|one|each) box, how many boxes do {n} {ts} need?
            If (a|each) (bag|crate|box|tray) holds {d}, how many (are needed|are used) for {n} {ts}?
            How many (bags|boxes|crates|trays) of {d} can (I|we|{P}|you) fill with {n} {ts}?
            We have {n} {ts} and boxes (for|that hold) {d} each. How many boxes do we need?
            With {d} {ts} (in each|to a) box, how many boxes (are there|does {P} need) for {n} {ts}?
            {n} {ts}, {d} (per|to a|in each|in every) (box|crate). How many (are needed|is that)?
            (Suppose|Say) {d} {ts} (go in|fit in) one crate. How many crates (hold|carry) {n} {ts}?
            {P} (makes|forms) (groups|piles) of {d} from {n} {ts}. How many (are there|come out)?
            {P} has to (pack|ship|store) {n} {ts}, {d} (to a|per|in each) crate. How many crates?
            {ts} (come|are sold) in packs of {d}. How many packs (make|give you) {n} {ts}?
            To (ship|store|carry) {n} {ts}, how many boxes (does|should) {P} take if {d} fit in one?
            How many (shelves|trays|rows) of {d} {ts} does {P} need for {n}( of them| {ts}|)?
            {P} (wants|needs) {n} {ts}. One (pack|bag|box) has {d}. How many should {P} (buy|get)?
            {n} {ts} are (arranged|laid out) in rows of {d}. (What is the number of|How many) rows?
            Each (bag|basket) gets {d} of the {n} {ts}. How many (are filled|can be filled|is that)?
            A (carton|tray|truck) has room for {d} {ts}. How many are (used|needed) for {n} {ts}?
            Number of (boxes|bags|crates) for {n} {ts} at {d} (each|apiece|per piece)?""",
            """{P} has {n} {ts} and puts {d} in each box. How many boxes are needed?
            How many bags are needed for {n} {ts} if each bag holds {d}?""",
        ),
        "{n}/{d}",
        "That makes {r}.",
    ),
    Problem(
        phrases(
            """A (train|truck|bus) (goes|runs at) {a} km per hour for {s} hours. How far does it go?
            {P} rides {s} hours at {a} km an hour. How many kilometres is that?
            A bus (travels|drives|goes) at {a} km per hour. How far does it get in {s} hours?
            How far does a (car|train|plane|boat) (go|get|travel) in {s} hours at {a} km/h?
            {P} (runs|sails) at {a} km/h. (How far|How many km) (is that|does {P} get) in {s} hours?
            At {a} km/h, (how far|what distance) do (I|you|we) (get|cover|travel) in {s} hours?
            If a car (does|makes) {a} km per hour, how many km (is that|does it make) in {s} hours?
            We (drove|cycled|flew) for {s} hours at {a} km/h. How far (was that|did we get)?
            What distance (does|will) a (bus|van) (cover|travel) in {s} hours at {a} km an hour?
            {s} hours at {a} km (an|per) hour(: how far|. How far|, what distance) is that?
            (Speed|Pace): {a} km/h. Time: {s} hours. (Distance|How far)?
            (Suppose|Say) (a ship|{P}) keeps up {a} km/h for {s} hours. How many km are done?
            Each hour {P} (covers|drives) {a} km. How many km (is it|are covered) in {s} hours?
            After {s} hours at {a} km/h, how (far away|far) is (the car|the boat|{P})?
            The trip to {L} takes {s} hours at {a} km/h. How far (is it|is {L}|away is {L})?
            {P} needs {s} hours to {L}, (going|driving|riding) {a} km (an|per) hour. How far is it?
            A (plane|ferry) with a speed of {a} km/h (is under way|travels) for {s} hours. How far?
            How many (kilometres|km) (is|are) {s} hours of (driving|walking) at {a} km an hour?""",
            """A car drives {s} hours at {a} km per hour. How far does it go?
            {P} travels at {a} km an hour for {s} hours. How far is that?""",
        ),
        "{a}*{s}",
        "It is {r} km.",
    ),
    Problem(
        phrases(
            """A train (goes|travels|runs) {n} km in {d} hours. (Find its speed.|How fast is it?)
            {P} (drives|rides|cycles) {n} km in {d} hours. How fast is (that|{P})?
            What is the average speed if (you travel|I drive|we go|{P} rides) {n} km in {d} hours?
            How fast (must|should) {P} (drive|go|ride) to (cover|do|make) {n} km in {d} hours?
            We (drove|went|cycled) {n} km in {d} hours. (What was our speed?|How fast was that?)
            It takes {d} hours to (go|drive|travel) {n} km. (What is the speed|How fast is that)?
            If a (car|ship|plane) needs {d} hours for {n} km, (how fast is it|what is its speed)?
            {P} needs {d} hours for {n} km. How many km (per|an|in one) hour is that?
            How many km (per|in one) hour does (a car|{P}) (do|make) that goes {n} km in {d} hours?
            A (journey|ride|flight) of {n} km takes {d} hours. What is the (average speed|speed)?
            Distance: {n} km. Time: {d} hours. (Speed|Average speed|How fast)?
            At what speed does a (boat|van) travel that (covers|does) {n} km in {d} hours?
            How fast does a (boat|van) travel that (covers|does) {n} km in {d} hours?
            {n} km in {d} hours(: how fast|. How fast|, what speed) is that?
            {L} is {n} km away and {P} (arrives|is there) after {d} hours. How fast was it?
            {L} is {n} km away and {P} (arrives|is there) after {d} hours. How fast was {P} going?
            (In|Within) {d} hours, a (truck|plane) (covers|travels|makes) {n} km. What is its speed?
            The (road|way|route) to {L} is {n} km, and {P} takes {d} hours. What speed is that?
            (Suppose|Say) {P} runs {n} km and it takes {d} hours. (What speed|How fast) is that?
            (Find|Give) the speed of a (car|train|boat) that (goes|travels) {n} km in {d} hours.""",
            """A bus drives {n} km in {d} hours. How fast does it go?""",
        ),
        "{n}/{d}",
        "The speed is {r} km per hour.",
    ),
    Problem(
        phrases(
            """{P} pays with {A} {m} for a {t} that costs {b} {m}. How much change is there?
            {P} pays with {A} {m} for a {t} that costs {b} {m}. How much comes back?
            A {t} costs {b} {m} and {P} pays {A} {m}. What is the change?
            {P} has {A} {m} and (buys|gets) a {t} for {b} {m}. How much money is left?
            {P} spends {b} of {A} {m} on a {t}. How much (is left|remains|does {P} keep)?
            I had {A} {m} and paid {b} for a {t}. How much (is left|do I keep)?
            If a {t} is {b} {m} and I (give|pay with) {A}, (what change do I get|what is my change)?
            How much (change|money) does {P} get back from {A} {m} for a {t} (of|at) {b} {m}?
            How much (remains|is left) of {A} {m} (after|when) {P} has paid {b} for a {t}?
            (A|The) {t} is {b} {m}. {P} (hands over|gives the seller) {A} {m}. How much comes back?
            (Price|Cost) of the {t}: {b} {m}. Paid: {A} {m}. (Change|How much comes back)?
            Out of {A} {m}, {P} (spends|pays|uses) {b} (for|on) a {t}. What (is left|remains)?
            {P} (earned|brought) {A} {m} and spent {b} of them. How many {m} (are left|remain)?
            After (buying|paying for) a {t} for {b} {m}, what (is left|remains) of {P}'s {A} {m}?
            {P} takes {A} {m} to the (market|store) and spends {b}. How much does {P} bring home?
            (Suppose|Say) I pay {A} {m} for a {t} that is only {b}. How much comes back?
            (Suppose|Say) I pay {A} {m} for a {t} that is only {b}. How much do I get back?
            {P} owes {A} {m} and (pays back|has paid) {b}. How much (is still owed|is left to pay)?
            (My|The|{P}'s) wallet holds {A} {m}. A {t} takes {b} out of it. How much stays in it?
            {A} {m}, minus {b} for a {t}. (How much is left|What is left|What remains)?
            What change is (due|given) when a {t} at {b} {m} is paid with {A} {m}?""",
            """{P} buys a {t} for {b} {m} and pays with {A} {m}. How much change is there?
            {P} had {A} {m} and spent {b} {m} on a {t}. How much money is left?""",
        ),
        "{A}-{b}",
        "{r} {m} are left.",
    ),
    Problem(
        phrases(
            """{P} buys {a} {ts} at {b} {m} and {c} {us} at {d} {m}. What is the (total|bill)?
            {P} buys {a} {ts} for {b} {m} each and {c} {us} for {d} {m} each. How much is it?
            {a} {ts} at {b} {m} each and {c} {us} at {d} {m} each: what does it all cost?
            {a} {ts} at {b} {m} each and {c} {us} at {d} {m} each. What does it cost?
            A {t} costs {b} {m} and a {u} costs {d} {m}. (How much|What) are {a} {ts} and {c} {us}?
            If a {t} (is|costs) {b} {m} and a {u} {d} {m}, what do {a} {ts} and {c} {us} cost?
            I bought {a} {ts} for {b} {m} each and {c} {us} for {d} each. How much (is that|was it)?
            How much (are|is it for) {a} {ts} at {b} {m} (plus|and) {c} {us} at {d} {m}?
            How much does {P} (pay|spend) (on|for) {a} {ts} at {b} {m} and {c} {us} at {d} {m}?
            {ts} are {b} {m} each, {us} {d}. {P} takes {a} {ts} and {c} {us}. What is the bill?
            {P} sold {a} {ts} for {b} {m} each and {c} {us} for {d} each. How many {m} is that?
            One {t}: {b} {m}. One {u}: {d} {m}. (Price|Cost|Total) of {a} {ts} and {c} {us}?
            (Work out|Find|Calculate) the cost of {a} {ts} at {b} {m} each and {c} {us} at {d} each.
            {a} {ts} ({b} {m} each) and {c} {us} ({d} {m} each): what is the (sum|total|bill)?
            What is the (bill|sum) for {a} {ts} at {b} {m} each plus {c} {us} at {d} {m} each?
            (Suppose|Say) {P} orders {a} {ts} at {b} {m} apiece and {c} {us} at {d}. What is due?
            Shopping list: {a} {ts} at {b} {m}, {c} {us} at {d} {m}. (What|How much) is it in all?
            A {t} is {b} {m}, a {u} is {d}. (I need|We want) {a} {ts} and {c} {us}. How much is it?
            {P} pays {b} {m} for each of {a} {ts} and {d} for each of {c} {us}. How much in all?
            With {ts} at {b} {m} and {us} at {d} {m}, what do {a} {ts} and {c} {us} come to?""",
            """{P} needs {a} {ts} at {b} {m} each and {c} {us} at {d} {m} each. What is the total?
            What do {a} {ts} at {b} {m} and {c} {us} at {d} {m} cost?""",
        ),
        "{a}*{b}+{c}*{d}",
        "The total is {r} {m}.",
    ),
    Problem(
        phrases(
            """{P} (earns|gets) {a} {m} an hour and works {s} hours a day. What is that in {c} days?
            {P} works {s} hours a day for {c} days at {a} {m} an hour. What does {P} earn?
            At {a} {m} (per|an) hour, how much does {P} (earn|make) in {c} days of {s} hours?
            {P}'s (wage|pay) is {a} {m} an hour. What does {P} (get|earn) for {c} days of {s} hours?
            {P} (gets|is paid) {a} {m} per hour. (Pay|Wages) for {c} days of {s} hours (each|a day)?
            If {P} earns {a} {m} an hour, (what|how much) is that for {c} days at {s} hours a day?
            How much (will|does) {P} earn in {c} days with {s} hours a day and {a} {m} an hour?
            How many {m} does {P} earn in {c} days, working {s} hours (daily|a day) for {a} an hour?
            {a} {m} an hour, {s} hours (a|per) day, {c} days. (What does {P} earn|How much for {P})?
            {P} worked {c} days of {s} hours. An hour pays {a} {m}. How much did {P} earn?
            {P}'s (work|job) pays {a} {m} an hour. What is that for {c} days of {s} hours?
            {P} does {s} hours (every|each) day for {a} {m} an hour. What is the pay after {c} days?
            Say {P} works {s} hours a day and gets {a} {m} per hour. What do {c} days bring?
            Hourly (wage|pay|rate) of {P}: {a} {m}. {s} hours a day, {c} days. (Total pay|Earnings)?
            What (does {P} make|are {P}'s wages) for {c} days, {s} hours each, at {a} {m} an hour?
            {P} has a job (at|for) {a} {m} an hour, {s} hours a day. How much is that in {c} days?
            Each day {P} works {s} hours, and each hour brings {a} {m}. How much in {c} days?
            {P} works {s} hours on each of {c} days and gets {a} {m} an hour. How much in all?
            (Find|Work out) what {P} earns in {c} days of {s} hours at {a} {m} (an|per) hour.
            For {c} days {P} works {s} hours a day. What is the pay at {a} {m} an hour?""",
            """{P} works {c} days, {s} hours a day, at {a} {m} an hour. How much does {P} earn?""",
        ),
        "{a}*{s}*{c}",
        "{P} earns {r} {m}.",
    ),
    Problem(
        phrases(
            """What is the area of a (rectangle|plot|yard) of {a} by {b} metres?
            A (garden|yard|lawn) is {a} m long and {b} m wide. What is its area?
            A (room|hall) is {a} metres long and {b} metres wide. How (big|large) is the area?
            Find the area of a (field|court|roof) that is {a} m long and {b} m wide.
            How many square metres (is|has|are in) a (room|floor|terrace) of {a} by {b} metres?
            How many square metres does a field (of|with) {a} m by {b} m (have|cover)?
            If a (wall|floor|field) (measures|is) {a} m by {b} m, (what is its|how big is its) area?
            (I|We) have a (garden|yard|cellar) of {a} by {b} metres. How many square metres is that?
            {P} (paints|cleans) a wall {a} m long and {b} m high. How many square metres is it?
            {a} metres long, {b} metres wide(: what|. What|, so what) is the area?
            Length: {a} m. Width: {b} m. (Area|Area in square metres)?
            The sides of a rectangle are {a} and {b} metres. (How large is|What is) its area?
            A rectangle has sides of {a} and {b} metres. (How large is|What is) its area?
            A (carpet|poster) is {a} metres by {b} metres. How much (area|surface) does it cover?
            {P}'s (garden|room|farm) is {a} m by {b} m. How (big|large) is it in square metres?
            (Calculate|Work out|Give) the area of a rectangle with sides of {a} m and {b} m.
            {P} (sells|rents) a plot that is {a} m long and {b} m wide. (What|How big) is the area?
            With a length of {a} m and a width of {b} m, how many square metres is a room?
            With a length of {a} m and a width of {b} m, how many square metres does a lawn have?
            How much (carpet|turf|cloth), in square metres, covers a floor of {a} m by {b} m?""",
            """What is the area of a garden that is {a} m long and {b} m wide?
            A field is {a} metres long and {b} metres wide. What is its area?""",
        ),
        "{a}*{b}",
        "The area is {r} square metres.",
    ),
    Problem(
        phrases(
            """What is the perimeter of a (rectangle|plot|yard|hall) of {a} by {b} metres?
            A (garden|yard|meadow) is {a} m long and {b} m wide. How long is the fence around it?
            A (room|field|hall) is {a} metres long and {b} metres wide. What is its perimeter?
            How many metres of (fence|rope) go (all around|once around) a field of {a} m by {b} m?
            How long is the (edge|border|outline) of a rectangle (with sides of|of) {a} m and {b} m?
            If a (lawn|pool) measures {a} m by {b} m, (how far is it|how many metres is it) around?
            We want to fence a (garden|field) of {a} by {b} metres. How much fence do we need?
            {P} walks once around a (park|hall) that is {a} m long and {b} m wide. How far is that?
            {P} fences a field {a} m long and {b} m wide. How many metres of fence is that?
            {P} (fences|fences in) a field {a} m long and {b} m wide. How long a fence is that?
            Length: {a} m. Width: {b} m. (Perimeter|Perimeter in metres|How long is the way around)?
            The sides of a rectangle are {a} and {b} metres. (Find|Give) its perimeter.
            A rectangle has sides of {a} and {b} metres. (Find|Give) its perimeter.
            (Calculate|Find) the perimeter of a (room|rectangle|court) with sides {a} m and {b} m.
            A (wall|path) (goes|runs) all around a (park|yard) of {a} by {b} metres. How long is it?
            The four sides of a (plot|rectangle) of {a} by {b} metres: how long are they together?
            {a} metres long, {b} metres wide(: what|. What|, so what) is the perimeter?
            The distance around a (pool|field|court) that is {a} m by {b} m: how many metres?
            {P} puts a frame around a (carpet|picture) of {a} by {b} metres. How long is it?
            How long is one (lap|round) around a (hall|field|block) {a} m long and {b} m wide?""",
            """What is the perimeter of a garden that is {a} m long and {b} m wide?""",
        ),
        "2*({a}+{b})",
        "The perimeter is {r} metres.",
    ),
    Problem(
        phrases(
            """{P} is {y} years old. {Q} is {z} years older. How old is {Q}?
            {P} is {y}. How old will {P} be in {z} years?
            {Q} is {z} years older than {P}, who is {y}. (How old is {Q}|What age is {Q})?
            {P} is {y}( now| today|). {Q} is {z} years older( than {P}|). What is {Q}'s age?
            {P} is {y}, {Q} is {z} years older. (How old is {Q}|{Q}'s age|What age is {Q})?
            {P} is {y} and {Q} {z} years older. (How old is {Q}|Age of {Q}|So {Q} is how old)?
            (How old is|What is the age of) {Q} if {P} is {y} and {Q} is {z} years older?
            If {P} is {y}( now| today|), (how old|what age) will {P} be {z} years (later|from now)?
            What (age will {P} be|will {P}'s age be) (after|in) {z} years if {P} is {y} (now|today)?
            In {z} years, (how old|what age) will (a child|a person) be who is {y} (now|today)?
            My (brother|sister|cousin|friend) is {y} and I am {z} years older. How old am I?
            I am {y} (now|today). (How old|What age) will I be (in {z} years|{z} years from now)?
            I am {y}( years old|), and my (aunt|sister|wife) is {z} years older. How old is she?
            {Q} was born {z} years before {P}, who is {y}. (How old is {Q}|What is {Q}'s age)?
            {P}, (aged|now|who is) {y}, is {z} years younger than {Q}. (How old|What age) is {Q}?
            {P} is {z} years younger than {Q}. {P} is {y}. (How old is {Q}|What is {Q}'s age)?
            {z} years ago( today|), {P} was {y}. How old is {P} (now|today)?
            {P} was {y} (years old|) {z} years ago. (How old is {P} now|What age is {P} today)?
            {P} was {y} when {Q} was born. {Q} is {z}( now| today|). How old is {P}?
            A (house|bridge|tower) is {y} years old. (How old|What age) will it be in {z} years?
            {P} (came|went) to {L} at the age of {y} and left {z} years later. At what age was that?
            {P}: {y} years( old|). {Q}: {z} years older. (Age of {Q}|How old is {Q}|{Q}'s age)?
            The age difference is {z} years, and {P}, the younger( one|), is {y}. How old is {Q}?
            {P} has just turned {y}. (Which age|What age) (will {P} reach|comes) in {z} years?
            How old will {P}, (who is|now|aged) {y}, be (in {z} years|after {z} more years)?
            (Suppose|Say) {P} is {y}. Then how old is {Q}, who is {z} years older?""",
            """{P} is {y} years old. How old will {P} be in {z} years?""",
        ),
        "{y}+{z}",
        "The age is {r}.",
    ),
    Problem(
        phrases(
            """{P} is {s} times as old as {Q}, who is {y}. (How old is {P}|What is {P}'s age)?
            {Q} is {y} years old. {P} is {s} times as old. How old is {P}?
            If {Q} is {y} and {P} is {s} times (as old|{Q}'s age|that age), how old is {P}?
            {P} is {s} times {Q}'s age, and {Q} is {y}( years old|). (How old|What age) is {P}?
            (How old is|What is the age of) {P}, who is {s} times as old as {y}-year-old {Q}?
            {P} is {s} times as old as {Q}. {Q} is {y}( now| years old|). What is {P}'s age?
            {Q} is {y}, {P} is {s} times as old. ({P}'s age|What age is {P}|What is {P}'s age)?
            {Q} is {y} and {P} {s} times as old. (Age of {P}|So {P} is how old|How old is {P})?
            {Q} is (only|just) {y}, but {P} is {s} times that( age|). (How old|What age) is {P}?
            I am {y}( years old|). My (aunt|mother|grandmother) is {s} times as old. How old is she?
            My (daughter|brother|cat) is {y}, and I am {s} times (as old|that age). How old am I?
            (The house|A clock) is {s} times as old as {P}, who is {y}. (How old|What age) is it?
            {P}'s age is {s} times {Q}'s( age|), and {Q} is {y}. (How old is {P}|What is {P}'s age)?
            {Q}: {y} years( old|). {P}: {s} times (as old|that|that age). (Age of {P}|{P}'s age)?
            How old is {P} (if|when|given that) {Q} is {y} and {P} is {s} times (as old|that age)?
            How old is {P}? {Q} is {y}( years old|), and {P} is {s} times (as old|that|{Q}'s age).
            Multiply {Q}'s age by {s} (to get|and you have) {P}'s age. {Q} is {y}. How old is {P}?
            Given that {P} is {s} times as old as {Q} and {Q} is {y}, how old is {P}?
            Given that {P} is {s} times as old as {Q} and {Q} is {y}, what is {P}'s age?
            {Q} (turned|has turned) {y} today. {P} is {s} times (that age|as old). What age is {P}?
            {P}'s age is {s} times that of {Q}, who is {y}. (How old is {P}|Age of {P})?
            What is {P}'s age if it is {s} times (that of {Q}|{Q}'s) and {Q} is {y}?
            {Q} is {y}. {P} has lived {s} times as (long|many years). (How old|What age) is {P}?
            (Suppose|Say) {Q} is {y}. How old is {P} (at|with) {s} times {Q}'s age?
            One (house|bridge) is {y} years old, another is {s} times as old. How old is that one?
            {Q} is {y} years old, and it takes {s} times that to get {P}'s age. How old is {P}?
            {Q}, (aged|now) {y}, has a teacher {s} times as old. How old is (this|that) teacher?""",
            """{Q} is {y}. {P} is {s} times as old as {Q}. How old is {P}?""",
        ),
        "{s}*{y}",
        "The age is {r}.",
    ),
    Problem(
        phrases(
            """{P} (reads|writes) {a} pages a day. How many pages (is that|are there) in {c} days?
            {P} (paints|repairs) {a} {ts} a day. How many {ts} (is that|are done) in {c} days?
            A (factory|workshop) makes {a} {ts} per day. How many {ts} does it make in {c} days?
            If {P} walks {a} steps an hour, how many steps is that in {c} hours?
            At {a} {ts} (a|per|each) day, how many {ts} (does {P} make|are made) in {c} days?
            If a machine (makes|prints) {a} {ts} (an|per) hour, how many {ts} come out in {c} hours?
            How many {ts} (will|does) {P} (make|sell|fix) in {c} days at {a} (a|per) day?
            How many {ts} are sold in {c} weeks if {a} (are sold|leave the shop) (each|every) week?
            I (make|sell) {a} {ts} (every|each) day. How many (is that|are there) after {c} days?
            {a} {ts} (a|per) day for {c} days(. How many {ts} is|, what number is) that?
            (Every|Each) hour, {P} packs {a} {ts}. How many (is that|are there) after {c} hours?
            {P} (drinks|needs) {a} cups of water a day. How many cups is that in {c} days?
            {P} (drinks|needs) {a} cups of water a day. How many cups does {P} need in {c} days?
            A pump (moves|gives) {a} litres a minute. How many litres (is that|flow) in {c} minutes?
            {P} (collects|earns) {a} {m} (a|each|every) week. How much is that (in|after) {c} weeks?
            In (a|one) day, {P} (sells|makes|packs) {a} {ts}. (How many {ts}|How many) in {c} days?
            (Output|Production): {a} {ts} a day. How many {ts} in {c} days?
            (Suppose|Say) {a} {ts} are (made|sold) per hour. How many (are|is) that in {c} hours?
            {c} days of work, {a} {ts} (each|a|per) day. How many {ts} (in all|in total|is that)?
            {P} (rents|hires) a {t} for {a} {m} a day. What (does it|will it) cost for {c} days?
            For {c} weeks, {P} (buys|gets|receives) {a} {ts} (a|every) week. What is the total?""",
            """{P} makes {a} {ts} an hour. How many {ts} is that in {c} hours?
            A shop sells {a} {ts} a day. How many {ts} does it sell in {c} days?""",
        ),
        "{a}*{c}",
        "It is {r}.",
    ),
    Problem(
        phrases(
            """{s} tickets cost {a} {m} each and there is a discount of {c} {m}. What is the price?
            {P} (takes|orders) {s} {ts} at {a} {m} each and gets {c} {m} off. What does {P} pay?
            {P} orders {s} {ts} at {a} {m} each with a coupon of {c} {m}. What is the total?
            What do {s} {ts} at {a} {m} each cost (with|after) {c} {m} off( the total| the sum|)?
            How much are {s} {ts} at {a} {m} each (with a coupon|after a discount) of {c} {m}?
            How much does {P} pay for {s} {ts} at {a} {m} each if {c} {m} are taken off( the bill|)?
            If (a|each) {t} is {a} {m} and I get {c} {m} off the (sum|bill), what do I pay for {s}?
            We bought {s} {ts} for {a} {m} each and used a coupon of {c} {m}. What did we pay?
            A {t} costs {a} {m}. {P} takes {s}, and the (bill|sum) is cut by {c} {m}. What is due?
            {s} {ts} at {a} {m} each, minus {c} {m} off the bill(: how much|. How much) is it?
            {P} has a coupon of {c} {m} and buys {s} {ts} at {a} {m} each. What is left to pay?
            The shop takes {c} {m} off the bill for {s} {ts} at {a} {m} each. What must {P} pay?
            {s} {ts} for {a} {m} apiece, (discount|coupon|voucher) {c} {m}. (Total|Price|How much)?
            {P} buys {s} {ts}, each {a} {m}, and the shop knocks {c} {m} off. How much is due?
            With a (voucher|discount) of {c} {m}, what do {s} {ts} at {a} {m} each (cost|come to)?
            (Find|Give) the price of {s} {ts} at {a} {m} each less a (discount|coupon) of {c} {m}.
            Say I order {s} {ts} at {a} {m} each and {c} {m} are refunded. What did I pay?""",
            """{P} buys {s} {ts} at {a} {m} each with a discount of {c} {m}. What is the price?""",
        ),
        "{s}*{a}-{c}",
        "The price is {r} {m}.",
    ),
    Problem(
        phrases(
            """{P} has {A} {ts}, loses {b} and finds {c}. How many {ts} (are there now|is that)?
            {P} had {A} {ts}, gave away {b} and (bought|got) {c}. How many {ts} does {P} have?
            A bus starts with {A} people. {b} get off and {c} get on. How many are on the bus?
            {P} had {A} {ts}. First {b} were sold, then {c} were added. How many are there now?
            {P} (starts|begins) with {A} {ts}, (sells|loses) {b}, then buys {c} more. How many now?
            (I|We) had {A} {ts}, (sold|lost|broke) {b} and bought {c}. How many are there now?
            If {P} has {A} {ts}, (sells|gives away) {b} and (then|later) buys {c}, how many is that?
            How many {ts} does {P} have (if|when) {b} of {A} are sold and {c} more are bought?
            How many {ts} are there after {b} of {A} (are sold|break) and {c} (arrive|are added)?
            A (shop|store) has {A} {ts}, sells {b} and (orders|receives) {c} more. How many is that?
            From {A} {ts}, {P} sells {b} and then (adds|buys) {c}. What (is|will be) the number?
            There (were|are) {A} {ts}; {b} went out and {c} came in. How many are there( now|)?
            {A} {ts}, {b} sold, {c} bought. (How many are there now|How many {ts} is that)?
            (Suppose|Say) {P} sells {b} of {A} {ts} and {Q} brings {c}. How many are there?
            After selling {b} of {A} {ts} and buying {c}( new ones|), how many {ts} does {P} own?
            {P} (owns|keeps) {A} {ts}. {b} are (stolen|sold) and {c} are bought. How many are there?
            {Q} takes {b} of {P}'s {A} {ts} and gives {c} back. How many does {P} have now?
            {Q} takes {b} of {P}'s {A} {ts} and gives {c} back. How many has {P} got now?
            Of {A} {ts}, {b} broke, but {c} were (replaced|found again). How many are there now?
            There are {A} (guests|people) in {L}. {b} leave and {c} come. How many are there then?
            Stock: {A} {ts}. (Sold|Out): {b}. (Bought|In): {c}. How many now?
            Stock: {A} {ts}. (Sold|Out): {b}. (Bought|In): {c}. What is the stock now?
            {P} sold {b} of the {A} {ts} last week, then bought {c} today. How many are there now?
            {P} gives {b} of {A} {ts} to {Q} and gets {c} (from {L}|in return). How many then?""",
            """{P} has {A} {ts}, sells {b} and buys {c}. How many {ts} are there now?""",
        ),
        "{A}-{b}+{c}",
        "There are {r} now.",
    ),
    Problem(
        phrases(
            """{s} boxes hold {a} {ts} each and {c} {ts} are loose. How many {ts} is that?
            {P} has {s} (bags|jars) with {a} {ts} each and {c} more {ts}. How many in total?
            {P} (buys|gets) {s} packs of {a} {ts} and {c} single {ts}. How many {ts} is that?
            If {s} boxes hold {a} {ts} each and {c} {ts} are outside, how many are there?
            How many {ts} are (there|in all) if {s} (boxes|crates) hold {a} each and {c} are loose?
            How many {ts} (are|make) {s} (bags|packs) of {a} plus {c} (extra|single|loose) ones?
            (I have|We have) {s} (full boxes|full bags) of {a} {ts} and {c} extra. How many is that?
            We bought {s} packs of {a} {ts} and already had {c}. How many {ts} do we have?
            {P} had {c} {ts} and (bought|found|got) {s} (boxes|packs) of {a}. How many {ts} is that?
            {s} (shelves|tables) with {a} {ts} each, plus {c} (on the floor|extra). How many {ts}?
            Each of {s} (crates|shelves) holds {a} {ts}, and {c} {ts} lie beside. How many in all?
            There are {a} {ts} in each of {s} rooms, and {c} in the (hall|yard). How many is that?
            {P} fills {s} boxes with {a} {ts} each and has {c} left over. How many {ts} is that?
            {s} times {a} {ts} and {c} (single ones|extra ones): how many {ts} (is that|in total)?
            {s} (children|workers) bring {a} {ts} each, and {P} brings {c}. How many {ts} are there?
            (A|One) box has {a} {ts}. {P} takes {s} of them and {c} loose {ts}. How many {ts} is it?
            (Suppose|Say) {P} makes {a} {ts} a day for {s} days and {c} more later. How many in all?
            To {s} bags of {a} {ts}, {Q} adds {c}( single ones|). How many {ts} (is that|now)?""",
            """{P} has {s} boxes of {a} {ts} each and {c} more. How many {ts} are there?""",
        ),
        "{s}*{a}+{c}",
        "There are {r} {ts}.",
    ),
    Problem(
        phrases(
            """A {t} costs {a} {m} and is {p}% off. What is the new price?
            A {t} for {a} {m} has a discount of {p}%. What does it cost (now|then)?
            What does a {t} of {a} {m} cost after a {p}% discount?
            (How much is|What is the price of) a {t} of {a} {m} (at {p}% off|with {p}% off)?
            If a {t} is {a} {m} and (the shop takes|I get) {p}% off, what (do I pay|is the price)?
            The price of a {t} (falls|drops|goes down) by {p}% from {a} {m}. What is it (now|then)?
            A {t} (was|used to cost) {a} {m}. Now it is {p}% cheaper. (How much is it|New price)?
            {P} gets {p}% off a {t} (that costs|priced at|of) {a} {m}. (What|How much) does {P} pay?
            The tag on a {t} says {a} {m}, and {P} gets {p}% off. How much (does {P} pay|is it)?
            (I|We) have a coupon for {p}% off a {t} of {a} {m}. (What|How much) is there to pay?
            In the sale, a {t} of {a} {m} is (reduced|marked down) by {p}%. What does it cost?
            {a} {m}, (less|minus) {p}%: what (do I pay for the {t}|does the {t} cost)?
            List price of (a|the) {t}: {a} {m}. (Discount|Rebate): {p}%. (Price|Final price|To pay)?
            (Members|Children) pay {p}% less for a {t} of {a} {m}. What is their price?
            (Members|Children) pay {p}% less for a {t} of {a} {m}. What do they pay?
            (Take|Deduct|Subtract) {p}% from a price of {a} {m}. What is (left|the new price)?
            (Suppose|Say) a {t} at {a} {m} is sold at {p}% off. What (is the price|does one pay)?
            With {p}% off, how much is a {t} that (normally|usually|otherwise) costs {a} {m}?
            (The shop|{P}) lowers the price of a {t} from {a} {m} by {p}%. What is it then?
            {P} sells a {t} (worth|bought for) {a} {m} at a loss of {p}%. What does {P} get?
            A {t} (worth|valued at) {a} {m} loses {p}% of its value. What is it worth (now|then)?
            A sale cuts {p}% off everything. What does a {t} (of|at) {a} {m} cost (in the sale|now)?
            A {t} is (reduced|discounted) by {p}%. It cost {a} {m} before. New price?
            A {t} is (reduced|discounted) by {p}%. It cost {a} {m} before. What is it now?
            {t}, {a} {m}, {p}% off. (How much|What price|What do I pay)?""",
            """A {t} costs {a} {m}. What does it cost after a {p}% discount?""",
        ),
        "{a}*(100-{p})/100",
        "The new price is {r} {m}.",
    ),
    Problem(
        phrases(
            """A bill is {a} {m} and {P} adds a {p}% tip. How much is that in total?
            A {t} costs {a} {m} plus {p}% tax. What is the price with tax?
            The price of a {t} is {a} {m} and (rises|grows) by {p}%. What is the new price?
            The price of a {t} (goes up|increases) by {p}% from {a} {m}. What is it (now|then)?
            If a {t} is {a} {m} before tax and the tax is {p}%, what (do I pay|is the total)?
            (How much|What) does a {t} of {a} {m} cost (with|including|after) {p}% tax?
            How much (is|does {P} pay for) a {t} of {a} {m} (when|if) {p}% tax comes on top?
            {P} pays a bill of {a} {m} and adds {p}% (extra|as a tip). How much is it in all?
            The (bill|dinner) comes to {a} {m}. With {p}% for the (waiter|staff), what is the total?
            (Net price|Before tax): {a} {m}. Tax: {p}%. (Total|Price with tax|To pay)?
            A {t} (was|used to be) {a} {m} and is now {p}% dearer. What does it cost?
            A {t} (was|used to be) {a} {m} and is now {p}% more expensive. What does it cost?
            {P} earns {a} {m} and gets a raise of {p}%. (What|How much) does {P} earn (now|then)?
            (Rent|The rent) of {a} {m} (grows|goes up|rises) by {p}%. What is (it now|the new rent)?
            {P} puts {a} {m} in a bank (at|with) {p}% interest. How much is there after a year?
            {P} bought a {t} for {a} {m} and sells it at a profit of {p}%. What does {P} get?
            Add {p}% (tax|for service|for delivery) to {a} {m}. What is the (total|sum)?
            {a} {m} plus {p}% (tax|tip|for delivery)(: what is the total|. How much is that)?
            (Suppose|Say) the tax on a {t} is {p}%, and it is {a} {m} without. What is it with tax?
            (Suppose|Say) the tax on a {t} is {p}%, and it is {a} {m} without. What do I pay?
            (Shipping|Delivery) adds {p}% to the {a} {m} for a {t}. (What|How much) is the total?
            On top of {a} {m} for a {t} (comes|there is) {p}% tax. How much is (due|to be paid)?
            (The seller|A shop) raises the price of a {t} by {p}%. It was {a} {m}. What is it now?
            {L} charges {p}% tax. What is the (full|final) price of a {t} (at|of) {a} {m}( there|)?
            {t}, {a} {m}, plus {p}% (tax|for shipping). (How much|What do I pay|Total)?""",
            """A {t} costs {a} {m} and {p}% tax is added. What is the total price?""",
        ),
        "{a}*(100+{p})/100",
        "The total is {r} {m}.",
    ),
    Problem(
        phrases(
            """{x} of {n} people in {L} have {t_a}. What (percent|percentage) is that?
            What percentage of {n} is {x}?
            What percent of {n} is {x}?
            {x} is what percent of {n}?
            What is {x} (as a percentage|in percent) of {n}?
            (Express|Write|Give|Show) {x} as a percentage of {n}.
            (Express|Write|Give) {x} out of {n} (as a percentage|in percent).
            {x} out of {n}(: what percent is|. What percentage is|, how much in percent is) that?
            {P} (scored|got|has) {x} out of {n} points. What (percent|percentage) is that?
            {P} has {x} {ts}, {Q} has {n}. What (percent|percentage) of {Q}'s {ts} is that?
            The (goal|target) was {n} {ts}, and {P} (made|sold) {x}. What percent of it is that?
            (Of|Out of) {n} {ts}, {x} are (broken|sold|new). What (percent|percentage) is that?
            If {x} of {n} {ts} are (sold|red|broken), what (percent|percentage) is that?
            {P} (spends|saves) {x} of {n} {m}. What (percent|percentage) of the money is that?
            If {n} (is|makes|equals) 100%, what (percent|percentage) is {x}?
            Part: {x}. Whole: {n}. (Percent|Percentage|Share in percent)?
            In a (vote|poll) of {n} people, {x} say yes. What (percent|percentage) is that?
            (Find|Work out|Tell me) what (percent|percentage) {x} is of {n}.
            How (big|large) is {x} (compared with|relative to) {n}, in percent?
            {x} {ts} out of {n} (is|makes|would be) what percent?
            A (shop|store) had {n} {ts} and sold {x}. What (percent|percentage) was sold?
            {P} has (read|written) {x} of {n} pages. What (percent|percentage) is done?
            What (share|part) of {n}, in percent, is {x}?
            With {x} of {n} {ts} (done|sold|packed), what (percent|percentage) is that?""",
            """{x} is what percentage of {n}?
            How many percent of {n} is {x}?""",
        ),
        "{x}*100/{n}",
        "It is {r} percent.",
    ),
)
