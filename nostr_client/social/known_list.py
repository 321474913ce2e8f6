"""A list of the account that counts even while it cannot be opened: what it said last is known.

What a list hides in its private part only its signer can read, and an account may be locked, or its
bunker away. So what the newest version that could be read holds is kept in a file, private part
included: in plain text, in a folder and a file that nobody but the person can read (`paths`), like
all else that this account has read here. It must be there without the key, so no key of the account
can encrypt it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

import msgspec

from nostr_client.errors import SignerError, StoreError
from nostr_client.paths import private_folder, write_private
from nostr_client.protocol.event import MALFORMED, Tags
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.list_guard import Change, ListGuard
from nostr_client.routing.list_loss import Entry
from nostr_client.routing.list_reading import NO_WAIVER, Waiver
from nostr_client.routing.private_part import PrivatePart
from nostr_client.social.lists import EntryList
from nostr_client.social.views import Posted

log = logging.getLogger(__name__)


class KnownEntries(msgspec.Struct, frozen=True):
    """The file: the `entries` of the list's `version` (an id), of both sides; without a version
    there is more to be read in it."""

    version: str = ""
    entries: Tags = ()


def known_entries(folder: Path, pubkey: str, kind: int) -> KnownEntries:
    """What the list of `kind` of the account `pubkey` is known to hold. Blocks.

    Raises StoreError.
    """
    path = _path(folder, pubkey, kind)
    try:
        return msgspec.json.decode(path.read_bytes(), type=KnownEntries)
    except (FileNotFoundError, *MALFORMED):  # then the list is read again
        return KnownEntries()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _path(folder: Path, pubkey: str, kind: int) -> Path:
    return folder / f"lists-{pubkey[:16]}.{kind}.json"


class KnownList(EntryList):
    """The list of `kind` of the account `owner`; what is known of it lies in `folder` (data)."""

    def __init__(
        self, courier: Courier, guard: ListGuard, owner: str, kind: int, folder: Path
    ) -> None:
        super().__init__(courier, guard, owner, kind)
        self._folder = folder
        self._applying = asyncio.Lock()
        self.public_alone = False
        """Does what everybody can see of the list count alone? For whoever works here for a program
        that must not learn the rest."""

    def count(self, entries: Tags) -> None:
        """Have these entries count, and no others."""
        raise NotImplementedError

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

    async def recall(self) -> None:
        """Have what is known count. Raises StoreError."""
        known = await asyncio.to_thread(known_entries, self._folder, self._owner, self._kind)
        self.count(await self._counted(known))

    async def apply(self) -> None:
        """Have the version in the store count, if it does not yet. What it hides from who cannot
        open it stays as it was known. Raises SignerUnavailable, StoreError."""
        async with self._applying:
            known = await asyncio.to_thread(known_entries, self._folder, self._owner, self._kind)
            event = await self.event()
            if event is not None and event.id != known.version:
                held = await self.entries()
                tags = (*held.public, *held.private, *(known.entries if held.closed else ()))
                version = "" if held.closed else event.id
                known = KnownEntries(version, tuple(dict.fromkeys(tags)))
                await asyncio.to_thread(self._write, known)
            self.count(await self._counted(known))

    async def _counted(self, known: KnownEntries) -> Tags:
        if not self.public_alone:
            return known.entries
        event = await self.event()
        return event.tags if event is not None else ()

    async def keep(self) -> None:
        """Have each version that comes count, from whatever device or process, until cancelled."""
        mine = Filter(authors=frozenset({self._owner}), kinds=frozenset({self._kind}))
        async with self._courier.store.watch([mine]) as watch:
            await self.apply_if_possible()
            async for _ in watch:
                await self.apply_if_possible()

    async def apply_if_possible(self) -> None:
        """The same where the signer can be asked; else once it can be, by whoever notices."""
        try:
            await self.apply()
        except (SignerError, StoreError) as error:
            log.warning("the list of kind %d was not read: %s", self._kind, error)

    def _write(self, known: KnownEntries) -> None:
        private_folder(self._folder)
        write_private(_path(self._folder, self._owner, self._kind), msgspec.json.encode(known))
