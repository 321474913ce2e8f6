"""Keys and signatures. `test_bindings` runs this file with the other C binding as well."""

from __future__ import annotations

import copy
import csv
import hashlib
import hmac
import io
import json
import pickle
import pprint
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData, InvalidKey, SignerUnavailable
from nostr_client.protocol import keys
from nostr_client.protocol.keys import (
    PublicKey,
    SecretKey,
    compressed,
    ecdh,
    tweak_add,
    verify,
    verify_batch,
    wipe,
    wiping,
)
from tests.vectors import VECTORS, needs_vectors

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECRET = bytes(range(1, 33))
KEY = SecretKey(SECRET)
DIGEST = bytes(range(32))

secrets = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


def bip340() -> Iterator[dict[str, str]]:
    if VECTORS is not None:
        text = (VECTORS / "bip340" / "test-vectors.csv").read_text()
        yield from csv.DictReader(io.StringIO(text))


ROWS = list(bip340())


def row_id(row: dict[str, str]) -> str:
    return row["index"]


@needs_vectors
def test_there_are_as_many_vectors_as_their_source_says() -> None:
    assert len(ROWS) == 19
    assert sum(len(row["message"]) == 64 for row in ROWS) == 15


@pytest.mark.parametrize("row", [row for row in ROWS if len(row["message"]) == 64], ids=row_id)
def test_bip340_with_messages_of_32_bytes(row: dict[str, str]) -> None:
    pubkey, digest, sig = (bytes.fromhex(row[n]) for n in ("public key", "message", "signature"))
    expected = row["verification result"] == "TRUE"
    assert verify(pubkey, digest, sig) is expected
    assert verify_batch(digest + pubkey + sig) == bytes([expected])
    if row["secret key"]:
        key = SecretKey.from_hex(row["secret key"])
        assert bytes(key.public_key) == pubkey
        assert key._sign(digest, bytes.fromhex(row["aux_rand"])) == sig


@pytest.mark.parametrize("row", [row for row in ROWS if len(row["message"]) != 64], ids=row_id)
def test_bip340_with_other_messages(row: dict[str, str]) -> None:
    """Nostr signs digests of 32 bytes only, and we take no others; the library below does."""
    pubkey, message, sig = (bytes.fromhex(row[n]) for n in ("public key", "message", "signature"))
    assert verify(pubkey, message, sig) is False
    with pytest.raises(ValueError, match="32 bytes"):
        SecretKey.from_hex(row["secret key"]).sign(message)
    point = keys.ffi.new("secp256k1_xonly_pubkey *")
    assert keys._parse_xonly(keys._context, point, pubkey)
    assert keys._verify(keys._context, sig, message, len(message), point)


# Signatures


@given(secrets, digests)
def test_what_is_signed_verifies_and_nothing_else(secret: bytes, digest: bytes) -> None:
    key = SecretKey(secret)
    pubkey, sig = bytes(key.public_key), key.sign(digest)
    assert len(sig) == 64
    assert verify(pubkey, digest, sig)
    for place in (0, 31, 32, 63):
        wrong = bytearray(sig)
        wrong[place] ^= 1
        assert not verify(pubkey, digest, bytes(wrong))
    assert not verify(pubkey, bytes([digest[0] ^ 1]) + digest[1:], sig)
    assert key.sign(digest) != sig, "the same randomness twice"


@pytest.mark.parametrize("cut", ["pubkey", "digest", "sig"])
@pytest.mark.parametrize("size", [-1, 1])
def test_parts_of_a_wrong_size_do_not_verify(cut: str, size: int) -> None:
    parts = {"pubkey": bytes(KEY.public_key), "digest": DIGEST, "sig": KEY.sign(DIGEST)}
    assert verify(**parts)
    parts[cut] = parts[cut] + b"\0" if size > 0 else parts[cut][:-1]
    assert not verify(**parts)


def test_a_point_off_the_curve_does_not_verify() -> None:
    for pubkey in (b"\xff" * 32, b"\0" * 32, (5).to_bytes(32, "big")):
        assert not verify(pubkey, DIGEST, KEY.sign(DIGEST))


@given(st.lists(st.tuples(secrets, digests, st.sampled_from(["good", "sig", "key"])), max_size=8))
def test_a_batch_says_what_single_checks_say(cases: list[tuple[bytes, bytes, str]]) -> None:
    records, expected = b"", []
    for secret, digest, fault in cases:
        key = SecretKey(secret)
        pubkey = b"\xff" * 32 if fault == "key" else bytes(key.public_key)
        sig = b"\x01" * 64 if fault == "sig" else key.sign(digest)
        records += digest + pubkey + sig
        expected.append(fault == "good")
        assert verify(pubkey, digest, sig) is expected[-1]
    assert verify_batch(records) == bytes(expected)


def test_a_batch_is_made_of_whole_records() -> None:
    assert verify_batch(b"") == b""
    for size in (1, 127, 129):
        with pytest.raises(ValueError, match="128 bytes"):
            verify_batch(bytes(size))


# Keys


@pytest.mark.parametrize(
    "secret",
    [
        *(bytes(32), ORDER.to_bytes(32, "big"), (ORDER + 1).to_bytes(32, "big"), b"\xff" * 32),
        *(b"", SECRET[:-1], SECRET + b"\0", SECRET.hex(), None, 5, bytearray(32)),
    ],
    ids=lambda secret: type(secret).__name__,
)
def test_what_is_no_secret_key(secret: Any) -> None:
    with pytest.raises(InvalidKey):
        SecretKey(secret)


