"""Codes, written and read; a secret key comes in by a pipe, and goes out if that was said."""

from __future__ import annotations

from typing import Any

import pytest

from nostr_client.exits import Exit
from nostr_client.nips import nip19, nip49
from nostr_client.protocol.keys import SecretKey
from tests.cli.protocol.in_process import said

KEY = SecretKey.from_hex("1" * 64)
ANA = KEY.public_key.hex
NPUB, NSEC = nip19.encode_npub(ANA), nip19.encode_nsec(KEY)
NOTE = "ab" * 32
RELAY = "wss://relay.example"
OFF_THE_CURVE = "f" * 64

MEANINGS: list[tuple[str, dict[str, Any]]] = [
    (NPUB, {"type": "npub", "pubkey": ANA}),
    (f"nostr:{NPUB}", {"type": "npub", "pubkey": ANA}),
    (f"web+nostr:{NPUB.upper()}", {"type": "npub", "pubkey": ANA}),
    (nip19.encode_note(NOTE), {"type": "note", "id": NOTE}),
    (
        nip19.encode_nprofile(ANA, [RELAY]),
        {"type": "nprofile", "pubkey": ANA, "relays": [RELAY]},
    ),
    (
        nip19.encode_nevent(NOTE, [RELAY], ANA, 1),
        {"type": "nevent", "id": NOTE, "relays": [RELAY], "author": ANA, "kind": 1},
    ),
    (
        nip19.encode_nevent(NOTE),
        {"type": "nevent", "id": NOTE, "relays": [], "author": None, "kind": None},
    ),
    (
        nip19.encode_naddr(30023, ANA, "a:b", [RELAY]),
        {
            "type": "naddr",
            "kind": 30023,
            "pubkey": ANA,
            "identifier": "a:b",
            "relays": [RELAY],
            "address": f"30023:{ANA}:a:b",
        },
    ),
    (
        f"30023:{ANA}:",
        {
            "type": "address",
            "kind": 30023,
            "pubkey": ANA,
            "identifier": "",
            "relays": [],
            "address": f"30023:{ANA}:",
        },
    ),
    (ANA.upper(), {"type": "hex", "hex": ANA, "npub": NPUB, "note": nip19.encode_note(ANA)}),
    (
        OFF_THE_CURVE,
        {
            "type": "hex",
            "hex": OFF_THE_CURVE,
            "npub": None,
            "note": nip19.encode_note(OFF_THE_CURVE),
        },
    ),
    ("ab" * 64, {"type": "signature", "hex": "ab" * 64}),
    ("Ana@Example.com", {"type": "nip05", "name": "ana", "domain": "example.com"}),
    ("WSS://Relay.Example/", {"type": "relay", "url": RELAY}),
    (
        f"bunker://{ANA}?relay=wss%3A%2F%2Frelay.example&secret=abc",
        {"type": "bunker", "pubkey": ANA, "relays": [RELAY], "has_secret": True},
    ),
    (nip49.encrypt(KEY, "password", 1), {"type": "ncryptsec", "log_n": 1, "security": 2}),
]


def test_what_codes_mean() -> None:
    done = said("decode", "--json", given="\n\n".join(code for code, _ in MEANINGS))
    assert (done.code, done.err) == (0, "")
    assert done.records == [meaning for _, meaning in MEANINGS]
    assert said("decode", "--json", MEANINGS[0][0], MEANINGS[3][0]).records == [
        MEANINGS[0][1],
        MEANINGS[3][1],
    ]
    assert said("decode", NPUB).out == f"npub\n  pubkey: {ANA}\n"


