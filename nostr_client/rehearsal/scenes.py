"""What the community of the demo has written, as data: one of each sort that a client shows.

In a text `{ben}` is somebody who is named there, `{roof}` an earlier scene that is quoted; in a tag
they are the key and the id, or the address. `nostr_client.rehearsal.stage` makes events of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Tags


class Scene(NamedTuple):
    """`author` wrote `text` so many seconds `ago`. `about` is the name of an earlier scene: what is
    answered, reacted to, passed on, paid for."""

    name: str
    author: str
    ago: int
    text: str
    kind: int = kinds.NOTE
    about: str = ""
    tags: Tags = ()


ARTICLE = """\
A dough is done when it says so, and not when the clock does.

## What it needs

- 500 g of rye, and as much water
- a spoon of **salt**, a spoon of caraway
- sourdough from the last loaf

## How it goes

1. Mix everything in the evening, and cover it.
2. In the morning it has doubled. If it has not, *wait*.
3. An hour in the oven, as hot as it gets for the first quarter.

> Bread that is cut warm is bread that is wasted. Nobody has ever listened to this.
"""

OPENING: Final = (
    Scene(
        "bread",
        "cy",
        180_000,
        ARTICLE,
        kinds.ARTICLE,
        tags=(("d", "rye"), ("title", "Rye, and nothing else"), ("summary", "One loaf, two days.")),
    ),
    Scene("roof", "ben", 3600, "The library roof is fixed. Thanks to all who came on Saturday."),
    Scene("coffee", "cy", 3300, "And the coffee was good!", about="roof"),
    Scene("again", "eli", 3000, "Sunday again? I bring the strings.", about="coffee"),
    Scene(
        "passage",
        "ana",
        2700,
        "A dough is done when it says so, and not when the clock does.",
        kinds.HIGHLIGHT,
        tags=(("a", "{bread}"), ("p", "{cy}"), ("comment", "This goes for catalogues, too.")),
    ),
    Scene("stone", "dee", 2600, "Does it work on a stone?", kinds.COMMENT, about="bread"),
    Scene(
        "birds",
        "dee",
        2400,
        "Forty-one oystercatchers on the sandbank this morning. #birds",
        tags=(("t", "birds"),),
    ),
    Scene(
        "photo",
        "dee",
        2340,
        "",
        kinds.PICTURE,
        tags=(
            ("title", "The sandbank at low tide"),
            (
                "imeta",
                "url https://coast.example/sandbank.jpg",
                "m image/jpeg",
                "dim 1600x900",
                "alt Oystercatchers in two long rows, and one that looks the other way",
            ),
        ),
    ),
    Scene("map", "ana", 2100, "Come and draw them on the map in the reading room.", about="birds"),
    Scene("stove", "ana", 1900, "This is why the reading room will have a stove again: {roof}"),
    Scene(
        "concert",
        "eli",
        1800,
        "What shall I play on Sunday?",
        kinds.POLL,
        tags=(
            ("option", "suite", "The first suite, as always"),
            ("option", "new", "Something that nobody knows"),
            ("option", "dance", "Whatever one can dance to"),
            ("polltype", "singlechoice"),
        ),
    ),
    Scene(
        "novel",
        "eli",
        1500,
        "She goes back to the island, of course.",
        tags=(("content-warning", "how the book ends"),),
    ),
    Scene("rye", "cy", 900, "Rye with caraway tonight. First come, first served."),
    Scene("half", "ben", 600, "Keep half a loaf for me, I am still on a ladder.", about="rye"),
    Scene("passed", "eli", 540, "", kinds.REPOST, about="birds"),
    *(
        Scene(f"{who} votes", who, 480, "", kinds.VOTE, "concert", (("response", what),))
        for who, what in (("ana", "new"), ("ben", "dance"), ("cy", "dance"), ("dee", "new"))
    ),
    *(
        Scene(f"{who} reacts to {what}", who, 420, how, kinds.REACTION, what)
        for who, what, how in (
            ("ana", "roof", "+"),
            ("dee", "roof", "+"),
            ("eli", "birds", "🐦"),
            ("cy", "birds", "+"),
            ("ben", "bread", "+"),
        )
    ),
    Scene(
        "paid",
        "ben",
        300,
        "For the next loaf.",
        kinds.ZAP_RECEIPT,
        "bread",
        (("amount", "210000"),),
    ),
)
"""Before the curtain rises."""

WELCOME: Final = (
    Scene("hello", "you", 5, "I have just come in. Is anybody here?"),
    Scene("here", "ana", 0, "Always. The reading room is on the left.", about="hello"),
    Scene("lamps", "hawker", 0, "LAMPS!!! half price, only today", about="hello"),
    *(
        Scene(f"{who} greets", who, 0, how, kinds.REACTION, "hello")
        for who, how in (("ben", "+"), ("dee", "+"), ("eli", "🎻"))
    ),
    Scene("told", "cy", 0, "", kinds.REPOST, "hello"),
    Scene("gift", "eli", 0, "Welcome!", kinds.ZAP_RECEIPT, "hello", (("amount", "21000"),)),
    Scene("loaf", "cy", 0, "The last loaf goes to {you}. The others are late."),
)
"""When the guest (`you`) has come in. `hawker` is a stranger to everybody."""
