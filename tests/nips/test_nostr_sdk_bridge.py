"""Objects of nostr-sdk, there and back."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from nostr_client.errors import InvalidEvent, InvalidFilter
from nostr_client.nips import nostr_sdk_bridge as bridge
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey

nostr_sdk = pytest.importorskip("nostr_sdk")

KEY = SecretKey.from_hex("3" * 64)
NOTE = Draft(1, 'line\n"two" \u2028 ünï', (("t", "x"), ("e", "a" * 64, ""))).sign(
    KEY, 1_700_000_000
)


def said(event: Event, **changes: Any) -> SimpleNamespace:
    """An object that says of itself what nobody checked."""
    return SimpleNamespace(as_json=lambda: json.dumps(event.to_dict() | changes))


def test_events() -> None:
    theirs = nostr_sdk.EventBuilder(nostr_sdk.Kind(1), "from rust").finalize(
        bridge.key_to_nostr_sdk(KEY)
    )
    ours = bridge.event_from_nostr_sdk(theirs)
    assert ours.verify()
    assert (ours.content, ours.pubkey) == ("from rust", KEY.public_key.hex)
    there = bridge.event_to_nostr_sdk(NOTE)
    assert there.verify()
    assert bridge.event_from_nostr_sdk(there) == NOTE
    # What it says of itself is not believed.
    for changes in ({"content": "another"}, {"id": "f" * 64}, {"sig": "0" * 128}):
        with pytest.raises(InvalidEvent):
            bridge.event_from_nostr_sdk(said(NOTE, **changes))


def test_what_is_not_signed_becomes_a_draft() -> None:
    theirs = nostr_sdk.UnsignedEvent.from_json(
        json.dumps({name: value for name, value in NOTE.to_dict().items() if name != "sig"})
    )
    draft = bridge.draft_from_nostr_sdk(theirs)
    assert draft == Draft(1, NOTE.content, NOTE.tags, NOTE.created_at)
    assert draft.sign(KEY, 0).id == NOTE.id
    with pytest.raises(InvalidEvent):
        bridge.draft_from_nostr_sdk(SimpleNamespace(as_json=lambda: "[]"))


def test_filters_and_keys() -> None:
    ours = Filter.of(kinds=[1, 7], authors=[KEY.public_key.hex], t=["x"], since=5, limit=3)
    assert bridge.filter_from_nostr_sdk(bridge.filter_to_nostr_sdk(ours)) == ours
    with pytest.raises(InvalidFilter):
        bridge.filter_from_nostr_sdk(SimpleNamespace(as_json=lambda: '{"kinds": "all"}'))
    assert bridge.key_from_nostr_sdk(bridge.key_to_nostr_sdk(KEY)) == KEY
    public = KEY.public_key
    assert bridge.public_key_from_nostr_sdk(bridge.public_key_to_nostr_sdk(public)) == public


def test_plain_dicts() -> None:
    assert NOTE.to_dict() == json.loads(NOTE.json)
    assert Event.from_dict(NOTE.to_dict()) == NOTE
    with pytest.raises(InvalidEvent):
        Event.from_dict(NOTE.to_dict() | {"content": "another"})
