"""Where an account's files lie (kind 10063): its own list, and those of others."""

from __future__ import annotations

from nostr_client.errors import InvalidData
from nostr_client.nips.nipb7 import server_url, servers_of
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, event_address
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import NO_WAIVER, Waiver
from nostr_client.social.lists import FETCH_LIMIT, OwnList
from nostr_client.social.views import Posted


class MediaServers(OwnList):
    """The media servers of the account `owner`: the first is the most trusted.

    What else the list holds stays as it is, byte for byte.
    """

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        super().__init__(courier, guard, owner, kinds.MEDIA_SERVERS)

    async def urls(self) -> tuple[str, ...]:
        """The servers that the store's version names. Raises StoreError."""
        return servers_of(await self.event())

    async def of(self, pubkey: str, *, limit: float = FETCH_LIMIT) -> tuple[str, ...]:
        """The servers that somebody else (hex) names; their list is looked for where it is not
        here, for `limit` seconds. Raises StoreError."""
        await self._courier.fetch_lists([pubkey], kind=kinds.MEDIA_SERVERS, limit=limit)
        address = event_address(kinds.MEDIA_SERVERS, pubkey)
        return servers_of(await self._courier.store.get_address(address))

    async def add(
        self,
        server: str,
        *,
        first: bool = False,
        waiver: Waiver = NO_WAIVER,
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Name a server, behind those that are there, or `first`; one that is there already moves
        only for `first`. None when nothing changes.

        Raises InvalidData, ListNotRead, SignerError, StoreError.
        """
        server = server_url(server)

        def change(last: Event | None) -> Draft | None:
            tags = last.tags if last else ()
            entry = next((tag for tag in tags if _names(tag, server)), ("server", server))
            others = tuple(tag for tag in tags if not _names(tag, server))
            if first:
                changed = (entry, *others)
            else:
                changed = tags if len(others) < len(tags) else (*tags, entry)
            return None if changed == tags else self.draft(last, changed)

        return await self.edit(change, waiver, on_answer=on_answer)

    async def remove(
        self, server: str, *, waiver: Waiver = NO_WAIVER, on_answer: OnAnswer | None = None
    ) -> Posted | None:
        """Name a server no more. None when it is not there. Raises as `add` does."""
        server = server_url(server)
        held = await self.event()
        removes = [
            (tag[0], tag[1]) for tag in (held.tags if held else ()) if _names(tag, server)
        ] or [("server", server)]

        def change(last: Event | None) -> Draft | None:
            tags = last.tags if last else ()
            left = tuple(tag for tag in tags if not _names(tag, server))
            return None if left == tags else self.draft(last, left)

        return await self.edit(change, waiver, on_answer=on_answer, removes=removes)


def _names(tag: tuple[str, ...], server: str) -> bool:
    if len(tag) < 2 or tag[0] != "server":
        return False
    try:
        return server_url(tag[1]) == server
    except InvalidData:
        return False
