"""Whom the account follows (kind 3). Changed only through `routing.list_guard`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.keys import PublicKey, is_hex64
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import Waiver
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.lists import FETCH_LIMIT, OwnList
from nostr_client.social.views import Posted

MAX_PETNAME: Final = 100


def follows_of(event: Event | None) -> tuple[str, ...]:
    """The pubkeys in a follow list, in its order, each once; entries that are no keys left out."""
    if event is None:
        return ()
    return tuple(dict.fromkeys(p for p in event.values("p") if is_hex64(p)))


class Follows:
    """The follow list of the account `owner`. What it holds beside people stays as it is."""

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        self._courier = courier
        self._list = OwnList(courier, guard, owner, kinds.FOLLOWS)
        self._read: tuple[str, tuple[str, ...]] = ("", ())

    async def event(self) -> Event | None:
        """The newest version that the store has."""
        return await self._list.event()

    async def fetch(self, *, limit: float = FETCH_LIMIT) -> FetchReport:
        """Ask relays for the newest version, at most `limit` seconds. Offline nothing comes."""
        return await self._list.fetch(limit)

    async def pubkeys(self) -> list[str]:
        """Whom the account follows, the first followed first."""
        event = await self.event()
        if event is None:
            return []
        if self._read[0] != event.id:
            self._read = event.id, follows_of(event)
        return list(self._read[1])

    async def history(self) -> list[Event]:
        """Earlier versions of the list, newest first."""
        return await self._list.history()

    async def follow(
        self,
        pubkey: str,
        relay: str = "",
        petname: str = "",
        *,
        allow_empty: bool = False,
        without: Collection[str] = (),
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Add `pubkey` (hex) at the end, or give who is there a new `relay` hint or `petname`.

        None when nothing changes. `allow_empty` confirms that a key without any list may start
        one, `without` names relays that need not have answered: see `routing.list_reading`.
        Raises ListNotRead, InvalidKey, SignerError, StoreError.
        """
        pubkey = PublicKey(pubkey).hex
        if not relay:
            relay = await self._relay_hint(pubkey)
        elif not self._courier.book.policy.may_be_named(relay):
            raise InvalidData("this relay cannot be named to others: it is private, or no relay")
        petname = petname.strip()[:MAX_PETNAME]
        refuse_codes(petname)

        def change(last: Event | None) -> Draft | None:
            tags = last.tags if last else ()
            if pubkey not in follows_of(last):
                return self._list.draft(last, (*tags, _entry(pubkey, relay, petname)))
            renamed = tuple(_renamed(tag, pubkey, petname) for tag in tags)
            return self._list.draft(last, renamed) if petname and renamed != tags else None

        return await self._list.edit(change, Waiver(allow_empty, without), on_answer=on_answer)

    async def follow_all(
        self,
        pubkeys: Iterable[str],
        *,
        allow_empty: bool = False,
        without: Collection[str] = (),
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Add everybody of `pubkeys` (hex) who is not there yet, in one new version of the list.

        None when nothing changes. Raises as `follow` does.
        """
        wanted = list(dict.fromkeys(PublicKey(pubkey).hex for pubkey in pubkeys))
        await self._courier.fetch_lists(wanted)
        places = {pubkey: await self._relay_hint(pubkey) for pubkey in wanted}

        def change(last: Event | None) -> Draft | None:
            followed = set(follows_of(last))
            new = [
                _entry(pubkey, places[pubkey], "") for pubkey in wanted if pubkey not in followed
            ]
            return self._list.draft(last, (*(last.tags if last else ()), *new)) if new else None

        return await self._list.edit(change, Waiver(allow_empty, without), on_answer=on_answer)

    async def unfollow(
        self,
        pubkey: str,
        *,
        without: Collection[str] = (),
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Take `pubkey` out. None when it is not in the list. Raises as `follow` does."""

        def change(last: Event | None) -> Draft | None:
            if last is None or pubkey not in follows_of(last):
                return None
            return self._list.draft(last, tuple(t for t in last.tags if t[:2] != ("p", pubkey)))

        return await self._list.edit(
            change, Waiver(without=without), on_answer=on_answer, removes=[("p", pubkey)]
        )

    async def _relay_hint(self, pubkey: str) -> str:
        """A relay hint for `pubkey`, or nothing."""
        book = self._courier.book
        relay = book.hint_for(await book.relays_of(pubkey))
        if not relay and (await self._courier.fetch_lists([pubkey])).new:
            relay = book.hint_for(await book.relays_of(pubkey))
        return relay


def _entry(pubkey: str, relay: str, petname: str) -> Tag:
    if petname:
        return ("p", pubkey, relay, petname)
    return ("p", pubkey, relay) if relay else ("p", pubkey)


def _renamed(tag: Tag, pubkey: str, petname: str) -> Tag:
    if tag[:2] != ("p", pubkey):
        return tag
    return (*tag[:2], *(tag[2:3] or ("",)), petname, *tag[4:])
