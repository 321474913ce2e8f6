"""What a bunker keeps on disk, for one account in one folder (`bunker/<pubkey>`), readable by its
owner alone.

- `key.json`: the bunker's own key, encrypted by the account to itself, and its relays.
- `clients.json`: the `BunkerState`. Several processes change it in turns; whoever runs sees each
  change at once. What cannot be read is an error, and never taken for empty.
- `signed.jsonl`: the ids of what was signed lately (`answers.SignedEvent`), so that a request that
  comes again after a restart is not signed twice.
- `log.jsonl`: who asked for what, and what became of it; never what it said. How many came who
  are not connected stands in `strangers.jsonl`, which is short, and so pushes nothing else out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from nostr_client.bunker.answers import MOST_SIGNED, SignedEvent
from nostr_client.bunker.state import BunkerState
from nostr_client.errors import DecryptionFailed, InvalidKey, StoreError
from nostr_client.paths import (
    FileStamp,
    FolderLock,
    file_stamp,
    private_folder,
    translated,
    write_private,
)
from nostr_client.protocol.event import MALFORMED
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.signer import Signer

VERSION: Final = 1
LOCK_LIMIT: Final = 10.0
"""Seconds to wait for another process that changes the clients."""
MOST_SIGNED_BYTES: Final = 1000 * MOST_SIGNED
"""Of the file of what was signed; an entry is some 370 bytes long."""
MOST_LOG: Final = 1 << 20
"""Bytes of the log; as many again of what came before."""
MOST_STRANGERS: Final = 1 << 16
"""The same of the log of strangers."""

T = TypeVar("T")
Change = Callable[[BunkerState], BunkerState]


class BunkerKeyRecord(msgspec.Struct, frozen=True):
    """`sealed` is the secret key in hex, encrypted by the account to itself (NIP-44)."""

    pubkey: str
    sealed: str
    relays: tuple[str, ...] = ()
    version: int = VERSION

    def __repr__(self) -> str:
        return f"<BunkerKeyRecord of {self.pubkey}>"


class RequestLogEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request: `at` in seconds, `client` a key, `event` the id of what was signed, `outcome`
    one word, or an error of ours. Without a client: `count` strangers came since the last such
    entry, and were not let in."""

    at: int
    client: str
    method: str
    outcome: str
    kind: int | None = None
    event: str = ""
    count: int = 0


