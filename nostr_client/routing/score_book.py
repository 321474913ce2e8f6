"""The scores of relays (`routing.scores`), in a file that all processes on the folder share.

- What a question showed is counted at once here, and written down together with what other
  processes wrote: each adds to the file what it saw itself, under a lock.
- A draw stands for a day, in every process on the folder: a plan does not change under those who
  read, and a command that runs each minute does not read at other relays each time, where it would
  have to begin anew (`social.feed_progress`).
- At most `MOST_PAIRS` of author and relay are kept, what was counted last; `MOST_UNWRITTEN`
  questions wait to be written.
- A file that is damaged is said and set aside, and counting begins anew. One that cannot be read or
  written is said, and left alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import FileStamp, FolderLock, file_stamp, translated, write_private
from nostr_client.routing.scores import HORIZON, Evidence, Score, discount, drawn, drawn_relay
from nostr_client.tasks import finished

log = logging.getLogger(__name__)

MOST_PAIRS: Final = 20_000
MOST_UNWRITTEN: Final = 20_000
DRAW_STANDS: Final = 86_400
"""Seconds."""
SAVE_PAUSE: Final = 15.0
"""Seconds between two writings of the file."""
WRITE_GRACE: Final = 5.0
"""Seconds that a writing under way has at the end: none is to be counted twice."""
LATENCY_SHARE: Final = 0.3
"""How much of a relay's latency is the last one that was measured."""
_KEY: Final = 16
"""Digits that stand for a pubkey: a score that two people share does no harm."""
_LARGEST: Final = 16 * 2**20
"""Bytes of the file that anybody reads."""


class RelayScores(msgspec.Struct):
    """One relay: its round trip in seconds, and the scores of people by the head of their key."""

    latency: float | None = None
    people: dict[str, Score] = msgspec.field(default_factory=dict)


Records = dict[str, RelayScores]


