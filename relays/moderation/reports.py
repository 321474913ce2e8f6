"""The queue of reports (NIP-56, kind 1984): what is complained of, ranked.

The reports are events in the store, and the queue is made from them when it is asked for: nothing
is lost, whichever way they came. The records have only whose reports on what were dismissed.

A reporter counts once a target, by his gravest word. He weighs what he is: admin, member, trusted,
or a stranger; and strangers together never weigh more than `STRANGERS` of them, for keys cost
nothing. What he says weighs too: unlawful before malware before spam. Nothing is ever removed by
reports alone: that is the keeper's to do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from itertools import product
from typing import Final, Literal, NamedTuple

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import REPORT
from nostr_client.store.contract import EventStore
from relays.moderation.bans import Bans
from relays.moderation.records import RecordTables
from relays.moderation.state import ModerationState

GRAVITY: Final = {
    "illegal": 8,
    "malware": 6,
    "impersonation": 4,
    "nudity": 3,
    "spam": 2,
    "profanity": 1,
    "other": 1,
}
"""NIP-56's types; any other word is `other`."""
ADMIN: Final = 20
MEMBER: Final = 8
TRUSTED: Final = 4
STRANGER: Final = 1
STRANGERS: Final = 3
"""Strangers that count on one target."""
READ_MOST: Final = 20_000
"""The newest reports of strangers that are read; those of known people are read besides."""
SHOWN: Final = 200
"""Cases in the queue."""
_TARGETS_OF_ONE: Final = 20
"""Targets in one report."""
_WORDS: Final = 3
"""Reports of one case whose words are shown."""

TargetType = Literal["event", "pubkey"]


class Target(NamedTuple):
    """What a report is about: an event or a key, in hex."""

    sort: TargetType
    value: str


class Case(msgspec.Struct, frozen=True):
    """All that is reported of one target and was not heard yet.

    `score` ranks; `types` says how many reporters gave which type; `known` how many of `reporters`
    are admins, members or trusted; `author` who wrote a reported event; `latest` in seconds;
    `words` what the weightiest reporters wrote, which is anybody's text.
    """

    sort: TargetType
    target: str
    score: int
    types: dict[str, int]
    reporters: int
    known: int
    author: str
    latest: int
    words: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Types and counts in a few words."""
        return ", ".join(f"{name} ({count})" for name, count in self.types.items())


def targets_of(report: Event) -> dict[Target, str]:
    """What a report names, with NIP-56's type for each.

    A report on an event names its author too, and is no report on the author then.
    """
    found: dict[Target, str] = {}
    for name, sort in (("e", "event"), ("p", "pubkey")):
        for tag in report.tags:
            if tag[0] == name and len(tag) > 1 and is_hex64(tag[1]):
                said = tag[2] if len(tag) > 2 and tag[2] in GRAVITY else "other"
                target = Target("event" if sort == "event" else "pubkey", tag[1])
                found[target] = max(said, found.get(target, said), key=GRAVITY.__getitem__)
        if found:
            break
    return dict(list(found.items())[:_TARGETS_OF_ONE])


class _Pile:
    """What is said of one target."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}
        self.words: dict[str, str] = {}
        self.latest = 0

    def add(self, report: Event, type: str) -> None:
        held = self.said.get(report.pubkey)
        if held is None or GRAVITY[type] > GRAVITY[held]:
            self.said[report.pubkey] = type
        if report.content:
            self.words.setdefault(report.pubkey, report.content[:300])
        self.latest = max(self.latest, report.created_at)

    def case(self, target: Target, weight: Callable[[str], int]) -> Case:
        by_weight = sorted(
            self.said, key=lambda reporter: -weight(reporter) * GRAVITY[self.said[reporter]]
        )
        known = [reporter for reporter in by_weight if weight(reporter) > STRANGER]
        strangers = [reporter for reporter in by_weight if weight(reporter) <= STRANGER]
        counted = (*known, *strangers[:STRANGERS])
        types = Counter(self.said.values())
        return Case(
            sort=target.sort,
            target=target.value,
            score=sum(weight(reporter) * GRAVITY[self.said[reporter]] for reporter in counted),
            types=dict(sorted(types.items(), key=lambda item: -GRAVITY[item[0]])),
            reporters=len(self.said),
            known=len(known),
            author=target.value if target.sort == "pubkey" else "",
            latest=self.latest,
            words=tuple(self.words[who] for who in by_weight if who in self.words)[:_WORDS],
        )


