"""The account's relays (kind 10002): what they are, how they fare, and changing them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from nostr_client.errors import InvalidData
from nostr_client.net.health import DOWN, UNKNOWN
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.refusals import split_reason, wants_auth
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.routing.address_policy import BLOCKED, relay_url
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.list_guard import Change, ListGuard
from nostr_client.routing.list_reading import Waiver
from nostr_client.routing.relay_book import parse_relay_list
from nostr_client.routing.saved_relays import UrlFile
from nostr_client.routing.starter_relays import starter_relays
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.lists import OwnList
from nostr_client.social.views import Posted, RelayRow


class MyRelays:
    """The relay list of the account `owner`, and how each of its relays is doing."""

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        owner: str,
        found: UrlFile | None = None,
    ) -> None:
        """`found` keeps where the person says that the account is found."""
        self._courier = courier
        self._owner = owner
        self._list = OwnList(courier, guard, owner, kinds.RELAY_LIST)
        self._found = found

    async def event(self) -> Event | None:
        """The newest relay list that the store has."""
        return await self._list.event()

    async def rows(self) -> list[RelayRow]:
        """One row for each relay in use: those of the list (or those that stand in for one),
        and the own relay last."""
        book = self._courier.book
        event = await self.event()
        if event is None:
            rows = [self._row(url, read=True, write=True, fallback=True) for url in book.fallback]
        else:
            write, read = (tuple(map(relay_url, urls)) for urls in parse_relay_list(event))
            rows = [
                self._row(url, read=url in read, write=url in write)
                for url in dict.fromkeys((*write, *read))
                if url and url != book.policy.own_relay
            ]
        if book.policy.own_relay:
            rows.append(self._row(book.policy.own_relay, read=False, write=True, own=True))
        return rows

    async def add(
        self,
        url: str,
        *,
        read: bool = True,
        write: bool = True,
        allow_empty: bool = False,
        without: Collection[str] = (),
        begin: bool = False,
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Put a relay into the list, or change its role there.

        The relay itself is asked for the list, too. Without a list so far, those relays that stood
        in become the list, with this one; or this one alone, if the person says that the list
        begins with it (`begin`), whatever others answer or do not.
        None when nothing changes. Raises InvalidData for what cannot stand in a list, and
        ListNotRead, SignerError, StoreError as `routing.list_reading` says.
        """
        normal = self._listable(url)
        if not (read or write):
            raise InvalidData("a relay in the list is for reading, for writing, or for both")

        def change(last: Event | None) -> Draft | None:
            tags = [] if begin and last is None else self._tags_of(last)
            entry = _entry(normal, read, write)
            found = [tag for tag in tags if _names(tag, normal)]
            if last is not None and [_roles(tag) for tag in found] == [(read, write)]:
                return None
            if found:
                if more := found[0][3:]:  # what others may have written there
                    entry = (*entry, "")[:3] + more
                kept = [tag for tag in tags if not _names(tag, normal)]
                kept.insert(tags.index(found[0]), entry)
                return self._list.draft(last, kept)
            return self._list.draft(last, [*tags, entry])

        waiver = Waiver(allow_empty, without, normal, begin)
        return await self._edit(change, waiver, on_answer, normal)

    async def remove(
        self,
        url: str,
        *,
        allow_empty: bool = False,
        without: Collection[str] = (),
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Take a relay out of the list; it need not have answered for that. Raises as `add`."""
        normal = normalize_relay_url(url)

        def change(last: Event | None) -> Draft | None:
            tags = self._tags_of(last)
            kept = [tag for tag in tags if not _names(tag, normal)]
            return self._list.draft(last, kept) if len(kept) < len(tags) else None

        waiver = Waiver(allow_empty, [*without, normal])
        return await self._edit(change, waiver, on_answer, normal)

    async def set(
        self,
        entries: Iterable[tuple[str, bool, bool]],
        *,
        allow_empty: bool = False,
        without: Collection[str] = (),
        removes: Collection[str] = (),
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Make the list these `(url, read, write)`; its other tags stay.

        Raises as `add`, and NotConfirmed where much would go by that beside what it names:
        `removes` (`routing.list_loss`).
        """
        wanted = [_entry(self._listable(url), read, write) for url, read, write in entries]

        def change(last: Event | None) -> Draft | None:
            tags = list(last.tags) if last else []
            new = [*(tag for tag in tags if tag[0] != "r"), *dict.fromkeys(wanted)]
            return None if last is not None and new == tags else self._list.draft(last, new)

        return await self._edit(change, Waiver(allow_empty, without), on_answer, *removes)

    async def exchange(
        self,
        away: Collection[str],
        new: Collection[str],
        *,
        without: Collection[str] = (),
        also: Collection[str] = (),
    ) -> Posted | None:
        """Take `away` out, and put `new` in for reading and writing, in one version; all else
        stays. `also` hear of it, too. None when nothing changes. Raises as `add`."""
        joining = [self._listable(url) for url in new]
        leaving = [normalize_relay_url(url) for url in away]

        def change(last: Event | None) -> Draft | None:
            tags = self._tags_of(last)
            kept = [tag for tag in tags if not any(_names(tag, url) for url in leaving)]
            more = [url for url in joining if not any(_names(tag, url) for tag in kept)]
            if last is not None and len(kept) == len(tags) and not more:
                return None
            return self._list.draft(last, [*kept, *(_entry(url, True, True) for url in more)])

        waiver = Waiver(without=[*without, *leaving])
        return await self._edit(change, waiver, None, *leaving, more=also)

    async def first_run(
        self, urls: Sequence[str], *, on_answer: OnAnswer | None = None
    ) -> Posted | None:
        """The relay list of a new account: `urls` for reading and writing, or none at all."""
        return await self.set([(url, True, True) for url in urls], on_answer=on_answer)

    async def read_from(self, url: str) -> bool:
        """Read the account at this relay, too, on this machine: for one that is only watched.

        False when that is so already. Raises InvalidData, StoreError.
        """
        normal = normalize_relay_url(url)
        urls = self._found.read() or () if self._found else ()
        if normal in urls:
            return False
        if self._found is not None:
            await asyncio.to_thread(self._found.write, (*urls, normal))
        self._courier.book.policy.allow([normal])
        self._courier.book.add_found(self._owner, [normal])
        return True

    async def stop_reading_from(self, url: str) -> bool:
        """The opposite, from the next start on. False when it was not read there."""
        normal = normalize_relay_url(url)
        urls = self._found.read() or () if self._found else ()
        if self._found is None or normal not in urls:
            return False
        await asyncio.to_thread(self._found.write, [each for each in urls if each != normal])
        return True

    # Inside

    async def _edit(
        self,
        change: Change,
        waiver: Waiver,
        on_answer: OnAnswer | None,
        *named: str,
        more: Collection[str] = (),
    ) -> Posted | None:
        """Of the relays that are `named` the roles, or the places in the list, may go."""
        # The relays of the old list must hear of the new one: whoever reads there has to follow.
        before = await self._courier.book.relays_of(self._owner)
        also = [*before.write, *before.read, *more]
        removes = [("r", url) for url in map(relay_url, named) if url]
        return await self._list.edit(
            change, waiver, also=also, on_answer=on_answer, removes=removes
        )

    def _listable(self, url: str) -> str:
        """A private address is the person's to name: a community on one network reads there."""
        refuse_codes(url)
        normal, policy = normalize_relay_url(url), self._courier.book.policy
        if normal == policy.own_relay:
            raise InvalidData(
                f"{normal} is your own relay, which keeps every note of yours anyway: nobody else "
                "can reach it, so it has no place in a public list"
            )
        if normal in policy.blocked:
            raise InvalidData(f"{normal}: {BLOCKED}")
        policy.allow_listed([normal])
        return normal

    def _tags_of(self, last: Event | None) -> list[Tag]:
        """The list's tags; without a list, one for each relay that stands in and is not gone."""
        if last is not None:
            return list(last.tags)
        book, end_of = self._courier.book, starter_relays().end_of
        named = (url for url in book.fallback if book.policy.may_be_named(url) and not end_of(url))
        return [_entry(url, True, True) for url in named]

    def _row(
        self,
        url: str,
        *,
        read: bool,
        write: bool,
        own: bool = False,
        fallback: bool = False,
    ) -> RelayRow:
        health = self._courier.pool.health(url)
        counters = health.counters
        answered = counters.accepted + counters.refused
        state, problem = health.state, health.problem
        said = health.last_word
        if said and wants_auth(split_reason(said)[0]) and health.untold:
            said = f"{said}; {health.untold}"
        outage = self._courier.pool.outages.of(url)
        if outage is not None and state == UNKNOWN:
            since = datetime.fromtimestamp(outage.since)
            state, problem = DOWN, f"not reached since {since:%Y-%m-%d %H:%M}"
        return RelayRow(
            url=url,
            read=read,
            write=write,
            own=own,
            fallback=fallback,
            state=state,
            latency=health.latency,
            delivered=counters.accepted / answered if answered else None,
            last_word=said or problem,
            gone=starter_relays().end_of(url),
        )


def _entry(url: str, read: bool, write: bool) -> Tag:
    if read and write:
        return ("r", url)
    return ("r", url, "read" if read else "write")


def _roles(tag: Tag) -> tuple[bool, bool]:
    marker = tag[2] if len(tag) > 2 else ""
    return marker != "write", marker != "read"


def _names(tag: Tag, url: str) -> bool:
    return tag[0] == "r" and len(tag) > 1 and relay_url(tag[1]) == url
