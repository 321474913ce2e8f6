"""Relays are asked the same about one author and a few others, as a stranger would.

Each relay has a connection of its own, and another circuit where a proxy makes them, on which
nobody says who asks. It is asked for the author's notes and lists, for the newest notes of anybody
(from whom the controls are chosen: those seen on most relays), for the controls' notes, and at
last by name for what others showed and it did not. Nothing that comes is saved: an old version of
a list, or a forgery, cannot get here by this road.

What may rightly be missing is left out: what its author deleted, what expires or is protected.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from nostr_client.net.outcome import End, How
from nostr_client.net.pool import RelayPool
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import Meaning, meaning_of
from nostr_client.resilience.audits import Stranger
from nostr_client.resilience.by_id import ask_by_id
from nostr_client.resilience.censorship import Observation, RelayFinding, findings
from nostr_client.routing.operators import operators
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.store.contract import ClientStore, CopyState
from nostr_client.tasks import all_of

MOST_RELAYS: Final = 16
MOST_CONTROLS: Final = 4
SAMPLE: Final = 300
"""Notes of anybody, among whom controls are chosen."""
MOST_NOTES: Final = 2_000
"""Of one author, from one relay."""
MOST_BY_NAME: Final = 4
"""Requests by which a relay is asked for what it did not show, for one author."""
QUESTION_LIMIT: Final = 20.0
LISTS: Final = frozenset({kinds.METADATA, kinds.FOLLOWS, kinds.RELAY_LIST})
_NOTES: Final = frozenset({kinds.NOTE, kinds.DELETION, kinds.VANISH})


class AuditEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What relays answered about `author` (hex) between `since` and `until` (seconds since 1970),
    and what that looks like."""

    author: str
    controls: tuple[str, ...]
    since: int
    until: int
    ends: Mapping[str, End]
    observations: tuple[Observation, ...]
    findings: tuple[RelayFinding, ...]


class HeldNow(msgspec.Struct, frozen=True):
    """Asked for some ids by name: which of them `relay` has, and how it ended."""

    relay: str
    ids: frozenset[str]
    absent: frozenset[str]
    end: End


