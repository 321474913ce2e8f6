"""Real events and recorded frames: each is read as it must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import InvalidData, InvalidEvent, InvalidFilter, InvalidMessage
from nostr_client.protocol import keys
from nostr_client.protocol.event import Event, event_digest
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.messages import (
    Auth,
    Challenge,
    Close,
    Closed,
    CountResult,
    Eose,
    Notice,
    Ok,
    PublishEvent,
    RelayEvent,
    decode_client_message,
    decode_relay_message,
)
from tests.protocol.strategies import expected_id
from tests.vectors import VECTORS, needs_vectors, real_events

pytestmark = needs_vectors
WIRE = (VECTORS or Path()) / "wire"
SUB = "some-subscription-id"
OK_ID = "b1a649ebe8b435ec71d3784793f3bbf4b93e64e17568a741aecd4c7ddeafce30"


def test_every_real_event_reads_verifies_and_is_written_with_the_same_id() -> None:
    lines = list(real_events())
    assert len(lines) == 1812
    records = bytearray()
    for line in lines:
        event, value = Event.parse(line), json.loads(line)
        assert json.loads(event.json) == {name: value[name] for name in json.loads(event.json)}
        assert Event.parse(event.json).json == event.json
        digest = event_digest(event.pubkey, event.created_at, event.kind, event.tags, event.content)
        assert digest.hex() == event.id == value["id"]
        records += digest + bytes.fromhex(event.pubkey) + bytes.fromhex(event.sig)
    assert keys.verify_batch(bytes(records)) == b"\x01" * len(lines)


def test_the_events_of_the_nip_texts_are_judged_as_their_status_says() -> None:
    assert VECTORS is not None
    cases = json.loads((VECTORS / "misc" / "nip-doc-events.json").read_bytes())
    good = 0
    for case in cases:
        value = case["event"]
        names = ("pubkey", "created_at", "kind", "tags", "content")
        fits = expected_id(*(value[name] for name in names)) == value["id"]
        if not fits:
            with pytest.raises(InvalidEvent):
                Event.from_dict(value)
        elif Event.from_dict(value).verify():
            good += 1
    assert good == 6


# Every fixture of wire/ stands in exactly one of these tables.

VERIFIED = [
    "authentication_event",
    "calendar",
    "date_based_calendar_event",
    "deletion",
    "legacy_encrypted_direct_message",
    "metadata_json_stringified",
    "metadata_json_stringified_alternate",
    "reaction",
    "relay_list_metadata",
    "repost",
    "seal",
    "simple_note",
    "test_event",
    "text_note",
    "text_note_custom_emoji",
    "text_note_reply_deprecated_positional_tags",
    "text_note_root_reply",
    "text_note_root_reply_deprecated_positional_tags",
]
EDITED = [
    "custom_emoji_reaction",
    "custom_event_alt_tag",
    "follow_list_with_relays",
    "generic_repost",
    "longform",
    "longform_deletable",
    "metadata",
    "metadata_custom_emojis",
    "relay_list_metadata_invalid_tags",
    "test_event_expired",
    "text_note_deletable",
    "text_note_reply",
    "text_note_subject",
    "time_based_calendar_event",
]
OUT_OF_FORM = {
    "bookmarks": "pubkey and sig",
    "calendar_event_rsvp": "trailing comma",
    "follow_list": "pubkey and sig",
    "gift_wrap": "trailing comma",
    "mute_list": "pubkey and sig",
    "recommend_server": "pubkey and sig",
    "relay_info": "tags",
    "rumor": "missing required field `sig`",
}
FRAMES: dict[str, Callable[[Any], bool]] = {
    "auth_challenge": lambda m: m == Challenge("some-challenge-string"),
    "auth_request": lambda m: isinstance(m, Auth) and m.event.verify() and m.event.kind == 22242,
    "close_request": lambda m: m == Close(SUB),
    "closed": lambda m: m == Closed(SUB, "error: shutting down idle subscription"),
    "count_response": lambda m: m == CountResult("subscription-id", 238),
    "eose": lambda m: m == Eose(SUB),
    "event": lambda m: isinstance(m, RelayEvent) and m.subscription_id == SUB and m.event.verify(),
    "event_request": lambda m: isinstance(m, PublishEvent) and m.event.verify(),
    "notice": lambda m: m == Notice("there was an error"),
    "ok_fail_reason": lambda m: m == Ok(OK_ID, False, "blocked: tor exit nodes not allowed"),
    "ok_success": lambda m: m == Ok(OK_ID, True),
    "ok_success_reason": lambda m: m == Ok(OK_ID, True, "pow: difficulty: 25>=24"),
    "ok_success_reason_prefix_no_message": lambda m: m == Ok(OK_ID, True, "pow:"),
    "ok_unknown_reason": lambda m: m == Ok(OK_ID, True, "unknown: reason: unknown"),
}
FROM_CLIENT = {"auth_request", "close_request", "event_request"}
FILTERS = {"filter", "filter_all_fields", "filter_with_extra_fields"}
BAD_REQUESTS = {"req", "count_request"}


def read(name: str) -> bytes:
    return (WIRE / f"{name}.json").read_bytes()


def test_every_fixture_has_its_verdict() -> None:
    known = [*VERIFIED, *EDITED, *OUT_OF_FORM, *FRAMES, *FILTERS, *BAD_REQUESTS]
    assert sorted(known) == sorted(path.stem for path in WIRE.glob("*.json"))


@pytest.mark.parametrize("name", VERIFIED)
def test_an_untouched_event_verifies(name: str) -> None:
    event = Event.parse(read(name))
    assert event.verify()
    assert json.loads(event.json) == json.loads(read(name))


@pytest.mark.parametrize("name", EDITED)
def test_an_edited_event_no_longer_has_its_id(name: str) -> None:
    value = json.loads(read(name))
    fields = (value[field] for field in ("pubkey", "created_at", "kind", "tags", "content"))
    assert expected_id(*fields) != value["id"], "the fixture is sound after all"
    with pytest.raises(InvalidEvent, match="id does not match"):
        Event.parse(read(name))


@pytest.mark.parametrize("name", OUT_OF_FORM)
def test_an_event_out_of_form_is_refused(name: str) -> None:
    with pytest.raises(InvalidEvent, match=OUT_OF_FORM[name]):
        Event.parse(read(name))


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_what_it_says_and_encodes_again(name: str) -> None:
    decode = decode_client_message if name in FROM_CLIENT else decode_relay_message
    message: Any = decode(read(name))
    assert FRAMES[name](message)
    assert json.loads(message.encode()) == json.loads(read(name))
    assert decode(message.encode()) == message


@pytest.mark.parametrize("name", sorted(BAD_REQUESTS))
def test_a_request_for_placeholders_is_refused(name: str) -> None:
    with pytest.raises(InvalidFilter, match="authors"):
        decode_client_message(read(name))


def test_a_client_does_not_take_a_request_for_an_answer() -> None:
    for name in ("auth_request", "event_request", "count_request"):
        with pytest.raises(InvalidMessage):
            decode_relay_message(read(name))
    for name in ("auth_challenge", "event"):
        with pytest.raises(InvalidData):
            decode_client_message(read(name))


def test_filters_of_the_fixtures() -> None:
    author = "d9fa34214aa9d151c4f4db843e9c2af4f246bab4205137731f91bcfa44d66a62"
    assert Filter.parse(read("filter")) == Filter.of(kinds=[3], authors=[author], limit=1)
    for name in ("filter_all_fields", "filter_with_extra_fields"):
        with pytest.raises(InvalidFilter, match="ids"):
            Filter.parse(read(name))
        value = json.loads(read(name))
        for field in ("ids", "authors", "#e", "#p"):
            value[field] = ["a" * 64]
        parsed = Filter.from_dict(value)
        assert parsed.kinds == {1, 2, 3}
        assert (parsed.since, parsed.until, parsed.limit) == (1234, 12345, 5)
        assert dict(parsed.tags) == {"e": {"a" * 64}, "p": {"a" * 64}, "t": {"hashtag"}}
        extra = {"#unrecognized", "unrecognized"} if "extra" in name else set()
        assert set(parsed.unknown) == extra
