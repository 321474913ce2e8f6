"""Where accounts rest: one file an account, in a folder that only its owner may read.

An account is exactly one file, `<pubkey>.json`, written whole or not at all (a temporary file,
flushed, then renamed), so a crash leaves every account as it was before or as it is after.
`current` names the account in use, `given` the public keys of those that were used and not kept.
Writers take `accounts.lock`; readers need nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import msgspec

from nostr_client.errors import AccountError, InvalidKey
from nostr_client.nips.nip19 import encode_npub
from nostr_client.nips.nip49 import UNTRACKED
from nostr_client.paths import FolderLock, Paths, private_folder, translated, write_private
from nostr_client.protocol.keys import PublicKey, is_hex64

VERSION: Final = 1
MOST_GIVEN: Final = 1000
"""Keys that were given and not kept, whose public keys are remembered."""
LOCK_LIMIT: Final = 10.0
"""Seconds to wait for another process that changes the accounts."""


class Protection(StrEnum):
    """How a secret key is kept."""

    PASSWORD = "password"  # noqa: S105 - a name, not a secret
    KEYRING = "keyring"
    WATCH_ONLY = "watch-only"
    BUNKER = "bunker"
    """It is not here at all: a bunker signs (NIP-46)."""
    GIVEN = "given"
    """It is not kept: whoever runs a program gives it, for that run. No file says so."""


class BunkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The bunker behind an account: its own key (hex), where it listens, and the key by which it
    knows this client, in hex, where no key store holds that. It is not the account's: whoever has
    it can ask the bunker, until the bunker revokes it."""

    pubkey: str
    relays: tuple[str, ...]
    client_key: str = ""

    def __repr__(self) -> str:
        return f"<BunkerRecord of {self.pubkey}>"


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the file of one account holds.

    `ncryptsec` is the key as NIP-49 writes it, `keyring_entry` the user name of the keyring's
    entry; one of the two is set, or neither for a watch-only account. With a `bunker` the entry's
    key is the client's, and the account's own is not here. `backed_up`: the key is
    known to exist elsewhere, because it was imported or exported. `security`: how well it was
    handled, NIP-49's key security byte, as an ncryptsec says it too. `created_at` is in seconds.
    `trace` is that of the account's key (`secret_search.trace_of`), once it was seen here.
    """

    pubkey: str
    protection: Protection
    created_at: float
    name: str = ""
    ncryptsec: str = ""
    keyring_entry: str = ""
    bunker: BunkerRecord | None = None
    backed_up: bool = False
    security: int = UNTRACKED
    trace: str = ""
    version: int = VERSION

    @property
    def label(self) -> str:
        return label_of(self.pubkey, self.name)

    def __repr__(self) -> str:
        return f"<KeyRecord of {self.pubkey}, {self.protection}>"


def label_of(pubkey: str, name: str) -> str:
    """What an account is called: its name, or else the beginning of its npub."""
    return name or f"{encode_npub(pubkey)[:14]}…"


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class KeyFiles:
    """The files of all accounts in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, where: Paths) -> Self:
        return cls(where.data / "accounts")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other writers out; waits `LOCK_LIMIT` seconds, then raises StoreError."""
        private_folder(self.folder)
        with FolderLock(self.folder / "accounts.lock", timeout=LOCK_LIMIT):
            yield

    def path(self, pubkey: str) -> Path:
        return self.folder / f"{pubkey}.json"

    def read_all(self) -> tuple[list[KeyRecord], list[Path]]:
        """All accounts, oldest first, and the files that could not be understood."""
        records: list[KeyRecord] = []
        damaged: list[Path] = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                records.append(self._read(path))
            except AccountError:
                damaged.append(path)
            except FileNotFoundError:  # removed by another process meanwhile
                continue
        return sorted(records, key=lambda r: (r.created_at, r.pubkey)), damaged

    def in_use(self, records: Sequence[KeyRecord], damaged: Collection[Path]) -> str | None:
        """The account in use, of what `read_all` gave: the one that was chosen. The oldest stands
        in where none was, or it was removed; where it cannot be read only if it must be the one."""
        chosen = self.current
        if any(record.pubkey == chosen for record in records):
            return chosen
        unread = chosen is not None and not is_hex64(chosen) and len(records) + len(damaged) > 1
        if unread or not records or (chosen and self.path(chosen) in damaged):
            return None
        return records[0].pubkey

    def unreadable(self) -> Path | None:
        """A file that stands in the way of knowing which account is in use, if one does."""
        records, damaged = self.read_all()
        chosen = self.folder / "current" if records else None
        return damaged[0] if damaged else chosen

    def read(self, pubkey: str) -> KeyRecord:
        """One account. Raises AccountError when there is none, or its file is damaged."""
        try:
            return self._read(self.path(pubkey))
        except FileNotFoundError:
            raise AccountError("this account is no longer on this machine") from None

    def own_keys(self) -> dict[str, str]:
        """The public keys of the accounts that have a secret key, here or in a bunker, of keys
        that were given here, and of accounts whose file is damaged, each with that key's trace
        where it is known."""
        given = self.given()
        records, damaged = self.read_all()
        lost = {path.stem: "" for path in damaged if is_hex64(path.stem)}
        return (
            lost
            | given
            | {
                record.pubkey: record.trace or given.get(record.pubkey, "")
                for record in records
                if record.protection is not Protection.WATCH_ONLY
            }
        )

    def write(self, record: KeyRecord) -> None:
        """Keep `record`, whole or not at all; durable on return.

        What the file holds beside it, written by another version of this program, stays.
        """
        private_folder(self.folder)
        path = self.path(record.pubkey)
        with translated(f"cannot read {path}"):
            try:
                held = _fields(path.read_bytes())
            except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
                held = {}
        fields = held | _fields(msgspec.json.encode(record))
        write_private(path, msgspec.json.format(msgspec.json.encode(fields)))

    def delete(self, pubkey: str) -> None:
        """Forget an account's file. Raises StoreError."""
        with translated("cannot forget the account"):
            self.path(pubkey).unlink(missing_ok=True)

    @property
    def current(self) -> str | None:
        """The pubkey of the account in use, if one was chosen."""
        path = self.folder / "current"
        with translated(f"cannot read {path}"):
            try:
                return path.read_bytes().decode(errors="replace").strip() or None
            except FileNotFoundError:
                return None

    def set_current(self, pubkey: str) -> None:
        private_folder(self.folder)
        write_private(self.folder / "current", pubkey.encode())

    def given(self) -> dict[str, str]:
        """The public keys of the secret keys that were given here and not kept, oldest first, each
        with its trace. A line that is damaged is left out."""
        path = self.folder / "given"
        with translated(f"cannot read {path}"):
            try:
                lines = path.read_bytes().decode(errors="replace").splitlines()
            except FileNotFoundError:
                return {}
        parts = (line.partition(" ") for line in lines)
        return {pubkey: trace for pubkey, _, trace in parts if is_hex64(pubkey)}

    def note_given(self, pubkey: str, trace: str) -> None:
        """Remember that the key of `pubkey` was given here. Durable on return."""
        known = self.given()
        if pubkey not in known:
            private_folder(self.folder)
            pairs = [*known.items(), (pubkey, trace)][-MOST_GIVEN:]
            write_private(self.folder / "given", "".join(f"{a} {b}\n" for a, b in pairs).encode())

    @staticmethod
    def _read(path: Path) -> KeyRecord:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise AccountError(
                f"the account file {path} cannot be read: {error.strerror}"
            ) from error
        try:
            record = msgspec.json.decode(data, type=KeyRecord)
            PublicKey(record.pubkey)
        except (msgspec.MsgspecError, UnicodeDecodeError, InvalidKey):
            raise AccountError(f"the account file {path} is damaged") from None
        if record.version > VERSION:
            raise AccountError(f"the account file {path} is of a newer version")
        if record.protection is Protection.GIVEN:
            raise AccountError(f"the account file {path} is damaged")
        if record.pubkey != path.stem:
            raise AccountError(f"the account file {path} does not belong to its name")
        return record
