"""Encrypted payloads (NIP-44), against the NIP's own vectors where they are at hand."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import DecryptionFailed, InvalidKey, PlaintextTooLong
from nostr_client.nips import nip44
from nostr_client.protocol.keys import SecretKey

ONE, TWO = SecretKey(b"\x01" * 32), SecretKey(b"\x02" * 32)
KEY = nip44.conversation_key(ONE, TWO.public_key.hex)
VECTORS = Path(__file__).parents[3] / "shared/vectors/nip44"


def _vectors(name: str) -> Any:
    file = VECTORS / f"nip44.vectors.{name}.json"
    if not file.exists():
        pytest.skip(f"no test vectors here ({file.name})")
    return json.loads(file.read_text())["v2"]


def test_both_ends_share_one_key() -> None:
    assert nip44.conversation_key(TWO, ONE.public_key.hex) == KEY


@pytest.mark.parametrize("text", ["a", "é" * 40, "x" * 32, "x" * 33, "y" * 65_535, "\x00"])
def test_what_was_encrypted_is_read(text: str) -> None:
    payload = nip44.encrypt(text, KEY)
    assert nip44.decrypt(payload, KEY) == text
    assert nip44.encrypt(text, KEY) != payload


@pytest.mark.parametrize("size", [65_536, 65_537, 100_000, nip44.MAX_PLAINTEXT])
def test_the_extended_length_is_read_and_written_only_where_it_is_asked_for(size: int) -> None:
    with pytest.raises(PlaintextTooLong):
        nip44.encrypt("x" * size, KEY)
    payload = nip44.encrypt("x" * size, KEY, limit=size)
    assert len(payload) <= nip44.MAX_PAYLOAD
    assert nip44.decrypt(payload, KEY) == "x" * size


def test_a_large_one_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(DecryptionFailed, match="characters"):
        nip44.decrypt("A" * (nip44.MAX_PAYLOAD + 4), KEY)


def test_every_bit_counts() -> None:
    payload = nip44.encrypt("attack at dawn", KEY)
    for at, found in enumerate(payload):
        other = "B" if found == "A" else "A"
        with pytest.raises(DecryptionFailed):
            nip44.decrypt(payload[:at] + other + payload[at + 1 :], KEY)


@pytest.mark.parametrize("at", [-32, -1])
def test_a_mac_is_compared_whole(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what takes the same time wherever they differ, and before anything is decrypted."""
    data = bytearray(b64decode(nip44.encrypt("attack at dawn", KEY)))
    data[at] ^= 1
    compared, real = [], hmac.compare_digest

    def comparing(one: bytes, other: bytes) -> bool:
        compared.append((len(one), other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", comparing)
    monkeypatch.setattr(nip44, "_chacha20", lambda *_: pytest.fail("decrypted unchecked"))
    with pytest.raises(DecryptionFailed):
        nip44.decrypt(b64encode(data).decode(), KEY)
    assert compared == [(32, bytes(data[-32:]))]


@pytest.mark.parametrize("name", ["paulmillr", "nostr-tools"])
def test_the_vectors_of_the_nip(name: str) -> None:
    valid = _vectors(name)["valid"]
    for each in valid["get_conversation_key"]:
        key = nip44.conversation_key(SecretKey.from_hex(each["sec1"]), each["pub2"])
        assert key.hex() == each["conversation_key"]
    told = valid["get_message_keys"]
    for each in told["keys"]:
        found = nip44._message_keys(
            bytes.fromhex(told["conversation_key"]), bytes.fromhex(each["nonce"])
        )
        wanted = [each[name] for name in ("chacha_key", "chacha_nonce", "hmac_key")]
        assert [part.hex() for part in found] == wanted
    for plain, padded in valid["calc_padded_len"]:
        assert nip44.padded_length(plain) == padded
    for each in valid["encrypt_decrypt"]:
        key, nonce = bytes.fromhex(each["conversation_key"]), bytes.fromhex(each["nonce"])
        assert nip44.encrypt(each["plaintext"], key, nonce=nonce) == each["payload"]
        assert nip44.decrypt(each["payload"], key) == each["plaintext"]
    for each in valid["encrypt_decrypt_long_msg"]:
        key, nonce = bytes.fromhex(each["conversation_key"]), bytes.fromhex(each["nonce"])
        text = (each.get("pattern") or each["letter"]) * int(each["repeat"])
        if not each.get("payload_sha256"):  # one that has no more than a size
            assert nip44.decrypt(nip44.encrypt(text, key, limit=2 * 65_535), key) == text
            continue
        assert hashlib.sha256(text.encode()).hexdigest() == each["plaintext_sha256"]
        payload = nip44.encrypt(text, key, nonce=nonce)
        assert hashlib.sha256(payload.encode()).hexdigest() == each["payload_sha256"]
        assert nip44.decrypt(payload, key) == text


@pytest.mark.parametrize("name", ["paulmillr", "nostr-tools"])
def test_the_vectors_of_what_is_invalid(name: str) -> None:
    invalid = _vectors(name)["invalid"]
    for each in invalid["get_conversation_key"]:
        with pytest.raises(InvalidKey):
            nip44.conversation_key(SecretKey.from_hex(each["sec1"]), each["pub2"])
    for each in invalid["decrypt"]:
        with pytest.raises(DecryptionFailed):
            nip44.decrypt(each["payload"], bytes.fromhex(each["conversation_key"]))
    for size in invalid["encrypt_msg_lengths"]:
        with pytest.raises((PlaintextTooLong, ValueError)):
            nip44.encrypt("x" * min(size, nip44.MAX_PLAINTEXT), KEY)
