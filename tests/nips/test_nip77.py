"""Negentropy: what two sides learn of each other's sets, and what a hostile side can do to one."""

from __future__ import annotations

import contextlib
import json
import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from nostr_client.nips import nip77
from nostr_client.nips.nip77 import Items, NegentropyClient, NegentropyServer
from tests.vectors import VECTORS, needs_vectors

Pairs = list[tuple[int, bytes]]
SKIP, FINGERPRINT, ID_LIST = b"\0", b"\1", b"\2"


def item(number: int, time: int | None = None) -> tuple[int, bytes]:
    return number if time is None else time, sha256(number.to_bytes(8, "big")).digest()


def reconcile(
    client: NegentropyClient, server: NegentropyServer, limit: int = 0
) -> tuple[set[bytes], set[bytes], list[bytes]]:
    """What the client has and needs, and everything that was said."""
    have: set[bytes] = set()
    need: set[bytes] = set()
    said: list[bytes] = []
    message: bytes | None = client.first()
    while message is not None:
        answer = server.answer(message)
        said += [message, answer]
        found = client.answer(answer)
        have.update(found.have)
        need.update(found.need)
        message = found.message
        assert len(said) < 10_000
    assert not limit or max(map(len, said)) <= limit
    return have, need, said


def ids(pairs: Pairs) -> set[bytes]:
    return {id for _, id in pairs}


@needs_vectors
def test_the_transcripts_byte_for_byte() -> None:
    assert VECTORS is not None
    cases = json.loads((VECTORS / "negentropy" / "transcripts.json").read_text())["cases"]
    assert len(cases) == 10

    def items(pairs: list[tuple[int, str]]) -> Items:
        return Items((time, bytes.fromhex(id)) for time, id in pairs)

    for case in cases:
        server = NegentropyServer(items(case["relay_items"]), case.get("frame_size_limit_relay", 0))
        if "client_message" in case:
            answer = server.answer(bytes.fromhex(case["client_message"]))
            assert answer.hex() == case["relay_reply"]
            continue
        client = NegentropyClient(items(case["client_items"]), case["frame_size_limit_client"])
        have, need, said = reconcile(client, server)
        assert [message.hex() for message in said] == [text for _, text in case["transcript"]]
        assert have == {bytes.fromhex(id) for id in case["client_have"]}
        assert need == {bytes.fromhex(id) for id in case["client_need"]}


def test_messages_as_the_protocol_writes_them() -> None:
    nothing = Items([])
    assert NegentropyClient(nothing).first() == b"\x61\0\0" + ID_LIST + b"\0"
    one = item(1, time=300)
    assert NegentropyClient(Items([one])).first() == b"\x61\0\0" + ID_LIST + b"\1" + one[1]
    # 300 is written as 301 in base 128; with as many items as that, no ids but fingerprints.
    many = Items([item(n, time=300 + n) for n in range(32)])
    first = NegentropyClient(many).first()
    assert first[1:5] == bytes([0x82, 0x2F, 0]) + FINGERPRINT
    total = (2**256 - 1) & sum(int.from_bytes(item(n)[1], "little") for n in range(2))
    digest = sha256(total.to_bytes(32, "little") + b"\2").digest()
    assert first[5:21] == digest[:16] == many.fingerprint(0, 2)


def test_sets_that_are_thought_to_be_alike_take_one_short_question() -> None:
    many = Items([item(n, time=300 + n) for n in range(20)])
    client = NegentropyClient(many)
    first = client.first(alike=True)
    assert first == b"\x61\0\0" + FINGERPRINT + many.fingerprint(0, 20)
    assert len(NegentropyServer(many).answer(first)) < 5
    other = NegentropyServer(Items([item(n, time=300 + n) for n in range(2, 21)]))
    found = client.answer(other.answer(first))
    assert {*found.have} == {item(n)[1] for n in range(2)}
    assert {*found.need} == {item(20)[1]}


def test_bounds_are_as_short_as_can_be() -> None:
    alike = [(5, bytes([7, 7, n]) + bytes(29)) for n in range(40)]
    items = Items(alike)
    assert items.least_bound(3) == (5, bytes([7, 7, 3]))
    assert items.find((5, bytes([7, 7, 3]))) == 3
    assert items.find((5, b"\7")) == 0
    assert items.find((5, b"\x08")) == items.find((6, b"")) == 40
    assert items.find((5, b"")) == items.find((0, b"")) == 0