class ScoreBook:
    """What relays delivered, for every process on a folder. `path` None: in this one only.

    URLs are normal ones, pubkeys hex; `clock` gives seconds since 1970, and `salt` makes the draws
    others than those of another client (the path does so, too). Used on one event loop.
    """

    def __init__(
        self,
        path: Path | None = None,
        clock: Callable[[], float] = time.time,
        salt: str = "",
    ) -> None:
        self._path = path
        self.lowered: Callable[[str], float] = lambda url: 1.0
        """What a relay's rank is multiplied by, 0 to 1: what others say of it."""
        self._clock = clock
        self._salt = salt or str(path)
        self._records: Records = {}
        self._seen: FileStamp | None = None
        self._unwritten: deque[Evidence] = deque(maxlen=MOST_UNWRITTEN)
        self._changed = asyncio.Event()
        self._draws: dict[tuple[str, str, bool], float] = {}
        self._usual: dict[tuple[str, bool], float] = {}
        self._day = -1
        self._problem = ""

    def record(self, deliveries: Iterable[Evidence]) -> None:
        """Count what a question showed."""
        fresh = list(deliveries)
        if fresh:
            _count(self._records, fresh)
            self._records = _fit(self._records)
            self._unwritten.extend(fresh)
            self._changed.set()

    def rank(self, *, since: int | None = None) -> Callable[[str, str], float]:
        """How good a relay is for an author, 0 to 1, by `(pubkey, url)`, for a question that goes
        back to `since`; None: to the beginning."""
        self._refresh()
        now = self._clock()
        past = since is None or since < now - HORIZON
        day = int(now // DRAW_STANDS)
        if day != self._day:
            self._draws.clear()
            self._usual.clear()
            self._day = day

        def of(pubkey: str, url: str) -> float:
            key = (pubkey[:_KEY], url, past)
            found = self._draws.get(key)
            if found is None:
                found = self._draws[key] = self._draw(*key, now)
                if len(self._draws) > 4 * MOST_PAIRS:
                    del self._draws[next(iter(self._draws))]
            return found * self.lowered(url)

        return of

    def standing(self) -> Callable[[str, str], float]:
        """What a relay is expected to deliver of an author's recent events, 0 to 1, by `(pubkey,
        url)`, as it is known now: no chance in it, and no draw that stands for a day."""
        self._refresh()
        now = self._clock()
        usual: dict[str, float] = {}

        def of(pubkey: str, url: str) -> float:
            record = self._records.get(url) or RelayScores()
            if url not in usual:
                usual[url] = drawn_relay(_everybody(record, now), past=False, chance=None)
            pair = record.people.get(pubkey[:_KEY], Score()).faded(now)
            expected = drawn(pair, usual[url], past=False, chance=None)
            return discount(record.latency) * expected

        return of

    def score(self, pubkey: str, url: str) -> Score:
        """What is known of a relay for an author, as far as it counts today."""
        self._refresh()
        record = self._records.get(url) or RelayScores()
        return record.people.get(pubkey[:_KEY], Score()).faded(self._clock())

    def everybody(self, url: str) -> tuple[Score, int]:
        """What is known of a relay for all authors together, as far as it counts today, and of how
        many."""
        self._refresh()
        record = self._records.get(url) or RelayScores()
        return _everybody(record, self._clock()), len(record.people)

    async def keep(self) -> None:
        """Write down what is counted, until cancelled; at its end, the rest."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await finished(self._write(), WRITE_GRACE)
                await asyncio.sleep(SAVE_PAUSE)
        finally:
            self._settle(self._merge(tuple(self._unwritten)))

    # Inside

    def _draw(self, key: str, url: str, past: bool, now: float) -> float:
        record = self._records.get(url) or RelayScores()
        usual = self._usual.get((url, past))
        if usual is None:
            everybody = _everybody(record, now)
            usual = drawn_relay(everybody, past=past, chance=self._chance(url, past))
            self._usual[url, past] = usual
        pair = record.people.get(key, Score()).faded(now)
        chance = self._chance(key, url, past)
        return discount(record.latency) * drawn(pair, usual, past=past, chance=chance)

    def _chance(self, *what: str | bool) -> Random:
        """What is drawn with: the same for the same on one day."""
        return Random(f"{self._salt} {self._day} {what}")  # noqa: S311 - no secret

    def _refresh(self) -> None:
        """Take in what another process wrote."""
        if self._path is None or (seen := file_stamp(self._path)) in (None, self._seen):
            return
        self._seen = seen
        if (records := self._read(self._path)) is not None:
            _count(records, self._unwritten)
            self._records = _fit(records)

    async def _write(self) -> None:
        mine = tuple(self._unwritten)
        self._settle(await asyncio.to_thread(self._merge, mine))

    def _settle(self, written: int) -> None:
        """So many of what waited are in the file."""
        for _ in range(min(written, len(self._unwritten))):
            self._unwritten.popleft()

    def _merge(self, mine: tuple[Evidence, ...]) -> int:
        """Bring `mine` into the file, beside what others wrote; how many of them. Blocks."""
        path = self._path
        if path is None or not mine:
            return len(mine)
        try:
            with FolderLock(path.with_suffix(".lock"), timeout=1.0):
                records = self._read(path, settle=True)
                if records is None:
                    return 0
                _count(records, mine)
                write_private(path, msgspec.json.encode(_fit(records)))
        except StoreError as error:
            self._say("what relays delivered was not saved: %s", str(error))
            return 0
        self._problem = ""
        return len(mine)

    def _read(self, path: Path, *, settle: bool = False) -> Records | None:
        """What the file says; None while it cannot be read, as it stands. What is damaged is set
        aside by whoever may `settle` it: who holds the lock. Blocks."""
        try:
            with path.open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST), type=Records)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._say("what relays delivered was not read: %s", str(error.strerror or error))
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._set_aside(path) if settle else None

    def _set_aside(self, path: Path) -> Records | None:
        """The damaged file gets another name; the last one that had it gives way."""
        aside = path.with_suffix(".damaged")
        try:
            with translated(f"cannot set {path} aside"):
                path.replace(aside)
        except StoreError as error:
            self._say("%s", str(error))
            return None
        log.warning("%s was damaged: it is %s now, and counting begins anew", path, aside.name)
        return {}

    def _say(self, words: str, problem: str) -> None:
        if problem != self._problem:
            log.warning(words, problem)
        self._problem = problem


def _count(records: Records, deliveries: Iterable[Evidence]) -> None:
    for one in deliveries:
        record = records.setdefault(one.url, RelayScores())
        key = one.pubkey[:_KEY]
        record.people[key] = record.people.get(key, Score()).after(one)
        if one.latency is not None:
            last = one.latency if record.latency is None else record.latency
            record.latency = round(last + LATENCY_SHARE * (one.latency - last), 4)


def _fit(records: Records) -> Records:
    """Without what is past `MOST_PAIRS`: what was counted longest ago goes."""
    count = sum(len(record.people) for record in records.values())
    if count <= MOST_PAIRS:
        return records
    ages = sorted(score.at for record in records.values() for score in record.people.values())
    oldest, spare = ages[count - MOST_PAIRS], count - MOST_PAIRS
    for record in records.values():
        for key, score in list(record.people.items()):
            if spare and score.at <= oldest:
                del record.people[key]
                spare -= 1
    return {url: record for url, record in records.items() if record.people}


def _everybody(record: RelayScores, now: float) -> Score:
    total = Score()
    for score in record.people.values():
        total = total.plus(score.faded(now))
    return total