class Inquiry:
    """Asks relays, over pools that `stranger` makes, and tells what their answers look like."""

    def __init__(
        self,
        store: ClientStore,
        stranger: Stranger,
        book: RelayBook,
        facts: RelayFactBook,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._stranger = stranger
        self._book = book
        self._facts = facts
        self._clock = clock

    async def look(self, author: str, urls: Iterable[str], since: int) -> AuditEvidence:
        """Ask at most `MOST_RELAYS` of `urls` (normal spelling) about `author` since then.

        Takes some times `QUESTION_LIMIT` seconds at the worst. Raises StoreError.
        """
        until = int(self._clock())
        asked = list(dict.fromkeys(urls))[:MOST_RELAYS]
        facts = await self._facts.look_up(asked)
        async with AsyncExitStack() as stack:
            relays = [
                _AskedRelay(url, await stack.enter_async_context(self._stranger()), since, until)
                for url in asked
            ]
            await all_of(relay.ask_first(author) for relay in relays)
            controls = _controls(relays, author)
            await all_of(relay.ask_about(controls) for relay in relays)
            events = {id: event for relay in relays for id, event in relay.events.items()}
            gone = await self._gone(events, (author, *controls))
            await all_of(relay.ask_by_name(events, gone) for relay in relays)
            ends = {relay.url: relay.ends[author] for relay in relays}
        every: list[Observation] = []
        for person in (author, *controls):
            relays_of = await self._book.relays_of(person)
            homes = relays_of.write if relays_of.source == "list" else ()
            notes = {i: e.created_at for i, e in events.items() if e.pubkey == person}
            taken, refused = await self._ledger(notes)
            for relay in relays:
                walled = relay.url in facts and bool(facts[relay.url].walls)
                one = relay.observation(person, gone)
                every.append(
                    msgspec.structs.replace(
                        one,
                        writes_there=relay.url in homes,
                        taken=frozenset(taken.get(relay.url, ())),
                        not_taken=_refusal(one, notes, refused.get(relay.url, {})),
                        walled=walled,
                    )
                )
        found = findings(every, until, operators(asked, facts))
        return AuditEvidence(
            author=author,
            controls=tuple(controls),
            since=since,
            until=until,
            ends=ends,
            observations=tuple(every),
            findings=tuple(f for f in found if f.accuses or f.author in ("", author)),
        )

    async def held_now(self, ids: Collection[str], urls: Iterable[str]) -> list[HeldNow]:
        """Ask each relay for these ids, by name and as a stranger, which of them it has now."""

        async def one(url: str) -> HeldNow:
            async with self._stranger() as pool:
                relay = _AskedRelay(url, pool, 0, 0)
                return await relay.held_now(ids)

        return await all_of(one(url) for url in dict.fromkeys(urls))

    async def _gone(self, events: Mapping[str, Event], authors: Sequence[str]) -> set[str]:
        """What may rightly be missing."""
        wanted = Filter(authors=frozenset(authors), kinds=frozenset({kinds.DELETION, kinds.VANISH}))
        every = [*events.values(), *await self._store.query([wanted])]
        deleted = {(e.pubkey, i) for e in every if e.kind == kinds.DELETION for i in e.values("e")}
        vanished: dict[str, int] = {}
        for event in every:
            if event.kind == kinds.VANISH:
                before = vanished.get(event.pubkey, 0)
                vanished[event.pubkey] = max(before, event.created_at)
        return {
            event.id
            for event in events.values()
            if event.kind != kinds.NOTE
            or (event.pubkey, event.id) in deleted
            or event.created_at <= vanished.get(event.pubkey, -1)
            or event.expiration is not None
            or event.is_protected
        }

    async def _ledger(
        self, notes: Collection[str]
    ) -> tuple[dict[str, set[str]], dict[str, dict[str, str]]]:
        """By relay: which of these it said or showed that it had, and how it refused the others."""
        taken: dict[str, set[str]] = {}
        refused: dict[str, dict[str, str]] = {}
        for id, copies in (await self._store.ledger.copies_of(notes)).items():
            for copy in copies:
                if copy.state in (CopyState.CONFIRMED, CopyState.DROPPED):
                    taken.setdefault(copy.url, set()).add(id)
                elif (
                    copy.state is CopyState.REFUSED
                    and meaning_of(copy.prefix) is Meaning.KEY_REFUSED
                ):
                    refused.setdefault(copy.url, {})[id] = f"{copy.prefix}: {copy.reason}"
        return taken, refused


def _refusal(one: Observation, notes: Mapping[str, int], refused: Mapping[str, str]) -> str:
    """With which words the relay refused the author's newest, if it took none since."""
    newest = max(refused, key=notes.__getitem__, default="")
    if not newest or notes[newest] <= max(one.held.values(), default=-1):
        return ""
    return refused[newest]


def _controls(relays: Sequence[_AskedRelay], author: str) -> list[str]:
    """Others who are seen on most relays, and wrote most there."""
    seen: Counter[str] = Counter()
    wrote: Counter[str] = Counter()
    for relay in relays:
        theirs = Counter(event.pubkey for event in relay.sample)
        seen.update(theirs.keys())
        wrote.update(theirs)
    others = [person for person in seen if person != author and seen[person] > 1]
    return sorted(others, key=lambda who: (-seen[who], -wrote[who], who))[:MOST_CONTROLS]


class _AskedRelay:
    """One relay, over a pool that asks nobody else."""

    def __init__(self, url: str, pool: RelayPool, since: int, until: int) -> None:
        self.url = url
        self._pool = pool
        self._since, self._until = since, until
        self.events: dict[str, Event] = {}
        self.sample: list[Event] = []
        self.ends: dict[str, End] = {}
        self._away: End | None = None
        """It does not answer: it is not asked the rest."""
        self._lists: dict[str, dict[str, tuple[int, str]]] = {}
        self._absent: dict[str, set[str]] = {}

    async def ask_first(self, author: str) -> None:
        """The author, and anybody."""
        await self.ask_about([author])
        end = self.ends[author]
        if end.how in (How.UNREACHABLE, How.NOT_ASKED, How.SILENT):
            self._away = end
            return
        anybody = Filter(
            kinds=frozenset({kinds.NOTE}), since=self._since, until=self._until, limit=SAMPLE
        )
        self.sample = (await self._pool.fetch([anybody], [self.url], timeout=QUESTION_LIMIT)).events

    async def ask_about(self, people: Iterable[str]) -> None:
        """What each of these wrote, in a question of its own, the same to every relay."""
        for person in people:
            if self._away is not None:
                self.ends[person] = self._away
                continue
            whom = frozenset({person})
            wanted = [
                Filter(authors=whom, kinds=_NOTES, since=self._since, until=self._until),
                Filter(authors=whom, kinds=LISTS),
            ]
            fetched = await self._pool.fetch(
                wanted, [self.url], timeout=QUESTION_LIMIT, exhaustive=True, most=MOST_NOTES
            )
            self.ends[person] = fetched.ends[self.url]
            for event in fetched.events:
                if event.kind in LISTS:
                    self._saw_list(event)
                else:
                    self.events[event.id] = event

    def _saw_list(self, event: Event) -> None:
        versions = self._lists.setdefault(event.pubkey, {})
        address = event.address or ""
        versions[address] = max(versions.get(address, (0, "")), (event.created_at, event.id))

    async def ask_by_name(self, events: Mapping[str, Event], gone: Collection[str]) -> None:
        """What others showed, and it did not."""
        for person, end in self.ends.items():
            if not end.answered:
                continue
            theirs = {e.id for e in events.values() if e.pubkey == person}
            missing = theirs - self.events.keys() - set(gone)
            asked = await self.held_now(missing)
            self.events |= {id: events[id] for id in asked.ids}
            self._absent[person] = set(asked.absent)

    async def held_now(self, ids: Collection[str]) -> HeldNow:
        """Which of these it has."""
        end = End(url=self.url, how=How.ANSWERED)

        async def ask(names: Filter) -> tuple[Collection[str], End]:
            nonlocal end
            fetched = await self._pool.fetch([names], [self.url], timeout=QUESTION_LIMIT)
            end = fetched.ends[self.url]
            return [event.id for event in fetched.events], end

        asked = await ask_by_id(ids, ask, MOST_BY_NAME)
        return HeldNow(self.url, frozenset(asked.came), frozenset(asked.absent), end)

    def observation(self, person: str, gone: Collection[str]) -> Observation:
        end = self.ends[person]
        return Observation(
            relay=self.url,
            author=person,
            since=self._since,
            until=self._until,
            how=How.ANSWERED if end.answered else end.how,
            held={
                event.id: event.created_at
                for event in self.events.values()
                if event.pubkey == person and event.id not in gone
            },
            absent=frozenset(self._absent.get(person, ())),
            prefix=end.prefix,
            words=end.reason or end.problem,
            forged=self._pool.health(self.url).counters.forged,
            lists=self._lists.get(person, {}),
        )
