"""Which events are taken and which are refused, with a prefix and a reason."""

from __future__ import annotations

import json

import pytest

from nostr_client.protocol.event import Event
from relays.config.sections import Limits
from relays.policies.events import VANISH_BYTES, for_clients, for_imports, for_requests_to_vanish
from relays.policies.verdict import IncomingEvent, SourceType
from tests.relays.talk import NOW, note

LIMITS = Limits(
    content_length=20,
    event_tags=3,
    message_bytes=2000,
    created_at_ahead=900,
    created_at_behind=1000,
)
AUTHOR_ONLY = "auth-required: a protected event is taken from its author only"
PROTECTED = note("mine", tags=(("-",),))


def embedding(content: str, kind: int = 6) -> Event:
    return note(content, kind=kind)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (note(), ""),
        (note("x" * 20), ""),
        (note("x" * 21), "invalid: content may have 20 characters here"),
        (note(tags=(("t", "a"),) * 3), ""),
        (note(tags=(("t", "a"),) * 4), "invalid: an event may have 3 tags here"),
        (note(tags=(("t", "x" * 2000),)), "invalid: an event may have 2000 bytes here"),
        (note(at=NOW + 900), ""),
        (note(at=NOW + 901), "invalid: created_at is more than 900 seconds ahead"),
        (note(at=NOW - 1000), ""),
        (note(at=NOW - 1001), "invalid: created_at is more than 1000 seconds ago"),
        (note(tags=(("expiration", str(NOW)),)), "invalid: this event has expired"),
        (note(tags=(("expiration", str(NOW + 1)),)), ""),
        (note(tags=(("expiration", "soon"),)), ""),
        (note(tags=(("expiration",),)), ""),
        (
            note(kind=22242),
            "invalid: kind 22242 answers a challenge and is never published",
        ),
        (PROTECTED, AUTHOR_ONLY),
        (
            note(tags=(("-", "x"),)),
            AUTHOR_ONLY,
        ),
        (note(tags=(("t", "-"),)), ""),
    ],
)
def test_events_of_clients(event: Event, reason: str) -> None:
    verdict = for_clients(LIMITS)(IncomingEvent(event, NOW))
    assert (verdict.accepted, verdict.reason) == (not reason, reason)


WIDE = Limits()
CARRIES = "blocked: a repost must not carry a protected event"
UNCLEAR = "blocked: a repost must carry nothing but one event, which must be whole"
JUNK = "[" * 100 + "]" * 100


@pytest.mark.parametrize("kind", [6, 16])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", ""),
        ("not json", ""),
        ('{"tags":"-"}', UNCLEAR),
        ('{"tags":[["-"]', UNCLEAR),
        ("[" * 10_000, ""),
        (note("fine").json.decode(), ""),
        (PROTECTED.json.decode(), CARRIES),
        (json.dumps(json.loads(PROTECTED.json), indent=1), CARRIES),
        (PROTECTED.json.decode().replace('"-"', '"\\u002d"'), CARRIES),
        (PROTECTED.json.decode().replace("mine", "changed"), UNCLEAR),
        (PROTECTED.json.decode()[:-1] + ',"tags":[]}', UNCLEAR),
        ('{"tags":[],' + PROTECTED.json.decode()[1:], UNCLEAR),
        (PROTECTED.json.decode()[:-1] + ',"t\\u0061gs":[]}', UNCLEAR),
        (PROTECTED.json.decode() + " x", UNCLEAR),
        (PROTECTED.json.decode() * 2, UNCLEAR),
        (PROTECTED.json.decode()[:-1] + f',"x":{JUNK}}}', CARRIES),
        ('{"tags":[["t","x"],["-"]]}', UNCLEAR),
        (note("-", tags=(("t", "-"),)).json.decode(), ""),
        (note("\x01").json.decode(), ""),
    ],
)
def test_reposts_of_protected_events(kind: int, content: str, reason: str) -> None:
    for check in (for_clients(WIDE), for_imports(WIDE)):
        assert check(IncomingEvent(embedding(content, kind), NOW)).reason == reason


def test_only_reposts_are_looked_into() -> None:
    assert for_clients(WIDE)(IncomingEvent(note(PROTECTED.json.decode()), NOW)).accepted


def test_imports_pass_dates_and_nothing_else() -> None:
    check = for_imports(LIMITS)
    assert check(IncomingEvent(note(at=5), NOW)).accepted
    assert check(IncomingEvent(note(at=NOW + 10**6), NOW)).accepted
    assert not check(IncomingEvent(note("x" * 21), NOW)).accepted
    assert check(IncomingEvent(PROTECTED, NOW, source=SourceType.IMPORT)).accepted
    for source in (SourceType.SYNC, SourceType.MIRROR):
        assert not check(IncomingEvent(PROTECTED, NOW, source=source)).accepted
    assert not check(IncomingEvent(note(tags=(("expiration", "5"),)), NOW)).accepted


def test_a_request_to_vanish_is_small_for_it_passes_all_else() -> None:
    check = for_requests_to_vanish(Limits())
    assert check(IncomingEvent(note("x" * 10_000, kind=62, at=5), NOW)).accepted
    verdict = check(IncomingEvent(note("x" * VANISH_BYTES, kind=62), NOW))
    assert verdict.reason == f"invalid: an event may have {VANISH_BYTES} bytes here"


def test_no_lower_limit_by_default() -> None:
    assert for_clients(Limits())(IncomingEvent(note(at=0), NOW)).accepted
