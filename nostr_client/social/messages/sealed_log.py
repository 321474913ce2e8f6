"""A file of encrypted records, to which several processes append: what was decrypted once rests
here, and nothing of it in plain text.

The first line names the format and holds the file's key, encrypted through the account's signer, by
NIP-44 to the account itself: whoever can read the messages can read this, and a bunker is asked
once. Each record is a frame of its own: its length, a nonce, and ChaCha20-Poly1305.

- Appending takes the file's lock, reads first what others appended, and is on disk on return.
- What a crash cut short at the end is cut off by whoever appends next; a frame that does not open
  is left out, and counted.
- Reading takes no lock: a frame that is not whole yet is read later.
- A file that was written anew (`rewrite`) is read from its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

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

TURN_LIMIT: Final = 60.0
"""Seconds to wait for another process that writes."""
LONGEST_RECORD: Final = 4 * 2**20
"""Bytes: a rumor is smaller, whatever is in it."""
BEGINNINGS: Final = 3
"""Times that a process looks again which was not the one to begin the file."""
_MOST_HEAD: Final = 4_096
_LENGTH, _NONCE, _TAG, _KEY = 4, 12, 16, 32
_FORMAT: Final = 1


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
        self.damaged = 0
        """Frames that did not open."""
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

    async def unlock(self, signer: Signer) -> None:
        """Get the file's key through `signer`, and make the file where there is none.

        Raises SignerUnavailable, SigningRefused, StoreError. A file whose key this signer cannot
        open any more, though it opens others, is set aside: what it held is in the wraps.
        """
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
        return head if head.pubkey == self._pubkey else None

    def _begin(self, sealed: str) -> None:
        with translated(f"cannot set {self.path} aside"):
            if self.path.exists():
                self.path.replace(self.path.with_suffix(".unreadable"))
        head = _Head(_FORMAT, self._pubkey, sealed, secrets.token_hex(8))
        write_private(self.path, msgspec.json.encode(head) + b"\n")

    def _read_new(self) -> tuple[bool, list[bytes]]:
        with translated(f"cannot read {self.path}"), self.path.open("rb") as file:
            found = os.fstat(file.fileno())
            head = file.readline(_MOST_HEAD)
            anew = head != self._head
            if anew:
                self._head, self._offset, self.damaged = head, len(head), 0
            file.seek(self._offset)
            data = file.read()
            self._stamp = found.st_mtime_ns, found.st_size, found.st_ino
        records, used = self._frames(data)
        self._offset += used
        return anew, records

    def _frames(self, data: bytes) -> tuple[list[bytes], int]:
        """The records of all frames that are whole, and how many bytes these take."""
        cipher, aad, records, at, end = self._opened(), self._aad, [], 0, len(data)
        decrypt, view = cipher.decrypt, memoryview(data)
        while at + _LENGTH <= end:
            size = int.from_bytes(view[at : at + _LENGTH])
            start, stop = at + _LENGTH, at + _LENGTH + size
            if not _NONCE + _TAG <= size <= LONGEST_RECORD or stop > end:
                break
            try:
                records.append(
                    decrypt(view[start : start + _NONCE], view[start + _NONCE : stop], aad)
                )
            except InvalidTag:
                self.damaged += 1
            at = stop
        return records, at

    def _sealed(self, records: Sequence[bytes]) -> bytes:
        cipher, frames = self._opened(), []
        for record in records:
            nonce = secrets.token_bytes(_NONCE)
            sealed = nonce + cipher.encrypt(nonce, record, self._aad)
            frames += [len(sealed).to_bytes(_LENGTH), sealed]
        return b"".join(frames)

    def _append(self, records: Sequence[bytes]) -> None:
        data = self._sealed(records)
        with translated(f"cannot write {self.path}"), self.path.open("r+b") as file:
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

    def _opened(self) -> ChaCha20Poly1305:
        if self._cipher is None:
            raise StoreError("the messages kept here are locked")
        return self._cipher
