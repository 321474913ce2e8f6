"""Where people read private messages (kind 10050): the account's own list, and those of others.

**No list, no message.** Before somebody is said to have none, it was looked for where lists are
kept and where they write, and enough of these relays answered: "not found" is not "nobody
answered".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import NO_WAIVER, Waiver
from nostr_client.routing.read_plan import author_filters
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.lists import OwnList
from nostr_client.social.messages.views import Obstacle, Reachability
from nostr_client.social.views import Posted

MOST_OWN: Final = 3
"""Relays in the own list: NIP-17 wants it small."""
MOST_ASKED: Final = 24
"""Relays that are asked for lists of others."""
ENOUGH: Final = 2
"""So many relays must have answered before there is no list; all, where fewer can be asked."""
LOOK_LIMIT: Final = 4.0
"""Seconds in which lists are looked for."""
BELIEVED: Final = 3600.0
"""Seconds after which a list that is held is looked for again when somebody is written to."""
AGAIN: Final = 30.0
"""Seconds after which a list that was not found may be looked for again."""
AT_ONCE: Final = 2.0
"""The same where somebody is asked to be written to: they may have set it just now."""


class DmRelays:
    """The message relays of the account `owner` (hex), and of whom it writes to."""

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        owner: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._owner = owner
        self._list = OwnList(courier, guard, owner, kinds.DM_RELAYS)
        self._clock = clock
        self._looked: dict[str, tuple[float, Obstacle]] = {}

    # One's own

    async def own(self) -> tuple[str, ...]:
        """The relays of the account's list, as far as they can be dialled; empty without any."""
        boxes = await self._courier.book.dm_relays([self._owner]) if self._owner else {}
        return boxes.get(self._owner, ())

    async def event(self) -> Event | None:
        """The account's list, the newest version that the store has."""
        return await self._list.event()

    async def set(
        self,
        urls: Collection[str],
        waiver: Waiver = NO_WAIVER,
        *,
        removes: Collection[str] = (),
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Make the list these 1 to `MOST_OWN` relays, and publish it as widely as may be.

        `removes` names those that are to go, if any (`routing.list_loss`). None when nothing
        changes. Raises InvalidData for what cannot stand in it; ListNotRead, NotConfirmed and other
        SignerErrors, StoreError.
        """
        wanted = list(dict.fromkeys(map(self._listable, urls)))
        if not 1 <= len(wanted) <= MOST_OWN:
            raise InvalidData(f"1 to {MOST_OWN} relays receive private messages")
        before = await self.own()
        self._courier.book.policy.allow_listed(wanted)

        def change(last: Event | None) -> Draft | None:
            if last is not None and list(last.values("relay")) == wanted:
                return None
            kept = [tag for tag in (last.tags if last else ()) if tag[0] != "relay"]
            return self._list.draft(last, [*(("relay", url) for url in wanted), *kept])

        return await self._list.edit(
            change,
            waiver,
            also=[*before, *wanted],
            on_answer=on_answer,
            removes=[("relay", url) for url in map(relay_url, removes) if url],
        )

    async def exchange(
        self,
        away: Collection[str],
        new: Collection[str],
        *,
        without: Collection[str] = (),
        also: Collection[str] = (),
    ) -> Posted | None:
        """Take `away` out, and put `new` in; one that would be empty then stays as it is. `also`
        hear of it, too. None when nothing changes. Raises as `set`."""
        joining = [self._listable(url) for url in new]
        leaving = {normalize_relay_url(url) for url in away}
        before = await self.own()
        self._courier.book.policy.allow_listed(joining)

        def change(last: Event | None) -> Draft | None:
            tags = last.tags if last else ()
            kept = [tag for tag in tags if not _names_one_of(tag, leaving)]
            named = {relay_url(tag[1]) for tag in kept if tag[0] == "relay" and len(tag) > 1}
            more = [url for url in joining if url not in named]
            if last is None or not (named or more) or (len(kept) == len(tags) and not more):
                return None
            return self._list.draft(last, [*(("relay", url) for url in more), *kept])

        waiver = Waiver(without=[*without, *leaving])
        return await self._list.edit(
            change,
            waiver,
            also=[*before, *joining, *also],
            removes=[("relay", url) for url in leaving],
        )

    def _listable(self, url: str) -> str:
        refuse_codes(url)
        normal = normalize_relay_url(url)
        if normal == self._courier.book.policy.own_relay:
            raise InvalidData(f"{normal} is your own relay: nobody else can reach it")
        return normal

    # Those of others

    async def reach(
        self, pubkeys: Collection[str], *, fresh: bool = False
    ) -> dict[str, Reachability]:
        """Where each of these (hex) is written to, or why not.

        Lists that are not held are looked for, within `LOOK_LIMIT` seconds; with `fresh` those that
        are, too, unless that was done lately. Raises StoreError.
        """
        held = await self._courier.book.dm_relays(pubkeys)
        wanted = [p for p in pubkeys if self._is_due(p, p in held, fresh)]
        if wanted:
            await self._look_for(wanted)
            held = await self._courier.book.dm_relays(pubkeys)
        return {pubkey: self._reachability(pubkey, held.get(pubkey)) for pubkey in pubkeys}

    def _is_due(self, pubkey: str, held: bool, fresh: bool) -> bool:
        looked = self._looked.get(pubkey)
        age = self._clock() - looked[0] if looked else BELIEVED
        if held:
            return fresh and age >= BELIEVED
        return age >= (AT_ONCE if fresh else AGAIN) or age < 0

    def _reachability(self, pubkey: str, relays: tuple[str, ...] | None) -> Reachability:
        if relays is not None:
            obstacle = Obstacle.NONE if relays else Obstacle.NO_USABLE_RELAY
            return Reachability(pubkey, relays, obstacle)
        _, obstacle = self._looked.get(pubkey, (0.0, Obstacle.NOT_FOUND_YET))
        return Reachability(pubkey, (), obstacle)

    async def _look_for(self, pubkeys: Collection[str]) -> None:
        """Ask where lists are kept, and where each of these writes."""
        book = self._courier.book
        await self._courier.fetch_lists(pubkeys)
        people = await book.relays_of_many(pubkeys)
        common = (await book.client_relays()).of_lists
        written = [url for person in people.values() for url in person.write]
        urls = list(dict.fromkeys((*common, *written)))[:MOST_ASKED]
        filters = author_filters(pubkeys, [kinds.DM_RELAYS])
        asked = await self._courier.fetch_from(filters, urls, timeout=LOOK_LIMIT)
        heard = set(asked.answered)
        for pubkey in pubkeys:
            places = {*common, *people[pubkey].write}.intersection(urls)
            answered = len(places & heard)
            sure = answered and (answered >= ENOUGH or answered == len(places))
            found = Obstacle.NO_LIST if sure else Obstacle.NOT_FOUND_YET
            self._looked[pubkey] = self._clock(), found
        while len(self._looked) > 10_000:
            del self._looked[next(iter(self._looked))]


def _names_one_of(tag: Tag, urls: Collection[str]) -> bool:
    return tag[0] == "relay" and len(tag) > 1 and relay_url(tag[1]) in urls