def rank(
    reports: Iterable[Event],
    weight: Callable[[str], int],
    dismissed: Collection[tuple[str, str]] = (),
) -> list[Case]:
    """The cases in `reports`, the gravest first, without what was `dismissed`: (target, reporter).

    `weight`: what a reporter weighs; 0, and he is not counted.
    """
    piles: dict[Target, _Pile] = {}
    for report in reports:
        if weight(report.pubkey) <= 0:
            continue
        for target, type in targets_of(report).items():
            if (target.value, report.pubkey) not in dismissed:
                piles.setdefault(target, _Pile()).add(report, type)
    cases = [pile.case(target, weight) for target, pile in piles.items()]
    return sorted(cases, key=lambda case: (-case.score, -case.latest, case.target))


class Reports:
    """The queue of one relay. `trusted`: does the keeper's web of trust reach this key?"""

    def __init__(
        self,
        state: ModerationState,
        stores: Sequence[EventStore],
        admins: Callable[[], Collection[str]],
        trusted: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._state = state
        self._stores = tuple(stores)
        self._admins = admins
        self._trusted = trusted

    def weight(self, pubkey: str) -> int:
        """What a reporter weighs; a banned one nothing."""
        if pubkey in self._state.bans.pubkeys:
            return 0
        if pubkey in self._admins() or pubkey == self._state.pubkey:
            return ADMIN
        if pubkey in self._state.roster.members:
            return MEMBER
        return TRUSTED if self._trusted(pubkey) else STRANGER

    async def queue(self, most: int = SHOWN) -> list[Case]:
        """What waits for a decision, the gravest first. Raises StoreError."""
        dismissed = frozenset(await self._state.records.read(lambda t: t.dismissed_reports.all()))
        reports = [event async for event in self._reports()]
        cases = await asyncio.to_thread(rank, reports, self.weight, dismissed)  # there may be many
        return await self._still_there(cases, most)

    async def _reports(self) -> AsyncIterator[Event]:
        """The newest of all, and besides those of known people, which no flood pushes out."""
        seen: set[str] = set()
        known = {*self._admins(), *self._state.roster.members}
        filters = Filter.of(kinds=[REPORT]), Filter.of(kinds=[REPORT], authors=known)
        for store, f in product(self._stores, filters):
            left = READ_MOST
            async for events in store.stream([f]):
                for event in events[:left]:
                    if event.id not in seen:
                        seen.add(event.id)
                        yield event
                left -= len(events)
                if left <= 0:
                    break

    async def _still_there(self, cases: Sequence[Case], most: int) -> list[Case]:
        """Without what is banned or allowed, and without events that are not held."""
        bans = self._state.bans
        open_cases = [case for case in cases if not _is_decided(case, bans)]
        found: list[Case] = []
        while open_cases and len(found) < most:
            part, open_cases = open_cases[:most], open_cases[most:]
            events = [case.target for case in part if case.sort == "event"]
            held = {
                id: data
                for store in self._stores
                for id, data in (await store.known(events)).items()
            }
            for case in part:
                if case.sort == "pubkey":
                    found.append(case)
                elif (data := held.get(case.target)) is not None:
                    author = Event.from_trusted(data).pubkey
                    found.append(msgspec.structs.replace(case, author=author))
        return found[:most]

    async def dismiss(self, target: str, *, by: str, reason: str = "") -> int:
        """Nothing is to be done about what was reported of `target` so far; how many reported it.

        Whoever reports it later is heard anew. Raises StoreError.
        """
        named = [Filter.of(kinds=[REPORT], e=[target]), Filter.of(kinds=[REPORT], p=[target])]
        reporters: set[str] = set()
        for store in self._stores:
            async for events in store.stream(named):
                reporters |= {
                    event.pubkey
                    for event in events
                    if any(one.value == target for one in targets_of(event))
                }
        now = int(self._state.clock())

        async def act(tables: RecordTables) -> None:
            await tables.dismissed_reports.add(target, reporters, now)
            await self._state.log(
                *(tables, "dismiss-reports"),
                by=by,
                reason=reason,
                about=target,
                reports=len(reporters),
            )

        await self._state.records.write(act)
        return len(reporters)


def _is_decided(case: Case, bans: Bans) -> bool:
    if case.sort == "pubkey":
        return case.target in bans.pubkeys
    return case.target in bans.events or case.target in bans.allowed_events
