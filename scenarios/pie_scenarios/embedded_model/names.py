"""Names and nouns, parted into a training pool and an evaluation pool.

Most names are made up from syllables, so that the model learns to copy words that it
has never seen rather than to know a list.
"""

from __future__ import annotations

from pie_scenarios.embedded_model.draw import Draw, Phrases, words

MADE_UP_SHARE = 0.6


def _pool(train: str, held_out: str) -> Phrases:
    return Phrases(words(train), words(held_out))


PEOPLE = _pool(
    """Anna Ben Carla David Elena Frank Grace Hugo Irene Jonas Karin Leo Maria Nils Olga Paul
    Rita Simon Tara Victor Wendy Yusuf Zoe Amir Bella Chen Dora Emil Fatima Georg Hanna Ivan
    Julia Kofi Lena Marco Nadia Oscar Priya Rosa Sam Tom Uma Vera Will Mia Noah Emma Jack Lucy""",
    "Astrid Bruno Celine Dmitri Esther Felix Gita Henrik Ingrid Joaquin Kerstin Lorenzo Mei Nuria",
)
SURNAMES = _pool(
    """Abbott Berger Castillo Dahl Engel Foster Garcia Hansen Ito Jensen Keller Lopez Moreau
    Novak Okafor Park Quinn Rossi Schmidt Tanaka Ueda Vogel Walker Young Zimmer Brown Silva""",
    "Adeyemi Blom Carvalho Dietrich Eriksen Fontaine Grimaldi Haddad Iversen Jankowski",
)
THINGS = _pool(
    """lamp chair table rope bucket ticket book pencil bottle basket candle blanket hammer clock
    mirror pillow kettle spoon plate cup bag box bike ball hat coat shirt scarf ring toy drum
    flute guitar apple orange lemon melon cookie cake sandwich egg carrot potato onion pen ruler
    notebook stamp poster sticker tent torch ladder shovel brick tile plank nail screw bolt wheel
    pump cable phone laptop camera battery flower tree seed carpet curtain towel vase jar crate
    helmet jacket belt wallet puzzle marble balloon pizza burger pear peach cable mug desk sofa""",
    """telescope umbrella compass lantern saddle violin anchor teapot backpack kayak trumpet
    wrench napkin pumpkin muffin magnet canvas paddle goblet quilt cushion hinge trolley sled""",
)
PLACES = _pool(
    """Ashford Birchwood Calder Dunmore Eastvale Fairhaven Glenrock Harwick Ironbridge Juniper
    Kingsport Larkhill Mapleton Northgate Oakdale Pinecrest Quarry Redcliff Silverlake Thornbury
    Upton Valemont Westbrook Yarrow Elm Rowan Cedar Willow Maple Birch Heron Falcon Otter""",
    "Amberley Brackenmoor Coldwater Driftwood Eaglescar Foxglove Greystone Hollowell Larch Osprey",
)
THING_ENDINGS = words("el el er et in le on op or um ock and ell ing ack art ion")
CURRENCIES = ("crowns", "dollars", "euros", "coins", "pounds", "cents", "francs")


def person(draw: Draw) -> str:
    """Return a first name."""
    return draw.word().capitalize() if draw.chance(MADE_UP_SHARE) else draw.phrase(PEOPLE)


def full_name(draw: Draw) -> str:
    """Return a first name and a surname."""
    surname = draw.word().capitalize() if draw.chance(MADE_UP_SHARE) else draw.phrase(SURNAMES)
    return f"{person(draw)} {surname}"


def place(draw: Draw) -> str:
    """Return the name of a town, a room or a ship."""
    return draw.word().capitalize() if draw.chance(MADE_UP_SHARE) else draw.phrase(PLACES)


def thing(draw: Draw) -> str:
    """Return a countable noun whose plural ends in "s"."""
    if draw.chance(MADE_UP_SHARE * 0.8):
        return draw.word().rstrip("sxy") + draw.any_of(THING_ENDINGS)
    return draw.phrase(THINGS)


def plural(noun: str) -> str:
    """Return the plural of a `thing`."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


def with_article(noun: str) -> str:
    """Return the noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def different(draw: Draw, make: object, count: int) -> list[str]:
    """Return `count` different results of `make(draw)`."""
    found: list[str] = []
    while len(found) < count:
        candidate = make(draw)  # type: ignore[operator]
        if candidate not in found:
            found.append(candidate)
    return found
