"""Where the account keeps what only it can read, as drafts (kind 10013, NIP-37)."""

from __future__ import annotations

from collections.abc import Collection

from nostr_client.errors import DecryptionFailed, SignerUnavailable
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag, Tags
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import Waiver
from nostr_client.social.lists import CLOSED, EntryList, sides
from nostr_client.social.views import Posted


class PrivateRelays(EntryList):
    """The private relay list of the account `owner`: `relay` entries, all of them private.

    `await relays.add(PrivateRelays.entry(url))`, `await relays.remove(PrivateRelays.entry(url))`.
    """

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        super().__init__(courier, guard, owner, kinds.PRIVATE_RELAYS)

    @staticmethod
    def entry(url: str) -> Tag:
        """The entry of a relay. Raises InvalidData."""
        return ("relay", normalize_relay_url(url))

    async def urls(self) -> tuple[str, ...] | None:
        """The relays that the list names, in normal spelling; None where it cannot be decrypted
        just now."""
        try:
            held = await self.entries()
        except SignerUnavailable:
            return None
        named = dict.fromkeys(map(_relay_of, (*held.public, *held.private)))
        return None if held.closed else tuple(filter(None, named))

    async def exchange(
        self,
        away: Collection[str],
        new: Collection[str],
        *,
        without: Collection[str] = (),
        also: Collection[str] = (),
    ) -> Posted | None:
        """Take `away` out, and put `new` in; one that would be empty then stays as it is. None when
        nothing changes. Raises as `add`: DecryptionFailed where the list cannot be read."""
        part = self._guard.private_part()
        leaving = {normalize_relay_url(url) for url in away}
        joining = [self.entry(url) for url in new]

        def change(last: Event | None) -> Draft | None:
            outside, inside = sides(part, last)
            if inside is None:
                raise DecryptionFailed(CLOSED)
            shown, kept = _without(outside, leaving), _without(inside, leaving)
            named = {_relay_of(tag) for tag in (*shown, *kept)}
            hidden = (*kept, *(tag for tag in joining if tag[1] not in named))
            if last is None or not any(map(_relay_of, (*shown, *hidden))):
                return None
            return self.next(last, outside, inside, shown, hidden)

        return await self.edit(
            change,
            Waiver(without=[*without, *leaving]),
            also=also,
            private=part,
            removes=[("relay", url) for url in leaving],
        )


def _relay_of(tag: Tag) -> str:
    """The relay that an entry names, in normal spelling; empty for none."""
    return relay_url(tag[1]) or "" if tag[0] == "relay" and len(tag) > 1 else ""


def _without(tags: Tags, urls: Collection[str]) -> Tags:
    return tuple(tag for tag in tags if _relay_of(tag) not in urls)
