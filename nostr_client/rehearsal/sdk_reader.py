"""A reader whose network is `nostr-sdk`'s, where that is installed: another program than ours."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.rehearsal.foreign_reader import listed_for_writing

if TYPE_CHECKING:
    import nostr_sdk

WAIT: Final = timedelta(seconds=6)


def is_installed() -> bool:
    """Can readers of this sort be had here?"""
    return importlib.util.find_spec("nostr_sdk") is not None


@dataclass
class SdkReader:
    """Follows `follows` (hex): their relay lists from `indexers`, their notes from the relays that
    these name. It takes no hints."""

    follows: frozenset[str]
    indexers: Sequence[str]
    seen: set[str] = field(default_factory=set)
    lists: dict[str, int] = field(default_factory=dict)
    _write: dict[str, list[str]] = field(default_factory=dict)

    async def read(self) -> None:
        """The lists, then the notes, with a client made for it."""
        import nostr_sdk

        client = nostr_sdk.ClientBuilder().build()
        try:
            for event in await self._fetch(client, self.indexers, kinds.RELAY_LIST, self.follows):
                self._take_list(event)
            urls = {url for author in self.follows for url in self._write.get(author, ())}
            notes = await self._fetch(client, sorted(urls), kinds.NOTE, self.follows)
            self.seen |= {event.id().to_hex() for event in notes}
        finally:
            await client.shutdown()

    async def _fetch(
        self, client: nostr_sdk.Client, urls: Sequence[str], kind: int, authors: Iterable[str]
    ) -> Sequence[nostr_sdk.Event]:
        import nostr_sdk

        keys = [nostr_sdk.PublicKey.parse(author) for author in authors]
        asked = nostr_sdk.Filter().authors(keys).kind(nostr_sdk.Kind(kind))
        relays = [nostr_sdk.RelayUrl.parse(url) for url in urls]
        for relay in relays:
            await client.add_relay(relay)
        reached = (await client.try_connect(timedelta(seconds=2))).success
        target: Any = nostr_sdk.ReqTarget.manual(
            {relay: [asked] for relay in relays if relay in reached}
        )
        return await client.fetch_events(target, WAIT) if reached else []

    def _take_list(self, event: nostr_sdk.Event) -> None:
        found = Event.parse(event.as_json())
        if found.created_at > self.lists.get(found.pubkey, -1):
            self.lists[found.pubkey] = found.created_at
            self._write[found.pubkey] = listed_for_writing(found)
