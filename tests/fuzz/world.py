"""Random events, really signed, and questions that have a chance to meet them."""

from __future__ import annotations

import json
import random
from hashlib import sha256
from typing import Any, Final

from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

NOW: Final = 1_700_000_000
AHEAD: Final = 900
"""Seconds that an event may be dated ahead; the relay's default."""
KINDS: Final = (
    *(0, 1, 1, 1, 1, 2, 3, 4, 6, 7, 7, 9, 16, 40, 1063, 1984, 9735, 9999, 10000, 10002, 19999),
    *(1059, 1059, 21059, 20000, 20001, 29999, 30000, 30023, 30023, 39999, 40000, 65535),
)
WORDS: Final = (
    *(
        "",
        " ",
        "a",
        "A",
        "b",
        "b:c",
        "nostr",
        "ça",
        "c\u0327a",
        "🤙",
        "日本語",
        "x" * 300,
        "f" * 64,
    ),
    *("\n", '"\\', "\u0000", "\u2028", "null", "0", "%", "_", "*", "'", "F" * 64, "e" * 63),
)
LETTERS: Final = "eptdraEPTzAZ"
NAMES: Final = ("client", "emoji", "pp", "ee", "d ", "é", "-x", "", "#t", "expiration ")
_KEYS: Final = [SecretKey(sha256(b"fuzz %d" % number).digest()) for number in range(60)]
_PUBKEYS: Final = [key.public_key.hex for key in _KEYS]


def key_of(author: int) -> SecretKey:
    """The key of one of the authors."""
    return _KEYS[author]


