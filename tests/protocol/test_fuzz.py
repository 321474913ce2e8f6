"""Whatever comes in, nothing but InvalidData comes out; and what is taken holds together."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from nostr_client.protocol import messages as m
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.messages import decode_client_message, decode_relay_message, peek
from nostr_client.protocol.urls import host_of, is_private_host, normalize_relay_url
from tests.protocol.strategies import KEYS

NOTE = Draft(1, 'h"\n😀', (("t", "x"), ("e", "a" * 64, "", "root"))).sign(KEYS[0], 1_700_000_000)
PROFILE = Draft(0, json.dumps({"name": "x"}), ()).sign(KEYS[1], 1_600_000_000)
ASKED = Filter.of(kinds=[1], authors=["a" * 64], t=["x"], since=5, until=9, limit=3, search="x")
SEEDS: list[bytes] = [
    NOTE.json,
    PROFILE.json,
    json.dumps(ASKED.to_dict()).encode(),
    b"wss://relay.example:7777/in/../box?x=1#y",
    b"ws://[::ffff:127.0.0.1]:80/",
    *(
        message.encode()
        for message in (
            m.PublishEvent(NOTE),
            m.Auth(PROFILE),
            m.Req("s", (ASKED, Filter())),
            m.Count("s", (ASKED,)),
            m.Close("s"),
            m.NegOpen("s", ASKED, b"aa"),
            m.NegMsg("s", b"aa"),
            m.NegClose("s"),
            m.RelayEvent("s", NOTE),
            m.Ok(NOTE.id, False, "pow: 5"),
            m.Eose("s", ("finish",)),
            m.Closed("s", "error: x"),
            m.Notice("x"),
            m.Challenge("x"),
            m.CountResult("s", 5, True, bytes(256)),
            m.NegErr("s", "blocked: x", 5),
            m.Unknown("WHAT", b'["WHAT",{"a":[1,2.5,null,true]}]'),
        )
    ),
]


def consistent_event(data: bytes | str) -> None:
    event = Event.parse(data)
    assert Event.parse(event.json).json == event.json
    keys = json.loads(data, object_pairs_hook=lambda pairs: [name for name, _ in pairs])
    assert len(keys) == len(set(keys)), "a key stands twice"
    assert isinstance(event.verify(), bool)
    assert isinstance(event.address, str | None)
    assert isinstance(event.expiration, int | None)


def consistent_filter(data: bytes | str) -> None:
    one = Filter.parse(data)
    assert Filter.from_dict(one.to_dict()) == one.changed(unknown=())
    assert isinstance(one.matches(NOTE), bool)


def consistent(decode: Callable[[bytes | str], Any]) -> Callable[[bytes | str], None]:
    def check(data: bytes | str) -> None:
        message = decode(data)
        if isinstance(message, m.Req | m.Count):
            known = tuple(one.changed(unknown=()) for one in message.filters)
            message = type(message)(message.subscription_id, known)
        elif isinstance(message, m.NegOpen):
            known = message.filter.changed(unknown=())
            message = m.NegOpen(message.subscription_id, known, message.payload)
        assert decode(message.encode()) == message

    return check


def taken_url(data: bytes | str) -> None:
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
    is_private_host(text)
    url = normalize_relay_url(text)
    assert normalize_relay_url(url) == url
    assert isinstance(is_private_host(host_of(url)), bool)


DOORS: dict[str, Callable[[bytes | str], None]] = {
    "event": consistent_event,
    "filter": consistent_filter,
    "client frame": consistent(decode_client_message),
    "relay frame": consistent(decode_relay_message),
    "url": taken_url,
}


def knock(data: bytes | str) -> list[str]:
    """Offer `data` at every door; the names of those that took it."""
    taken = []
    for name, door in DOORS.items():
        try:
            door(data)
        except InvalidData as error:
            if len(str(error)) > 1000:
                raise AssertionError("a refusal does not repeat what came in") from error
        else:
            taken.append(name)
    assert isinstance(peek(data), m.Peek)
    return taken


# Bytes without sense


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise(data: bytes | str) -> None:
    knock(data)


# JSON of the wrong shape

labels = st.sampled_from([*m._CLIENT, *m._RELAY, "WHAT", ""])
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["a" * 64, NOTE.id, "61", "x: y"])
)
names = st.text(max_size=3) | st.sampled_from(
    ["id", "pubkey", "created_at", "kind", "tags", "content", "sig", "ids", "kinds", "#e", "limit"]
)
values = st.recursive(
    leaves | st.just(json.loads(NOTE.json)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
frames = st.builds(lambda label, rest: [label, *rest], labels, st.lists(values, max_size=4))


@given(values | frames)
def test_json_of_any_shape(value: Any) -> None:
    data = json.dumps(value)
    knock(data)
    knock(data.encode())
    if isinstance(value, dict):
        for read in (Event.from_dict, Filter.from_dict):
            with contextlib.suppress(InvalidData):
                read(value)


# Valid frames, damaged

TOKENS = [
    *(
        b'"',
        b"\\",
        b"\\u",
        b"\\ud800",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b"\x00",
        b"\x7f",
        b"\xff",
    ),
    *(b"\xed\xa0\x80", b"\xef\xbb\xbf", b"null", b"true", b"-1", b"1e9", b"9" * 30, b"9" * 5000),
    *(b"9223372036854775808", b"1.0", b'"id":', b'"kind":1,', b'"#e":[],', b" ", b"\n", b"%", b"@"),
    *(b"[" * 2000, b"0x7f", b"\xc3\xa9", "①".encode()),
]


def damaged(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.choice((1, 1, 2, 8, 64)))
        match chance.randrange(6):
            case 0:
                data[at:to] = b""
            case 1:
                data[at:at] = chance.choice(TOKENS)
            case 2:
                data[at:to] = chance.randbytes(to - at)
            case 3:
                data[at:at] = data[at:to]
            case 4 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case _:
                other = chance.choice(SEEDS)
                start = chance.randrange(len(other))
                data[at:to] = other[start : start + chance.choice((1, 8, 64, len(other)))]
    return bytes(data)


def damage(seed: int, rounds: int) -> Counter[str]:
    chance = random.Random(seed)
    taken: Counter[str] = Counter()
    for number in range(rounds):
        data = damaged(chance)
        try:
            taken.update(knock(data))
            if number % 4 == 0:
                knock(data.decode("utf-8", "surrogateescape"))
        except Exception as error:
            raise AssertionError(f"seed {seed}, round {number}: {data!r}") from error
    return taken


def test_every_seed_is_taken_before_it_is_damaged() -> None:
    for seed in SEEDS:
        assert knock(seed), seed
    assert {door for seed in SEEDS for door in knock(seed)} == set(DOORS)


def test_where_it_is_wrong_is_said_in_few_words() -> None:
    """A decoder names the whole path to what it cannot read."""
    knock(b'{"limit":' + b"[" * 900 + b"9" * 5000 + b"]" * 900 + b"}")


def test_damaged_frames() -> None:
    taken = damage(seed=1, rounds=8_000)
    assert set(taken) == set(DOORS), "some of the damage is harmless, everywhere"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_damaged_frames() -> None:
    for seed in range(2, 12):
        assert damage(seed, rounds=25_000)["client frame"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@given(values | frames)
@settings(max_examples=5_000)
def test_much_json_of_any_shape(value: Any) -> None:
    knock(json.dumps(value))
