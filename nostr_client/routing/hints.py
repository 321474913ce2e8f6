"""Hints: where a person may be found, as far as anybody said, and how much that counts today.

A hint is a weaker word than a relay list (NIP-65): the relay where an event of the person was
found, what the account's own follow list says, the relays that old follow lists carry as JSON, the
message relays of a kind 10050, the relay URLs in tags, and those inside of an nprofile, nevent or
naddr in a text (NIP-19). Hints are kept in memory, bounded. One counts half as much each
`HALF_LIFE` after it was said, but for those that the account gives of itself.
"""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from nostr_client.errors import InvalidCode
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event

HALF_LIFE: Final = 365 * 86_400
MAX_HINTED_PEOPLE: Final = 50_000
MAX_HINTS: Final = 12
"""Relays remembered for one person."""
MAX_TAGS_READ: Final = 1_000
"""Tags of one event that are searched for hints, the account's own follow list aside."""
MAX_CODES: Final = 8
"""Codes in one text that are read, and relays of one of them."""

SEEN: Final = 40
"""The weight of having found a person's event there."""
OWN_WORD: Final = 30
"""The weight of what the person says, or the account's own list, or their NIP-05 host."""
HEARSAY: Final = 1
"""The weight of a stranger's tag."""
MOST_HEARSAY: Final = 10
"""Strangers' tags, however many, never add up to more: they weigh less than one better word."""
MOST_WEIGHT: Final = 400

_codes = re.compile("nostr:((?:nprofile|nevent|naddr)1[02-9ac-hj-np-z]{6,1000})").finditer
_TEXTS: Final = frozenset({kinds.NOTE, kinds.COMMENT, 30023})


class _Weight(NamedTuple):
    weight: float
    at: float | None
    """When it was so much; None: it is so for good."""


class Hints:
    """Relays by person. URLs are normal ones; `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._people: OrderedDict[str, dict[str, _Weight]] = OrderedDict()

    def add(
        self, pubkey: str, url: str, weight: int, at: float | None = None, *, lasting: bool = False
    ) -> str:
        """It was said at `at` (now) that `pubkey` is to be found at `url`; `lasting`: it does not
        fade. Returns the pubkey that is forgotten for it, or nothing."""
        forgotten, now = "", self._clock()
        found = self._people.get(pubkey)
        if found is None:
            found = self._people[pubkey] = {}
            if len(self._people) > MAX_HINTED_PEOPLE:
                forgotten, _ = self._people.popitem(last=False)
        else:
            self._people.move_to_end(pubkey)
        old = found.get(url, _Weight(0.0, now))
        had, most = self._now(old), MOST_HEARSAY if weight == HEARSAY else MOST_WEIGHT
        more = float(weight) if lasting or at is None else self._now(_Weight(weight, at))
        found[url] = _Weight(
            max(had, min(had + more, most)), None if lasting or old.at is None else now
        )
        if len(found) > MAX_HINTS:
            del found[min(found, key=lambda url: (self._now(found[url]), url))]
        return forgotten

    def best(self, pubkey: str) -> list[tuple[str, float]]:
        """(URL, what it counts today), best first."""
        found = self._people.get(pubkey, {})
        weights = {url: self._now(weight) for url, weight in found.items()}
        return sorted(weights.items(), key=lambda item: (-item[1], item[0]))

    def _now(self, weight: _Weight) -> float:
        if weight.at is None:
            return weight.weight
        age = min(max(0.0, self._clock() - weight.at), 100 * HALF_LIFE)
        return weight.weight * math.exp2(-age / HALF_LIFE)


def told_by(event: Event, *, whole: bool = False) -> Iterator[tuple[str, str]]:
    """(pubkey, URL) of everybody of whom the event says where they are; both as they stand there.
    `whole`: however many tags it has."""
    for tag in event.tags if whole else event.tags[:MAX_TAGS_READ]:
        if tag[0] == "p" and len(tag) > 2 and tag[2]:
            yield tag[1], tag[2]
        elif tag[0] == "e" and len(tag) > 4 and tag[2]:
            yield tag[4], tag[2]
        elif tag[0] == "relay" and event.kind == kinds.DM_RELAYS and len(tag) > 1:
            yield event.pubkey, tag[1]
    if event.kind in _TEXTS:
        for match in islice(_codes(event.content), MAX_CODES):
            yield from _told_by_code(match[1])


def _told_by_code(text: str) -> Iterator[tuple[str, str]]:
    try:
        code = nip19.decode(text)
    except InvalidCode:
        return
    if isinstance(code, nip19.Nprofile | nip19.Naddr):
        yield from ((code.pubkey, url) for url in code.relays[:MAX_CODES])
    elif isinstance(code, nip19.Nevent) and code.author:
        yield from ((code.author, url) for url in code.relays[:MAX_CODES])
