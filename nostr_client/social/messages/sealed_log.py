"""A file of encrypted records, to which several processes append: what was decrypted once rests
here, and nothing of it in plain text.

The first line names the format and holds the file's key, encrypted through the account's signer, by
NIP-44 to the account itself: whoever can read the messages can read this, and a bunker is asked
once. Each record is a frame of its own: a mark, its length, a check sum of the two, a nonce, and
ChaCha20-Poly1305.

- Appending takes the file's lock, reads first what others appended, and is on disk on return.
- What a crash cut short at the end is cut off by whoever appends next. What is damaged is left out,
  and counted: reading goes on with the next mark behind which a record opens, and appending behind
  all that is there.
- Reading takes no lock: a frame that is not whole yet is read later.
- A file that was written anew (`rewrite`) is read from its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from nostr_client.errors import DecryptionFailed, SignerUnavailable, StoreError
from nostr_client.paths import (
    FileStamp,
    file_stamp,
    patient_lock,
    private_folder,
    translated,
    write_private,
)
from nostr_client.signing.signer import Signer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

TURN_LIMIT: Final = 60.0
"""Seconds to wait for another process that writes."""
LONGEST_RECORD: Final = 4 * 2**20
"""Bytes: a rumor is smaller, whatever is in it."""
BEGINNINGS: Final = 3
"""Times that a process looks again which was not the one to begin the file."""
MOST_SET_ASIDE: Final = 100
"""Files that could not be opened, beside the one in use: more are for the person to look at."""
_MOST_HEAD: Final = 4_096
_MARK: Final = b"\xf5rec"
_LENGTH, _CHECK, _NONCE, _TAG, _KEY = 4, 4, 12, 16, 32
_START: Final = len(_MARK) + _LENGTH + _CHECK
_FORMAT: Final = 2


class _Head(msgspec.Struct, frozen=True):
    """`key` is encrypted; `written` is another one each time that the file is written anew."""

    format: int
    pubkey: str
    key: str
    written: str


class SealedLog:
    """The records of one account (`pubkey`, hex) at `path`. Call `unlock` before all else."""

    def __init__(self, path: Path, pubkey: str) -> None:
        self.path = path
        self._passed = 0
        self._ends_damaged = False
        self._pubkey = pubkey
        self._aad = b"nostr-client messages 1 " + pubkey.encode()
        self._lock_path = path.with_suffix(".lock")
        self._cipher: ChaCha20Poly1305 | None = None
        self._head = b""
        self._offset = 0
        self._stamp: FileStamp | None = None
        self._turn = asyncio.Lock()

    @property
    def is_unlocked(self) -> bool:
        return self._cipher is not None

    @property
    def damaged(self) -> int:
        """Places in the file where something does not open."""
        return self._passed + self._ends_damaged

    async def unlock(self, signer: Signer) -> None:
        """Get the file's key through `signer`, and make the file where there is none.

        Raises SignerUnavailable, SigningRefused, StoreError. A file whose key this signer cannot
        open any more, though it opens others, is set aside: what it held is in the wraps.
        """
        # Loaded with the first messages: most programs read none.
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        async with self._turn:
            await asyncio.to_thread(private_folder, self.path.parent)
            for _ in range(BEGINNINGS):
                head = await asyncio.to_thread(self._read_head)
                key = await self._key_in(head, signer) if head else None
                if key is None:
                    key = await self._new_key(head, signer)
                if key is not None:
                    self._cipher = ChaCha20Poly1305(key)
                    return
            raise StoreError(f"{self.path} is begun anew by others all the time")

    def lock(self) -> None:
        """Forget the file's key, until `unlock`."""
        self._cipher = None
        self.reread()

    async def _key_in(self, head: _Head, signer: Signer) -> bytes | None:
        """The key that stands there; None if nothing opens it."""
        try:
            key = b64decode(await signer.nip44_decrypt(self._pubkey, head.key), validate=True)
        except (DecryptionFailed, ValueError):
            return None
        return key if len(key) == _KEY else None

    async def _new_key(self, head: _Head | None, signer: Signer) -> bytes | None:
        """Begin the file with a key of its own, unless another process was faster."""
        fresh = secrets.token_bytes(_KEY)
        sealed = await signer.nip44_encrypt(self._pubkey, b64encode(fresh).decode())
        if head is not None:  # is it the file, or does a signer far away open nothing just now?
            try:
                await signer.nip44_decrypt(self._pubkey, sealed)
            except DecryptionFailed as error:
                raise SignerUnavailable(f"the signer opens nothing: {error}") from None
        async with patient_lock(self._lock_path, TURN_LIMIT):
            if await asyncio.to_thread(self._read_head) != head:
                return None
            await asyncio.to_thread(self._begin, sealed)
        return fresh

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Nobody else appends until the block ends: for `append` and `rewrite`, after
        `read_new`."""
        async with self._turn, patient_lock(self._lock_path, TURN_LIMIT):
            yield

    async def read_new(self) -> tuple[bool, list[bytes]]:
        """What was appended since the last time; True: from the beginning, for the file is another.

        Raises StoreError.
        """
        return await asyncio.to_thread(self._read_new)

    def has_new(self) -> bool:
        """Was the file written to since it was read? One look at its name."""
        return file_stamp(self.path) != self._stamp

    def reread(self) -> None:
        """What is in memory may not be what is written: the next reading begins anew."""
        self._head, self._stamp = b"", None

    async def append(self, records: Sequence[bytes]) -> None:
        """Within `turn`, and with nothing new to read. Raises StoreError."""
        await asyncio.to_thread(self._append, records)

    async def rewrite(self, records: Sequence[bytes]) -> None:
        """Within `turn`: these take the place of all that is there. Raises StoreError."""
        await asyncio.to_thread(self._rewrite, records)

    # Inside: in threads

    def _read_head(self) -> _Head | None:
        try:
            with self.path.open("rb") as file:
                line = file.readline(_MOST_HEAD)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"cannot read {self.path}: {error.strerror}") from error
        try:
            head = msgspec.json.decode(line, type=_Head)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        if head.format > _FORMAT:
            raise StoreError(f"{self.path} was written by a newer version of this program")
        return head if head.pubkey == self._pubkey and head.format == _FORMAT else None

    def _begin(self, sealed: str) -> None:
        with translated(f"cannot set {self.path} aside"):
            if self.path.exists():
                self.path.replace(self._unused_name())
        head = _Head(_FORMAT, self._pubkey, sealed, secrets.token_hex(8))
        write_private(self.path, msgspec.json.encode(head) + b"\n")

    def _unused_name(self) -> Path:
        """A name for a file that is set aside: none that was set aside before is overwritten."""
        for number in range(1, MOST_SET_ASIDE + 1):
            path = self.path.with_suffix(f".unreadable-{number}")
            if not path.exists():
                return path
        raise StoreError(f"{MOST_SET_ASIDE} unreadable files lie beside {self.path}: move them")

    def _read_new(self) -> tuple[bool, list[bytes]]:
        with translated(f"cannot read {self.path}"), self.path.open("rb") as file:
            found = os.fstat(file.fileno())
            head = file.readline(_MOST_HEAD)
            anew = head != self._head
            if anew:
                self._head, self._offset, self._passed = head, len(head), 0
            file.seek(self._offset)
            data = file.read()
            self._stamp = found.st_mtime_ns, found.st_size, found.st_ino
        records, used = self._frames(data)
        self._offset += used
        self._ends_damaged = used < len(data) and not _is_cut_short(data[used:])
        return anew, records

    def _frames(self, data: bytes) -> tuple[list[bytes], int]:
        """The records of all frames that are whole, and up to where they go."""
        records, at, used = [], 0, 0
        while (at := data.find(_MARK, at)) >= 0:
            record = self._open_frame(data, at)
            if record is None:
                at += 1
                continue
            self._passed += at > used
            records.append(record)
            at = used = at + _START + _NONCE + len(record) + _TAG
        return records, used

    def _open_frame(self, data: bytes, at: int) -> bytes | None:
        """The record whose frame begins there; None where there is none, or it is damaged."""
        from cryptography.exceptions import InvalidTag

        size = _length_at(data, at)
        start = at + _START
        if size is None or start + size > len(data):
            return None
        view = memoryview(data)[start : start + size]
        try:
            return self._opened().decrypt(view[:_NONCE], view[_NONCE:], self._aad)
        except InvalidTag:
            return None

    def _sealed(self, records: Sequence[bytes]) -> bytes:
        cipher, frames = self._opened(), []
        for record in records:
            nonce = secrets.token_bytes(_NONCE)
            sealed = nonce + cipher.encrypt(nonce, record, self._aad)
            start = _MARK + len(sealed).to_bytes(_LENGTH)
            frames += [start, zlib.crc32(start).to_bytes(_CHECK), sealed]
        return b"".join(frames)

    def _append(self, records: Sequence[bytes]) -> None:
        data = self._sealed(records)
        with translated(f"cannot write {self.path}"), self.path.open("r+b") as file:
            if self._ends_damaged:
                self._passed, self._ends_damaged = self._passed + 1, False
                self._offset = file.seek(0, os.SEEK_END)
            file.truncate(self._offset)  # what is behind it, a crash cut short
            file.seek(self._offset)
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(self._offset)
                raise
        self._offset += len(data)
        self._stamp = file_stamp(self.path)

    def _rewrite(self, records: Sequence[bytes]) -> None:
        head = msgspec.json.decode(self._head, type=_Head)
        head = msgspec.structs.replace(head, written=secrets.token_hex(8))
        self._head = msgspec.json.encode(head) + b"\n"
        data = self._head + self._sealed(records)
        write_private(self.path, data)
        self._stamp, self._offset = file_stamp(self.path), len(data)
        self._passed, self._ends_damaged = 0, False

    def _opened(self) -> ChaCha20Poly1305:
        if self._cipher is None:
            raise StoreError("the messages kept here are locked")
        return self._cipher


def _length_at(data: bytes, at: int) -> int | None:
    """The length of what follows the start of a frame; None where that is not whole."""
    start = data[at : at + _START]
    sum_at = len(_MARK) + _LENGTH
    if len(start) < _START or zlib.crc32(start[:sum_at]).to_bytes(_CHECK) != start[sum_at:]:
        return None
    size = int.from_bytes(start[len(_MARK) : sum_at])
    return size if _NONCE + _TAG <= size <= LONGEST_RECORD else None


def _is_cut_short(rest: bytes) -> bool:
    """Is it the beginning of a frame, and no more?"""
    size = _length_at(rest, 0)
    if size is not None:
        return _START + size > len(rest)
    return len(rest) < _START and _MARK.startswith(rest[: len(_MARK)])