# A few seconds and ids of few different beginnings: bounds within one second, long prefixes.
_ids = st.one_of(
    st.binary(min_size=1, max_size=2).map(lambda head: head.ljust(32, b"\0")),
    st.binary(min_size=1, max_size=2).map(lambda tail: tail.rjust(32, b"\7")),
    st.integers(0, 2**20).map(lambda number: item(number)[1]),
)
_times = st.integers(0, 3) | st.integers(0, 2**64 - 2)
_pairs = st.lists(st.tuples(_times, _ids), max_size=120, unique_by=lambda pair: pair[1])


@given(_pairs, st.randoms(use_true_random=False), st.sampled_from([0, 4096, 5000]))
def test_any_two_sets_are_reconciled(pairs: Pairs, rng: random.Random, limit: int) -> None:
    mine = [pair for pair in pairs if rng.random() < 0.7]
    theirs = [pair for pair in pairs if rng.random() < 0.7]
    have, need, _ = reconcile(
        NegentropyClient(Items(mine), limit), NegentropyServer(Items(theirs), limit), limit
    )
    assert have == ids(mine) - ids(theirs)
    assert need == ids(theirs) - ids(mine)


@given(
    st.integers(0, 2000),
    st.integers(1, 4000),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(4096, 20_000) | st.just(0),
    st.integers(4096, 20_000) | st.just(0),
    st.randoms(use_true_random=False),
)
@pytest.mark.slow
def test_large_sets_within_any_frame(
    count: int,
    seconds: int,
    here: float,
    there: float,
    ours: int,
    theirs: int,
    rng: random.Random,
) -> None:
    pairs = [item(n, time=rng.randrange(seconds)) for n in range(count)]
    mine = [pair for pair in pairs if rng.random() < here]
    held = [pair for pair in pairs if rng.random() < there]
    client, server = NegentropyClient(Items(mine), ours), NegentropyServer(Items(held), theirs)
    have, need, said = reconcile(client, server)
    assert have == ids(mine) - ids(held)
    assert need == ids(held) - ids(mine)
    assert not ours or max(map(len, said[0::2])) <= ours
    assert not theirs or max(map(len, said[1::2])) <= theirs


def test_what_no_longer_fits_is_not_taken_for_equal() -> None:
    """The last range differs, but the frame is full: what is announced as the rest must contain it,
    or a server without anything there would find that rest equal."""
    mine = [item(n) for n in range(13 * 64)]
    client = NegentropyClient(Items(mine), 4096)
    differing = b"\x41\0" + FINGERPRINT + bytes(16)
    message = b"\x61" + differing * 12 + b"\0\0" + FINGERPRINT + Items([]).fingerprint(0, 0)
    have: set[bytes] = set()
    nothing = NegentropyServer(Items([]))
    found = client.answer(message)
    while found.message is not None:
        assert len(found.message) <= 4096
        found = client.answer(nothing.answer(found.message))
        have.update(found.have)
    assert have == ids(mine)


def test_a_list_that_ends_where_the_frame_does() -> None:
    """Then the rest that is announced is empty: a range beyond the last one, of nothing."""
    for count in range(115, 130):
        held = [item(n) for n in range(count)]
        have, need, said = reconcile(
            NegentropyClient(Items([])), NegentropyServer(Items(held), 4096)
        )
        assert (have, need) == (set(), ids(held))
        assert max(map(len, said)) <= 4096
    beyond = b"\x61" + (b"\0\0" + SKIP) * 2 + b"\0\0" + FINGERPRINT + Items([]).fingerprint(0, 0)
    assert HELD.answer(beyond) == b"\x61"


def test_sets_that_are_equal_are_told_in_one_round() -> None:
    items = Items([item(n) for n in range(5000)])
    have, need, said = reconcile(NegentropyClient(items), NegentropyServer(items))
    assert (have, need) == (set(), set())
    assert [len(message) for message in said][1:] == [1]


