"""A backup of a whole relay, and the way back.

A backup is a folder: every sub-relay's database, the keeper's records, the relay's own key, and
`backup.json`, which says what is in it. It is made beside a running relay and counts only once it
was read back: each database is sound, and a sample of its signatures right.

The keeper's records come first. What is banned while the events are copied is banned after the
backup, as with everything later.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import private_folder, sync_folder, write_private
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.signing.verifier import Verifier
from nostr_client.store.contract import CopiesToFile, StoreOptions
from nostr_client.store.opening import open_store
from nostr_client.version import __version__
from relays.moderation.floors import FILES
from relays.moderation.opening import RECORDS, copy_records
from relays.process.folder import PART, RESTORED, exclusive_folder, move_restored, open_folder
from relays.process.stores import RelayStores, stores_of

MANIFEST: Final = "backup.json"
PAGES: Final = 20
"""Random places at which signatures are looked at ..."""
PAGE: Final = 50
"""... and how many events at each."""
_PATIENCE: Final = 600.0
"""Seconds that one question about a whole database may take."""
_EARLIEST: Final = 1_577_836_800
"""The beginning of 2020: hardly anything is older."""
_PIECE: Final = 2**20
_INSTEAD: Final = (
    "PostgreSQL's own tools back it up (pg_dump and pg_restore, or pg_basebackup with an archive"
    " of the log); `relay export` writes the events alone"
)


class BackupFile(msgspec.Struct, frozen=True):
    """One file of a backup; `events` of a sub-relay's database."""

    size: int
    sha256: str
    events: int | None = None


class Manifest(msgspec.Struct, frozen=True):
    """What is in a backup, by the names of its files; `made` in seconds."""

    made: int
    version: str
    files: dict[str, BackupFile]

    @property
    def events(self) -> int:
        return sum(copy.events or 0 for copy in self.files.values())

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(copy.size for copy in self.files.values())


async def back_up(data: Path, place: Path, database: str = "") -> Manifest:
    """Make a backup of the relay in `data` in the new folder `place`, and read it back.

    Raises StoreError, also for a relay in a `database`; then there is no such folder.
    """
    part = place.with_name(f".{place.name}.part")
    with open_folder(data, database) as stores, _gone_on_failure(part, place):
        stores.require_files(_INSTEAD)
        await stores.require()
        names = await stores.names()
        private_folder(part)
        files = {name: _described(part / name) for name in await _copy_keepers(stores, part)}
        for name in names:
            async with stores.open(name, StoreOptions(read_only=True)) as store:
                if not isinstance(store, CopiesToFile):
                    raise StoreError(f"{name}: such a store cannot be copied into a file")
                await store.backup(part / name)
            count = await verify(part / name)
            files[name] = msgspec.structs.replace(_described(part / name), events=count)
        manifest = Manifest(int(time.time()), __version__, files)
        write_private(part / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        _switch(part, place)
    return manifest


async def restore(place: Path, data: Path, database: str = "") -> Manifest:
    """Put the backup in the folder `place` back, as the relay in `data`, where there is none.

    Every file is compared with what the backup says of it, and read back, before all of them count
    at once. Raises StoreError, also for a relay in a `database`; then there is nothing in `data`
    that was not there before.
    """
    stores_of(data, database).require_files(_INSTEAD)
    manifest = _manifest(place)
    with exclusive_folder(data):
        await _refuse_a_relay(data, manifest)
        part = data / PART
        with _gone_on_failure(part):
            private_folder(part)
            for name, copy in manifest.files.items():
                await asyncio.to_thread(_fetch, place / name, part / name, copy)
                if copy.events is not None and await verify(part / name) != copy.events:
                    raise StoreError(f"{place / name}: it has not {copy.events} events")
            _switch(part, data / RESTORED)
        move_restored(data)
    return manifest


async def _refuse_a_relay(data: Path, manifest: Manifest) -> None:
    names = {*manifest.files, RECORDS, *await RelayStores(data).names()}
    present = sorted(name for name in names if (data / name).exists())
    if present:
        raise StoreError(f"there is a relay in {data} already ({present[0]})")


async def verify(database: Path) -> int:
    """How many events are in a copy that nobody else uses. Raises StoreError if it is not sound."""
    async with (
        open_store(database, StoreOptions(time_limit=_PATIENCE, read_only=True)) as store,
        Verifier() as verifier,
    ):
        await store.check()
        newest = await store.query([Filter(limit=PAGE)])
        await _check_signatures(database, verifier, newest)
        if len(newest) == PAGE:
            last = max(newest[0].created_at, _EARLIEST + 1)
            for _ in range(PAGES):
                until = random.randint(_EARLIEST, last)  # noqa: S311 - no secret
                some = await store.query([Filter(until=until, limit=PAGE)])
                await _check_signatures(database, verifier, some)
        return await store.count([Filter()])


async def _check_signatures(database: Path, verifier: Verifier, events: list[Event]) -> None:
    parsed = [Event.parse(event.json) for event in events]  # its id is made from its content anew
    if not all(await verifier.verify_all(parsed)):
        raise StoreError(f"{database}: it holds an event whose signature is wrong")


async def _copy_keepers(stores: RelayStores, part: Path) -> list[str]:
    """Copy the keeper's records, with the relay's key, and the floors; the names of these files."""
    names = await copy_records(stores.records, part)
    return names + _copy_floors(stores.data, part)


def _copy_floors(data: Path, part: Path) -> list[str]:
    names: list[str] = []
    for path in sorted(data.glob(FILES)):
        with contextlib.suppress(FileNotFoundError):
            write_private(part / path.name, path.read_bytes())
            names.append(path.name)
    return names


def _switch(part: Path, whole: Path) -> None:
    """What was in the making counts from now on, whatever happens."""
    sync_folder(part)
    part.rename(whole)
    sync_folder(whole.parent)


def _described(path: Path) -> BackupFile:
    digest = hashlib.sha256()
    with path.open("r+b") as file:  # Windows flushes only what may be written
        while piece := file.read(_PIECE):
            digest.update(piece)
        os.fsync(file.fileno())
    return BackupFile(path.stat().st_size, digest.hexdigest())


def _manifest(place: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((place / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise StoreError(f"{place}: there is no backup") from None
    for name in manifest.files:
        if Path(name).name != name or not (place / name).is_file():
            raise StoreError(f"{place}: the backup has no file {name!r}")
    return manifest


def _fetch(source: Path, target: Path, expected: BackupFile) -> None:
    """Copy a file; what came must be what the backup says. Raises StoreError."""
    fd = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with source.open("rb") as file, os.fdopen(fd, "wb") as out:
        shutil.copyfileobj(file, out, _PIECE)
    found = _described(target)
    if (found.size, found.sha256) != (expected.size, expected.sha256):
        raise StoreError(f"{source}: it has changed since the backup was made")


@contextlib.contextmanager
def _gone_on_failure(part: Path, place: Path | None = None) -> Iterator[None]:
    """The unfinished folder `part` does not outlive an error, nor is one of before used again.

    Raises StoreError if there is a `place` already, to which it is to be moved.
    """
    if place is not None and place.exists():
        raise StoreError(f"{place}: it is there already")
    if part.exists():
        shutil.rmtree(part)
    try:
        yield
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
