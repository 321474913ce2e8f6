"""Where the account keeps what only it can read, as drafts (kind 10013, NIP-37)."""

from __future__ import annotations

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Tag
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.social.lists import EntryList


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
