"""Codes with a checksum, and keys as people keep them."""

from __future__ import annotations

import pytest

from nostr_client.errors import InvalidCode, InvalidKey
from nostr_client.protocol.bech32 import decode_bech32, encode_bech32, unfolded
from nostr_client.protocol.keys import SecretKey

KEY = SecretKey(bytes(range(1, 33)))
NSEC = encode_bech32("nsec", bytes(KEY))
HEX = bytes(KEY).hex()


def test_a_zero_byte_at_the_end_is_kept() -> None:
    data = b"\1" * 31 + b"\0"
    assert decode_bech32(encode_bech32("npub", data)) == ("npub", data)
    with pytest.raises(InvalidCode):
        decode_bech32("npub1")


@pytest.mark.parametrize(
    "kept",
    [
        NSEC,
        NSEC.upper(),
        f"\ufeff{NSEC}\r\n",
        f'"{NSEC}"',
        f"\u201c{NSEC}\u201d",
        f"<{NSEC}>",
        f"{NSEC[:30]}\n  {NSEC[30:]}",
        HEX,
        HEX.upper(),
        f"'{HEX[:32]} {HEX[32:]}'",
    ],
)
def test_a_key_is_read_as_it_was_kept(kept: str) -> None:
    assert SecretKey.parse(kept) == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        NSEC[:-1],
        NSEC[:20] + NSEC[20:].upper(),
        NSEC[:-1] + ("q" if NSEC[-1] != "q" else "p"),
        HEX[:-1],
        "0" * 64,
        encode_bech32("npub", bytes(KEY)),
        encode_bech32("nsec", bytes(KEY)[:-1]),
        f"{NSEC} {NSEC}",
    ],
)
def test_what_is_no_key_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        SecretKey.parse(text)
    assert not text or text[:20] not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_nothing_but_what_surrounds_it_is_taken_away() -> None:
    assert unfolded(" Nsec1Abc ") == "Nsec1Abc"
    assert unfolded("NSEC1ABC") == "nsec1abc"
