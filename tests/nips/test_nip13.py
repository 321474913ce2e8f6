"""Proof of work: what counts, and how it is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from nostr_client.nips.nip13 import commitment, difficulty, mine, work
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

KEY = SecretKey(b"\x11" * 32)
PUBKEY = KEY.public_key.hex
EXAMPLE = (
    b'{"id":"000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358",'
    b'"pubkey":"a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243",'
    b'"created_at":1651794653,"kind":1,"tags":[["nonce","776797","20"]],'
    b'"content":"It\'s just me mining my own business","sig":"284622fc0a3f4f1303455d5175f7ba962a'
    b"3300d136085b9566801bc2e0699de0c7e31e44c81fb40ad9049173742e904713c3594a1da0fc5d2382a25c11aba"
    b'977"}'
)


def test_the_example_of_the_nip() -> None:
    event = Event.parse(EXAMPLE)
    assert difficulty(event.id) == 21
    assert commitment(event) == 20
    assert work(event) == 20


@pytest.mark.parametrize(
    ("start", "bits"), [("0", 4), ("1", 3), ("7", 1), ("8", 0), ("f", 0), ("002f", 10)]
)
def test_zero_bits(start: str, bits: int) -> None:
    assert difficulty(start.ljust(64, "f")) == bits


def test_all_zero_bits() -> None:
    assert difficulty("0" * 64) == 256


@pytest.mark.parametrize(
    ("tag", "aim"),
    [
        (("nonce", "5", "12"), 12),
        (("nonce", "5"), None),
        (("nonce",), None),
        (("nonce", "5", "-1"), None),
        (("nonce", "5", "1e2"), None),
        (("nonce", "5", "\u0661"), None),
        (("nonce", "5", "9" * 5000), None),
        (("t", "5", "12"), None),
    ],
)
def test_commitments(tag: tuple[str, ...], aim: int | None) -> None:
    assert commitment(Draft(1, "", (tag,), 5).sign(KEY, 5)) == aim


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=20),
    st.integers(0, 6),
)
def test_what_is_mined_has_the_work(content: str, bits: int) -> None:
    draft = Draft(1, content, (("t", content), ("nonce", "old", "40")), 1_700_000_000)
    mined = mine(draft, PUBKEY, bits)
    assert mined is not None
    event = mined.sign(KEY, 0)
    assert difficulty(event.id) >= bits
    assert work(event) == bits
    assert (event.content, event.tags[0]) == (content, ("t", content))
    assert [tag[0] for tag in event.tags] == ["t", "nonce"]


def test_mining_stops_and_goes_on() -> None:
    draft = Draft(1, "0" * 16, (), 1_700_000_000)
    start, found = 0, None
    while found is None:
        found = mine(draft, PUBKEY, 9, start=start, tries=50)
        start += 50
    assert found == mine(draft, PUBKEY, 9)
    assert mine(draft, PUBKEY, 200, tries=20) is None


@pytest.mark.parametrize(
    ("draft", "options"),
    [
        (Draft(1), {"bits": 1}),
        (Draft(1, created_at=5), {"bits": 257}),
        (Draft(1, created_at=5), {"bits": -1}),
        (Draft(1, created_at=5), {"bits": 1, "start": 10**16}),
        (Draft(1, created_at=5), {"bits": 1, "start": -1}),
    ],
)
def test_what_cannot_be_mined(draft: Draft, options: dict[str, int]) -> None:
    with pytest.raises(InvalidData):
        mine(draft, PUBKEY, **options)
