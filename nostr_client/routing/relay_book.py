"""Who writes and reads where: relay lists (NIP-65), and every hint seen.

The truth is the store: relay lists are read from it each time, so that what another process of the
same person learned counts here too. Hints (`routing.hints`) are weaker words. They are gathered on
first need from the store and then from every event that arrives, and they only ever stand in for a
missing list.

**Who asked.** The people that the account follows, and the account, are asked for at all relays of
their lists, and at the hints that are more than hearsay. Of anybody else the relays count only when
the person asks for them (`asked`): in passing, they are looked for at relays in use, those that the
person or somebody followed has named. `AddressPolicy.strangers` may widen or narrow this.

Nothing private on a stranger's word: `address_policy` judges every URL that comes out of here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.address_policy import AddressPolicy, relay_url
from nostr_client.routing.hints import (
    HEARSAY,
    MAX_TAGS_READ,
    MOST_HEARSAY,
    OWN_WORD,
    SEEN,
    Hints,
    told_by,
)
from nostr_client.routing.planner import ClientRelays, PersonRelays
from nostr_client.store.contract import ClientStore, CopyState

MAX_LISTED: Final = 20
"""Relays read from one list, of each role."""
HINTS_OFFERED: Final = 3
LISTS_COUNTED: Final = 500
"""Relay lists that are asked how many people use a relay."""


def parse_relay_list(event: Event) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The (write, read) entries of a kind 10002 as they stand, neither normalised nor judged."""
    write: list[str] = []
    read: list[str] = []
    for tag in event.tags:
        if tag[0] != "r" or len(tag) < 2:
            continue
        marker = tag[2] if len(tag) > 2 else ""
        if marker != "read":
            write.append(tag[1])
        if marker != "write":
            read.append(tag[1])
    return tuple(write), tuple(read)


