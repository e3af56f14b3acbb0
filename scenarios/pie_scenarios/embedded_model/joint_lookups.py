"""Searches whose results are calculated with: totals, sums and differences of facts."""

from __future__ import annotations

from pie_scenarios.embedded_model.draw import Draw, phrases
from pie_scenarios.embedded_model.exchange import (
    SEARCH,
    Call,
    Exchange,
    Plan,
    Reply,
    Round,
    Setting,
)
from pie_scenarios.embedded_model.lookups import Item, distractors, item, require
from pie_scenarios.embedded_model.names import CURRENCIES
from pie_scenarios.embedded_model.topics import BY_NAME
from pie_scenarios.embedded_model.wording import styled

LOOKUP_TOTALS = {
    "price": (
        phrases(
            """How much do {n} {xs} cost?
            What do {n} {xs} cost?
            What is the price of {n} {xs}?
            How much are {n} {xs}?
            I want to buy {n} {xs}. What does that cost?
            What do I pay for {n} {xs}?
            How much would {n} {xs} cost?
            I need {n} {xs}. How much is that?
            Find the total price of {n} {xs}.
            How (much|many {m}) (would|will|do) {n} {xs} cost( together| altogether|)?
            What (would|will) {n} {xs} (cost together|come to|amount to|cost altogether)?
            (What is|What's) the (total|full|) (price|cost) (of|for) {n} {xs}?
            (What is|What's) the total for {n} {xs}?
            How expensive are {n} {xs}( together| altogether| in total|)?
            How many {m} (do I need|must I pay|do we have to pay) for {n} {xs}?
            How much money (do I need|is needed|should I bring) (for|to buy) {n} {xs}?
            How much (must I|must we) pay for {n} {xs}( together| altogether|)?
            If (I|we) (buy|order|take) {n} {xs}, (how much is that|what does it cost|what do I pay)?
            (When|If) (somebody|my sister|a customer) (buys|orders) {n} {xs}, how much is (that|it)?
            (Suppose|Say|Imagine) (I|we) (buy|order|take) {n} {xs}. How much is that?
            (Suppose|Say|Imagine) (I|we) (buy|order|take) {n} {xs}. What is the total?
            (I|We) (buy|order|take) {n} {xs}. (What is the total|How much is it altogether)?
            (I|We) (want|plan|have) to (buy|order|get) {n} {xs}. How much (is that|will it be)?
            My (sister|friend) (wants|needs|orders|buys) {n} {xs}. What (is the price|is the total)?
            My (mother|boss) (wants|needs|orders|buys) {n} {xs}. What (is the price|is the total)?
            A customer (buys|wants) {n} {xs}. How (much|many {m}) (is that|does that make)?
            A customer (orders|takes) {n} {xs}. How (much|many {m}) (is that|does that make)?
            {n} (people|friends|children) (each buy|each want) {x_a}. What do they pay together?
            {n} (people|friends|children) each order {x_a}. What do they pay together?
            {n} {xs}, (please. How much is that|please. What do they cost|how much is that)?
            {n} {xs}: (how much|how much together|what total|what is the price)?
            (price|cost|total price|total) (of|for) {n} {xs}(?|, please|)
            (Find|Look up|Check|Work out) the (cost|price) of {n} {xs}( together| altogether|).
            (Find out|Let me know) (how much|what) {n} {xs} (cost|will cost|come to).
            (Work out|Calculate) (how much|what) {n} {xs} (cost|will cost|come to).
            (Can you work out|Could you find out|Can you check) (how much|what) {n} {xs} cost?
            (I want to know|I need to know) (how much|what) {n} {xs} (cost|would cost|come to).
            I wonder (how much|what) {n} {xs} (cost|would cost|come to).
            For how (much|many {m}) (can I get|could I buy|do they sell) {n} {xs}?
            What do they (charge|ask|want) for {n} {xs}( together| altogether| in total|)?
            What is the bill (for|if I buy|when I order) {n} {xs}?
            How much is it (if I buy|to buy|when we order|for) {n} {xs}( together| altogether|)?
            The shop sold {n} {xs}. How (much|many {m}) (did that bring in|did the buyer pay)?
            (Given|Knowing|With) the price of one {x}, (how much are|what do you pay for) {n} {xs}?
            Each {x} has its price. (How much are {n} of them|What do {n} of them cost)?
            Look up the price of {x_a}. (How much are {n} of them|What would {n} of them cost)?""",
            """How much do I pay for {n} {xs}?
            What would {n} {xs} cost me?
            I would like {n} {xs}. How much is that?""",
        ),
        "{n} {xs} cost {r} {m}.",
    ),
    "weight": (
        phrases(
            """How heavy are {n} {xs}?
            How much do {n} {xs} weigh?
            What is the weight of {n} {xs}?
            What do {n} {xs} weigh together?
            What is the total weight of {n} {xs}?
            How (heavy are|many kilos are) {n} {xs}( together| altogether| in total|)?
            How many kilograms are {n} {xs}( together| altogether| in total|)?
            How (much|many kilos) (do|would|will) {n} {xs} weigh( together| altogether|)?
            How many kilograms (do|would|will) {n} {xs} weigh( together| altogether|)?
            (What is|What's) the (total|combined|) weight of {n} {xs}( together|)?
            What (would|will) {n} {xs} weigh( together| altogether| in total|)?
            If (I|we) (carry|ship|send|lift) {n} {xs}, how (heavy|many kilograms) is that?
            (Suppose|Say|Imagine) (I|we) (carry|ship|load) {n} {xs}. How heavy is that?
            (Suppose|Say|Imagine) (I|we) (carry|ship|load) {n} {xs}. How many kilograms is that?
            (I|We) (carry|ship|send|load) {n} {xs}. (How heavy is that|What is the total weight)?
            (I|We) (want|plan|have) to (ship|send|carry) {n} {xs}. How heavy are they?
            (I|We) (want|plan|have) to (ship|send|carry) {n} {xs}. What do they weigh?
            A (truck|cart|ship|van) (carries|brings) {n} {xs}. How (heavy|many kilograms) is that?
            A (truck|cart|ship|van) transports {n} {xs}. How (heavy|many kilograms) is that?
            My (brother|boss) (loads|ordered) {n} {xs}. What do they weigh (together|in total)?
            My (brother|boss) packs {n} {xs}. What do they weigh (together|in total)?
            My sister (loads|packs|ordered) {n} {xs}. What do they weigh (together|in total)?
            A (shelf|lift) (holds|carries) {n} {xs}. What weight is that?
            {n} {xs}: how (heavy|heavy together|many kilograms|many kilos)?
            (weight|total weight) of {n} {xs}(?|, please|)
            (Look up|Check|Work out|Calculate) the (weight|combined weight) of {n} {xs}.
            (Look up|Check|Work out|Calculate) the total weight of {n} {xs}.
            (Find out|Work out|Let me know|Calculate) (how much|what) {n} {xs} weigh( together|).
            (Can you work out|Can you check) how (heavy {n} {xs} are|much {n} {xs} weigh)?
            Could you find out how (heavy {n} {xs} are|much {n} {xs} weigh)?
            (I want to know|I wonder|I need to know) how (heavy {n} {xs} are|much {n} {xs} weigh).
            (Given|Knowing|With) the weight of one {x}, how (heavy are|many kilograms are) {n} {xs}?
            Look up the weight of {x_a}. (How heavy are {n} of them|What would {n} of them weigh)?
            What (weight|load) (do|would) {n} {xs} (make|come to|add up to)?""",
            """What do {n} {xs} weigh?
            Find the total weight of {n} {xs}.""",
        ),
        "{n} {xs} weigh {r} kilograms.",
    ),
    "capacity": (
        phrases(
            """How many people fit in {n} rooms like the {x} Room?
            How many people fit in {n} rooms as big as the {x} Room?
            If the {x} Room is filled {n} times, how many people is that?
            How many (people|guests|visitors) (fit into|have room in) {n} rooms like the {x} Room?
            How many (people|guests|visitors) fit in {n} rooms like the {x} Room?
            How many (people|guests) can (sit in|meet in|use) {n} rooms as big as the {x} Room?
            How many (people|guests) can (sit in|meet in|use) {n} rooms the size of the {x} Room?
            How many (people|guests) can (sit in|meet in|use) {n} rooms like the {x} Room?
            How many seats (are there in|are in) {n} rooms (like|as big as) the {x} Room?
            How many seats do you find in {n} rooms (like|as big as) the {x} Room?
            (What is|What's) the (total|combined|) capacity of {n} rooms like the {x} Room?
            (What is|What's) the (total|combined|) capacity of {n} rooms as large as the {x} Room?
            (What is|What's) {n} times the capacity of the {x} Room?
            (We|They) (have|rent) {n} rooms like the {x} Room. How many people (fit in|is that)?
            (We|They) (build|own) {n} rooms like the {x} Room. How many people (fit in|is that)?
            (A hotel|The town) has {n} rooms (like|as big as) the {x} Room. How many people fit in?
            A school has {n} rooms (like|as big as) the {x} Room. How many people fit in?
            If (we|they) (build|use) {n} rooms like the {x} Room, how many people (fit in|is that)?
            If (we|they) rent {n} rooms like the {x} Room, how many people (fit in|is that)?
            (Suppose|Imagine) there were {n} rooms like the {x} Room. How many people would fit in?
            Say there were {n} rooms like the {x} Room. How many people would fit in?
            The {x} Room is (full|filled) {n} (times|days). How many people (is that|are they)?
            The {x} Room is (full|filled) {n} evenings. How many people (is that|are they)?
            The {x} Room is sold out {n} (times|evenings|days). How many people (is that|are they)?
            A (show|play|concert) in the {x} Room sells out {n} times. How many people see it?
            A (show|play|concert) in the {x} Room sells out {n} times. How many seats is that?
            (We|I) fill every seat of the {x} Room {n} times. How many (people|guests) is that?
            (We|I) fill all of the {x} Room {n} times. How many (people|guests) is that?
            If the {x} Room is (full|sold out) {n} times, how many (people|guests) (came|is that)?
            If the {x} Room is (full|sold out) {n} times, how many visitors (came|is that)?
            When the {x} Room is (full|booked out) {n} times, how many (people|visitors) is that?
            When the {x} Room is filled {n} times, how many (people|visitors) is that?
            {n} rooms like the {x} Room: how many (people|seats|guests)?
            {n} times the {x} Room: how many (people|seats|guests)?
            (capacity|total capacity) of {n} rooms like the {x} Room(?|, please|)
            (Find|Work out|Look up) the capacity of {n} rooms (like|as big as) the {x} Room.
            (Find|Work out|Look up) the total capacity of {n} rooms (like|as big as) the {x} Room.
            (Find out|Let me know) how many people fit in {n} rooms (like|as big as) the {x} Room.
            Work out how many people fit in {n} rooms (like|as big as) the {x} Room.
            Can you work out how many people (fit in|can use) {n} rooms like the {x} Room?
            Could you find out how many people (fit in|can use) {n} rooms like the {x} Room?
            I want to know how many people (fit in|can use) {n} rooms (like|as big as) the {x} Room.
            I wonder how many people (fit in|can use) {n} rooms (like|as big as) the {x} Room.
            Look up the capacity of the {x} Room. How many people fit in {n} such rooms?
            Check the capacity of the {x} Room. How many people fit in {n} such rooms?
            Look up the capacity of the {x} Room. How many people fit in {n} rooms like it?
            Check the capacity of the {x} Room. How many people fit in {n} rooms like it?""",
            """How many people do {n} rooms like the {x} Room hold?""",
        ),
        "It is {r} people.",
    ),
    "ticket": (
        phrases(
            """How much are {n} tickets to {x}?
            What do {n} tickets to {x} cost?
            We are {n} people. What do tickets to {x} cost for us?
            I need {n} tickets to {x}. How much is that?
            What is the price of {n} tickets to {x}?
            How (much|many {m}) (would|will) {n} tickets to {x} cost( together| altogether| us|)?
            How many {m} (are|do I need for|must we pay for) {n} tickets to {x}?
            What (would|will) {n} tickets to {x} (cost|cost us|cost altogether|come to)?
            (What is|What's) the (total|full) (price|cost) of {n} tickets to {x}?
            (What is|What's) the (cost of|fare for|total for) {n} tickets to {x}?
            How expensive are {n} tickets to {x}( together| altogether| in total|)?
            If (I|we) (buy|book|order) {n} tickets to {x}, (how much is that|what does it cost)?
            (Suppose|Say) (I|we) (buy|book|take) {n} tickets to {x}. How much is that?
            (Suppose|Say) (I|we) (buy|book|take) {n} tickets to {x}. What is the total?
            (I|We) (buy|book|order|take) {n} tickets to {x}. (What is the total|How much is that)?
            (I|We) (want|plan|have) to (buy|book) {n} tickets to {x}. How much is that?
            (I|We) (want|plan|have) to (buy|book) {n} tickets to {x}. What does it cost?
            {n} of us (go|travel|want to go) to {x}. What do the tickets cost together?
            {n} of us (go|travel|want to go) to {x}. How much are the tickets together?
            {n} (people|children) (go|want to go) to {x}. What do their tickets cost together?
            {n} (people|children) travel to {x}. What do their tickets cost together?
            {n} friends (go|travel|want to go) to {x}. What do their tickets cost together?
            We are {n} (people|friends) and want to go to {x}. What do we pay?
            We are {n} (people|friends) and want to go to {x}. How much are the tickets?
            For {n} (people|persons|passengers), what do tickets to {x} cost?
            For {n} (people|persons|passengers), what is the price of tickets to {x}?
            My (boss|class|sister) (needs|buys|wants|orders) {n} tickets to {x}. How much is that?
            A (family|class) of {n} (travels|goes) to {x}. What do the tickets cost together?
            A (family|class) of {n} (travels|goes) to {x}. What do the tickets cost in total?
            A group of {n} (travels|goes) to {x}. What do the tickets cost (together|in total)?
            {n} tickets to {x}, please. (How much is that|What do they cost|What do I pay)?
            {n} tickets to {x}: how (much|much together|many {m}|expensive)?
            (price|cost|total price) of {n} tickets to {x}(?|, please|)
            (Find|Look up|Check|Work out) the (price|cost|total price) of {n} tickets to {x}.
            (Find out|Work out|Let me know) (how much|what) {n} tickets to {x} (cost|come to).
            (Can you work out|Could you find out) (how much|what) {n} tickets to {x} cost?
            (I want to know|I need to know) (how much|what) {n} tickets to {x} (cost|come to).
            I wonder (how much|what) {n} tickets to {x} (cost|come to).
            How much money (do I|do we) need for {n} tickets to {x}?""",
            """How much do {n} tickets to {x} cost?
            What do I pay for {n} tickets to {x}?""",
        ),
        "{n} tickets to {x} cost {r} {m}.",
    ),
    "distance": (
        phrases(
            """How far is it if I go to {x} {n} times?
            How many kilometres are {n} trips to {x}?
            I go to {x} {n} times. How many kilometres is that?
            How far (do I go|do I drive|do I travel|is it) if I (drive|travel|go) to {x} {n} times?
            How many (kilometres|km) (do I drive|do I cover) (on|with|in) {n} trips to {x}?
            How many (kilometres|km) do I travel (on|with|in) {n} trips to {x}?
            How many (kilometres|km) is it if I (drive|travel|cycle) to {x} {n} times?
            How many (kilometres|km) do {n} (trips|journeys) to {x} make( together| in total|)?
            How many (kilometres|km) do {n} drives to {x} make( together| in total|)?
            (I|We) (drive|cycle) to {x} {n} times. How (far|many kilometres) is that( in total|)?
            (I|We) (travel|walk) to {x} {n} times. How (far|many kilometres) is that( in total|)?
            (I|We) (made|plan) {n} (trips|journeys) to {x}. How many kilometres is that( in total|)?
            (I|We) (make|do) {n} (trips|journeys) to {x}. How many kilometres is that( in total|)?
            If (I|we) (drive|travel|walk|go) to {x} {n} times, how (far|many kilometres) is that?
            If (a bus|a driver|my sister) goes to {x} {n} times, how (far|many kilometres) is that?
            (Suppose|Imagine) I (drive|travel|go) to {x} {n} times. How far is that?
            (Suppose|Imagine) I (drive|travel|go) to {x} {n} times. How many kilometres is that?
            Say I (drive|travel|go) to {x} {n} times. How (far|many kilometres) is that?
            A (bus|driver) (drives|goes) to {x} {n} times. How (far|many kilometres) is that?
            A (truck|taxi) (drives|goes) to {x} {n} times. How (far|many kilometres) is that?
            My (uncle|boss) (drives|travels) to {x} {n} times. How many kilometres is that?
            My (uncle|boss) (drives|travels) to {x} {n} times. How many kilometres are they?
            My sister (drives|travels) to {x} {n} times. How many kilometres (is that|are they)?
            {n} (trips|drives|journeys) to {x}: how (far|many kilometres|many km)( in total|)?
            {n} times to {x}: how (far|many kilometres|many km)( in total|)?
            (distance|total distance|kilometres) of {n} (trips|journeys) to {x}(?|, please|)
            (What is|What's) the (total|whole|) distance of {n} (trips|journeys|drives) to {x}?
            (What is|What's) {n} times the distance to {x}?
            (Find|Work out|Look up) the (distance|total distance) of {n} (trips|journeys) to {x}.
            (Find out|Work out|Let me know) how (far|many kilometres) {n} trips to {x} are.
            Can you work out how many kilometres {n} (trips|journeys) to {x} are?
            Could you find out how many kilometres {n} (trips|journeys) to {x} are?
            (I want to know|I need to know) how many kilometres {n} trips to {x} (are|make).
            I wonder how many kilometres {n} trips to {x} (are|make).
            (Look up|Check) the distance to {x}. How many kilometres are {n} such trips?
            (Look up|Check) the distance to {x}. How many kilometres is {n} times that?
            (Going|Travelling) to {x} {n} times, how many kilometres do (I|we) (cover|travel)?
            Driving to {x} {n} times, how many kilometres do (I|we) (cover|travel)?""",
            """How far are {n} trips to {x}?""",
        ),
        "It is {r} kilometres.",
    ),
}
PAIRS = {
    "price": phrases(
        """What do {x_a} and {y_a} cost together?
        How much are {x_a} and {y_a} together?
        I buy {x_a} and {y_a}. How much is that in total?
        What is the total price of {x_a} and {y_a}?
        How much do I pay for {x_a} and {y_a} in total?
        How much (would|will) {x_a} and {y_a} (cost together|be together|cost altogether)?
        How (much|many {m}) (do|would|will) one {x} and one {y} cost altogether?
        How (much|many {m}) (do|would|will) the {x} and the {y} cost altogether?
        What (do|would|will) one {x} and one {y} cost (together|altogether|when taken together)?
        What (do|would|will) the {x} and the {y} cost (together|altogether|when taken together)?
        How (much|many {m}) (is|does it cost to buy) {x_a} plus {y_a}?
        How (much|expensive) are one {x} and one {y} (together|altogether|in total)?
        How (much|expensive) are the {x} and the {y} (together|altogether|in total)?
        (What is|What's) the (combined|total|joint) (price|cost) of the {x} and the {y}?
        (What is|What's) the (combined|total|joint) (price|cost) of one {x} and one {y}?
        (What is|What's) the (sum of the prices|total) (of|for) {x_a} and {y_a}?
        What do I pay for {x_a} and {y_a} (together|altogether|in all)?
        If (I|we) (buy|order|take) {x_a} and {y_a}, (how much is that|what is the total)?
        If (I|we) (buy|order|take) {x_a} and {y_a}, what does it cost?
        When (I|we) (buy|order|take) both one {x} and one {y}, how much is that?
        When (I|we) (buy|order|take) both a single {x} and a single {y}, how much is that?
        (Suppose|Say|Imagine) I (buy|order|take) {x_a} and {y_a}. How much is that?
        (Suppose|Say|Imagine) I (buy|order|take) {x_a} and {y_a}. What is the total?
        (I|We) (want|plan|have) to (buy|order|get) {x_a} and {y_a}. How much is that together?
        (I|We) (want|plan|have) to (buy|order|get) {x_a} and {y_a}. What price is that together?
        (I|We) (need|order|take|want) one {x} and one {y}. What is the total?
        (I|We) (need|order|take|want) a single {x} and a single {y}. What is the total?
        My (sister|friend|boss) buys {x_a} and (also|then) {y_a}. What do (they|both) cost together?
        (A customer|My mother) buys {x_a}(, then| and) {y_a}. How much is (that|it) altogether?
        (A customer|My mother) buys {x_a} and also {y_a}. How much is (that|it) altogether?
        {x_a} and {y_a}: (how much together|what total|how much altogether|what do both cost)?
        {x_a} plus {y_a}: (how much|what total|how much altogether|what price)?
        (price|cost|total|total price) of {x_a} (and|plus) {y_a} (together|altogether)(?|)
        (Find|Look up|Work out) the (total|combined) (price|cost) of {x_a} and {y_a}.
        (Look up|Find|Add up|Add) the prices of {x_a} and {y_a}. What is the sum?
        (Look up|Find|Add up|Add) the prices of {x_a} and {y_a}. What is the total?
        (Find out|Work out|Let me know) (how much|what) {x_a} and {y_a} cost (together|altogether).
        (Can you work out|Could you find out) (how much|what) {x_a} and {y_a} cost together?
        (I want to know|I wonder|I need to know) what {x_a} and {y_a} cost (together|altogether).
        (How much money|How many {m}) do (I|we) need (for|to buy) both {x_a} and {y_a}?
        Both {x_a} and {y_a}, please. (How much is that|What do they cost together)?
        Both {x_a} and {y_a}, please. What is the total?""",
        """What do {x_a} and {y_a} cost in total?
        How much do {x_a} and {y_a} cost together?""",
    ),
    "weight": phrases(
        """What do {x_a} and {y_a} weigh together?
        How heavy are {x_a} and {y_a} together?
        What is the total weight of {x_a} and {y_a}?
        How (heavy are|many kilos are) {x_a} (and|plus) {y_a} (together|altogether)?
        How many kilograms are {x_a} (and|plus) {y_a} (together|altogether)?
        How many (kilograms|kilos) do {x_a} and {y_a} weigh (together|altogether|in total)?
        What (do|would|will) one {x} and one {y} weigh (together|altogether|in total)?
        What (do|would|will) the {x} and the {y} weigh (together|altogether|in total)?
        How heavy are (one {x} and one {y}|the {x} and the {y}) (together|in total|combined)?
        (What is|What's) the (combined|total|joint) weight of the {x} and the {y}?
        (What is|What's) the (combined|total|joint) weight of one {x} and one {y}?
        (What is|What's) the sum of the weights of (the {x} and the {y}|one {x} and one {y})?
        If (I|we) (carry|ship|send|lift) {x_a} and {y_a}, how (heavy|many kilograms) is that?
        (Suppose|Say|Imagine) I (carry|ship|lift) {x_a} and {y_a}. How heavy is that?
        (Suppose|Say|Imagine) I (carry|ship|lift) {x_a} and {y_a}. How many kilograms is that?
        (I|We) (carry|ship|send|lift) one {x} and one {y}. How heavy is that?
        (I|We) (carry|ship|send|lift) a single {x} and a single {y}. How heavy is that?
        (I|We) (want|plan|have) to (ship|send|carry) {x_a} and {y_a}. What do they weigh together?
        (I|We) (want|plan|have) to (ship|send|carry) {x_a} and {y_a}. What do they weigh in total?
        A (cart|van|shelf) (holds|carries) {x_a} and {y_a}. How heavy are both?
        A (cart|van|shelf) (holds|carries) {x_a} and {y_a}. What weight is that?
        My (brother|boss) (carries|packs) {x_a} and {y_a}. What do they weigh (together|in total)?
        My sister (carries|packs) {x_a} and {y_a}. What do they weigh (together|in total)?
        {x_a} and {y_a}: how (heavy together|heavy altogether|many kilograms together)?
        {x_a} plus {y_a}: how (heavy|many kilograms|many kilos)?
        (weight|total weight) of {x_a} (and|plus) {y_a} (together|altogether)(?|)
        (Find|Look up|Work out) the (total|combined) weight of {x_a} and {y_a}.
        (Look up|Find|Add up|Add) the weights of {x_a} and {y_a}. What is the sum?
        (Look up|Find|Add up|Add) the weights of {x_a} and {y_a}. What is the total?
        (Find out|Work out|Let me know) how heavy {x_a} and {y_a} are together.
        (Find out|Work out|Let me know) how much {x_a} and {y_a} weigh together.
        (Can you work out|Could you find out) how heavy {x_a} and {y_a} are (together|altogether)?
        (I want to know|I need to know) what {x_a} and {y_a} weigh (together|altogether).
        I wonder what {x_a} and {y_a} weigh (together|altogether).""",
        """How much do {x_a} and {y_a} weigh together?""",
    ),
    "capacity": phrases(
        """How many people fit in the {x} Room and the {y} Room together?
        What is the total capacity of the {x} Room and the {y} Room?
        How many people do the {x} Room and the {y} Room hold together?
        How many (people|visitors) can (sit in|meet in|use) the {x} Room and the {y} Room together?
        How many guests can (sit in|meet in|use) the {x} Room and the {y} Room together?
        How many (guests|visitors) fit (into|in) both the {x} Room and the {y} Room( together|)?
        How many people fit (into|in) both the {x} Room and the {y} Room( together|)?
        How many seats (are|are there|can be found) in the {x} Room and the {y} Room together?
        (What is|What's) the (combined|total) capacity of the {x} Room (and|plus) the {y} Room?
        (What is|What's) the joint capacity of the {x} Room (and|plus) the {y} Room?
        (What is|What's) the sum of the capacities of the {x} Room and the {y} Room?
        If (we|I) (book|rent|use) the {x} Room and the {y} Room, how many people fit in altogether?
        When both the {x} Room and the {y} Room are (full|filled), how many (people|guests) is that?
        (Suppose|Say) the {x} Room and the {y} Room are both full. How many people is that?
        (Suppose|Say) the {x} Room and the {y} Room are sold out. How many people is that?
        (We|I) (book|use) the {x} Room and the {y} Room. How many people (can come|fit in)?
        (We|I) (rent|have) the {x} Room and the {y} Room. How many people (can come|fit in)?
        (We|I) (fill|fill up) the {x} Room and also the {y} Room. How many people is that?
        (We|I) (fill|fill up) the {x} Room and also the {y} Room. How many people fit in both?
        The {x} Room and the {y} Room are both (full|filled). How many (people|guests) is that?
        The {x} Room and the {y} Room are both sold out. How many (people|guests) is that?
        The {x} Room and the {y} Room: how many (people|seats|guests) (together|in total)?
        The {x} Room and the {y} Room: how many (people|seats|guests) altogether?
        The {x} Room plus the {y} Room: how many (people|seats|guests)( together|)?
        (capacity|total capacity) of the {x} Room (and|plus) the {y} Room (together|altogether)(?|)
        (Find|Look up|Work out) the (total|combined) capacity of the {x} Room and the {y} Room.
        (Look up|Add up) the capacities of the {x} Room and the {y} Room. What is the (sum|total)?
        Find the capacities of the {x} Room and the {y} Room. What is the (sum|total)?
        (Find out|Work out) how many people fit in the {x} Room and the {y} Room together.
        (Find out|Work out) how many people fit in the {x} Room and the {y} Room altogether.
        Can you work out how many people the {x} Room and the {y} Room hold together?
        Could you check how many people the {x} Room and the {y} Room hold together?
        I want to know how many people fit in the {x} Room and the {y} Room (together|altogether).
        I wonder how many people fit in the {x} Room and the {y} Room (together|altogether).
        For how many (people|guests) is there room in the {x} Room and the {y} Room together?
        For how many (people|guests) is there room in the {x} Room and the {y} Room altogether?""",
        """How many people fit in total in the {x} Room and the {y} Room?""",
    ),
}
COMPARED = {
    "price": phrases(
        """How much more does {x_a} cost than {y_a}?
        What is the price difference between {x_a} and {y_a}?
        How much more expensive is {x_a} than {y_a}?
        How much (more|extra) does (one {x} cost than one {y}|the {x} cost than the {y})?
        How many {m} more (does|would) (one {x} cost than one {y}|the {x} cost than the {y})?
        How (much|many {m}) more expensive is (one {x} than one {y}|the {x} than the {y})?
        By how (much|many {m}) is (one {x}|{x_a}|the {x}) (more expensive|dearer) than {y_a}?
        By how (much|many {m}) does the price of {x_a} exceed (that|the price) of {y_a}?
        How much (higher|greater) is the (price|cost) of {x_a} than (that|the cost) of {y_a}?
        How much (higher|greater) is the (price|cost) of {x_a} than the price of {y_a}?
        How (much|many {m}) more (do I|do we|must I) (pay|spend) for {x_a} than for {y_a}?
        If I (buy|take|order) {x_a} instead of {y_a}, how (much|many {m}) more (do I pay|is that)?
        (Suppose|Say) I (buy|take) {x_a} instead of {y_a}. How much more (do I pay|does it cost)?
        (Suppose|Say) I (buy|take) {x_a} instead of {y_a}. How much more is that?
        (I|We) (want|buy|take) {x_a} instead of {y_a}. How much more (is that|does it cost)?
        (I|We) (want|buy|take) {x_a} rather than {y_a}. How much more (is that|does it cost)?
        {x_a} costs more than {y_a}. (By how much|How many {m} more)?
        {x_a} costs more than {y_a}. (How much more|What is the difference)?
        {x_a} is more expensive than {y_a}. (By how much|How much more|How many {m} more)?
        Compare (the prices of|the cost of) {x_a} and {y_a}. What is the difference?
        Compare (the prices of|the cost of) {x_a} and {y_a}. How far apart are they?
        (Look up|Find|Check) the prices of {x_a} and {y_a}. What is the difference?
        (Look up|Find|Check) the prices of {x_a} and {y_a}. How much do they differ?
        (price difference|price gap) between the {x} and the {y}(?|, please|)
        (price difference|price gap) between one {x} and one {y}(?|, please|)
        (Find|Work out|Look up|Calculate) the price difference between {x_a} and {y_a}.
        (Find|Work out|Look up|Calculate) the difference in cost between {x_a} and {y_a}.
        (What is|What's) the (cost difference|difference in cost) between the {x} and the {y}?
        (What is|What's) the (cost difference|difference in cost) between one {x} and one {y}?
        (Find out|Work out|Let me know) how much more {x_a} costs than {y_a}.
        (Find out|Work out|Let me know) how much more expensive {x_a} is than {y_a}.
        (Can you work out|Could you check) how much more {x_a} costs than {y_a}?
        (Can you work out|Could you check) how much more expensive {x_a} is than {y_a}?
        (I want to know|I need to know) how much more (one|a single|the) {x} costs than {y_a}.
        I wonder how much more (one|a single|the) {x} costs than {y_a}.
        {x_a} (compared to|compared with|instead of) {y_a}: how (much|many {m}) more?
        The price of {x_a} minus the price of {y_a}(?|, please.)
        The price of {x_a} minus the price of {y_a}(: how much is that?|: what is left?)""",
        """What is the difference in price between {x_a} and {y_a}?""",
    ),
    "weight": phrases(
        """How much heavier is {x_a} than {y_a}?
        What is the weight difference between {x_a} and {y_a}?
        How much heavier is (one {x} than one {y}|the {x} than the {y})?
        How many (kilograms|kilos) heavier is (one {x} than one {y}|the {x} than the {y})?
        How many (kilograms|kilos) more does one {x} weigh than one {y}?
        How many (kilograms|kilos) more does the {x} weigh than the {y}?
        By how (much|many kilograms|many kilos) is (one {x}|{x_a}|the {x}) heavier than {y_a}?
        By how (much|many kilograms) does the weight of {x_a} exceed (that|the weight) of {y_a}?
        How much (higher|greater) is the weight of {x_a} than (that|the weight) of {y_a}?
        If I (carry|take|lift) {x_a} instead of {y_a}, how (much|many kilograms) more is (that|it)?
        (Suppose|Say) I (carry|lift|ship) {x_a} instead of {y_a}. How much more is that?
        (Suppose|Say) I (carry|lift|ship) {x_a} instead of {y_a}. How many kilograms more is that?
        (I|We) (carry|ship|send) {x_a} (instead of|rather than) {y_a}. How much heavier is that?
        {x_a} is heavier than {y_a}. (By how much|How much heavier|How many kilograms more)?
        {x_a} weighs more than {y_a}. (By how much|How much more|What is the difference)?
        Compare the weights of {x_a} and {y_a}. (What is the difference|How far apart are they)?
        (Look up|Find|Check) the weights of {x_a} and {y_a}. What is the difference?
        (Look up|Find|Check) the weights of {x_a} and {y_a}. How much do they differ?
        (weight difference|difference in weight) between the {x} and the {y}(?|, please|)
        (weight difference|difference in weight) between one {x} and one {y}(?|, please|)
        (What is|What's) the difference in weight between (the {x} and the {y}|one {x} and one {y})?
        (Find|Work out|Look up) the weight difference between {x_a} and {y_a}.
        (Find|Work out|Look up) the difference in weight between {x_a} and {y_a}.
        (Find out|Work out|Let me know) how (much|many kilograms) heavier {x_a} is than {y_a}.
        (Can you work out|Could you check) how (much|many kilograms) heavier {x_a} is than {y_a}?
        (I want to know|I wonder|I need to know) how much heavier one {x} is than one {y}.
        (I want to know|I wonder|I need to know) how much heavier the {x} is than the {y}.
        {x_a} (compared to|compared with|instead of) {y_a}: how (much heavier|many kilograms more)?
        The weight of {x_a} minus the weight of {y_a}(?|, please.)
        The weight of {x_a} minus the weight of {y_a}(: how much is that?|: what is left?)""",
        """How much more does {x_a} weigh than {y_a}?""",
    ),
    "capacity": phrases(
        """How many more people fit in the {x} Room than in the {y} Room?
        How much bigger is the {x} Room than the {y} Room?
        How many more (people|visitors) (fit into|can meet in) the {x} Room than in the {y} Room?
        How many more guests (fit into|can meet in) the {x} Room than in the {y} Room?
        How many more (people|guests|visitors) can sit in the {x} Room than in the {y} Room?
        How many more (seats|places) does the {x} Room (have|offer) than the {y} Room?
        How (much|many seats) (larger|bigger) is the {x} Room than the {y} Room?
        How much (roomier|more spacious) is the {x} Room than the {y} Room?
        By how (much|many people|many seats) is the {x} Room (bigger|larger) than the {y} Room?
        By how many (people|seats) does the {x} Room (exceed|outdo) the {y} Room?
        How much (greater|higher) is the capacity of the {x} Room than that of the {y} Room?
        (What is|What's) the difference in (capacity|size) between the {x} Room and the {y} Room?
        If (we|I) (book|use|take) the {x} Room instead of the {y} Room, how many more people fit in?
        (We|I) (book|take) the {x} Room instead of the {y} Room. How many more people fit in?
        (We|I) (book|take) the {x} Room instead of the {y} Room. How many more guests fit in?
        (We|I) use the {x} Room instead of the {y} Room. How many more (people|guests) fit in?
        Suppose we (meet in|use) the {x} Room instead of the {y} Room. How many more people fit in?
        Say we (meet in|use) the {x} Room instead of the {y} Room. How many more people fit in?
        Suppose we (meet in|use) the {x} Room instead of the {y} Room. How many more guests fit in?
        Say we (meet in|use) the {x} Room instead of the {y} Room. How many more guests fit in?
        The {x} Room is (bigger|larger) than the {y} Room. (By how many people|By how much)?
        The {x} Room is (bigger|larger) than the {y} Room. By how many seats?
        The {x} Room holds more people than the {y} Room. (How many more|What is the difference)?
        The {x} Room holds more people than the {y} Room. By how many?
        The {x} Room (compared to|instead of) the {y} Room: how many more (people|seats)?
        The {x} Room compared with the {y} Room: how many more (people|seats)?
        Compare the capacities of the {x} Room and the {y} Room. What is the difference?
        (Look up|Check) the capacities of the {x} Room and the {y} Room. What is the difference?
        Find the capacities of the {x} Room and the {y} Room. What is the difference?
        capacity difference between the {x} Room and the {y} Room(?|, please|)
        difference in capacity between the {x} Room and the {y} Room(?|, please|)
        (Find|Look up) the difference in (capacity|size) between the {x} Room and the {y} Room.
        Work out the difference in (capacity|size) between the {x} Room and the {y} Room.
        (Find out|Work out) how many more people fit in the {x} Room than in the {y} Room.
        (Find out|Work out) how many more people can meet in the {x} Room than in the {y} Room.
        Can you work out how much (bigger|larger) the {x} Room is than the {y} Room?
        Could you check how much (bigger|larger) the {x} Room is than the {y} Room?
        I want to know how many more (people|guests) fit in the {x} Room than in the {y} Room.
        I wonder how many more (people|guests) fit in the {x} Room than in the {y} Room.""",
        """How many more people does the {x} Room hold than the {y} Room?""",
    ),
    "age": phrases(
        """How much older is {x} than {y}?
        How many years older is {x} than {y}?
        What is the age difference between {x} and {y}?
        How (much|many years) older is {x}( now| today) than {y}?
        By how much is {x} older than {y}( now| today|)?
        By how (much|many years) does {x}'s age exceed (that of {y}|{y}'s age|{y}'s)?
        How (many years longer|much longer) has {x} lived than {y}?
        How many more years (has {x} lived|has {x} been alive) than {y}?
        (What is|What's) the (difference in age|age gap|difference in years) between {x} and {y}?
        (What is|What's) the difference between {x}'s age and {y}'s( age|)?
        How much (higher|greater) is (the age of {x}|{x}'s age) than (that of {y}|the age of {y})?
        How much (higher|greater) is (the age of {x}|{x}'s age) than {y}'s?
        {x} is older than {y}. (By how much|How many years older)?
        {x} is older than {y}. (By how many years|What is the difference)?
        {x} was born (before|earlier than) {y}. How (much|many years) older is {x}?
        If {x} is older than {y}, (by how much|how many years is it|how much older)?
        I (know|met|work with) {x} and {y}. How (much|many years) older is {x}( than {y}|)?
        Compare the ages of {x} and {y}. (What is the difference|How far apart are they)?
        (Look up|Find|Check) the ages of {x} and {y}. What is the difference?
        (Look up|Find|Check) the ages of {x} and {y}. How much do they differ?
        (age difference|age gap|difference in age) between {x} and {y}(?|, please|)
        (Find|Work out|Look up|Calculate) the (age difference|age gap) between {x} and {y}.
        (Find out|Work out|Let me know|Check) how (much|many years) older {x} is than {y}.
        (Can you work out|Could you check) how (much|many years) older {x} is than {y}?
        (I want to know|I wonder|I need to know) how (much|many years) older {x} is than {y}.
        {x} (compared to|compared with) {y}: how (many years|much) older?
        {x}'s age minus {y}'s age(?|: how much is that?|, please.|: what is left?)""",
        """By how many years is {x} older than {y}?""",
    ),
    "distance": phrases(
        """How much farther is {x} than {y}?
        How many kilometres farther is {x} than {y}?
        How much longer is the (way|road|trip|drive) to {x} than to {y}?
        How (much|many kilometres) (farther|further) (away|off) is {x} than {y}?
        How many (kilometres|km) longer is the (road|way|trip) to {x} than to {y}?
        By how (much|many kilometres) is {x} (farther|further) away than {y}?
        By how (much|many kilometres) is the (way|road|trip) to {x} longer than the one to {y}?
        By how (much|many kilometres) does the distance to {x} exceed (that|the distance) to {y}?
        (What is|What's) the difference between the distance to {x} and (the distance|that) to {y}?
        How many (kilometres|km) further is it to {x} than (it is|) to {y}?
        How much (greater|longer) is the distance to {x} than (the distance|that) to {y}?
        If (I|we) (drive|go|travel) to {x} instead of {y}, how (much|many kilometres) farther is it?
        (I|We) (drive|go|travel) to {x} instead of {y}. How (much|many kilometres) farther is that?
        (Suppose|Say) I (drive|go) to {x} instead of {y}. How much (farther|further) is it?
        (Suppose|Say) I (drive|go) to {x} instead of {y}. How many kilometres farther is it?
        (Suppose|Say) I (drive|go) to {x} instead of {y}. How many kilometres further is it?
        How many more (kilometres|km) do (I|we) (drive|travel|go|walk) to {x} than to {y}?
        {x} is farther away than {y}. (By how much|How much farther|By how many kilometres)?
        It is farther to {x} than to {y}. (By how much|How much farther|What is the difference)?
        Compare the distances to {x} and to {y}. What is the difference?
        (Look up|Find|Check) the distances to {x} and to {y}. What is the difference?
        (Look up|Find|Check) the distances to {x} and to {y}. How much do they differ?
        (Find|Work out|Look up) the difference between the distances to {x} and to {y}.
        (Find out|Work out|Let me know) how much (farther|further) (away|) {x} is than {y}.
        (Can you work out|Could you check) how (much|many kilometres) farther {x} is than {y}?
        (I want to know|I wonder|I need to know) how much (farther|further) (away|) {x} is than {y}.
        {x} (compared to|compared with) {y}: how (much farther|many kilometres farther)?
        The distance to {x} minus the distance to {y}(?|, please.)
        The distance to {x} minus the distance to {y}(: how much is that?|: what is left?)""",
        """How much farther is it to {x} than to {y}?""",
    ),
}
UNITS = {"price": " {m}", "weight": " kilograms", "capacity": " people", "age": " years"}


