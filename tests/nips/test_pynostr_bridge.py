"""Objects of pynostr, there and back."""

from __future__ import annotations

import warnings

import pytest

from nostr_client.errors import InvalidEvent, InvalidFilter, InvalidKey
from nostr_client.nips import nip19
from nostr_client.nips import pynostr_bridge as bridge
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from tests.vectors import needs_vectors, real_events

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pynostr's own affairs
    from pynostr.event import Event as PynostrEvent
    from pynostr.key import PrivateKey, PublicKey

KEY = SecretKey(b"\x0b" * 32)


def test_an_event_signed_there_is_an_event_here() -> None:
    theirs = PynostrEvent('line\n"two" \u2028 ünï \x1f', tags=[["t", "x"], ["e", "a" * 64, ""]])
    theirs.sign(bytes(KEY).hex())
    ours = bridge.event_from_pynostr(theirs)
    assert ours.verify()
    assert ours.id == theirs.id
    assert ours.pubkey == KEY.public_key.hex
    assert bridge.event_to_pynostr(ours).to_dict() == theirs.to_dict()


def test_an_event_signed_here_is_an_event_there() -> None:
    ours = Draft(30023, "text", (("d", "x"), ("p", "b" * 64))).sign(KEY, 1_700_000_000)
    theirs = bridge.event_to_pynostr(ours)
    assert theirs.verify()
    assert bridge.event_from_pynostr(theirs) == ours


@needs_vectors
def test_real_events_go_there_and_back() -> None:
    for line in real_events():
        event = Event.parse(line)
        assert bridge.event_from_pynostr(bridge.event_to_pynostr(event)) == event


def test_an_id_that_they_hold_is_not_believed() -> None:
    theirs = PynostrEvent("one")
    theirs.sign(bytes(KEY).hex())
    theirs.content = "another"
    assert not bridge.event_from_pynostr(theirs).verify()
    theirs.content, theirs.id = "one", "f" * 64
    assert bridge.event_from_pynostr(theirs).verify()


def test_what_is_not_signed_becomes_a_draft() -> None:
    theirs = PynostrEvent("hello", created_at=5, kind=7, tags=[["e", "a" * 64]])
    with pytest.raises(InvalidEvent, match="not signed"):
        bridge.event_from_pynostr(theirs)
    assert bridge.draft_from_pynostr(theirs) == Draft(7, "hello", (("e", "a" * 64),), 5)
    assert bridge.draft_from_pynostr(PynostrEvent("x")).kind == 1


def test_what_is_no_event_is_said() -> None:
    with pytest.raises(InvalidEvent):
        bridge.draft_from_pynostr(PynostrEvent(None))
    theirs = PynostrEvent("x")
    theirs.sign(bytes(KEY).hex())
    for name, value in (("tags", [[]]), ("kind", 1.5), ("created_at", -1), ("pubkey", "A" * 64)):
        broken = PynostrEvent(**theirs.to_dict() | {"id": "0" * 64, name: value})
        with pytest.raises(InvalidEvent):
            bridge.event_from_pynostr(broken)


def test_keys() -> None:
    theirs = bridge.key_to_pynostr(KEY)
    assert isinstance(theirs, PrivateKey)
    assert theirs.nsec == nip19.encode_nsec(KEY)
    assert bridge.key_from_pynostr(theirs) == KEY
    public = bridge.public_key_to_pynostr(KEY.public_key)
    assert isinstance(public, PublicKey)
    assert public == theirs.public_key
    assert bridge.public_key_from_pynostr(public) == KEY.public_key
    with pytest.raises(InvalidKey):
        bridge.public_key_from_pynostr(PublicKey(b"\xff" * 32))


def test_filters_go_there_and_back() -> None:
    ours = Filter.of(kinds=[1, 7], authors=["a" * 64], e=["b" * 64], t=["x", "y"], since=5, limit=3)
    theirs = bridge.filter_to_pynostr(ours)
    assert theirs.to_dict()["#t"] == ["x", "y"]
    assert bridge.filter_from_pynostr(theirs) == ours
    with pytest.raises(InvalidFilter):
        bridge.filter_to_pynostr(Filter.of(search="x"))
