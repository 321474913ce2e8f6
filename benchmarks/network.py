"""Events like those of a public relay, and what clients ask of it.

Three quarters are notes with threads, mentions and hashtags, the rest reactions and reposts; some
630 bytes each. They are unsigned, since a store leaves signatures to its callers; `signed` signs.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import sha256
from multiprocessing import get_context

from nostr_client.protocol.event import Event, event_digest
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey

AUTHORS = 2000
SPAN = 30 * 86_400
"""Seconds from the first event to the last."""
WORDS = tuple(f"w{number:x}" for number in range(0, 1 << 16, 97))
Tag = tuple[str, ...]
_PART = 5000


def event(pubkey: str, kind: int, created_at: int, tags: Sequence[Tag], content: str) -> Event:
    digest = event_digest(pubkey, created_at, kind, tags, content).hex()
    fields = {"id": digest, "pubkey": pubkey, "created_at": created_at, "kind": kind}
    return Event.from_dict({**fields, "tags": tags, "content": content, "sig": digest * 2})


class Network:
    """People of whom few write much, and what they write."""

    def __init__(
        self,
        count: int,
        now: int,
        *,
        authors: int = AUTHORS,
        seed: int = 7,
        hint: str = "wss://relay.example.com",
        span: int = SPAN,
    ) -> None:
        """`count` events within `span` seconds, the last of them at `now`; those that name another
        one give `hint`."""
        self.rng = random.Random(seed)
        self.now = now
        self.keys = [SecretKey(sha256(b"%d" % number).digest()) for number in range(authors)]
        self.people = [key.public_key.hex for key in self.keys]
        self.weights = list(
            itertools.accumulate(1 / (number + 1) ** 0.8 for number in range(authors))
        )
        self.notes: list[Event] = []
        self.count = count
        self.hint = hint
        self.span = span

    def someone(self) -> str:
        return self.rng.choices(self.people, cum_weights=self.weights)[0]

    def events(self) -> Iterator[Event]:
        for number in range(self.count):
            made = self._event(self.now - self.span + self.span * number // self.count)
            if made.kind == 1:
                self.notes.append(made)
            yield made

    def _event(self, created_at: int) -> Event:
        rng, hint = self.rng, self.hint
        recent = self.notes[-2000:]
        if rng.random() < 0.25 and recent:
            target = rng.choice(recent)
            tags: list[Tag] = [("e", target.id, hint), ("p", target.pubkey), ("k", "1")]
            return event(self.someone(), 7 if rng.random() < 0.8 else 6, created_at, tags, "+")
        tags = []
        if rng.random() < 0.5 and recent:
            target = rng.choice(recent)
            tags += [("e", target.id, hint, "root"), ("p", target.pubkey)]
        if rng.random() < 0.15:
            tags += [("t", rng.choice(WORDS)) for _ in range(rng.randint(1, 4))]
        length = max(1, min(400, int(rng.lognormvariate(3.0, 0.9))))
        return event(self.someone(), 1, created_at, tags, self.text(length))

    def text(self, length: int) -> str:
        """What a note of so many words says."""
        return " ".join(self.rng.choices(WORDS, k=length))

    def questions(self) -> dict[str, Callable[[], Filter]]:
        rng = self.rng

        def note_id() -> str:
            return rng.choice(self.notes).id

        def some(count: int) -> list[str]:
            return list({self.someone() for _ in range(count)})

        return {
            "20 authors, limit 500": lambda: Filter.of(authors=some(26)[:20], kinds=[1], limit=500),
            "1,000 authors, limit 500": lambda: Filter.of(
                authors=rng.sample(self.people, 1000), kinds=[1, 6], limit=500
            ),
            "single id": lambda: Filter.of(ids=[note_id()]),
            "100 ids": lambda: Filter.of(ids=[note_id() for _ in range(100)]),
            "#e thread": lambda: Filter.of(kinds=[1], e=[note_id()], limit=500),
            "kind + since": lambda: Filter.of(
                kinds=[1], since=self.now - rng.randint(600, 6000), limit=500
            ),
            "#p notifications": lambda: Filter.of(kinds=[1, 6, 7], p=[self.someone()], limit=100),
            "reactions to 50 notes": lambda: Filter.of(
                kinds=[7], e=[note_id() for _ in range(50)], limit=500
            ),
            "my reaction to a note": lambda: Filter.of(
                kinds=[7], authors=[self.someone()], e=[note_id()]
            ),
            "newest of all": lambda: Filter.of(limit=500),
        }


def signed(network: Network, events: Sequence[Event]) -> list[bytes]:
    """Their JSON with true signatures, made on all cores."""
    secrets = secrets_of(network)
    data = [one.json for one in events]
    parts = [data[start : start + _PART] for start in range(0, len(data), _PART)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        return list(itertools.chain.from_iterable(pool.map(partial(sign, secrets), parts)))


def secrets_of(network: Network) -> dict[str, bytes]:
    """The secret keys of its people, by their pubkeys: as `sign` wants them."""
    return {key.public_key.hex: bytes(key) for key in network.keys}


def sign(secrets: dict[str, bytes], part: Sequence[bytes]) -> list[bytes]:
    """The JSON of events with true signatures, made here."""
    keys: dict[str, SecretKey] = {}
    made = []
    for data in part:
        one = Event.from_trusted(data)
        if one.pubkey not in keys:
            keys[one.pubkey] = SecretKey(secrets[one.pubkey])
        made.append(
            data.replace(
                one.sig.encode(), keys[one.pubkey].sign(bytes.fromhex(one.id)).hex().encode()
            )
        )
    return made