class World:
    """What one round draws from. `made` holds every event, in the order of making."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.authors = rng.choice((1, 4, 12, 60))
        self.seconds = rng.choice((1, 3, 40, 10_000, 10**9))
        self.vanish_urls: tuple[str, ...] = ("ALL_RELAYS",)
        self.made: list[Event] = []

    # Events

    def event(self, *, at: int | None = None, kind: int | None = None) -> Event:
        """A new event; it may be one that the relay must refuse."""
        rng = self.rng
        author = rng.randrange(self.authors)
        created_at = self._time() if at is None else at
        chance = rng.random()
        if kind is None and self.made and chance < 0.06:
            return self._sign(author, 5, created_at, self._deletion_tags(), self._content())
        if kind is None and chance < 0.062:
            url = rng.choice((*self.vanish_urls, "wss://other.example", "junk"))
            return self._sign(author, 62, created_at, [["relay", url]], self._content())
        kind = rng.choice(KINDS) if kind is None else kind
        tags = [self._tag() for _ in range(rng.choice((0, 1, 1, 2, 3, 6, 20)))]
        if rng.random() < 0.05:
            tags.append(["expiration", self._expiration()])
        if rng.random() < 0.02:
            tags.append(["-", *rng.choice(([], ["x"]))])
        if kind >= 30_000 and rng.random() < 0.9:
            tags.insert(0, ["d", *rng.choice(([], ["a"], ["b"], [""], [rng.choice(WORDS)]))])
        return self._sign(author, kind, created_at, tags, self._content())

    def _sign(
        self, author: int, kind: int, created_at: int, tags: list[list[str]], content: str
    ) -> Event:
        as_tuples = tuple(tuple(tag) for tag in tags)
        event = Draft(kind, content, as_tuples, created_at).sign(_KEYS[author], created_at)
        self.made.append(event)
        return event

    def _time(self) -> int:
        rng = self.rng
        if rng.random() < 0.02:
            return rng.choice((0, 1, NOW + AHEAD, NOW + AHEAD + 1000, 2**31, 2**53, 2**63 - 1))
        return max(0, NOW - rng.randrange(self.seconds))

    def _expiration(self) -> str:
        rng = self.rng
        odd = ("", "0", "-5", "1e9", " 1700000009", "１", "9" * 19, "9" * 40, "soon")
        return rng.choice((str(NOW + rng.randrange(-3, 12)), rng.choice(odd)))

    def _content(self) -> str:
        rng = self.rng
        words = [rng.choice(WORDS) for _ in range(rng.choice((0, 1, 3, 8)))]
        return " ".join((*words, str(len(self.made))))

    def _tag(self) -> list[str]:
        rng = self.rng
        chance = rng.random()
        if chance < 0.25 and self.made:
            return ["e", rng.choice(self.made).id, "wss://hint.example", "reply"]
        if chance < 0.5:
            return ["p", rng.choice(_PUBKEYS[: self.authors])]
        if chance < 0.55:
            return [rng.choice(LETTERS)]
        if chance < 0.62:
            return [rng.choice(NAMES), rng.choice(WORDS)]
        if chance < 0.66:
            return [rng.choice("ep"), rng.choice(WORDS)]
        return [rng.choice(LETTERS), rng.choice(WORDS), *rng.choice(([], ["more"], ["a", "b"]))]

    def _deletion_tags(self) -> list[list[str]]:
        rng = self.rng
        tags = [["e", "not an id"], ["a", "1:2"], ["k", "1"]]
        for _ in range(rng.randrange(1, 4)):
            target = rng.choice(self.made)
            tags.append(["e", target.id])
            if target.address is not None and rng.random() < 0.7:
                tags.append(["a", target.address])
        author = rng.choice(_PUBKEYS[: self.authors])
        tags.append(["a", f"{rng.choice((0, 3, 10002, 30023, 1))}:{author}:{rng.choice(WORDS)}"])
        return tags

    # Questions

    def filter(self) -> dict[str, Any]:
        """A filter that has a good chance to match something that was made."""
        rng = self.rng
        fields: dict[str, Any] = {}
        known = self.made
        like = rng.choice(known)
        if rng.random() < 0.12:
            fields["ids"] = [e.id for e in rng.choices(known, k=rng.choice((0, 1, 5, 200)))]
            fields["ids"] += rng.choice(([], ["0" * 64]))
        if rng.random() < 0.4:
            fields["authors"] = [e.pubkey for e in rng.choices(known, k=rng.choice((0, 0, 2, 40)))]
            fields["authors"] += [like.pubkey] * (rng.random() < 0.8)
        if rng.random() < 0.45:
            fields["kinds"] = [e.kind for e in rng.choices(known, k=rng.choice((0, 0, 1, 3, 20)))]
            fields["kinds"] += [like.kind] * (rng.random() < 0.8)
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3))):
            self._ask_for_tags(fields, like)
        self._ask_for_times(fields, like)
        if rng.random() < 0.5:
            fields["limit"] = rng.choice((0, 1, 2, 3, 7, 20, 100, 500, 501, 10**9, 2**63 - 1))
        names = list(fields)
        rng.shuffle(names)
        return {name: fields[name] for name in names}

    def _ask_for_tags(self, fields: dict[str, Any], like: Event) -> None:
        rng = self.rng
        events = (like, *rng.choices(self.made, k=rng.choice((0, 2, 12))))
        tags = [tag for e in events for tag in e.tags if len(tag) > 1 and is_letter(tag[0])]
        if not tags:
            return
        letter = tags[0][0] if rng.random() < 0.7 else rng.choice(tags)[0]
        values = [tag[1] for tag in tags if tag[0] == letter]
        if rng.random() < 0.2:
            values.append(rng.choice(WORDS))
        if letter in "ep":
            values = [value for value in values if is_hex64(value)]
        fields[f"#{letter}"] = values[: rng.choice((0, 1, 5, 30))] if rng.random() < 0.3 else values

    def _ask_for_times(self, fields: dict[str, Any], like: Event) -> None:
        rng = self.rng
        at = like.created_at
        if rng.random() < 0.25:
            since = rng.choice((at, at, at + 1, at - 3, 0, 2**63 - 1, 2**53))
            fields["since"] = min(max(0, since), 2**63 - 1)
        if rng.random() < 0.25:
            until = rng.choice((at, at, at + 3, at - 1, 0, 2**63 - 1, 2**53))
            fields["until"] = min(max(0, until), 2**63 - 1)

    def filters(self) -> list[dict[str, Any]]:
        """The filters of one question."""
        rng = self.rng
        found = [self.filter() for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3, 5, 20)))]
        if len(found) > 1 and rng.random() < 0.2:
            found[-1] = dict(found[0])
        return found

    def refused_filter(self) -> dict[str, Any]:
        """One that no relay may answer as if it had understood it."""
        rng = self.rng
        f = self.filter()
        name, value = rng.choice(_MALFORMED)
        return {**f, name: value}

    def text(self, frame: list[Any]) -> str:
        """One of the spellings of a frame as JSON."""
        rng = self.rng
        separators = rng.choice(((",", ":"), (", ", ": "), (" ,\n", "\t: ")))
        return json.dumps(frame, ensure_ascii=rng.random() < 0.5, separators=separators)


_MALFORMED: Final[tuple[tuple[str, Any], ...]] = (
    ("#client", ["tests"]),
    ("#", ["x"]),
    ("#é", ["x"]),
    ("#1", ["x"]),
    ("Ids", []),
    ("&t", ["x"]),
    ("ids", ["0" * 63]),
    ("ids", ["F" * 64]),
    ("ids", None),
    ("authors", "0" * 64),
    ("authors", [1]),
    ("kinds", [1.5]),
    ("kinds", ["1"]),
    ("kinds", [True]),
    ("#e", ["short"]),
    ("#p", ["P" * 64]),
    ("#t", [["x"]]),
    ("#t", {"x": 1}),
    ("until", "now"),
    ("until", 1e300),
    ("until", 1.5),
    ("limit", -1),
    ("limit", None),
    ("limit", True),
)


def is_letter(name: str) -> bool:
    return len(name) == 1 and name.isascii() and name.isalpha()


def is_hex64(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
