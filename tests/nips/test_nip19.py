"""Codes for people: those of the network are read, and nothing that only looks like one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

import nostr_sdk  # type: ignore[import-untyped]
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nostr_client.errors import InvalidCode, InvalidKey
from nostr_client.nips import nip19
from nostr_client.nips.nip19 import Naddr, Nevent, Note, Nprofile, Npub, Nsec, decode
from nostr_client.protocol.bech32 import decode_bech32, encode_bech32
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from tests.vectors import VECTORS, needs_vectors

KEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
NPUB = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
SECRET = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
RELAYS = st.lists(st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=255))
KINDS = st.integers(0, 65535)


def vectors(group: str) -> list[dict[str, Any]]:
    assert VECTORS is not None
    path = VECTORS / "nip19" / "nip19-decoded-by-nostr-sdk-0.45.1.json"
    found: list[dict[str, Any]] = json.loads(path.read_text())[group]
    return found


def expected(vector: dict[str, Any]) -> nip19.Code:
    relays = tuple(vector.get("relays", ()))
    match vector["type"]:
        case "npub":
            return Npub(vector["hex"])
        case "nsec":
            return Nsec(SecretKey.from_hex(vector["hex"]))
        case "note":
            return Note(vector["hex"])
        case "nprofile":
            return Nprofile(vector["pubkey"], relays)
        case "nevent":
            return Nevent(vector["id"], relays, vector["author"], vector["kind"])
    return Naddr(vector["kind"], vector["pubkey"], vector["identifier"], relays)


def encoded(code: nip19.Code) -> str:
    match code:
        case Npub(pubkey):
            return nip19.encode_npub(pubkey)
        case Nsec(key):
            return nip19.encode_nsec(key)
        case Note(id):
            return nip19.encode_note(id)
        case Nprofile(pubkey, relays):
            return nip19.encode_nprofile(pubkey, relays)
        case Nevent(id, relays, author, kind):
            return nip19.encode_nevent(id, relays, author, kind)
        case Naddr(kind, pubkey, identifier, relays):
            return nip19.encode_naddr(kind, pubkey, identifier, relays)


@needs_vectors
def test_the_examples_of_the_nip() -> None:
    assert VECTORS is not None
    examples = json.loads((VECTORS / "nip19" / "nip19.json").read_text())
    for bare in examples["bare"]:
        code = decode(bare["bech32"])
        assert encoded(code) == bare["bech32"]
        match code:
            case Npub(pubkey):
                assert pubkey == bare["hex"]
            case Nsec(key):
                assert bytes(key).hex() == bare["hex"]
            case _:
                pytest.fail("neither a public nor a secret key")
    for profile in examples["nprofile"]:
        code = decode(profile["bech32"])
        assert code == Nprofile(profile["pubkey"], tuple(profile["relays"]))
        assert encoded(code) == profile["bech32"]


@needs_vectors
def test_what_another_library_reads_is_read_alike() -> None:
    valid = vectors("valid")
    assert len(valid) == 209
    for vector in valid:
        code = decode(vector["bech32"])
        assert code == expected(vector)
        assert decode(f"nostr:{vector['bech32']}") == code if vector["type"] != "nsec" else True
        assert decode(encoded(code)) == code
        if vector["type"] in ("npub", "nsec", "note"):
            assert encoded(code) == vector["bech32"]


@needs_vectors
def test_what_it_refuses_is_refused() -> None:
    refused = vectors("rejected_by_oracle")
    assert len(refused) == 2
    for vector in refused:
        with pytest.raises(InvalidCode):
            decode(vector["bech32"])


@given(HEX)
@example("00" * 32)
@example("ab" * 31 + "00")
def test_plain_codes_come_back_and_are_those_of_another_library(hex: str) -> None:
    assert decode(nip19.encode_npub(hex)) == Npub(hex)
    assert decode(nip19.encode_note(hex)) == Note(hex)
    assert nip19.encode_npub(hex) == nostr_sdk.PublicKey.parse(hex).to_bech32()
    assert nip19.encode_note(hex) == nostr_sdk.EventId.parse(hex).to_bech32()


@given(HEX, RELAYS, st.none() | HEX, st.none() | KINDS)
def test_codes_with_relays_come_back(
    hex: str, relays: list[str], author: str | None, kind: int | None
) -> None:
    kept = decode(nip19.encode_nprofile(hex, relays))
    assert isinstance(kept, Nprofile)
    assert kept.pubkey == hex
    assert kept.relays == tuple(relays)[: len(kept.relays)] or sum(map(len, relays)) > 2000
    event = decode(nip19.encode_nevent(hex, relays[:5], author, kind))
    assert event == Nevent(hex, tuple(relays[:5]), author, kind)


@given(KINDS, HEX, st.text(max_size=63))
def test_addresses_come_back(kind: int, pubkey: str, identifier: str) -> None:
    code = nip19.encode_naddr(kind, pubkey, identifier, ["wss://relay.example"])
    found = decode(code)
    assert found == Naddr(kind, pubkey, identifier, ("wss://relay.example",))
    assert found.address == f"{kind}:{pubkey}:{identifier}"


def test_another_library_reads_ours() -> None:
    code = nip19.encode_nevent(KEY, ["wss://relay.example"], KEY, 1)
    event = nostr_sdk.Nip19Event.from_bech32(code)
    assert event.event_id().to_hex() == KEY
    assert [str(url) for url in event.relays()] == ["wss://relay.example"]
    profile = nostr_sdk.Nip19Profile.from_bech32(nip19.encode_nprofile(KEY, ["wss://a.example"]))
    assert profile.public_key().to_hex() == KEY
    address = nostr_sdk.Nip19Coordinate.from_bech32(nip19.encode_naddr(30023, KEY, "ö", []))
    assert address.coordinate().identifier() == "ö"


def tlv(prefix: str, *items: tuple[int, bytes]) -> str:
    return encode_bech32(prefix, b"".join(bytes((kind, len(v))) + v for kind, v in items))


RAW = bytes.fromhex(KEY)


def test_unknown_items_are_passed_over_and_the_first_of_several_counts() -> None:
    code = tlv("nprofile", (9, b"?"), (0, RAW), (0, b"\1" * 32), (77, b""), (1, b"wss://a.b"))
    assert decode(code) == Nprofile(KEY, ("wss://a.b",))
    code = tlv("naddr", (3, b"\0\0\0\1"), (1, b"a"), (2, RAW), (0, b""), (1, b"b"))
    assert decode(code) == Naddr(1, KEY, "", ("a", "b"))


def test_hints_that_are_none_are_passed_over() -> None:
    assert decode(tlv("nprofile", (0, RAW), (1, b"\xff\xfe"))) == Nprofile(KEY)
    assert decode(tlv("nevent", (0, RAW), (2, b"short"))) == Nevent(KEY)


BAD = {
    "nothing": "",
    "only a scheme": "nostr:",
    "a wrong character": NPUB[:-1] + "q",
    "two swapped": NPUB[:10] + NPUB[11] + NPUB[10] + NPUB[12:],
    "mixed case": NPUB[:20] + NPUB[20:].upper(),
    "mixed case in the prefix": "Npub" + NPUB[4:],
    "a space within": NPUB[:20] + " " + NPUB[20:],
    "beyond ASCII": NPUB[:20] + "ö" + NPUB[20:],
    "a character of no digit": NPUB[:20] + "b" + NPUB[21:],
    "a wrong prefix": encode_bech32("npubx", RAW),
    "no prefix": encode_bech32("", RAW),
    "a relay's code": tlv("nrelay", (0, b"wss://a.b")),
    "bech32m": "npub1" + "q" * 58,
    "a short key": encode_bech32("npub", RAW[:31]),
    "a long key": encode_bech32("npub", RAW + b"\0"),
    "a secret key that is none": encode_bech32("nsec", b"\0" * 32),
    "a secret key beyond the order": encode_bech32("nsec", b"\xff" * 32),
    "a secret key in a link": f"nostr:{NSEC}",
    "a profile of nobody": tlv("nprofile", (1, b"wss://a.b")),
    "a profile of a short key": tlv("nprofile", (0, RAW[:31])),
    "an empty profile": encode_bech32("nprofile", b""),
    "an item without length": encode_bech32("nprofile", b"\0\x20" + RAW + b"\1"),
    "an item too short": encode_bech32("nprofile", b"\0\x20" + RAW + b"\1\x20ab"),
    "an address without kind": tlv("naddr", (0, b"d"), (2, RAW)),
    "an address without author": tlv("naddr", (0, b"d"), (3, b"\0\0\0\1")),
    "an address without identifier": tlv("naddr", (2, RAW), (3, b"\0\0\0\1")),
    "an address of a short author": tlv("naddr", (0, b"d"), (2, b"a"), (3, b"\0\0\0\1")),
    "an identifier that is no text": tlv("naddr", (0, b"\xff"), (2, RAW), (3, b"\0\0\0\1")),
    "a kind too large": tlv("nevent", (0, RAW), (3, b"\0\1\0\0")),
    "a kind too short": tlv("nevent", (0, RAW), (3, b"\1")),
    "a locked key": encode_bech32("ncryptsec", b"\2" * 91),
    "hex": KEY,
}


@pytest.mark.parametrize("why", BAD)
def test_what_only_looks_like_a_code_is_refused(why: str) -> None:
    with pytest.raises(InvalidCode):
        decode(BAD[why])


def test_bech32m_is_another_encoding() -> None:
    from pynostr import bech32

    text = bech32.bech32_encode("npub", bech32.convertbits(RAW, 8, 5), bech32.Encoding.BECH32M)
    with pytest.raises(InvalidCode, match="checksum"):
        decode(text)


def test_surplus_bits_are_refused() -> None:
    from pynostr import bech32

    words = bech32.convertbits(RAW, 8, 5)
    words[-1] |= 1
    with pytest.raises(InvalidCode, match="whole bytes"):
        decode(bech32.bech32_encode("npub", words, bech32.Encoding.BECH32))


def test_what_people_paste_is_read() -> None:
    for text in (f"  {NPUB}\n", NPUB.upper(), f"nostr:{NPUB}", f"NOSTR:{NPUB}", f"Nostr:{NPUB}"):
        assert decode(text) == Npub(KEY)


def test_the_longest_code_is_read_and_a_longer_one_is_not() -> None:
    relay = (1, b"x" * 253)
    items = [(0, RAW), *[relay] * 11, (1, b"x" * 66)]
    longest = tlv("nprofile", *items, (1, b"x" * (3115 - sum(2 + len(v) for _, v in items) - 2)))
    assert 4995 <= len(longest) <= 5000
    assert len(decode(longest).relays) == 13  # type: ignore[union-attr]
    with pytest.raises(InvalidCode, match="5000"):
        decode(tlv("nprofile", *items, *[relay] * 2))
    with pytest.raises(InvalidCode, match="5000"):
        decode("npub1" + "q" * 10_000_000)


def test_what_a_code_cannot_carry() -> None:
    relays = ["wss://" + "x" * 250, "wss://ö.example", "wss://a.b"]
    assert decode(nip19.encode_nprofile(KEY, relays)) == Nprofile(KEY, ("wss://a.b",))
    full = nip19.encode_nevent(KEY, ["wss://" + "x" * 200] * 100, KEY, 1)
    assert 4500 < len(full) <= 5000
    kept = decode(full)
    assert isinstance(kept, Nevent)
    assert (kept.author, kept.kind) == (KEY, 1)
    for wrong in ("x" * 256, "\ud800"):
        with pytest.raises(InvalidCode):
            nip19.encode_naddr(1, KEY, wrong)
    for hex in (KEY.upper(), KEY[:-1], KEY + "00", "", f"{KEY}\n"):
        with pytest.raises(InvalidCode):
            nip19.encode_npub(hex)
        with pytest.raises(InvalidCode):
            nip19.encode_nsec(hex)
    for kind in (-1, 65536):
        with pytest.raises(InvalidCode):
            nip19.encode_nevent(KEY, kind=kind)


def test_secrets_do_not_show() -> None:
    code = decode(NSEC)
    assert isinstance(code, Nsec)
    assert nip19.encode_nsec(code.key) == nip19.encode_nsec(SECRET) == NSEC
    assert SECRET not in repr(code)
    assert NSEC[5:] not in repr(code)
    for damaged in (NSEC[:-1] + "q", NSEC[:-1], f"nostr:{NSEC}", SECRET):
        with pytest.raises(InvalidCode) as caught:
            decode(damaged)
        assert damaged[10:30] not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(), st.sampled_from(["", "nostr:", "npub1", "nsec1", "naddr1", "nevent1"]))
def test_nothing_but_invalid_code_comes_out(text: str, start: str) -> None:
    with contextlib.suppress(InvalidCode):
        decode(start + text)


@given(st.sampled_from(["npub", "nsec", "note", "nprofile", "nevent", "naddr", "x"]), st.binary())
def test_nor_out_of_a_good_checksum(prefix: str, data: bytes) -> None:
    text = encode_bech32(prefix, data)
    assert decode_bech32(text) == (prefix, data)
    try:
        code = decode(text)
    except InvalidCode:
        return
    assert decode(encoded(code)) == code


def test_reading_codes_loads_none_of_the_network_code_of_pynostr() -> None:
    code = (
        "import sys, nostr_client.nips.nip19\n"
        "loaded = [name for name in sys.modules if name.split('.')[0] in\n"
        "  ('pynostr', 'requests', 'tornado', 'rich', 'tlv8', 'coincurve', 'cryptography')]\n"
        "print(sorted(loaded))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=90
    ).stdout
    assert out.strip() == "['pynostr', 'pynostr.bech32']"


@pytest.mark.parametrize(
    "code",
    [
        nip19.Npub("ab" * 32),
        nip19.Nsec(SecretKey(b"\1" * 32)),
        nip19.Note("cd" * 32),
        nip19.Nprofile("ab" * 32, ("wss://a.example",)),
        nip19.Nevent("cd" * 32, ("wss://a.example",), "ab" * 32, 1),
        nip19.Naddr(30023, "ab" * 32, "name", ()),
    ],
)
def test_encode_is_the_opposite_of_decode(code: nip19.Code) -> None:
    assert nip19.decode(nip19.encode(code)) == code


def test_every_way_of_naming_an_event() -> None:
    id, nevent = "cd" * 32, nip19.Nevent("cd" * 32, ("wss://a.example",), "ab" * 32, 1)
    for text in (
        id,
        id.upper(),
        f" {id}\n",
        nip19.encode_note(id),
        f"nostr:{nip19.encode_note(id)}",
    ):
        assert nip19.event_of(text) == nip19.Nevent(id)
    assert nip19.event_of(nip19.encode(nevent)) == nevent
    for text in ("", id[:-1], nip19.encode_npub("ab" * 32), nip19.encode(nip19.Naddr(1, id, ""))):
        with pytest.raises(InvalidCode):
            nip19.event_of(text)


def test_what_names_an_event_to_everybody() -> None:
    def event(kind: int, *tags: tuple[str, ...]) -> Event:
        return Draft(kind, "", tags, 1_700_000_000).sign(
            SecretKey(bytes.fromhex(SECRET)), 1_700_000_000
        )

    def named(event: Event) -> nip19.Code:
        return nip19.decode(nip19.encode_event(event, ["wss://a.example"]))

    relays, author = ("wss://a.example",), SecretKey(bytes.fromhex(SECRET)).public_key.hex
    note, essay, follows = event(1), event(30023, ("d", "x")), event(3)
    long = event(30023, ("d", "ä" * 128))  # 256 bytes, which no code can carry
    assert named(note) == nip19.Nevent(note.id, relays, author, 1)
    assert named(essay) == nip19.Naddr(30023, author, "x", relays)
    assert named(follows) == nip19.Naddr(3, author, "", relays)
    assert named(long) == nip19.Nevent(long.id, relays, author, 30023)


def test_a_person_is_named_by_code_or_digits() -> None:
    pubkey = SecretKey.from_hex(SECRET).public_key.hex
    npub = nip19.encode_npub(pubkey)
    relay = "wss://relay.example"
    for text in (npub, f"nostr:{npub}", f" {npub.upper()}\n", pubkey, pubkey.upper()):
        assert nip19.profile_of(text) == nip19.Nprofile(pubkey)
    assert nip19.profile_of(nip19.encode_nprofile(pubkey, [relay])).relays == (relay,)
    assert nip19.pubkey_in(npub) == nip19.pubkey_of(pubkey) == pubkey


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (NSEC, "SECRET key"),
        (nip19.encode_note("ab" * 32), "names no person"),
        ("bob@relay.example", "."),
    ],
)
def test_what_names_no_person(text: str, says: str) -> None:
    assert nip19.pubkey_in(text) is None
    with pytest.raises(InvalidCode, match=says) as refusal:
        nip19.pubkey_of(text)
    assert text not in str(refusal.value)


@pytest.mark.parametrize("text", ["f" * 64, nip19.encode_npub("f" * 64)])
def test_a_key_that_is_none_names_nobody(text: str) -> None:
    with pytest.raises(InvalidKey, match="not a point"):
        nip19.pubkey_in(text)