def parse_old_relays(event: Event) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(write, read) from the content of a follow list, where clients kept relays before NIP-65."""
    if not event.content.startswith("{"):
        return (), ()
    try:
        value = msgspec.json.decode(event.content, type=dict[str, dict[str, bool]])
    except (msgspec.MsgspecError, RecursionError):
        return (), ()
    write = tuple(url for url, roles in value.items() if roles.get("write", True))
    read = tuple(url for url, roles in value.items() if roles.get("read", True))
    return write, read


class RelayBook:
    """Relay lists and hints of everybody. `policy` judges addresses.

    `fallback` are the client's own relays, which stand in where nobody says better; `indexers`
    keep profiles and relay lists of everybody. `owner` is the account, whose relay list counts
    even when it is empty: that is then what the person wants. `keyed`: the account's key is on this
    machine, locked or not, so that its lists are the person's own word and not a stranger's. `down`
    tells which relays are dead (`net.outages`). `starters`: the `fallback` is the package's, and
    not the person's word.
    """

    def __init__(
        self,
        store: ClientStore,
        policy: AddressPolicy,
        *,
        owner: str = "",
        keyed: bool = False,
        fallback: Sequence[str] = (),
        starters: bool = False,
        indexers: Sequence[str] = (),
        down: Callable[[], frozenset[str]] = frozenset,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policy = policy
        self.owner = owner
        self._keyed = keyed
        self._starters = starters
        self.fallback = self._ours(fallback)
        self.indexers = self._ours(indexers)
        self._store = store
        self._down = down
        self._hints = Hints(clock)
        self._searched: set[str] = set()
        self._popular: Counter[str] = Counter()
        self._followed: frozenset[str] = frozenset()
        self._follow_list = ""
        self.follow_list_relays: frozenset[str] = frozenset()
        """The relays that the account's own follow list names, from the days before NIP-65."""
        policy.use((*self.fallback, *self.indexers))

    @property
    def uses_starters(self) -> bool:
        """Are the relays of the package in use, since the person named none?"""
        return self._starters

    # Asked by the courier

    async def client_relays(self, *, down: frozenset[str] | None = None) -> ClientRelays:
        """The relays that are ours to choose. `down` empty: as if all of them were alive."""
        down = self._down() if down is None else down
        await self._read_follows()
        own = await self.relays_of(self.owner) if self.owner else PersonRelays("")
        known = (*own.write, *own.read, *self._popularity())
        return ClientRelays(
            read=own.read if own.source == "list" else (),
            fallback=_alive_or_all(self.fallback, down),
            indexers=_alive_or_all(self.indexers, down),
            known=tuple(dict.fromkeys(url for url in known if url != self.policy.own_relay)),
            own_relay=self.policy.own_relay,
            down=down - {self.policy.own_relay},
        )

    async def account_relays(self) -> frozenset[str]:
        """The account's own relays: those that the person names, in a list of theirs (NIP-65, or
        kind 10050) or in the configuration; the starters, while there is no list. That a relay
        holds what the account wrote makes it nobody's."""
        mine, boxes = PersonRelays(""), dict[str, tuple[str, ...]]()
        if self.owner:
            mine = await self.relays_of(self.owner)
            boxes = await self.dm_relays([self.owner])
        listed = mine.source == "list"
        named = (*mine.write, *mine.read) if listed else self.follow_list_relays
        chosen = () if listed and self._starters else self.fallback
        inbox = boxes.get(self.owner, ())
        return frozenset({*named, *inbox, *chosen, self.policy.own_relay} - {""})

    async def relays_of(self, pubkey: str) -> PersonRelays:
        """Where `pubkey` (hex) writes and reads."""
        return (await self.relays_of_many([pubkey]))[pubkey]

    async def relays_of_many(
        self, pubkeys: Collection[str], *, asked: bool = True
    ) -> dict[str, PersonRelays]:
        """The same for many, in few queries; every pubkey has an entry.

        `asked`: the person asked for each of them, by whatever act.
        """
        wanted = frozenset(pubkeys)
        if not wanted:
            return {}
        await self._read_follows()
        asked = self.policy.strangers == "always" or (asked and self.policy.strangers == "asked")
        lists = {
            event.pubkey: event
            for event in await self._store.query(
                [Filter(authors=wanted, kinds=frozenset({kinds.RELAY_LIST}))]
            )
        }
        people = {pubkey: self._listed(event) for pubkey, event in lists.items()}
        unlisted = wanted - {p for p, relays in people.items() if self._is_settled(relays)}
        await self._search_hints(unlisted)
        for pubkey in unlisted:
            people[pubkey] = self._hinted(pubkey, asked)
        if not asked:
            strangers = people.keys() - self._followed - {self.owner}
            people |= {pubkey: self._in_passing(people[pubkey]) for pubkey in strangers}
        return people

    async def without_list(
        self, pubkeys: Collection[str], kind: int = kinds.RELAY_LIST
    ) -> frozenset[str]:
        """Those of `pubkeys` whose list of `kind` the store does not have."""
        wanted = frozenset(filter(is_hex64, pubkeys))
        if not wanted:
            return wanted
        lists = await self._store.query([Filter(authors=wanted, kinds=frozenset({kind}))])
        return wanted - {event.pubkey for event in lists}

    async def dm_relays(self, pubkeys: Collection[str]) -> dict[str, tuple[str, ...]]:
        """The message relays (kind 10050) of those who name any."""
        lists = await self._store.query(
            [Filter(authors=frozenset(pubkeys), kinds=frozenset({kinds.DM_RELAYS}))]
        )
        boxes: dict[str, tuple[str, ...]] = {}
        for event in lists:
            urls = tuple(event.values("relay"))
            self._allow_own_list(event, urls)
            boxes[event.pubkey] = self._dialable(urls, MAX_LISTED)
        return boxes

    def hints(self, pubkey: str) -> tuple[str, ...]:
        """The relays where `pubkey` may be, best first, as far as anybody said."""
        best = self._hints.best(pubkey)
        return tuple(url for url, _ in best if self.policy(url))[:HINTS_OFFERED]

    def trusted_hints(self, pubkey: str) -> tuple[str, ...]:
        """Those of the hints that are more than hearsay: whom strangers cannot have put there.

        Somebody whom the account does not follow is a stranger, about themselves too.
        """
        known = pubkey == self.owner or pubkey in self._followed
        fit = (
            url
            for url, weight in self._hints.best(pubkey)
            if weight > MOST_HEARSAY and self.policy(url) and (known or self.policy.in_use(url))
        )
        return tuple(fit)[:HINTS_OFFERED]

    async def reserve_candidates(self) -> tuple[str, ...]:
        """Relays that may be asked to keep something: where those whom the account follows write,
        the most used first, so that the last are niches. The package's are among them, while those
        are in use, before what one person alone uses.

        Where as many use two of them, that one comes first that more of all relay lists name which
        are here, and then it goes by an order of the account's own: not everybody's copies are to
        be at the same relays.
        """
        await self._read_follows()
        people = await self.relays_of_many(self._followed)
        used = Counter(url for person in people.values() for url in dict.fromkeys(person.write))
        heard = await self._named_in_lists()

        def rank(url: str) -> tuple[int, int, bytes]:
            return -used[url], -heard[url], sha256(f"{self.owner} {url}".encode()).digest()

        ranked = sorted(used, key=rank)
        several = [url for url in ranked if used[url] > 1]
        starters = self.fallback if self._starters else ()
        chosen = dict.fromkeys((*several, *starters, *ranked))
        return tuple(url for url in chosen if self.policy.may_be_named(url))

    async def _named_in_lists(self) -> Counter[str]:
        """How many of the newest relay lists that are here name each relay for writing."""
        newest = Filter(kinds=frozenset({kinds.RELAY_LIST}), limit=LISTS_COUNTED)
        lists = await self._store.query([newest])
        named = (dict.fromkeys(parse_relay_list(event)[0][:MAX_LISTED]) for event in lists)
        return Counter(normal for urls in named for url in urls if (normal := relay_url(url)))

    # Told by whoever hears something

    def hint(self, pubkey: str, url: str, weight: int = HEARSAY, at: float | None = None) -> None:
        """Somebody says, or said `at` that time, that `pubkey` is to be found at `url` (any
        spelling). What the account says of itself does not fade."""
        judge = self.policy.from_stranger if weight == HEARSAY else self.policy.from_list
        normal = judge(url)
        if not normal or not is_hex64(pubkey):
            return
        lasting = pubkey == self.owner and weight != HEARSAY
        self._searched.discard(self._hints.add(pubkey, normal, weight, at, lasting=lasting))

    def add_found(self, pubkey: str, urls: Iterable[str]) -> None:
        """The person says so: these stand in first, and are where `pubkey` is found."""
        ours = self._ours(urls)
        self.fallback = tuple(dict.fromkeys((*ours, *self.fallback)))
        for url in ours:
            self.hint(pubkey, url, OWN_WORD)

    def add_stand_ins(self, urls: Iterable[str]) -> None:
        """These answered when none of the others did: they stand in, behind all others."""
        fit = tuple(url for url in urls if self.policy(url))
        self.fallback = tuple(dict.fromkeys((*self.fallback, *fit)))
        self.policy.use(fit)

    async def followed(self) -> frozenset[str]:
        """Whom the account follows."""
        await self._read_follows()
        return self._followed

    def observe(self, event: Event, url: str = "") -> None:
        """Learn from a verified event, which came from `url` (normal spelling)."""
        mine = event.pubkey == self.owner
        if url and url != self.policy.own_relay:
            self.hint(event.pubkey, url, self._weight_of_seeing(event, url))
            if self.policy.in_use(url):
                self._popular[url] += 1
        if event.kind == kinds.FOLLOWS:
            for old in set().union(*parse_old_relays(event)):
                self.hint(event.pubkey, old, OWN_WORD, event.created_at)
        own_follows = mine and event.kind == kinds.FOLLOWS
        weight, at = (OWN_WORD, None) if own_follows else (HEARSAY, event.created_at)
        for pubkey, named in told_by(event, whole=mine):
            self.hint(pubkey, named, weight, at)

    def hint_for(self, relays: PersonRelays) -> str:
        """The one relay to name beside a person in a tag (a hint); "" when none may be named."""
        for url in (*relays.write, *relays.hints):
            if self.policy.may_be_named(url):
                return url
        return ""

    # Inside

    def _ours(self, urls: Iterable[str]) -> tuple[str, ...]:
        normal = dict.fromkeys(relay_url(url) for url in urls)
        return tuple(url for url in normal if url and self.policy(url))

    def _dialable(self, urls: Iterable[str], most: int) -> tuple[str, ...]:
        chosen: dict[str, None] = {}
        for text in urls:
            url = self.policy.from_list(text)
            if url:
                chosen[url] = None
                if len(chosen) == most:
                    break
        return tuple(chosen)

    def _allow_own_list(self, event: Event, urls: Sequence[str]) -> None:
        """A list of the account's own opens what it names, also in a private network."""
        if self._keyed and event.pubkey == self.owner:
            self.policy.allow_listed(urls[: 2 * MAX_LISTED])

    def _listed(self, event: Event) -> PersonRelays:
        entries, pubkey = parse_relay_list(event), event.pubkey
        self._allow_own_list(event, (*entries[0], *entries[1]))
        write, read = (self._dialable(urls, MAX_LISTED) for urls in entries)
        if pubkey == self.owner or pubkey in self._followed:
            self.policy.use((*write, *read))
        return PersonRelays(pubkey, write, read, source="list", hints=self.hints(pubkey))

    def _in_passing(self, relays: PersonRelays) -> PersonRelays:
        """What counts of a stranger for whom nobody asked: the relays that are in use anyway."""
        write, read, hints = (
            tuple(url for url in urls if self.policy.in_use(url))
            for urls in (relays.write, relays.read, relays.hints)
        )
        source = relays.source if write or read else "fallback"
        return PersonRelays(relays.pubkey, write, read, source, hints)

    def _is_settled(self, relays: PersonRelays) -> bool:
        """A list that names nothing usable settles nothing, unless it is the account's own."""
        return bool(relays.write) or relays.pubkey == self.owner

    def _hinted(self, pubkey: str, asked: bool) -> PersonRelays:
        hearsay = asked and pubkey != self.owner
        hints = self.hints(pubkey) if hearsay else self.trusted_hints(pubkey)
        if not hints:
            return PersonRelays(pubkey)
        return PersonRelays(pubkey, write=hints, read=hints, source="hint", hints=hints)

    def _popularity(self) -> list[str]:
        return [url for url, _ in self._popular.most_common(50) if self.policy.may_be_named(url)]

    async def _search_hints(self, pubkeys: Collection[str]) -> None:
        """Look once through what the store holds about people without a list."""
        fresh = sorted(set(pubkeys) - self._searched)
        if not fresh:
            return
        self._searched |= set(fresh)
        for start in range(0, len(fresh), 200):
            authors = frozenset(fresh[start : start + 200])
            follows = Filter(authors=authors, kinds=frozenset({kinds.FOLLOWS}), limit=200)
            recent = Filter(authors=authors, kinds=frozenset({kinds.NOTE}), limit=500)
            events = await self._store.query([follows, recent])
            copies = await self._store.ledger.copies_of([event.id for event in events])
            for event in events:
                self.observe(event)
                for copy in copies.get(event.id, ()):
                    if copy.state == CopyState.CONFIRMED:
                        weight = self._weight_of_seeing(event, copy.url)
                        self.hint(event.pubkey, copy.url, weight, copy.updated_at)

    def _weight_of_seeing(self, event: Event, url: str) -> int:
        """What it says that this event was found there. That a relay serves what the account
        wrote makes it no relay of the account's; nor does one that a stranger named become better
        by what it serves."""
        known = event.pubkey != self.owner and self.policy.in_use(url)
        return SEEN if known else HEARSAY

    async def _read_follows(self) -> None:
        """Whom the account follows now, and the relays that it names beside them."""
        if not self.owner:
            return
        own = await self._store.get_address(event_address(kinds.FOLLOWS, self.owner))
        if own is not None and own.id != self._follow_list:
            self._follow_list = own.id
            self._followed = frozenset(own.values("p"))
            self.observe(own)
            old = frozenset().union(*map(frozenset, parse_old_relays(own)))
            self.follow_list_relays = frozenset(self._dialable(sorted(old), 2 * MAX_LISTED))
            named = (tag[2] for tag in own.tags if tag[0] == "p" and len(tag) > 2 and tag[2])
            self.policy.use((*self.follow_list_relays, *self._dialable(named, MAX_TAGS_READ)))


def _alive_or_all(urls: Sequence[str], down: Collection[str]) -> tuple[str, ...]:
    """Those that are not down; where all are, all of them: there is nobody else to ask."""
    return tuple(url for url in urls if url not in down) or tuple(urls)