def test_lines_that_are_no_use_are_told_and_the_others_go_on() -> None:
    done = said(
        "decode",
        "--json",
        given=f"{NPUB}\nnonsense\nnostr:{NSEC}\n\n{NPUB[:-1]}q\n".encode() + b"\xff",
    )
    assert [one["type"] for one in done.records] == ["npub"]
    assert [one["line"] for one in done.faults] == [2, 3, 5, 6]
    assert done.code == Exit.INCOMPLETE
    assert NSEC not in done.err
    some = said("decode", "--json", NPUB, "nonsense", ANA)
    assert [one["type"] for one in some.records] == ["npub", "hex"]
    assert ([one["argument"] for one in some.faults], some.code) == ([2], Exit.INCOMPLETE)
    assert said("decode", "a", "b").code == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["decode", "nonsense"], "nor 64 hex digits, an address, a relay or name@domain"),
        (["decode", ""], "not an npub, nsec, note, nprofile, nevent or naddr"),
        (["decode", f"https://a.example/{NPUB}"], "not an npub"),
        (["decode", NPUB[:-1]], "the checksum does not fit"),
        (["encode", "npub", "foo@domain"], "an npub, an nprofile or 64 hex digits do"),
        (["encode", "note", "zz"], "a note1, a nevent1 or 64 hex digits do"),
        (["encode", "nevent", NOTE, "-a", "x"], "--author 'x': this names no person"),
        (["encode", "nprofile", ANA, "-r", "x y"], "'x y' is no relay's address"),
        (["filter", "-p", "foo"], "-p 'foo': this names no person"),
        (["filter", "-i", "foo"], "--id 'foo': this names no event"),
        (["filter", "-t", "e=zz"], "--tag 'zz': this names no event"),
        (["filter", "-e", "7" * 63], "-e: this names no event"),
        (["event", "-p", NSEC[:30]], "checksum"),
    ],
)
def test_what_is_no_code_is_told_from_a_damaged_one(words: list[str], says: str) -> None:
    done = said(*words)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert says in done.err
    assert ("checksum" in done.err) == ("checksum" in says)
    assert NSEC[:30] not in done.err


def test_a_secret_key_is_answered_with_its_public_key() -> None:
    done = said("decode", "--json", given=NSEC)
    assert done.records == [{"type": "nsec", "pubkey": ANA, "npub": NPUB}]
    shown = said("decode", "--json", "--reveal", given=NSEC)
    assert shown.records[0]["secret"] == "1" * 64
    assert said("decode", "--reveal", given=NSEC).out == "1" * 64 + "\n"
    for words in (("decode",), ("key", "decrypt"), ("encode", "nsec")):
        both = said(*words, "--reveal", "--json", given=NSEC).records[0]
        assert (both["nsec"], both["secret"]) == (NSEC, "1" * 64), "in every form, whoever says it"


@pytest.mark.parametrize(
    "words", [("decode", NSEC), ("decode", f"nostr:{NSEC}"), ("key", "validate", NSEC)]
)
def test_a_secret_key_is_no_argument(words: tuple[str, ...]) -> None:
    done = said(*words)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert NSEC not in done.err


def test_codes_are_written() -> None:
    def code(*words: str, given: str = "") -> str:
        done = said("encode", *words, given=given)
        assert done.code == 0, done.err
        return done.out.removesuffix("\n")

    assert code("npub", ANA) == NPUB
    assert code("npub", given=f"{ANA}\n\nnostr:{NPUB}\n") == f"{NPUB}\n{NPUB}"
    assert code("note", NOTE) == nip19.encode_note(NOTE)
    assert code("nprofile", NPUB, "-r", "WSS://relay.example/") == nip19.encode_nprofile(
        ANA, [RELAY]
    )
    for bare, url in {"relay.example": RELAY, "127.0.0.1:7811": "ws://127.0.0.1:7811"}.items():
        assert code("nprofile", ANA, "-r", bare) == nip19.encode_nprofile(ANA, [url])
    whole = nip19.encode_nevent(NOTE, [RELAY], ANA, 1)
    assert code("nevent", NOTE, "-r", RELAY, "--author", NPUB, "--kind", "1") == whole
    assert code("nevent", whole) == whole
    article = nip19.encode_naddr(30023, ANA, "x", [RELAY])
    assert code("naddr", "x", "-k", "30023", "-a", NPUB, "-r", RELAY) == article
    assert code("naddr", f"30023:{ANA}:x", "-r", RELAY) == article
    assert said("encode", "naddr", "x").code == Exit.USAGE
    assert said("encode", "npub", NOTE[1:]).code == Exit.USAGE
    assert said("encode", "npub", "--json", ANA).records == [{"type": "npub", "code": NPUB}]


def test_an_nsec_is_written_if_that_is_said() -> None:
    quiet = said("encode", "nsec", given="1" * 64)
    assert (quiet.code, quiet.out) == (Exit.USAGE, "")
    assert said("encode", "nsec", "--reveal", given="1" * 64).out == f"{NSEC}\n"