def lookup_total(setting: Setting) -> Exchange:
    """Build "how much do 7 lamps cost": a search, then a multiplication."""
    draw = setting.draw
    name = draw.any_of(("price", "price", "price", *LOOKUP_TOTALS))
    wordings, answer = LOOKUP_TOTALS[name]
    one = item(draw, BY_NAME[name])
    count = draw.number(2, draw.any_of((12, 60)))
    fields = {**one.fields, "n": str(count)}
    question = styled(draw, draw.phrase(wordings).format(**fields))

    def plan() -> Plan:
        (found,) = yield Round((Call(SEARCH, one.query),))
        require(found, one)
        (result,) = yield Round((setting.arithmetic(f"{count}*{one.value}"),))
        return Reply(answer.format(**fields, r=result), (result,))

    facts = (one.fact, *distractors(draw, [one], draw.random.randint(1, 5)))
    return Exchange("lookup, then calculation", question, plan, facts)


def two_items(draw: Draw, name: str) -> tuple[Item, Item]:
    """Return two facts of one topic, in one currency."""
    currency = draw.any_of(CURRENCIES)
    first = item(draw, BY_NAME[name], currency=currency)
    return first, item(draw, BY_NAME[name], (first.entity,), currency)


def two_lookups(setting: Setting) -> Exchange:
    """Build a sum or a difference of two facts: two searches at once, then a calculation."""
    draw = setting.draw
    together = draw.chance(0.5)
    table = PAIRS if together else COMPARED
    name = draw.any_of(tuple(table))
    one, other = two_items(draw, name)
    fields = {**one.fields, "y": other.entity, "y_a": other.fields["x_a"]}
    question = styled(draw, draw.phrase(table[name]).format(**fields))
    unit = UNITS.get(name, " kilometres").format(**fields)
    sign = "+" if together else "-"

    def plan() -> Plan:
        found, also = yield Round((Call(SEARCH, one.query), Call(SEARCH, other.query)))
        require(found, one)
        require(also, other)
        (result,) = yield Round((setting.arithmetic(f"{one.value}{sign}{other.value}"),))
        lead = "Together it is" if together else "The difference is"
        return Reply(f"{lead} {result}{unit}.", (result,))

    facts = (one.fact, other.fact, *distractors(draw, [one, other], draw.random.randint(0, 4)))
    return Exchange("two lookups, then calculation", question, plan, facts)
