"""Which of the authors' events each relay brought when it was asked, and which of those that are
known it did not (pure, but for `add_held`).

Counted is what has no later version, was not deleted, and is older than `SETTLED`: what is younger
may be on its way. Of each author's events a sample counts, the lowest ids, which is the same for
every relay; what is older than `HORIZON` has one of its own. Nobody is his own witness: of a relay
what others had too counts, and what only it brought says nothing of what it lacks. A relay counts
once it has answered; how far back an answer goes that may be cut off is seen by its oldest event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from nostr_client.net.outcome import End, How
from nostr_client.net.session.paging import CUT_OFF
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import KindClass, kind_class
from nostr_client.routing.scores import HORIZON, Evidence, Share
from nostr_client.store.contract import ClientStore, CopyGrade

SETTLED: Final = 60
"""Seconds until an event counts."""
SAMPLE: Final = 20
"""Events of one author that count, and as many that are older than `HORIZON`."""
MOST_SAMPLES: Final = 10_000
"""Samples that one question has."""
ELSEWHERE: Final = ""
"""In place of a relay, for what is held and came from none."""
MOST_HELD: Final = 2_000
"""Events of the store that are looked at, those older than `HORIZON` apart."""


class _Sample(NamedTuple):
    kind: int
    created_at: int


class _AnswerSpan(NamedTuple):
    filters: Sequence[Filter]
    complete: bool | None
    paged: bool


class Deliveries:
    """What came for one question, asked of many relays at about `now` (seconds since 1970)."""

    def __init__(self, now: float) -> None:
        self._border = int(now) - HORIZON
        self._samples: dict[tuple[str, bool], dict[str, _Sample]] = {}
        self._brought: defaultdict[str, set[str]] = defaultdict(set)
        self._had: defaultdict[str, set[str]] = defaultdict(set)
        """By id, the relays that had it, now or earlier."""
        self._went: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        """By relay and author, how many events came, and when the oldest was made."""
        self._answered: dict[str, _AnswerSpan] = {}

    def take(self, event: Event, url: str = "") -> None:
        """It is held, and `url` brought it, or nobody did."""
        if not _counts(event.kind):
            return
        key = (event.pubkey, event.created_at < self._border)
        sample = self._samples.get(key)
        if sample is None:
            if len(self._samples) >= MOST_SAMPLES:
                return
            sample = self._samples[key] = {}
        sample[event.id] = _Sample(event.kind, event.created_at)
        if len(sample) > SAMPLE:
            del sample[max(sample)]
        if url:
            went = self._went[url]
            count, oldest = went.get(event.pubkey, (0, event.created_at))
            went[event.pubkey] = (count + 1, min(oldest, event.created_at))
            if event.id in sample:
                self._brought[url].add(event.id)
                self._had[event.id].add(url)

    @property
    def sampled(self) -> list[str]:
        """The ids of all that counts."""
        return [id for sample in self._samples.values() for id in sample]

    def had(self, event_id: str, urls: Iterable[str]) -> None:
        """These relays had it at some time."""
        self._had[event_id].update(urls)

    def answered(self, filters: Sequence[Filter], end: End, *, paged: bool) -> None:
        """The relay was asked this, and its part ended so; `paged`: it was read to the end."""
        if end.how in (How.ANSWERED, How.INCOMPLETE):
            self._answered[end.url] = _AnswerSpan(filters, end.complete, paged)

    def asked_of(self) -> list[Filter]:
        """What of the store has to do with it: what is recent, and what is older."""
        every = [f for asked in self._answered.values() for f in asked.filters if _is_plain(f)]
        if not every:
            return []
        authors = frozenset().union(*(f.authors or () for f in every))
        since = min(f.since or 0 for f in every)
        wanted: frozenset[int] | None = None
        if all(f.kinds is not None for f in every):
            named = frozenset().union(*(f.kinds or () for f in every))
            wanted = frozenset(kind for kind in named if _counts(kind))
            if not wanted:
                return []
        border = self._border
        recent = Filter(authors=authors, kinds=wanted, since=max(since, border), limit=MOST_HELD)
        past = recent.changed(since=since, until=border - 1)
        return [recent, past] if since < border else [recent]

    def judged(
        self, now: float, latency: Callable[[str], float | None] = lambda url: None
    ) -> list[Evidence]:
        """What the relays that answered showed, each once. `latency` in seconds, of a URL."""
        found: list[Evidence] = []
        for url, asked in self._answered.items():
            shares: dict[str, dict[bool, Share]] = {}
            for pubkey, past, came in self._expected(url, asked, now):
                mine = shares.setdefault(pubkey, {})
                mine[past] = mine.get(past, Share()).plus(Share(came, not came))
            for pubkey, mine in shares.items():
                recent, past_share = mine.get(False, Share()), mine.get(True, Share())
                found.append(Evidence(pubkey, url, int(now), recent, past_share, latency(url)))
        self._answered.clear()
        return found

    def _expected(
        self, url: str, asked: _AnswerSpan, now: float
    ) -> Iterator[tuple[str, bool, bool]]:
        """Of what counts and the relay was asked for: whose, is it old, and did it come?"""
        alone = {url}
        brought = self._brought[url]
        for f in filter(_is_plain, asked.filters):
            floor = self._floor(url, f, asked)
            since = max(f.since or 0, floor)
            until = now - SETTLED if f.until is None else min(now - SETTLED, f.until)
            for pubkey in f.authors or ():
                for past in (False, True):
                    for id, known in self._samples.get((pubkey, past), {}).items():
                        fits = f.kinds is None or known.kind in f.kinds
                        fits = fits and self._had.get(id) != alone
                        if fits and since <= known.created_at <= until:
                            yield pubkey, past, id in brought

    def _floor(self, url: str, f: Filter, asked: _AnswerSpan) -> int:
        """How far back the answer goes, in seconds since 1970; 0: to the end."""
        if asked.complete or (asked.paged and f.limit is None and asked.complete is None):
            return 0
        went = [self._went[url][p] for p in f.authors or () if p in self._went[url]]
        if sum(count for count, _ in went) < min(f.limit or CUT_OFF, CUT_OFF):
            return 0
        return 1 + min(oldest for _, oldest in went)  # more of that second may be missing


async def add_held(deliveries: Deliveries, store: ClientStore) -> None:
    """Take in what the store has of the same, and where that came from. Raises StoreError."""
    for f in deliveries.asked_of():
        for event in await store.query([f]):
            deliveries.take(event)
    copies = await store.ledger.copies_of(deliveries.sampled)
    for event_id in deliveries.sampled:
        read = [c.url for c in copies.get(event_id, ()) if c.grade >= CopyGrade.READ_BACK]
        deliveries.had(event_id, read or [ELSEWHERE])


def _counts(kind: int) -> bool:
    """Does every relay keep it as it is? A gift wrap's author is nobody."""
    regular = kind_class(kind) is KindClass.REGULAR
    return regular and kind != kinds.DELETION and kind not in kinds.GIFT_WRAPS


def _is_plain(f: Filter) -> bool:
    """Does it ask for all that somebody wrote?"""
    return bool(f.authors) and not (f.ids or f.tags or f.search)
