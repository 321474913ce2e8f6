"""What a kit holds comes back into a folder: an empty one, or beside what is there.

Events are united with those that the store has, by its rules: nothing newer is overwritten, and
nothing that was deleted comes back. Each one's id and signature are checked, for whoever knows the
passphrase may have written the file. What the ledger knows already stays; so do small files and
settings that are there. Nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import filecmp
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from nostr_client.errors import InvalidEvent, KitDamaged
from nostr_client.kit.contents import NAMED, file_path, is_name
from nostr_client.kit.file_format import KitReader
from nostr_client.kit.records import (
    KitCopy,
    KitCounts,
    KitEvent,
    KitFile,
    KitPart,
    KitRecord,
    KitStart,
    KitTally,
)
from nostr_client.paths import (
    open_new_private,
    patient_lock,
    private_folder,
    take_free_name,
    translated,
)
from nostr_client.protocol.event import Event
from nostr_client.signing.verifier import Verifier
from nostr_client.store.contract import ClientStore, SaveStatus

BATCH: Final = 1000
"""Records that are stored together."""
LOCK_LIMIT: Final = 60.0
"""Seconds to wait for another process that writes the account's messages."""
_NEW: Final = (SaveStatus.STORED, SaveStatus.REPLACED)


class RestoreReport(msgspec.Struct, kw_only=True):
    """What came of restoring: `counts` of what was read, and how many events were `new` here.

    `invalid` events had a wrong id or signature; `kept` names what was here already and stayed;
    `unknown` records are of a newer version of this program; `damaged` says where the file ended
    before its time, "" where it is whole.
    """

    counts: KitCounts = KitCounts()
    new: int = 0
    invalid: int = 0
    kept: list[str] = msgspec.field(default_factory=list)
    unknown: int = 0
    damaged: str = ""

    @property
    def is_whole(self) -> bool:
        return not (self.damaged or self.invalid or self.unknown)


async def batches(reader: KitReader) -> AsyncIterator[list[KitRecord]]:
    """All records, read off the loop. Raises KitDamaged where the file is not whole, after all that
    could be read; StoreError."""
    chunks = reader.batches()
    tally = KitTally()
    more = True
    while more:
        found: list[KitRecord] = []
        damage: KitDamaged | None = None
        try:
            with translated("the backup cannot be read"):
                more = await asyncio.to_thread(_fill, chunks, found)
        except KitDamaged as error:
            damage = error
        for record in found:
            tally.add(record)
        if found:
            yield found
        if damage is not None:
            raise damage
    if not tally.has_end:
        raise KitDamaged("the backup is not whole: it has no end")


def _fill(chunks: Iterator[list[KitRecord]], found: list[KitRecord]) -> bool:
    """Is there more?"""
    for records in chunks:
        found += records
        if len(found) >= BATCH:
            return True
    return False


async def read_start(reader: KitReader) -> tuple[KitStart, AsyncIterator[list[KitRecord]]]:
    """The account, and all that follows. Raises KitDamaged, StoreError."""
    following = batches(reader)
    async for first, *rest in following:
        if not isinstance(first, KitStart):
            break
        return first, _with(rest, following)
    raise KitDamaged("the backup does not begin as one does")


async def _with(
    rest: list[KitRecord], following: AsyncIterator[list[KitRecord]]
) -> AsyncIterator[list[KitRecord]]:
    yield rest
    async for records in following:
        yield records


async def count(following: AsyncIterator[list[KitRecord]]) -> RestoreReport:
    """What there is, without restoring anything; damage is said in the report."""
    tally = KitTally()
    report = RestoreReport()
    try:
        async for records in following:
            for record in records:
                tally.add(record)
    except KitDamaged as error:
        report.damaged = str(error)
    report.counts = tally.counts
    return report


async def restore(
    following: AsyncIterator[list[KitRecord]], pubkey: str, store: ClientStore, data: Path
) -> RestoreReport:
    """All that follows the start, into `store` and the folder `data`. Key and settings are the
    caller's to bring back (`account_parts`). Damage is said in the report, with all before it
    restored. Raises StoreError."""
    await store.keep_history_of([pubkey])
    tally = KitTally()
    async with Verifier() as verifier:
        restoring = _Restoring(pubkey, store, data, verifier)
        try:
            async for records in following:
                await restoring.take(records)
                for record in records:
                    tally.add(record)
        except KitDamaged as error:
            restoring.report.damaged = str(error)
        finally:
            restoring.close()
    restoring.report.counts = tally.counts
    return restoring.report


class _Restoring:
    """Takes records, in their order."""

    def __init__(self, pubkey: str, store: ClientStore, data: Path, verifier: Verifier) -> None:
        self.report = RestoreReport()
        self._pubkey = pubkey
        self._store = store
        self._data = data
        self._verifier = verifier
        self._open: tuple[Path, BinaryIO] | None = None
        self._same_bunker = False
        """The bunker here has the key of that in the kit: its clients are these."""

    async def take(self, records: Sequence[KitRecord]) -> None:
        await self._take_events([one for one in records if isinstance(one, KitEvent)])
        copies = [one.copy() for one in records if isinstance(one, KitCopy)]
        await self._store.ledger.adopt(copies)
        for record in records:
            if isinstance(record, KitPart):
                await self._take_part(record)

    def close(self) -> None:
        """Take away what is not whole."""
        if self._open is not None:
            draft, file = self._open
            self._open = None
            file.close()
            draft.unlink(missing_ok=True)

    async def _take_events(self, records: Sequence[KitEvent]) -> None:
        events = await asyncio.to_thread(_parsed, records)
        verdicts = await self._verifier.verify_all(events)
        good = [event for event, verdict in zip(events, verdicts, strict=True) if verdict]
        self.report.invalid += len(records) - len(good)
        if good:
            results = Counter(result.status for result in await self._store.save(good))
            self.report.new += sum(results[status] for status in _NEW)

    async def _take_part(self, part: KitPart) -> None:
        if part.file in NAMED and not is_name(part.name):
            self.report.unknown += part.last
            return
        with translated("what was kept cannot be written"):
            if self._open is None:
                path = private_folder(self._data) / f".restored-{secrets.token_hex(6)}.tmp"
                self._open = path, open_new_private(path)
            draft, file = self._open
            await asyncio.to_thread(file.write, part.data)
            if part.last:
                try:
                    await self._place(part, draft, file)
                finally:
                    self.close()

    async def _place(self, part: KitPart, draft: Path, file: BinaryIO) -> None:
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
        path = file_path(self._data, self._pubkey, part.file, part.name)
        private_folder(path.parent)
        async with contextlib.AsyncExitStack() as stack:
            if part.file is KitFile.MESSAGES:  # which another process may be beginning just now
                lock = patient_lock(path.with_suffix(".lock"), LOCK_LIMIT)
                await stack.enter_async_context(lock)
            others = part.file is KitFile.BUNKER_CLIENTS and not self._same_bunker
            there = not others and (
                take_free_name(draft, path) or filecmp.cmp(draft, path, shallow=False)
            )
            self._same_bunker = self._same_bunker or (part.file is KitFile.BUNKER_KEY and there)
            if not there:
                self.report.kept.append(f"{part.file} {part.name}".strip())


def _parsed(records: Sequence[KitEvent]) -> list[Event]:
    """Those that are events, with the ids that they have."""
    found = []
    for record in records:
        try:
            found.append(Event.parse(record.json))
        except InvalidEvent:  # counted as one that is missing
            continue
    return found
