"""The owner's real graph, as this machine knows it: what a rehearsal on it starts from.

It is read from the store, the ledger and what is known of relays; nobody is asked, no key is
touched and nothing is written. Copies are counted where they are confirmed. The own relay on this
machine is no host, and counts for nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from nostr_client.client import NostrClient
from nostr_client.kit.last_kit import last_kit
from nostr_client.protocol import kinds
from nostr_client.protocol.event import event_address
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.operators import RelayFacts, operators
from nostr_client.routing.relay_book import parse_relay_list
from nostr_client.routing.survival import SLICE
from nostr_client.store.contract import CopyState


class OwnGraph(msgspec.Struct, frozen=True, kw_only=True):
    """An account in its network.

    `events`: how many of its events lie on the same relays, by those; `listed` the write relays of
    its list, `reserve` those beside it, `wanted` copies there shall be, `short` events have fewer.
    `people`: the relays where each of whom it follows writes (none: nobody says where), of whom
    those `kept` have a copy here. `down`: relays that are known to be dead. `kit_age`: seconds
    since the last backup, None without any.
    `has_list`: is there a relay list?
    """

    events: Mapping[frozenset[str], int] = {}
    listed: Sequence[str] = ()
    reserve: Sequence[str] = ()
    wanted: int = 7
    short: int = 0
    people: Mapping[str, Sequence[str]] = {}
    kept: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()
    facts: Mapping[str, RelayFacts] = {}
    kit_age: float | None = None
    has_list: bool = True

    @property
    def count(self) -> int:
        """Events that are meant to last."""
        return sum(self.events.values())

    @property
    def relays(self) -> list[str]:
        """Every relay that something of this depends on, the own ones first."""
        own = [*self.listed, *self.reserve, *(url for held in self.events for url in sorted(held))]
        others = [url for urls in self.people.values() for url in urls]
        return list(dict.fromkeys((*own, *others)))

    @property
    def operators(self) -> dict[str, list[str]]:
        """The relays that fall together, by the name of their operator."""
        names = operators(self.relays, self.facts)
        groups: dict[str, list[str]] = {}
        for url in self.relays:
            groups.setdefault(names[url], []).append(url)
        return groups


async def read_own_graph(client: NostrClient, now: float) -> OwnGraph:
    """The graph of the client's account; `now` in seconds since 1970. Raises StoreError.

    Cost: grows with all that it wrote.
    """
    me, store = client.pubkey, client.store
    survival = await client.survivals.of_account()
    besides = set(client.own_relay.folder.urls()) if client.own_relay else set()
    ids = await store.ledger.tracked([me])
    events: Counter[frozenset[str]] = Counter()
    for start in range(0, len(ids), SLICE):
        for copies in (await store.ledger.copies_of(ids[start : start + SLICE])).values():
            held = {c.url for c in copies if c.state is CopyState.CONFIRMED} - besides
            events[frozenset(held)] += 1
    event = await store.get_address(event_address(kinds.RELAY_LIST, me))
    written = parse_relay_list(event)[0] if event else ()
    named = dict.fromkeys(url for entry in written if (url := relay_url(entry)))
    followed = sorted(await client.book.followed() - {me})
    people = await client.book.relays_of_many(followed)
    kit = await asyncio.to_thread(last_kit, client.paths.data, me)
    return OwnGraph(
        events=events,
        listed=[url for url in named if url not in besides],
        reserve=await client.reserves.urls(),
        wanted=client.config.copies,
        short=survival.short,
        people={pubkey: people[pubkey].write for pubkey in followed},
        kept=frozenset(person.pubkey for person in await client.mutual_aid.people.all()),
        down=client.pool.outages.down(),
        facts=await client.relay_facts.known(),
        kit_age=now - kit.made_at if kit else None,
        has_list=event is not None,
    )
