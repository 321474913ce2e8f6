"""The format: whatever is done to the file is noticed, and a wrong secret is not taken for it."""

from __future__ import annotations

import hmac
import io
import json
from base64 import b64decode
from hashlib import scrypt, sha256
from itertools import pairwise

import msgspec
import pytest
from nacl.secret import Aead

from nostr_client.errors import DecryptionFailed, InvalidData, KitDamaged, NostrError, StoreError
from nostr_client.kit.file_format import (
    CHUNK,
    MAGIC,
    KitHeader,
    KitReader,
    KitWriter,
    read_head,
)
from nostr_client.kit.records import KitEnd, KitEvent, KitRecord, KitSection
from nostr_client.kit.secret import MOST_LOG_N, Passphrase

MASTER = b"m" * 32
RECORDS: list[KitRecord] = [
    *(KitEvent(KitSection.OWN, b"%d" % n * 900) for n in range(100, 200)),
    KitEvent(KitSection.VERSION, b"x" * (2 * CHUNK)),
    KitEnd(),
]


def written(records: list[KitRecord], salt: bytes = b"s" * 32, master: bytes = MASTER) -> bytes:
    file = io.BytesIO()
    writer = KitWriter(file, KitHeader(opens="passphrase", salt=salt, log_n=4), master)
    writer.write(records)
    writer.end()
    return file.getvalue()


def read(data: bytes, master: bytes = MASTER) -> tuple[list[KitRecord], NostrError | None]:
    """What can be read, and why no more."""
    found: list[KitRecord] = []
    file = io.BytesIO(data)
    try:
        for records in KitReader(file, *read_head(file), master).batches():
            found += records
    except NostrError as error:
        return found, error
    return found, None


WHOLE = written(RECORDS)
HEAD = WHOLE.index(b"\n", WHOLE.index(b"}\n") + 2) + 1


def boundaries() -> list[int]:
    """Where the chunks begin, and the end."""
    places = [HEAD]
    while places[-1] < len(WHOLE):
        size = int.from_bytes(WHOLE[places[-1] : places[-1] + 4]) & 0x7FFFFFFF
        places.append(places[-1] + 4 + size)
    return places


PLACES = boundaries()
CHUNKS = [WHOLE[start:end] for start, end in pairwise(PLACES)]


def is_damage(data: bytes) -> list[KitRecord]:
    found, error = read(data)
    assert isinstance(error, KitDamaged), error
    assert found == RECORDS[: len(found)], "what is before the damage is as it was"
    return found


def test_it_comes_back_as_it_was_written() -> None:
    assert len(CHUNKS) > 4
    assert read(WHOLE) == (RECORDS, None)
    assert read(written([])) == ([], None)
    for size in (CHUNK - 30, CHUNK, CHUNK + 1, 2 * CHUNK):
        records: list[KitRecord] = [KitEvent(KitSection.OWN, b"x" * size), KitEnd()]
        assert read(written(records)) == (records, None)


def test_a_file_that_ends_early_is_damaged() -> None:
    kept = 0
    for place in PLACES[:-1]:
        found = is_damage(WHOLE[:place])
        assert len(found) >= kept
        kept = len(found)
        for more in (1, 4, 5, 100):
            is_damage(WHOLE[: place + more])
    assert kept > 90, "all but the last chunk"
    is_damage(WHOLE[:-1])


def test_chunks_in_another_order_left_out_or_doubled_are_damage() -> None:
    for n in range(len(CHUNKS) - 1):
        swapped = [*CHUNKS[:n], CHUNKS[n + 1], CHUNKS[n], *CHUNKS[n + 2 :]]
        for chunks in (swapped, CHUNKS[:n] + CHUNKS[n + 1 :], CHUNKS[: n + 1] + CHUNKS[n:]):
            is_damage(WHOLE[:HEAD] + b"".join(chunks))
    is_damage(WHOLE + b"x")
    is_damage(WHOLE + CHUNKS[-1])
    last_first = int.from_bytes(CHUNKS[0][:4]) | 1 << 31
    is_damage(WHOLE[:HEAD] + last_first.to_bytes(4) + CHUNKS[0][4:])


def test_chunks_of_another_file_are_damage() -> None:
    other = written(RECORDS, b"t" * 32)
    is_damage(WHOLE[: PLACES[1]] + other[PLACES[1] : PLACES[2]] + WHOLE[PLACES[2] :])


