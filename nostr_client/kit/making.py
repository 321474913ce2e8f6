"""A kit is made: written beside its place, opened again, restored somewhere else and compared, and
only then given its name.

    with KitDraft(paths, path, account.pubkey) as draft:
        await draft.write(await start_of(accounts, account, secret, ...), secret, store)
        report = await draft.check()
        draft.finish()

A draft that is not finished is removed. One is made at a time for each data folder; the programs
that work there are not held up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from nostr_client.errors import DecryptionFailed, KitDamaged, StoreError
from nostr_client.kit.contents import contents
from nostr_client.kit.file_format import MAGIC, KitReader, KitWriter, read_head
from nostr_client.kit.last_kit import LastKit, note_kit
from nostr_client.kit.records import KitCounts, KitEnd, KitRecord, KitStart, KitTally
from nostr_client.kit.restoring import RestoreReport, read_start, restore
from nostr_client.kit.secret import KitSecret, Shares
from nostr_client.kit.trial import compare, opens_key
from nostr_client.paths import (
    FolderLock,
    Paths,
    open_new_private,
    private_folder,
    store_error,
    sync_folder,
    take_free_name,
    translated,
)
from nostr_client.store.contract import ClientStore, StoreOptions
from nostr_client.store.opening import open_client_store

TRIAL: Final = "kit-trial"
"""The folder, inside of the data folder, into which a new kit is restored."""


class KitDraft:
    """A kit of the account `pubkey` (hex) that is to stand at `path`.

    Entering raises StoreError: where `path` is taken (unless `replace`), where it cannot be
    written, and FolderInUse where one is being made.
    """

    def __init__(
        self,
        paths: Paths,
        path: Path,
        pubkey: str,
        *,
        replace: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(os.path.realpath(path))
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._data = paths.data
        self._pubkey = pubkey
        self._secret: KitSecret | None = None
        self._replace = replace
        self._clock = clock
        self._stack = contextlib.ExitStack()
        self._counts = KitCounts()
        self._digest = b""
        self._checked = False

    def __enter__(self) -> KitDraft:
        with self._stack:
            private_folder(self._data)
            self._stack.enter_context(FolderLock(self._data / "kit.lock"))
            if self.path.exists() and not self._replace:
                raise self._taken()
            self._remove_leftover()
            with translated(f"cannot write {self._part}"):
                self._file: BinaryIO = open_new_private(self._part)
            self._stack.callback(self._part.unlink, missing_ok=True)
            self._stack.callback(self._file.close)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _taken(self) -> StoreError:
        return StoreError(f"{self.path} is there already, and was left alone")

    def _remove_leftover(self) -> None:
        """Of a run that was killed. Raises StoreError for somebody's own file of that name."""
        with translated(f"cannot write {self._part}"):
            try:
                with self._part.open("rb") as file:
                    is_ours = file.read(len(MAGIC)) in (MAGIC, b"")
            except FileNotFoundError:
                return
            if not is_ours:
                raise StoreError(f"{self._part} is another program's file: move it away")
            self._part.unlink()

    async def write(self, start: KitStart, secret: KitSecret, store: ClientStore) -> KitCounts:
        """All of the account; `secret` opens it. Raises StoreError, SignerUnavailable (too little
        memory)."""
        self._secret, header = secret, secret.header()
        master = await asyncio.to_thread(secret.master, header)
        writer = KitWriter(self._file, header, master)
        tally = KitTally()

        def put(records: list[KitRecord]) -> None:
            with translated(f"cannot write {self._part}"):
                writer.write(records)
            for record in records:
                tally.add(record)

        await asyncio.to_thread(put, [start])
        async with contextlib.aclosing(contents(store, self._data, self._pubkey)) as found:
            async for records in found:
                await asyncio.to_thread(put, records)
        await asyncio.to_thread(put, [KitEnd()])
        await asyncio.to_thread(self._flush, writer)
        self._counts, self._digest = tally.counts, writer.digest.digest()
        return self._counts

    def _flush(self, writer: KitWriter) -> None:
        with translated(f"cannot write {self._part}"):
            writer.end()
            self._file.flush()
            os.fsync(self._file.fileno())
            if hasattr(os, "posix_fadvise"):  # so that it is read again from where it lies
                os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._file.close()

    async def check(self) -> RestoreReport:
        """Open the draft with its secret, restore it into a folder of its own, and compare.

        Raises StoreError, KitDamaged among them, where it is not what was meant.
        """
        if self._secret is None:
            raise RuntimeError("nothing was written yet")
        secret = self._secret.fewest() if isinstance(self._secret, Shares) else self._secret
        async with self._trial() as folder, self._reading() as file:
            reader, start, following = await _open(file, secret)
            async with open_client_store(folder / "events.db", _TRIAL_OPTIONS) as store:
                report = await restore(following, self._pubkey, store, folder)
                if report.damaged:
                    raise KitDamaged(report.damaged)
                if report.counts != self._counts or reader.digest.digest() != self._digest:
                    raise KitDamaged("the backup does not hold what was written into it")
                await opens_key(start, secret)
                _, _, again = await _open(file, secret)
                await compare(again, self._pubkey, store, folder)
        self._checked = True
        return report

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[BinaryIO]:
        with translated(f"cannot read {self._part}"):
            file = await asyncio.to_thread(self._part.open, "rb")
        with file:
            yield file

    @contextlib.asynccontextmanager
    async def _trial(self) -> AsyncIterator[Path]:
        folder = self._data / TRIAL
        with translated(f"cannot use the folder {folder}"):
            await asyncio.to_thread(_remove, folder)  # of a run that was killed
        try:
            yield private_folder(folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def finish(self) -> None:
        """Give the draft its name, and remember when. Raises StoreError; RuntimeError before it
        was checked."""
        if not self._checked:
            raise RuntimeError("a kit is checked before it is called done")
        with translated(f"cannot write {self.path}"):
            if self._replace:
                self._part.replace(self.path)
                sync_folder(self.path.parent)
            elif not take_free_name(self._part, self.path):
                raise self._taken()
        made = LastKit(made_at=self._clock(), path=str(self.path), counts=self._counts)
        note_kit(self._data, self._pubkey, made)


async def _open(
    file: BinaryIO, secret: KitSecret
) -> tuple[KitReader, KitStart, AsyncIterator[list[KitRecord]]]:
    file.seek(0)
    header, head = await asyncio.to_thread(read_head, file)
    master = await asyncio.to_thread(secret.master, header)
    try:
        reader = KitReader(file, header, head, master)
    except DecryptionFailed as error:
        raise KitDamaged("the backup does not open with its own secret") from error
    return (reader, *await read_start(reader))


_TRIAL_OPTIONS: Final = StoreOptions(clock=lambda: 0.0)
"""Nothing expires on trial."""


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise store_error(f"cannot remove {folder}", error) from error