def test_items_are_checked() -> None:
    with pytest.raises(InvalidData, match="32 bytes"):
        Items([(1, b"\1")])
    with pytest.raises(InvalidData, match="twice"):
        Items([item(1), item(1)])
    for time in (-1, 2**64 - 1, 2**64):
        with pytest.raises(InvalidData, match="time"):
            Items([item(1, time=time)])
    with pytest.raises(ValueError, match="4096"):
        NegentropyServer(Items([]), 4095)


HELD = NegentropyServer(Items([item(n) for n in range(100)]), 4096)
ONE_ID = item(1)[1]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "no message"),
        (b"\x00", "no message"),
        (b"\x70\0\0\0", "no message"),
        (b"\x61\x80\x01\0\0", "number"),
        (b"\x61" + b"\xff" * 11, "number"),
        (b"\x61\x81", "number"),
        (b"\x61\0", "number"),
        (b"\x61\0\x21" + bytes(33) + SKIP, "longer than an id"),
        (b"\x61\1\2a", "too early"),
        (b"\x61\0\0\3", "unknown mode"),
        (b"\x61\0\0" + FINGERPRINT + bytes(15), "too early"),
        (b"\x61\0\0" + ID_LIST + b"\2" + ONE_ID, "too early"),
        (b"\x61\0\0" + ID_LIST + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + ONE_ID, "too early"),
        (b"\x61\0\0" + SKIP + b"\1\0" + SKIP, "too large"),
        (b"\x61\0\0" + SKIP + b"x", "number"),
        (b"\x61\1\1b" + SKIP + b"\1\1a" + SKIP, "below the one before"),
        (b"\x61\1\1b" + SKIP + b"\1\0" + SKIP, "below the one before"),
        (b"\x61\x82" + b"\x80" * 8 + b"\0\0" + SKIP, "too large"),
    ],
)
def test_what_is_not_of_the_form_is_refused(message: bytes, why: str) -> None:
    with pytest.raises(InvalidData, match=why):
        HELD.answer(message)
    with pytest.raises(InvalidData, match=why):
        NegentropyClient(HELD.items).answer(message)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_get_an_answer_or_a_refusal(junk: bytes, framed: bool) -> None:
    message = b"\x61" + junk if framed else junk
    with contextlib.suppress(InvalidData):
        assert len(HELD.answer(message)) <= 4096
    with contextlib.suppress(InvalidData):
        NegentropyClient(HELD.items, 4096).answer(message)


def test_another_version_is_answered_with_ours() -> None:
    assert HELD.answer(b"\x62\xaa\xbb\xcc") == b"\x61"
    with pytest.raises(InvalidData, match="only version 0"):
        NegentropyClient(HELD.items).answer(b"\x60")


def test_the_ranges_of_a_message_are_bounded() -> None:
    skips = b"\1\0" + SKIP
    assert HELD.answer(b"\x61" + skips * nip77.MAX_RANGES) == b"\x61"
    with pytest.raises(InvalidData, match="ranges"):
        HELD.answer(b"\x61" + skips * (nip77.MAX_RANGES + 1))


def test_an_answer_is_bounded_whatever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong fingerprints cost as many as the answer holds, not as many as were sent."""
    asked = 0
    true = Items.fingerprint

    def counted(self: Items, lower: int, upper: int) -> bytes:
        nonlocal asked
        asked += 1
        return true(self, lower, upper)

    monkeypatch.setattr(Items, "fingerprint", counted)
    server = NegentropyServer(Items([item(n, time=n // 64) for n in range(64 * 500)]), 4096)
    wrong = b"\2\0" + FINGERPRINT + bytes(16)
    assert len(server.answer(b"\x61" + wrong * 500)) <= 4096
    assert asked < 300


def test_an_id_that_is_listed_many_times_is_needed_once() -> None:
    found = NegentropyClient(Items([])).answer(b"\x61\0\0" + ID_LIST + b"\3" + ONE_ID * 3)
    assert found.need == [ONE_ID]


def test_a_set_costs_what_it_says() -> None:
    import tracemalloc

    pairs = [item(n) for n in range(20_000)]
    tracemalloc.start()
    items = Items(pairs)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.7 * items.memory < held < 1.1 * items.memory
