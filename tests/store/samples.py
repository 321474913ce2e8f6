"""Random events and filters that meet: few authors, few seconds, every rule within reach."""

from __future__ import annotations

import random
from hashlib import sha256

from nostr_client.protocol.event import Event, event_digest
from nostr_client.protocol.filters import Filter

NOW = 1_700_000_000
SERVICE_URL = "wss://relay.example.com"
KINDS = (0, 1, 1, 1, 3, 4, 4, 6, 7, 7, 1059, 9735, 10002, 20001, 21059, 30000, 30023, 40000)
WORDS = ("", "a", "b", "b:c", "nostr", "ça", "🤙", "日本語", "A", "x" * 300, "f" * 64, "\n", '"\\')
LETTERS = "eptdraEPTz"


def author(number: int) -> str:
    """A pubkey that nobody holds."""
    return sha256(b"author %d" % number).hexdigest()


def make(
    pubkey: str, kind: int, created_at: int, *tags: tuple[str, ...], content: str = ""
) -> Event:
    """An event with a right id and no signature to speak of: stores leave that to their callers."""
    digest = event_digest(pubkey, created_at, kind, tags, content)
    return Event.from_dict(
        {
            "id": digest.hex(),
            "pubkey": pubkey,
            "created_at": created_at,
            "kind": kind,
            "tags": tags,
            "content": content,
            "sig": digest.hex() * 2,
        }
    )


def events(rng: random.Random, count: int, *, authors: int = 5, seconds: int = 30) -> list[Event]:
    """In no order: a deletion may come before what it deletes."""
    made: list[Event] = []
    for number in range(count):
        pubkey = author(rng.randrange(authors))
        created_at = NOW - rng.randrange(seconds)
        kind = rng.choice(KINDS)
        chance = rng.random()
        if chance < 0.08 and made:
            made.append(make(pubkey, 5, created_at, *_deletion_tags(rng, made, authors)))
            continue
        if chance < 0.1:
            relay = rng.choice((SERVICE_URL + "/", "ALL_RELAYS", "wss://other.example", "junk"))
            made.append(make(pubkey, 62, created_at, ("relay", relay)))
            continue
        tags = [_tag(rng, made, authors) for _ in range(rng.choice((0, 1, 1, 2, 3, 6)))]
        if rng.random() < 0.05:
            tags.append(("expiration", str(NOW + rng.randrange(-5, 20))))
        if kind >= 30_000 and rng.random() < 0.9:
            tags.insert(0, ("d", rng.choice(WORDS[:4])))
        made.append(make(pubkey, kind, created_at, *tags, content=f"{number} \u0000\x1f\u2028"))
    rng.shuffle(made)
    return made


def _tag(rng: random.Random, made: list[Event], authors: int) -> tuple[str, ...]:
    chance = rng.random()
    if chance < 0.3 and made:
        return ("e", rng.choice(made).id, "wss://hint.example", "reply")
    if chance < 0.6:
        return ("p", author(rng.randrange(authors)))
    if chance < 0.65:
        return (rng.choice(LETTERS),)
    if chance < 0.7:
        return ("client", "tests")
    if chance < 0.75:
        return (rng.choice("ep"), rng.choice(WORDS))
    return (rng.choice(LETTERS), rng.choice(WORDS), "more")


def _deletion_tags(rng: random.Random, made: list[Event], authors: int) -> list[tuple[str, ...]]:
    tags: list[tuple[str, ...]] = [("e", "not an id"), ("a", "1:2"), ("k", "1")]
    for _ in range(rng.randrange(1, 4)):
        target = rng.choice(made)
        tags.append(("e", target.id))
        if target.address is not None:
            tags.append(("a", target.address))
    kind = rng.choice((0, 3, 10002, 30023, 1))
    tags.append(("a", f"{kind}:{author(rng.randrange(authors))}:{rng.choice(('', 'a'))}"))
    return tags


def random_filter(rng: random.Random, known: list[Event]) -> Filter:
    """A filter that has a good chance of matching some of `known`."""
    fields: dict[str, object] = {}
    like = rng.choice(known)
    if rng.random() < 0.15:
        fields["ids"] = [e.id for e in rng.sample(known, rng.randrange(0, 6))] + ["0" * 64]
    if rng.random() < 0.4:
        fields["authors"] = [e.pubkey for e in rng.choices(known, k=rng.randrange(0, 5))]
        if rng.random() < 0.7:
            fields["authors"] = [like.pubkey, *_list(fields["authors"])]
    if rng.random() < 0.45:
        fields["kinds"] = [e.kind for e in rng.choices(known, k=rng.randrange(0, 4))]
        if rng.random() < 0.7:
            fields["kinds"] = [like.kind, *_list(fields["kinds"])]
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        tags = [t for e in (like, *rng.choices(known, k=8)) for t in e.tags]
        tags = [t for t in tags if len(t) > 1 and len(t[0]) == 1 and t[0].isalpha()]
        if tags:
            letter = tags[0][0] if rng.random() < 0.6 else rng.choice(tags)[0]
            values = [t[1] for t in tags if t[0] == letter]
            if letter in "ep":
                values = [value for value in values if len(value) == 64 and value != "x" * 64]
            fields[f"#{letter}"] = values[: rng.randrange(0, 12)]
    if rng.random() < 0.25:
        fields["since"] = like.created_at - rng.choice((0, 0, 3, 10**6))
    if rng.random() < 0.25:
        fields["until"] = like.created_at + rng.choice((0, 0, 3, -1))
    if rng.random() < 0.6:
        fields["limit"] = rng.choice((0, 1, 2, 3, 10, 100, 2**62, 2**63 - 1))
    return Filter.from_dict(fields)


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value
