"""Encrypted texts of old (NIP-04)."""

from __future__ import annotations

import pytest

from nostr_client.errors import DecryptionFailed
from nostr_client.nips import nip04
from nostr_client.protocol.keys import SecretKey

ONE, TWO = SecretKey(b"\x01" * 32), SecretKey(b"\x02" * 32)
KEY = nip04.shared_key(ONE, TWO.public_key.hex)


@pytest.mark.parametrize("text", ["", "a", "sixteen letters!", "é" * 1000])
def test_what_was_encrypted_is_read(text: str) -> None:
    payload = nip04.encrypt(text, KEY)
    assert nip04.is_payload(payload)
    assert nip04.decrypt(payload, nip04.shared_key(TWO, ONE.public_key.hex)) == text


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "AAAA",
        "?iv=",
        "AAAA?iv=AAAA",
        "é?iv=é",
        "A" * 64 + "?iv=" + "A" * 22 + "==",
        "x" * 3_000_000,
    ],
)
def test_what_is_no_payload_is_refused_in_one_way(payload: str) -> None:
    with pytest.raises(DecryptionFailed):
        nip04.decrypt(payload, KEY)
