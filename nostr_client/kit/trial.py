"""Is what was restored from a kit all that the kit holds?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from nostr_client.errors import InvalidEvent, KitDamaged, NostrError
from nostr_client.kit.contents import file_path
from nostr_client.kit.records import KitCopy, KitEvent, KitPart, KitRecord, KitStart
from nostr_client.kit.secret import KitSecret
from nostr_client.nips import nip49
from nostr_client.paths import translated
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import wiping
from nostr_client.store.contract import ClientStore, SaveStatus

_BARRED = (SaveStatus.DELETED, SaveStatus.VANISHED)


async def compare(
    following: AsyncIterator[list[KitRecord]], pubkey: str, store: ClientStore, data: Path
) -> None:
    """Each event of the kit is in `store`, byte for byte, in use or among the older versions, or is
    deleted by another event of the kit; each copy is known, and each file lies in `data`.

    Raises KitDamaged where one is not.
    """
    sums: dict[Path, Any] = {}
    async for records in following:
        await _compare_events([r for r in records if isinstance(r, KitEvent)], store)
        await _compare_copies([r for r in records if isinstance(r, KitCopy)], store)
        for part in records:
            if isinstance(part, KitPart):
                path = file_path(data, pubkey, part.file, part.name)
                sums.setdefault(path, sha256()).update(part.data)
    for path, expected in sums.items():
        with translated(f"cannot read {path}"):
            found = await asyncio.to_thread(_sum_of, path)
        if found != expected.digest():
            raise KitDamaged(f"{path.name} did not come back as it was")


def _sum_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()


async def _compare_events(records: Sequence[KitEvent], store: ClientStore) -> None:
    events = {event.id: event for event in map(_trusted, records)}
    known = await store.known(list(events))
    versions: dict[str, set[bytes]] = {}
    for event in events.values():
        if known.get(event.id) == event.json:
            continue
        address = event.address or ""
        if address and address not in versions:
            versions[address] = {old.json for old in await store.history(address)}
        if event.json in versions.get(address, ()):
            continue
        if not await asyncio.to_thread(event.verify):  # it was told, and left out
            continue
        (result,) = await store.save([event])
        if result.status not in _BARRED:
            raise KitDamaged(f"the event {event.id} did not come back")


def _trusted(record: KitEvent) -> Event:
    try:
        return Event.parse(record.json)
    except InvalidEvent as error:
        raise KitDamaged(f"the store here holds something that is no event: {error}") from error


async def _compare_copies(records: Sequence[KitCopy], store: ClientStore) -> None:
    known = await store.ledger.copies_of({copy.event_id for copy in records}) if records else {}
    here = {KitCopy.of(copy) for copies in known.values() for copy in copies}
    for copy in records:
        if copy not in here:
            raise KitDamaged(f"what was known of {copy.event_id} at {copy.url} did not come back")


async def opens_key(start: KitStart, secret: KitSecret) -> None:
    """Is the key in the kit one that can be opened, as far as can be told? Raises KitDamaged."""
    if not start.ncryptsec:
        return
    try:
        if not start.by_kit:  # its own password is not asked for
            nip49.security_of(start.ncryptsec)
            return
        key = await asyncio.to_thread(nip49.decrypt, start.ncryptsec, secret.key_password)
    except NostrError as error:
        raise KitDamaged(f"the key in the backup does not open: {error}") from error
    with wiping(key):
        fits = key.public_key.hex == start.pubkey
    if not fits:
        raise KitDamaged("the key in the backup is not that of the account")
