"""Relays that the account wants nothing to do with (kind 10006, NIP-51): they are never dialled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from nostr_client.errors import InvalidData, SignerError, StoreError
from nostr_client.paths import private_folder, write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED, Tag
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.list_guard import Change, ListGuard
from nostr_client.routing.list_loss import Entry
from nostr_client.routing.list_reading import NO_WAIVER, Waiver
from nostr_client.routing.private_part import PrivatePart
from nostr_client.social.lists import EntryList
from nostr_client.social.views import Posted

log = logging.getLogger(__name__)


class KnownBlocks(msgspec.Struct, frozen=True):
    """The file: what the list's `version` (an id) names, its private part too, so that it counts
    while the account is locked."""

    version: str = ""
    urls: tuple[str, ...] = ()


def known_blocks(folder: Path, pubkey: str) -> KnownBlocks:
    """What is known to be blocked by the account `pubkey`. Blocks. Raises StoreError."""
    path = _path(folder, pubkey)
    try:
        return msgspec.json.decode(path.read_bytes(), type=KnownBlocks)
    except (FileNotFoundError, *MALFORMED):  # then the list is read again
        return KnownBlocks()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _path(folder: Path, pubkey: str) -> Path:
    return folder / f"lists-{pubkey[:16]}.blocked.json"


class BlockedRelays(EntryList):
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
        super().__init__(courier, guard, owner, kinds.BLOCKED_RELAYS)
        self._folder = folder
        self._on_change = on_change

    def entry(self, url: str) -> Tag:
        """The entry of a relay. Raises InvalidData, also for the own relay."""
        normal = normalize_relay_url(url)
        if normal == self._courier.book.policy.own_relay:
            raise InvalidData(f"{normal} is your own relay: `nostr-client own-relay` stops it")
        return ("relay", normal)

    async def edit(
        self,
        change: Change,
        waiver: Waiver = NO_WAIVER,
        *,
        also: Collection[str] = (),
        on_answer: OnAnswer | None = None,
        private: PrivatePart | None = None,
        removes: Collection[Entry] = (),
    ) -> Posted | None:
        """As `OwnList.edit`; it counts from then on."""
        posted = await super().edit(
            change, waiver, also=also, on_answer=on_answer, private=private, removes=removes
        )
        if posted is not None:
            await self.apply()
        return posted

    async def apply(self) -> None:
        """Have the version in the store count, if it does not yet. What it hides from who cannot
        open it stays as it was known. Raises SignerUnavailable, StoreError."""
        event = await self.event()
        known = await asyncio.to_thread(known_blocks, self._folder, self._owner)
        if event is not None and event.id != known.version:
            entries = await self.entries()
            tags = (*entries.public, *entries.private)
            urls = [relay_url(tag[1]) for tag in tags if tag[0] == "relay" and len(tag) > 1]
            urls += known.urls if entries.closed else ()
            version = "" if entries.closed else event.id
            known = KnownBlocks(version, tuple(dict.fromkeys(url for url in urls if url)))
            await asyncio.to_thread(self._write, known)
        policy = self._courier.book.policy
        new = frozenset(known.urls) - policy.blocked
        policy.blocked = frozenset(known.urls)
        if new:
            self._on_change(new)

    async def keep(self) -> None:
        """Have each version that comes count, from whatever device or process, until cancelled."""
        mine = Filter(authors=frozenset({self._owner}), kinds=frozenset({kinds.BLOCKED_RELAYS}))
        async with self._courier.store.watch([mine]) as watch:
            await self._apply_if_possible()
            async for _ in watch:
                await self._apply_if_possible()

    async def _apply_if_possible(self) -> None:
        try:
            await self.apply()
        except (SignerError, StoreError) as error:
            log.warning("the list of blocked relays was not read: %s", error)

    def _write(self, known: KnownBlocks) -> None:
        private_folder(self._folder)
        write_private(_path(self._folder, self._owner), msgspec.json.encode(known))
