"""What an evacuation finds before it plans: every listed relay is looked at, and others are tried
until enough are found that take what the account writes, and show it to others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import host_of, is_private_host
from nostr_client.resilience.audits import Stranger
from nostr_client.resilience.evacuation_plan import (
    EvacuationPlan,
    ListedRelays,
    independent,
    missing,
    plan_evacuation,
)
from nostr_client.resilience.relay_probes import RelayProbe, RelayProber
from nostr_client.resilience.reserves import Reserves
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier
from nostr_client.routing.relay_book import parse_relay_list
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.routing.starter_relays import starter_relays

PROBED_WITH: Final = (kinds.RELAY_LIST, kinds.METADATA, kinds.FOLLOWS)
MOST_CANDIDATES: Final = 24
MOST_TOLD: Final = 24
MOST_ANSWERS: Final = 500
"""Events by others, addressed to the account, that say who answers it."""


class EvacuationSurvey:
    """Surveys relays for the account `owner` (hex). `places` yields where its lists may be
    (`ListReader.places`), `private` its private relays (None: that list cannot be decrypted now),
    `stranger` is a pool that reads back, `caught` yields relays that do not show what they took,
    and how much of it."""

    def __init__(
        self,
        courier: Courier,
        *,
        stranger: Stranger,
        facts: RelayFactBook,
        reserves: Reserves,
        places: Callable[[], Awaitable[Sequence[str]]],
        private: Callable[[], Awaitable[Sequence[str] | None]],
        owner: str,
        caught: Callable[[], Awaitable[Mapping[str, int]]] | None = None,
    ) -> None:
        self._courier = courier
        self._store = courier.store
        self._ledger = courier.ledger
        self._book = courier.book
        self._stranger = stranger
        self._facts = facts
        self._reserves = reserves
        self._places = places
        self._private = private
        self._owner = owner
        self._caught = caught

    async def plan(
        self,
        *,
        retire: Mapping[str, str] | None = None,
        to: Sequence[str] = (),
        write: bool = True,
    ) -> EvacuationPlan:
        """Look at every relay of the lists, and try others until enough are found.

        `retire` names relays that leave in any case, and why; `to` some that are tried first, in
        normal spelling, and join where they work, though nothing leaves. Without `write` candidates
        are only read from. Raises StoreError.
        """
        private = await self._private()
        is_closed = private is None
        listed = msgspec.structs.replace(await self._listed(), private=tuple(private or ()))
        prober = await self._prober()
        if prober is None:
            return EvacuationPlan(problem="nothing is here yet that could be moved")
        retired = {url: why for url, why in (retire or {}).items() if url in listed.all}
        lying = {url: why for url, why in (await self._lying()).items() if url in listed.all}
        leaving = retired | lying | self._ended(listed)
        alive = [url for url in listed.all if url not in leaving and self._is_ours(listed, url)]
        probes = dict(await self._tried(prober, listed, alive, write=write))
        leaving |= {url: probes[url].problem for url in alive if probes[url].problem}
        asked = [url for url in to if url not in listed.all]
        if not leaving and not asked:
            return EvacuationPlan(staying=listed.all, is_closed=is_closed)
        joining = await self._found(prober, listed, leaving, to, write=write)
        if not leaving and not joining:
            words = "nothing leaves, and none of the relays that you name takes and shows an event"
            return EvacuationPlan(staying=listed.all, is_closed=is_closed, problem=words)
        reached = [url for url, probe in probes.items() if probe.reached]
        if not joining and not reached and not retired and not lying:
            words = "no relay at all can be reached: it is this end of the network"
            return EvacuationPlan(leaving=leaving, problem=words)
        places = [url for url in await self._places() if url not in listed.all]
        looks = await prober.look([url for url in places if self._book.policy(url)])
        unread = [url for url in places if url not in looks or not looks[url].reached]
        tell = await self._told_besides({*listed.all, *joining})
        rescue = [url for url in leaving if url in retired or url in lying or url in reached]
        return plan_evacuation(
            listed,
            leaving,
            joining,
            unread=unread,
            tell=tell,
            rescue=rescue,
            is_closed=is_closed,
        )

    def _is_ours(self, listed: ListedRelays, url: str) -> bool:
        """Is it to be looked at? A private relay that is not dialled from here may be well."""
        public = (*listed.write, *listed.read, *listed.inbox)
        return url in public or self._book.policy(url)

    async def ended(self) -> dict[str, str]:
        """Relays of the account's lists whose operators ended them, and what to say of each.

        Raises StoreError.
        """
        return self._ended(await self._listed())

    async def _tried(
        self, prober: RelayProber, listed: ListedRelays, urls: Sequence[str], *, write: bool
    ) -> Mapping[str, RelayProbe]:
        """Write relays are written to, the others only read; twice, where it fails."""
        writes = [url for url in urls if write and url in listed.write]
        reads = [url for url in urls if url not in writes]
        found = {**await prober.try_out(writes), **await prober.look(reads)}
        again = [url for url, probe in found.items() if not probe.reached]
        second = dict(await prober.look(again))
        return found | second

    async def _lying(self) -> dict[str, str]:
        caught = await self._caught() if self._caught is not None else {}
        words = "it said that it took {} events of yours, and does not show them"
        return {url: words.format(count) for url, count in caught.items()}

    def _ended(self, listed: ListedRelays) -> dict[str, str]:
        ends = {url: starter_relays().end_of(url) for url in listed.all}
        return {url: end for url, end in ends.items() if end}

    async def _listed(self) -> ListedRelays:
        """As the lists stand: also what is not dialled, for it may have ended."""
        found = [
            await self._store.get_address(event_address(kind, self._owner))
            for kind in (kinds.RELAY_LIST, kinds.DM_RELAYS)
        ]
        write, read = parse_relay_list(found[0]) if found[0] else ((), ())
        inbox = found[1].values("relay") if found[1] else ()
        own = self._book.policy.own_relay
        each = [
            tuple(u for u in dict.fromkeys(map(relay_url, urls)) if u and u != own)
            for urls in (write, read, inbox)
        ]
        return ListedRelays(*each)

    async def _prober(self) -> RelayProber | None:
        """None where there is nothing to try a relay with."""
        event: Event | None = None
        for kind in PROBED_WITH:
            event = event or await self._store.get_address(event_address(kind, self._owner))
        if event is None:
            mine = Filter(authors=frozenset({self._owner}), kinds=frozenset({kinds.NOTE}), limit=1)
            event = next(iter(await self._store.query([mine])), None)
        if event is None:
            return None
        courier = self._courier
        return RelayProber(courier.pool, self._ledger, self._stranger, event, courier.under_way)

    async def _found(
        self,
        prober: RelayProber,
        listed: ListedRelays,
        leaving: Mapping[str, str],
        to: Sequence[str],
        *,
        write: bool,
    ) -> list[str]:
        """Relays that join: tried live, a few at a time, until there are enough."""
        wanted = max(missing(listed, leaving), len(to))
        held = [url for url in listed.all if url not in leaving]
        candidates = await self._candidates(listed, leaving, to)
        facts = await self._facts.look_up([*held, *candidates[:MOST_CANDIDATES]])
        found: list[str] = []
        while len(found) < wanted and candidates:
            chosen = independent([*held, *found], candidates, facts, wanted - len(found))
            if not chosen:
                break
            probes = await (prober.try_out(chosen) if write else prober.look(chosen))
            found += [url for url in chosen if not probes[url].problem]
            candidates = [url for url in candidates if url not in chosen]
        return found

    async def _candidates(
        self, listed: ListedRelays, leaving: Mapping[str, str], to: Sequence[str]
    ) -> list[str]:
        """Whom to try, in order: those named, the reserve, what is proven there first, the
        person's own settings, then where others write."""
        void = await self._lying()
        reserve = sorted(await self._reserves.chosen(), key=lambda one: not one.proven)
        known = [
            *(one.url for one in reserve),
            *self._book.fallback,
            *await self._book.reserve_candidates(),
        ]
        ends = starter_relays().end_of
        homes = [url for url in listed.write if not ends(url)]
        private = bool(homes) and all(map(_is_private, homes))
        fit = [url for url in known if _is_private(url) == private]
        return [
            url
            for url in dict.fromkeys((*to, *fit))
            if url not in listed.all and url not in leaving and not ends(url) and url not in void
        ][:MOST_CANDIDATES]

    async def _told_besides(self, known: Collection[str]) -> list[str]:
        """Where those who answer the account read, the most common first, of relays in use."""
        to_me = {"p": frozenset({self._owner})}
        about = frozenset({kinds.NOTE, kinds.REACTION, *kinds.REPOSTS})
        answers = await self._store.query([Filter(tags=to_me, kinds=about, limit=MOST_ANSWERS)])
        people = {event.pubkey for event in answers} - {self._owner}
        relays = await self._book.relays_of_many(people, asked=False)
        counted = Counter(url for person in relays.values() for url in set(person.read))
        ends = starter_relays().end_of
        fit = (url for url in counted if url not in known and not ends(url))
        return sorted(fit, key=lambda url: (-counted[url], url))[:MOST_TOLD]


def _is_private(url: str) -> bool:
    return is_private_host(host_of(url))