class BunkerFiles:
    """The files of the account `pubkey` (hex); `data` is the folder of all data."""

    def __init__(self, data: Path, pubkey: str) -> None:
        self.folder = data / "bunker" / pubkey
        self._clients = self.folder / "clients.json"
        self._stamp: FileStamp | None = None
        self._state = BunkerState()

    def running(self) -> FolderLock:
        """Held by the one process that answers for this account."""
        private_folder(self.folder)
        return FolderLock(self.folder / "running.lock")

    # The clients

    def state(self) -> BunkerState:
        """As it is now; read again only when the file is another one. Raises StoreError."""
        stamp = file_stamp(self._clients)
        if stamp is None or stamp != self._stamp:
            self._state, self._stamp = self._read_state(), stamp
        return self._state

    async def change(self, change: Change) -> BunkerState:
        """Make `change` on what is there now, durably; what it comes to. Raises StoreError."""
        return await asyncio.to_thread(self._changed, change)

    def _changed(self, change: Change) -> BunkerState:
        private_folder(self.folder)
        with FolderLock(self.folder / "clients.lock", timeout=LOCK_LIMIT):
            state = self._read_state()
            changed = change(state)
            if changed != state:
                write_private(self._clients, msgspec.json.format(msgspec.json.encode(changed)))
            return changed

    def _read_state(self) -> BunkerState:
        state = _read(self._clients, BunkerState) or BunkerState()
        if state.version > VERSION:
            raise StoreError(f"{self._clients} is of a newer version")
        return state

    # Its own key

    def key_record(self) -> BunkerKeyRecord | None:
        """What is known without the account. Raises StoreError."""
        return _read(self.folder / "key.json", BunkerKeyRecord)

    async def key(self, signer: Signer, relays: tuple[str, ...]) -> SecretKey:
        """The bunker's own key, made at the first time; `relays` are where it is from now on.

        Raises StoreError, and whatever `signer`, the account's, raises.
        """
        record = self.key_record()
        if record is None:
            key = SecretKey.generate()
            sealed = await signer.nip44_encrypt(signer.pubkey, bytes(key).hex())
            record = BunkerKeyRecord(key.public_key.hex, sealed, relays)
            self._keep(record)
            return key
        try:
            key = SecretKey.from_hex(await signer.nip44_decrypt(signer.pubkey, record.sealed))
            if key.public_key.hex != record.pubkey:
                raise InvalidKey("another key")
        except (InvalidKey, DecryptionFailed):
            raise StoreError(f"{self.folder / 'key.json'} is damaged: move it away") from None
        if record.relays != relays:
            self._keep(msgspec.structs.replace(record, relays=relays))
        return key

    def _keep(self, record: BunkerKeyRecord) -> None:
        private_folder(self.folder)
        write_private(self.folder / "key.json", msgspec.json.format(msgspec.json.encode(record)))

    # What was signed

    def signed(self) -> list[SignedEvent]:
        """What is remembered, oldest first; a line that a crash cut short is left out."""
        return _lines(self.folder / "signed.jsonl", SignedEvent)[-MOST_SIGNED:]

    def add_signed(self, entry: SignedEvent, all_of_them: Sequence[SignedEvent]) -> None:
        """Durably. A file that has grown long is written anew. Raises StoreError."""
        path = self.folder / "signed.jsonl"
        private_folder(self.folder)
        _append(path, entry, durably=True)
        with translated(f"cannot read {path}"):
            is_long = path.stat().st_size > MOST_SIGNED_BYTES
        if is_long:
            write_private(path, b"".join(msgspec.json.encode(one) + b"\n" for one in all_of_them))

    # The log

    def add_to_log(self, entry: RequestLogEntry) -> None:
        """Raises StoreError."""
        name, most = ("log", MOST_LOG) if entry.client else ("strangers", MOST_STRANGERS)
        path = self.folder / f"{name}.jsonl"
        private_folder(self.folder)
        with translated(f"cannot write {path}"):
            stamp = file_stamp(path)
            if stamp is not None and stamp[1] > most:
                path.replace(path.with_suffix(".jsonl.1"))
        _append(path, entry, durably=False)

    def log(self, most: int) -> list[RequestLogEntry]:
        """The last `most` requests of clients, and what strangers came meanwhile, oldest first.

        Raises StoreError.
        """
        found = self._entries("log")
        cut = found[-most - 1].at if len(found) > most else 0
        strangers = [entry for entry in self._entries("strangers") if entry.at >= cut][-most:]
        return sorted([*strangers, *found[-most:]], key=lambda entry: entry.at)

    def _entries(self, name: str) -> list[RequestLogEntry]:
        path = self.folder / f"{name}.jsonl"
        return _lines(path.with_suffix(".jsonl.1"), RequestLogEntry) + _lines(path, RequestLogEntry)


def _read(path: Path, form: type[T]) -> T | None:
    """None where there is no such file. Raises StoreError for what cannot be read."""
    with translated(f"cannot read {path}"):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        return msgspec.json.decode(data, type=form)
    except MALFORMED:
        raise StoreError(f"{path} is damaged: repair it, or move it away to begin anew") from None


def _lines(path: Path, form: type[T]) -> list[T]:
    with translated(f"cannot read {path}"):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return []
    found: list[T] = []
    for line in data.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=form))
        except MALFORMED:
            continue
    return found


def _append(path: Path, entry: msgspec.Struct, *, durably: bool) -> None:
    with translated(f"cannot write {path}"):
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(path, flags, 0o600), "ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            if durably:
                os.fsync(file.fileno())