def test_a_flipped_bit_is_damage_and_never_a_wrong_secret() -> None:
    places = [
        *range(len(MAGIC), HEAD),
        *(place + more for place in PLACES[:-1] for more in (0, 3, 4, 20, 30)),
        len(WHOLE) - 1,
    ]
    for place in places:
        for bit in (1, 0x80):
            changed = bytearray(WHOLE)
            changed[place] ^= bit
            found, error = read(bytes(changed))
            newer = place == len(MAGIC) and isinstance(error, StoreError)
            assert isinstance(error, KitDamaged) or newer, (place, error)
            assert found == RECORDS[: len(found)]


def test_a_wrong_secret_is_told_apart() -> None:
    found, error = read(WHOLE, b"n" * 32)
    assert (found, type(error)) == ([], DecryptionFailed)
    header, _ = read_head(io.BytesIO(WHOLE))
    assert Passphrase("one").master(header) != Passphrase("two").master(header)
    assert Passphrase("ﬁne").master(header) == Passphrase("fine").master(header)


def test_what_is_no_kit_and_what_is_of_a_newer_version() -> None:
    for data in (b"", b"nostr", b"\0" * 100, b"ncryptsec1\n" * 9):
        _, error = read(data)
        assert isinstance(error, InvalidData)
    newer = WHOLE.replace(b"kit 1\n", b"kit 2\n", 1)
    _, error = read(newer)
    assert "newer version" in str(error)
    _, error = read(MAGIC + b"1\n" + b"{" * 9000)
    assert isinstance(error, KitDamaged)


def hkdf(master: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869, at most 32 bytes."""
    return hmac.digest(hmac.digest(salt, master, "sha256"), info + b"\1", "sha256")


def test_what_the_document_says_is_enough_to_read_it() -> None:
    """docs/backup.md, written down again without a line of ours."""
    secret = Passphrase("ﬁne words", 4)
    header = secret.header()
    data = written(RECORDS, header.salt, secret.master(header))
    first, second, third, rest = data.split(b"\n", 3)
    head = b"".join(line + b"\n" for line in (first, second, third))
    assert first == b"nostr-client kit 1"
    assert third.decode() == sha256(first + b"\n" + second + b"\n").hexdigest()[:32]
    fields = json.loads(second)
    salt = b64decode(fields["salt"])
    assert (fields["opens"], len(salt)) == ("passphrase", 32)
    master = scrypt(b"fine words", salt=salt, n=1 << fields["log_n"], r=8, p=1, dklen=32)
    assert b64decode(fields["check"]) == hkdf(master, salt, b"nostr-client kit 1 check")[:16]
    box = Aead(hkdf(master, salt, b"nostr-client kit 1 chunks"))
    stream, number, last = b"", 0, False
    while rest:
        assert not last
        length = int.from_bytes(rest[:4])
        last, size = length >= 1 << 31, length & (1 << 31) - 1
        nonce = bytes(15) + bytes([last]) + number.to_bytes(8)
        plain = box.decrypt(rest[4 : 4 + size], sha256(head).digest(), nonce)
        assert last or len(plain) == 65_536
        stream, number, rest = stream + plain, number + 1, rest[4 + size :]
    assert last
    names = []
    while stream:
        size = int.from_bytes(stream[:4])
        name, *values = msgspec.msgpack.decode(stream[4 : 4 + size])
        names.append(name)
        assert values == [] or (values[0] in ("own", "version") and isinstance(values[1], bytes))
        stream = stream[4 + size :]
    assert names == ["event"] * 101 + ["end"]


def test_records_of_a_newer_version_are_counted_and_passed_over() -> None:
    file = io.BytesIO(WHOLE)
    header, _ = read_head(file)
    out = io.BytesIO()
    writer = KitWriter(out, header, MASTER)
    writer.write([("something new", 1), KitEnd()])  # type: ignore[list-item]
    writer.end()
    out.seek(0)
    reader = KitReader(out, *read_head(out), MASTER)
    assert [record for records in reader.batches() for record in records] == [KitEnd()]
    assert reader.unknown == 1


@pytest.mark.parametrize("log_n", [0, MOST_LOG_N + 1, 60])
def test_a_file_may_not_ask_for_any_work(log_n: int) -> None:
    header = KitHeader(opens="passphrase", salt=b"s" * 32, log_n=log_n)
    with pytest.raises(KitDamaged):
        Passphrase("x").master(header)
    shares = KitHeader(opens="shares", salt=b"s" * 32)
    with pytest.raises(DecryptionFailed, match="shares open this backup"):
        Passphrase("x").master(shares)
