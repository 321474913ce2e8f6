"""The format of an account kit (docs/backup.md): three lines of text, then sealed chunks. Pure.

Each chunk is XChaCha20-Poly1305 over a piece of one stream of records. Its nonce is its number and
whether it is the last one, and what it authenticates beside itself is the head: so a chunk that was
changed, left out, doubled or put elsewhere does not open, and neither does a file that ends early.
Every file has a key of its own, made with a fresh salt; so no nonce is used twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from nostr_client.errors import DecryptionFailed, InvalidData, KitDamaged, StoreError
from nostr_client.kit.records import KitRecord, decode_record, encode_record
from nostr_client.protocol.event import MALFORMED

VERSION: Final = 1
MAGIC: Final = b"nostr-client kit "
CHUNK: Final = 64 * 1024
"""Bytes of the stream in every chunk but the last."""
SALT: Final = 32
LONGEST_RECORD: Final = 64 * 2**20
"""Bytes: larger than any event that a relay takes."""
MOST_SHARES: Final = 16
_MOST_HEAD: Final = 4096
_CHECK, _SUM, _TAG, _LENGTH = 16, 32, 16, 4
_LAST: Final = 1 << 31
"""The bit of a chunk's length which says that it is the last."""


class Readable(Protocol):
    """Where a kit comes from."""

    def read(self, size: int, /) -> bytes: ...


class Writable(Protocol):
    """Where a kit goes."""

    def write(self, data: bytes, /) -> Any: ...


class KitHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The second line: what opens the file, and nothing of whose it is.

    `log_n` is scrypt's work factor of a passphrase; `threshold` of `shares` SLIP-39 shares, with
    the identifier `share_set`, open it otherwise. `check` tells a wrong secret from damage.
    """

    opens: Literal["passphrase", "shares"]
    salt: bytes
    check: bytes = b""
    log_n: int = 0
    threshold: int = 0
    shares: int = 0
    share_set: int = 0


class _KitKeys(NamedTuple):
    chunks: bytes
    check: bytes


def _keys(master: bytes, salt: bytes) -> _KitKeys:
    def derive(purpose: bytes, size: int) -> bytes:
        info = MAGIC + b"%d %s" % (VERSION, purpose)
        return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(master)

    return _KitKeys(derive(b"chunks", 32), derive(b"check", _CHECK))


# The head


def _sum(lines: bytes) -> bytes:
    return sha256(lines).hexdigest()[:_SUM].encode()


def _encode_head(header: KitHeader) -> bytes:
    lines = MAGIC + b"%d\n" % VERSION + msgspec.json.encode(header) + b"\n"
    return lines + _sum(lines) + b"\n"


def read_head(file: Readable) -> tuple[KitHeader, bytes]:
    """The header, and the three lines as they stand. Raises InvalidData for what is no kit,
    StoreError for one of a newer version, KitDamaged."""
    first = _line(file, len(MAGIC) + 12)
    if not first.startswith(MAGIC):
        raise InvalidData("this is no backup of an account")
    number = first[len(MAGIC) :].strip()
    if number.isdigit() and int(number) > VERSION:
        raise StoreError("this backup was written by a newer version of this program")
    lines = first + _line(file, _MOST_HEAD)
    told = _line(file, _SUM + 1)
    if number != b"%d" % VERSION or told != _sum(lines) + b"\n":
        raise KitDamaged("the head of the file is damaged: nothing in it can be opened")
    try:
        header = msgspec.json.decode(lines[len(first) :], type=KitHeader)
    except MALFORMED:
        raise KitDamaged("the head of the file is not understood") from None
    return header, lines + told


def _line(file: Readable, most: int) -> bytes:
    found = bytearray()
    while len(found) < most and not found.endswith(b"\n"):
        byte = file.read(1)
        if not byte:
            break
        found += byte
    return bytes(found)


# The chunks


def _nonce(number: int, last: bool) -> bytes:
    return bytes(15) + bytes((last,)) + number.to_bytes(8)


class KitWriter:
    """Writes a kit to `file`; `digest` is that of all records so far. Call `end` at the end."""

    def __init__(self, file: Writable, header: KitHeader, master: bytes) -> None:
        keys = _keys(master, header.salt)
        head = _encode_head(msgspec.structs.replace(header, check=keys.check))
        self.digest = sha256()
        self._file = file
        self._key = keys.chunks
        self._aad = sha256(head).digest()
        self._number = 0
        self._rest = bytearray()
        file.write(head)

    def write(self, records: Sequence[KitRecord]) -> None:
        """Raises OSError as the file does, StoreError for a record that is too large."""
        for record in records:
            data = encode_record(record)
            if len(data) > LONGEST_RECORD:
                raise StoreError(f"something of {len(data)} bytes is too large for a backup")
            framed = len(data).to_bytes(_LENGTH) + data
            self.digest.update(framed)
            self._rest += framed
            while len(self._rest) > CHUNK:
                self._seal(bytes(self._rest[:CHUNK]))
                del self._rest[:CHUNK]

    def end(self) -> None:
        """The last chunk, without which the file is not whole."""
        self._seal(bytes(self._rest), last=True)
        self._rest.clear()

    def _seal(self, plain: bytes, *, last: bool = False) -> None:
        nonce = _nonce(self._number, last)
        sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(plain, self._aad, nonce, self._key)
        self._number += 1
        length = len(sealed) | (_LAST if last else 0)
        self._file.write(length.to_bytes(_LENGTH) + sealed)


class KitReader:
    """Reads a kit whose head was read (`read_head`); `digest` is that of all records so far.

    Raises DecryptionFailed at once if `master` is not what it was written with.
    """

    def __init__(self, file: Readable, header: KitHeader, head: bytes, master: bytes) -> None:
        keys = _keys(master, header.salt)
        if keys.check != header.check:
            what = "this passphrase does" if header.opens == "passphrase" else "these shares do"
            raise DecryptionFailed(f"{what} not open the backup")
        self.digest = sha256()
        self.unknown = 0
        """Records that only a newer version of this program understands."""
        self._file = file
        self._key = keys.chunks
        self._aad = sha256(head).digest()

    def batches(self) -> Iterator[list[KitRecord]]:
        """All records, those of a chunk at a time. Raises KitDamaged once all that is before the
        damage was given; OSError."""
        rest = bytearray()
        for plain in self._chunks():
            rest += plain
            found, used = [], 0
            while (end := self._end_of_record(rest, used)) <= len(rest):
                framed = bytes(rest[used:end])
                self.digest.update(framed)
                record = decode_record(framed[_LENGTH:])
                if record is None:
                    self.unknown += 1
                else:
                    found.append(record)
                used = end
            del rest[:used]
            yield found
        if rest:
            raise KitDamaged("the backup ends in the middle of something")

    @staticmethod
    def _end_of_record(rest: bytearray, at: int) -> int:
        size = int.from_bytes(rest[at : at + _LENGTH])
        if len(rest) < at + _LENGTH:
            return len(rest) + 1
        if size > LONGEST_RECORD:
            raise KitDamaged("something in the backup is longer than it can be")
        return at + _LENGTH + size

    def _chunks(self) -> Iterator[bytes]:
        number, last = 0, False
        while not last:
            length = self._exactly(_LENGTH, number)
            last = bool(int.from_bytes(length) & _LAST)
            size = int.from_bytes(length) & ~_LAST
            if not _TAG <= size <= CHUNK + _TAG:
                raise KitDamaged(f"the backup is damaged in its part {number + 1}")
            sealed, nonce = self._exactly(size, number), _nonce(number, last)
            try:
                plain = crypto_aead_xchacha20poly1305_ietf_decrypt(
                    sealed, self._aad, nonce, self._key
                )
            except CryptoError:
                raise KitDamaged(f"the backup is damaged in its part {number + 1}") from None
            number += 1
            yield plain
        if self._file.read(1):
            raise KitDamaged("something stands behind the end of the backup")

    def _exactly(self, size: int, number: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise KitDamaged(f"the backup is cut short in its part {number + 1}")
        return data
