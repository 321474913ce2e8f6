"""Relays that the account wants nothing to do with (kind 10006, NIP-51): they are never dialled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from nostr_client.errors import InvalidData
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Tag, Tags
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.social.known_list import KnownList, known_entries


def known_blocks(folder: Path, pubkey: str) -> frozenset[str]:
    """What is known to be blocked by the account `pubkey`. Blocks. Raises StoreError."""
    return _urls(known_entries(folder, pubkey, kinds.BLOCKED_RELAYS).entries)


def _urls(entries: Iterable[Tag]) -> frozenset[str]:
    named = (relay_url(tag[1]) for tag in entries if tag[0] == "relay" and len(tag) > 1)
    return frozenset(url for url in named if url)


class BlockedRelays(KnownList):
    """The blocked relays of the account `owner`: `relay` entries, private unless said.

    `await blocked.add(blocked.entry(url))`, `await blocked.remove(blocked.entry(url))`.
    `on_change` is told of relays that are blocked now and were not.
    """

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        owner: str,
        folder: Path,
        on_change: Callable[[Collection[str]], None] = lambda urls: None,
    ) -> None:
        super().__init__(courier, guard, owner, kinds.BLOCKED_RELAYS, folder)
        self._on_change = on_change

    def entry(self, url: str) -> Tag:
        """The entry of a relay. Raises InvalidData, also for the own relay."""
        normal = normalize_relay_url(url)
        if normal == self._courier.book.policy.own_relay:
            raise InvalidData(f"{normal} is your own relay: `nostr-client own-relay` stops it")
        return ("relay", normal)

    def count(self, entries: Tags) -> None:
        policy, urls = self._courier.book.policy, _urls(entries)
        new = urls - policy.blocked
        policy.blocked = urls
        if new:
            self._on_change(new)