def test_the_smallest_and_the_largest_key() -> None:
    one, last = SecretKey((1).to_bytes(32, "big")), SecretKey((ORDER - 1).to_bytes(32, "big"))
    generator = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    assert one.public_key.hex == last.public_key.hex == generator


def test_keys_in_hex() -> None:
    assert SecretKey.from_hex(SECRET.hex()) == SecretKey.from_hex(SECRET.hex().upper()) == KEY
    bad: list[Any] = ["", "a" * 63, "a" * 65, "g" * 64, "0" * 64, " " + "a" * 63, "٣" * 64, None]
    for text in bad:
        with pytest.raises(InvalidKey):
            SecretKey.from_hex(text)
    for text in (*bad, KEY.public_key.hex.upper(), "f" * 64, KEY.public_key.hex + "\n", b"a" * 64):
        with pytest.raises(InvalidKey):
            PublicKey(text)
    assert issubclass(InvalidKey, InvalidData)


def test_public_keys_are_values() -> None:
    again = PublicKey(KEY.public_key.hex)
    assert again == KEY.public_key
    assert {again, KEY.public_key} == {again}
    assert again != KEY.public_key.hex
    assert bytes(again).hex() == again.hex
    assert repr(again) == f"PublicKey('{again.hex}')"
    assert pickle.loads(pickle.dumps(again)) == again


def test_generated_keys_differ() -> None:
    assert len({SecretKey.generate() for _ in range(16)}) == 16


def test_a_secret_key_never_shows_itself() -> None:
    shown = [repr(KEY), str(KEY), f"{KEY}", "%r %s" % (KEY, KEY), pprint.pformat([KEY])]  # noqa: UP031
    shown += [json.dumps({"key": KEY}, default=repr), repr({"key": [KEY]})]
    for call in (
        lambda: pickle.dumps(KEY),
        lambda: pickle.dumps(KEY, 0),
        lambda: json.dumps(KEY),
        lambda: msgspec.json.encode(KEY),
        lambda: msgspec.to_builtins(KEY),
        lambda: vars(KEY),
    ):
        with pytest.raises(TypeError) as failure:
            call()
        shown += traceback.format_exception(failure.value)
    for bad in (SECRET.hex()[:-1], SECRET.hex() + "0", SECRET.hex()[:-1] + "g"):
        with pytest.raises(InvalidKey) as refused:
            SecretKey.from_hex(bad)
        shown += [str(refused.value), repr(refused.value)]
    decimal = str(int.from_bytes(SECRET))
    for text in shown:
        assert SECRET.hex()[:12] not in text
        assert repr(SECRET)[2:20] not in text
        assert decimal[:12] not in text
    assert KEY.public_key.hex in repr(KEY)


def test_a_copy_of_a_secret_key_is_the_key() -> None:
    assert copy.copy(KEY) is KEY
    assert copy.deepcopy({"key": KEY})["key"] is KEY


def test_secret_keys_are_values() -> None:
    assert SecretKey(SECRET) == KEY
    assert hash(SecretKey(SECRET)) == hash(KEY)
    assert SecretKey.generate() != KEY
    assert KEY != SECRET
    assert bytes(KEY) == SECRET


@given(secrets, secrets)
def test_two_people_share_a_point(first: bytes, second: bytes) -> None:
    a, b = SecretKey(first), SecretKey(second)
    assert ecdh(a, b.public_key) == ecdh(b, a.public_key)


def test_the_shared_point_is_not_hashed() -> None:
    one = SecretKey((1).to_bytes(32, "big"))
    assert ecdh(one, KEY.public_key) == bytes(KEY.public_key)


@needs_vectors
def test_the_shared_point_is_that_of_nip44() -> None:
    assert VECTORS is not None
    vectors = json.loads((VECTORS / "nip44" / "nip44.vectors.paulmillr.json").read_bytes())
    cases = vectors["v2"]["valid"]["get_conversation_key"]
    assert len(cases) > 10
    for case in cases:
        x = ecdh(SecretKey.from_hex(case["sec1"]), PublicKey(case["pub2"]))
        assert hmac.digest(b"nip44-v2", x, hashlib.sha256).hex() == case["conversation_key"]


def test_a_wiped_key_says_whose_it_was_and_does_nothing_else() -> None:
    key, peer = SecretKey(SECRET), SecretKey.generate().public_key
    assert key.is_in(b"..." + SECRET + b"...")
    assert not key.is_in(SECRET[:-1])
    held = key._secret
    key.wipe()
    key.wipe()
    assert held == bytes(32)
    assert key.is_wiped
    assert not KEY.is_wiped
    assert key.public_key == KEY.public_key
    assert key.public_key.hex in repr(key)
    assert key != KEY
    uses: tuple[Callable[[], object], ...] = (
        lambda: bytes(key),
        lambda: key.sign(bytes(32)),
        lambda: ecdh(key, peer),
        lambda: tweak_add(key, SECRET),
        lambda: compressed(key),
        lambda: key.is_in(bytes(64)),
    )
    for use in uses:
        with pytest.raises(SignerUnavailable, match="locked"):
            use()


def test_a_key_takes_a_copy_that_is_its_own() -> None:
    mine = bytearray(SECRET)
    key = SecretKey(mine)
    wipe(mine)
    assert bytes(key) == SECRET
    with pytest.raises(RuntimeError, match="amiss"), wiping(key):
        raise RuntimeError("amiss")
    assert key.is_wiped
