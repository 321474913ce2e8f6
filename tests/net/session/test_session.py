"""The client session, frame by frame: no sockets, no clock."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.net.health import RelayHealth
from nostr_client.net.outcome import Cause, How
from nostr_client.net.session.auth import NO_CHALLENGE, OK_WAIT
from nostr_client.net.session.complaints import Complaint
from nostr_client.net.session.effects import (
    AskAuth,
    CountReceived,
    Effect,
    Effects,
    EventsReceived,
    HangUp,
    LimitsLearned,
    OkReceived,
    Send,
    StoredEnded,
    SubscriptionStopped,
    WakeLater,
)
from nostr_client.net.session.limits import RelayLimits
from nostr_client.net.session.paging import CUT_OFF, Paging
from nostr_client.net.session.req_split import (
    MAX_FILTERS,
    MAX_REQUEST,
    OVERLAP,
    requests_for,
    resumed,
)
from nostr_client.net.session.session import MAX_OFFENCES, ClientSession
from nostr_client.net.session.subscriptions import (
    BEYOND_LIMIT,
    LIMIT_PLUS,
    LIMIT_TIMES,
    QUEUED,
    TOO_MANY,
)
from nostr_client.nips.nip11 import Limitation
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter, matches_any
from tests.net.scripted import ALICE, BOB, note

NOW = 1_800_000_000
GONE = Cause(How.LOST, "gone")
NOTES = Filter.of(kinds=[1])


class Harness:
    """A session with its effects sorted into what went out and what happened."""

    def __init__(self, *, can_authenticate: bool = False) -> None:
        self.health = RelayHealth("wss://relay.example.com")
        self.session = ClientSession(self.health, can_authenticate=can_authenticate)
        self.sent: list[list[Any]] = []
        self.happened: list[Effect] = []

    def do(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.sent.append(json.loads(effect.frame))
            else:
                self.happened.append(effect)

    def hear(self, *parts: Any) -> None:
        self.do(self.session.receive([json.dumps(parts).encode()], NOW))

    def event(self, wire: str, event: Any) -> None:
        self.hear("EVENT", wire, json.loads(event.json))

    def open(self) -> None:
        self.do(self.session.opened(NOW))

    def subscribe(self, *filters: Filter, key: int = 1, live: bool = True) -> str:
        self.do(self.session.subscribe(key, filters or (NOTES,), live=live, now=NOW))
        return self.sent[-1][1] if self.sent else ""

    def take(self) -> tuple[list[list[Any]], list[Effect]]:
        sent, self.sent = self.sent, []
        happened, self.happened = self.happened, []
        return sent, happened


def test_wishes_made_before_the_connection_are_sent_when_it_opens() -> None:
    h = Harness()
    event = note("hello")
    h.do(h.session.subscribe(1, [NOTES], live=True, now=NOW))
    h.do(h.session.publish(event))
    h.do(h.session.count(2, [NOTES]))
    assert h.take() == ([], [])
    assert h.session.wanted
    h.open()
    assert h.sent == [
        ["REQ", "s1", {"kinds": [1]}],
        ["EVENT", json.loads(event.json)],
        ["COUNT", "s2", {"kinds": [1]}],
    ]


def test_stored_then_live() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe()
    old, new = note("old"), note("new")
    h.event(wire, old)
    h.hear("EOSE", wire, ["finish"])
    h.event(wire, new)
    assert h.take()[1] == [
        EventsReceived(1, [old], live=False),
        StoredEnded(1, complete=True),
        EventsReceived(1, [new], live=True),
    ]
    h.do(h.session.unsubscribe(1))
    assert h.take()[0] == [["CLOSE", wire]]
    assert not h.session.wanted
    h.event(wire, note("late"))
    h.hear("EOSE", wire)
    assert h.take() == ([], [])
    assert h.health.counters.stray == 2


def test_events_of_one_call_come_in_one_batch() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe()
    events = [note(f"n{i}") for i in range(5)]
    frames = [b'["EVENT","%b",%b]' % (wire.encode(), event.json) for event in events]
    assert h.session.receive(frames, NOW) == [EventsReceived(1, events, live=False)]


def test_without_live_the_subscription_is_closed_at_eose() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe(live=False)
    h.hear("EOSE", wire, ["more"])
    sent, happened = h.take()
    assert sent[-1] == ["CLOSE", wire]
    assert happened == [StoredEnded(1, complete=False)]
    assert not h.session.wanted


def test_what_nobody_asked_for_is_dropped_and_counted() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe()
    h.take()
    h.event(wire, note("reaction", kind=7))
    h.event("other", note("hello"))
    h.hear("EOSE", "other")
    h.hear("OK", "0" * 64, True, "")
    h.hear("CLOSED", "other", "error: what?")
    h.hear("COUNT", "other", {"count": 1})
    h.hear("FROB", 1)
    h.hear("NOTICE", "slow down " + "x" * 1000)
    for garbage in (b"", b"{}", b"[]", b"[1]", b'["EVENT"]', b"\xff", b'["EVENT","s1",{}]'):
        h.do(h.session.receive([garbage], NOW))
    assert h.take() == ([], [])
    n = h.health.counters
    assert (n.mismatched, n.stray, n.unknown, n.notices, n.malformed) == (1, 5, 1, 1, 7)
    assert n.frames == 15
    assert len(h.health.last_word) == 500


def test_resumes_from_the_newest_seen_once_history_was_read() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe(Filter.of(kinds=[1], limit=100))
    h.event(wire, note("new", NOW - 5000))
    h.event(wire, note("old", NOW - 90_000))
    h.hear("EOSE", wire)
    h.take()
    h.do(h.session.lost(GONE))
    assert h.take()[1] == [SubscriptionStopped(1, GONE, final=False)]
    h.open()
    ((label, second, asked),), _ = h.take()
    assert label == "REQ"
    assert second != wire
    assert asked == {"kinds": [1], "since": NOW - 5000 - OVERLAP}
    h.event(wire, note("of the old connection"))
    assert h.take()[1] == []


def test_starts_over_when_history_was_not_finished() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe(Filter.of(kinds=[1], limit=100))
    h.event(wire, note("newest comes first", NOW - 5))
    h.do(h.session.lost(GONE))
    h.take()
    h.open()
    assert h.take()[0][0][2] == {"kinds": [1], "limit": 100}


def test_resuming_reads_on_though_a_page_is_small_and_nobody_says_that_there_is_more() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe()
    h.event(wire, note("known", NOW - 9000))
    h.hear("EOSE", wire)
    h.do(h.session.lost(GONE))
    h.open()
    wire = h.take()[0][-1][1]
    h.event(wire, note("newest", NOW - 10))
    h.event(wire, note("newer", NOW - 20))
    h.take()
    h.hear("EOSE", wire)
    ((label, _, asked),), _ = h.take()
    assert label == "REQ"
    assert asked["until"] == NOW - 20


def test_resuming_goes_page_by_page_and_keeps_its_mark_until_it_is_done() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe()
    h.event(wire, note("known", NOW - 9000))
    h.hear("EOSE", wire)
    h.do(h.session.lost(GONE))
    h.take()
    for _ in range(2):  # lost again in the middle of it
        h.open()
        ((_, wire, asked),), _ = h.take()
        assert asked == {"kinds": [1], "since": NOW - 9000 - OVERLAP}
        h.event(wire, note("newest", NOW - 10))
        h.event(wire, note("newer", NOW - 20))
        h.hear("EOSE", wire, ["more"])
        ((label, second, asked),), _ = h.take()
        assert label == "REQ"
        assert asked == {"kinds": [1], "since": NOW - 9000 - OVERLAP, "until": NOW - 20}
        h.event(wire, note("live", NOW))
        (live,) = h.take()[1]
        assert isinstance(live, EventsReceived)
        assert live.live
        h.do(h.session.lost(GONE))
        h.take()
    h.open()
    wire = h.take()[0][0][1]
    h.event(wire, note("newest", NOW - 10))
    h.hear("EOSE", wire, ["more"])
    second = h.take()[0][0][1]
    h.hear("EOSE", second, ["finish"])
    sent, happened = h.take()
    assert sent == [["CLOSE", second]]
    assert happened == [StoredEnded(1, complete=True, pages=2)]
    h.do(h.session.lost(GONE))
    h.take()
    h.open()
    assert h.take()[0][0][2]["since"] == NOW - 10 - OVERLAP


def test_the_next_page_is_asked_for_at_once() -> None:
    h = Harness()
    h.open()
    paging = Paging()
    h.do(h.session.subscribe(1, [NOTES], live=False, now=NOW, paging=paging))
    wire = h.take()[0][0][1]
    frames = [
        b'["EVENT","%b",%b]' % (wire.encode(), note(f"{i}", 5000 - i).json) for i in range(100)
    ]
    effects = h.session.receive([*frames, b'["EOSE","%b"]' % wire.encode()], NOW)
    assert isinstance(effects[0], EventsReceived)
    h.do(effects[1:])
    sent, happened = h.take()
    assert sent == [["REQ", "s2", {"kinds": [1], "until": 4901}], ["CLOSE", wire]]
    assert happened == []
    h.event("s2", note("too new", 6000))
    assert h.health.counters.mismatched == 1
    h.hear("CLOSED", "s2", "error: no more")
    assert h.take()[1] == [SubscriptionStopped(1, Cause.refused("error: no more"), final=True)]


def test_more_than_was_wanted_ends_it() -> None:
    h = Harness()
    h.open()
    h.do(h.session.subscribe(1, [NOTES], live=False, now=NOW, paging=Paging(most=3)))
    for i in range(4):
        h.event("s1", note(f"{i}"))
    sent, happened = h.take()
    assert sent[-1] == ["CLOSE", "s1"]
    assert happened[-1] == SubscriptionStopped(1, Cause(How.INCOMPLETE, TOO_MANY), final=True)
    assert not h.session.wanted


def test_a_relay_that_knows_no_limit_is_not_listened_to() -> None:
    h = Harness()
    h.open()
    limited = Filter.of(kinds=[1], limit=20), Filter.of(authors=[ALICE.public_key.hex], limit=10)
    wire = h.subscribe(*limited)
    most = 30 * LIMIT_TIMES + LIMIT_PLUS
    for i in range(most):
        h.event(wire, note(f"{i}"))
    sent, happened = h.take()
    assert len(sent) == 1
    assert sum(len(e.events) for e in happened if isinstance(e, EventsReceived)) == most
    h.event(wire, note("one more"))
    assert h.take() == (
        [["CLOSE", wire]],
        [SubscriptionStopped(1, Cause(How.INCOMPLETE, BEYOND_LIMIT), final=True)],
    )
    assert h.health.counters.excessive == 1
    assert not h.session.wanted
    h.event(wire, note("late"))
    assert h.take() == ([], [])


def test_a_limit_says_nothing_of_what_is_new() -> None:
    h = Harness()
    h.open()
    limited, free = h.subscribe(Filter.of(kinds=[1], limit=1)), h.subscribe(NOTES, key=2)
    h.hear("EOSE", limited)
    for i in range(LIMIT_PLUS + 10):
        h.event(limited, note(f"{i}"))
        h.event(free, note(f"{i}"))
    assert h.health.counters.excessive == 0
    assert not [effect for effect in h.happened if isinstance(effect, SubscriptionStopped)]


def test_each_page_has_its_limit() -> None:
    h = Harness()
    h.open()
    filters = [Filter.of(kinds=[1], limit=150)]
    h.do(h.session.subscribe(1, filters, live=False, now=NOW, paging=Paging()))
    for i in range(150 * LIMIT_TIMES + LIMIT_PLUS + 1):
        h.event("s1", note(f"{i}", NOW - i))
    assert h.happened[-1] == SubscriptionStopped(1, Cause(How.INCOMPLETE, BEYOND_LIMIT), final=True)


def test_an_event_from_the_future_does_not_hide_what_comes() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe()
    h.event(wire, note("from 2200", 7_258_118_400))
    h.hear("EOSE", wire)
    h.do(h.session.lost(GONE))
    h.take()
    h.open()
    assert h.take()[0][0][2]["since"] == NOW - OVERLAP


def test_a_subscription_without_history_catches_up_after_an_outage() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe(Filter.of(kinds=[1], limit=0))
    h.hear("EOSE", wire)
    h.do(h.session.lost(GONE))
    h.take()
    h.do(h.session.opened(NOW + 100))
    assert h.take()[0][0][2] == {"kinds": [1], "since": NOW - OVERLAP}


def test_an_outage_is_told_once() -> None:
    h = Harness()
    h.subscribe()
    h.do(h.session.lost(Cause(How.UNREACHABLE, "refused")))
    h.do(h.session.lost(Cause(How.UNREACHABLE, "refused")))
    assert h.take()[1] == [SubscriptionStopped(1, Cause(How.UNREACHABLE, "refused"), final=False)]
    h.open()
    h.do(h.session.lost(GONE))
    assert h.take()[1] == [SubscriptionStopped(1, GONE, final=False)]


def test_closed_for_now_is_asked_again_later_and_later() -> None:
    h = Harness()
    h.open()
    delays = []
    for _ in range(3):
        wire = h.sent[-1][1] if h.sent else h.subscribe()
        h.take()
        h.hear("CLOSED", wire, "rate-limited: slow down")
        stopped, later = h.happened[-1], h.happened[-2]
        assert stopped == SubscriptionStopped(
            1, Cause.refused("rate-limited: slow down"), final=False
        )
        assert isinstance(later, WakeLater)
        delays.append(later.delay)
        h.take()
        h.do(h.session.wake(later.token, NOW))
        assert h.sent[-1][0] == "REQ"
    assert delays == [5.0, 10.0, 20.0]
    assert h.health.last_word == "rate-limited: slow down"


def test_closed_for_good() -> None:
    for text in ("blocked: go away", "invalid: too many filters", "unsupported: search"):
        h = Harness()
        h.open()
        wire = h.subscribe()
        h.hear("CLOSED", wire, text)
        assert h.take()[1] == [SubscriptionStopped(1, Cause.refused(text), final=True)]
        assert not h.session.wanted


def test_a_fetch_does_not_wait_for_a_relay_that_closed_it() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe(live=False)
    h.hear("CLOSED", wire, "error: busy")
    assert h.take()[1] == [SubscriptionStopped(1, Cause.refused("error: busy"), final=True)]


def test_publish_is_answered_and_survives_a_lost_connection() -> None:
    h = Harness()
    h.open()
    event = note("hello")
    h.do(h.session.publish(event))
    h.do(h.session.publish(event))
    assert len(h.take()[0]) == 1
    h.do(h.session.lost(GONE))
    h.open()
    assert h.take()[0] == [["EVENT", json.loads(event.json)]]
    h.hear("OK", event.id, False, "blocked: no")
    assert h.take()[1] == [OkReceived(event.id, False, "blocked: no")]
    assert not h.session.wanted
    assert h.health.last_word == "blocked: no"


def test_count() -> None:
    h = Harness()
    h.open()
    h.do(h.session.count(5, [NOTES]))
    h.hear("COUNT", "s1", {"count": 12, "approximate": True})
    assert h.take()[1] == [CountReceived(5, 12, True)]
    h.do(h.session.count(6, [NOTES]))
    h.hear("CLOSED", "s2", "unsupported: no counts")
    assert h.take()[1] == [CountReceived(6, None, cause=Cause.refused("unsupported: no counts"))]
    h.do(h.session.count(7, [NOTES]))
    h.take()
    h.do(h.session.uncount(7))
    assert h.take()[0] == [["CLOSE", "s3"]]


def test_nobody_is_authenticated_without_being_asked() -> None:
    h = Harness(can_authenticate=True)
    h.open()
    h.hear("AUTH", "challenge")
    h.subscribe()
    assert not any(isinstance(e, AskAuth) for e in h.happened)
    without = Harness()
    without.open()
    without.hear("AUTH", "challenge")
    wire = without.subscribe()
    without.hear("CLOSED", wire, "auth-required: members only")
    assert without.take()[1] == [
        SubscriptionStopped(1, Cause.refused("auth-required: members only"), final=True)
    ]


def auth_event(challenge: str) -> Any:
    tags = (("relay", "wss://relay.example.com"), ("challenge", challenge))
    return Draft(kind=22242, tags=tags).sign(BOB, NOW)


def test_authentication_repeats_what_was_refused_once() -> None:
    h = Harness(can_authenticate=True)
    h.open()
    event = note("hello")
    wire = h.subscribe()
    h.do(h.session.publish(event))
    h.do(h.session.count(9, [NOTES]))
    h.take()
    h.hear("CLOSED", wire, "auth-required: members only")
    assert isinstance(h.happened[0], WakeLater)  # no challenge has come
    h.take()
    h.hear("AUTH", "c1")
    h.hear("OK", event.id, False, "auth-required: members only")
    h.hear("CLOSED", "s2", "Auth-Required: members only")  # in any spelling
    sent, happened = h.take()
    assert happened == [
        AskAuth(1, "c1", (NOTES,)),
        AskAuth(2, "c1", event),
        AskAuth(3, "c1", (NOTES,)),
    ]
    assert sent == []
    login = auth_event("c1")
    h.do(h.session.authenticate(4, auth_event("c0"), NOW))
    assert h.take() == ([], [])  # an answer to what was not asked
    h.do(h.session.authenticate(2, login, NOW))
    assert h.take()[0] == [["AUTH", json.loads(login.json)]]
    h.do(h.session.authenticate(1, auth_event("c1"), NOW))
    assert h.take() == ([], [])  # it was told already
    h.hear("OK", login.id, True, "")
    sent, _ = h.take()
    assert [frame[0] for frame in sent] == ["REQ", "EVENT", "COUNT"]
    h.hear("CLOSED", sent[0][1], "auth-required: members only")
    h.hear("OK", event.id, False, "auth-required: members only")
    h.hear("CLOSED", sent[2][1], "auth-required: members only")
    assert h.take()[1] == [
        SubscriptionStopped(1, Cause.refused("auth-required: members only"), final=True),
        OkReceived(event.id, False, "auth-required: members only"),
        CountReceived(9, None, cause=Cause.refused("auth-required: members only")),
    ]


def test_authentication_that_is_declined_refused_or_late() -> None:
    for how in ("declined", "refused", "no challenge"):
        h = Harness(can_authenticate=True)
        h.open()
        if how != "no challenge":
            h.hear("AUTH", "c")
        wire = h.subscribe()
        h.take()
        h.hear("CLOSED", wire, "auth-required: members only")
        login = auth_event("c")
        cause = Cause.refused("auth-required: members only", "not today")
        if how == "declined":
            h.do(h.session.authenticate(1, "not today", NOW))
        elif how == "refused":
            h.do(h.session.authenticate(1, login, NOW))
            h.hear("OK", login.id, False, "restricted: not you")
            cause = Cause.refused("restricted: not you")
        else:
            (later,) = (e for e in h.happened if isinstance(e, WakeLater))
            h.do(h.session.wake(later.token, NOW))
            cause = Cause.refused("auth-required: members only", NO_CHALLENGE)
        assert h.happened[-1] == SubscriptionStopped(1, cause, final=how != "declined")
        h.take()
        wire = h.subscribe(key=2)
        h.hear("CLOSED", wire, "auth-required: members only")
        assert any(isinstance(e, AskAuth) for e in h.happened) is (how == "declined")
        if how == "refused":  # nor on the next connection
            h.do(h.session.lost(GONE))
            h.open()
            h.hear("AUTH", "d")
            h.take()
            wire = h.subscribe(key=3)
            h.hear("CLOSED", wire, "auth-required: members only")
            assert not any(isinstance(e, AskAuth) for e in h.happened)


def test_what_is_declined_goes_on_when_it_is_allowed_later() -> None:
    h = Harness(can_authenticate=True)
    h.open()
    h.hear("AUTH", "c")
    event = note("hello")
    wire, stored = h.subscribe(), h.subscribe(key=2, live=False)
    h.do(h.session.publish(event))
    h.hear("CLOSED", wire, "auth-required: members only")
    h.hear("CLOSED", stored, "auth-required: members only")
    h.hear("OK", event.id, False, "auth-required: members only")
    h.take()
    for number in (1, 2, 3):
        h.do(h.session.authenticate(number, "not today", NOW))
    refused = Cause.refused("auth-required: members only", "not today")
    assert h.take() == (
        [],
        [
            SubscriptionStopped(1, refused, final=False),
            SubscriptionStopped(2, refused, final=True),
            OkReceived(event.id, False, "auth-required: members only", "not today"),
        ],
    )
    h.do(h.session.ask_again(NOW))
    h.do(h.session.ask_again(NOW))  # it is asked already
    assert h.take() == ([], [AskAuth(4, "c", (NOTES,))])
    login = auth_event("c")
    h.do(h.session.authenticate(4, login, NOW))
    h.hear("OK", login.id, True, "")
    assert h.take()[0] == [["AUTH", json.loads(login.json)], ["REQ", "s3", {"kinds": [1]}]]


def test_writing_does_not_wait_for_the_answer_about_reading() -> None:
    h = Harness(can_authenticate=True)
    h.open()
    h.hear("AUTH", "c")
    event, login = note("hello"), auth_event("c")
    wire = h.subscribe()
    h.hear("CLOSED", wire, "auth-required: members only")
    h.do(h.session.publish(event))
    h.hear("OK", event.id, False, "auth-required: members only")
    h.take()
    h.do(h.session.authenticate(2, login, NOW))
    h.hear("OK", login.id, True, "")
    # What was refused meanwhile goes on, too: the relay knows now.
    assert [frame[0] for frame in h.take()[0]] == ["AUTH", "REQ", "EVENT"]
    h.do(h.session.authenticate(1, "no", NOW))
    assert h.take() == ([], [])


@pytest.mark.parametrize("let_in", [True, False])
def test_after_an_answer_without_ok_what_was_refused_is_repeated(let_in: bool) -> None:
    h = Harness(can_authenticate=True)
    h.open()
    h.hear("AUTH", "c")
    event, login = note("hello"), auth_event("c")
    wire = h.subscribe()
    h.do(h.session.publish(event))
    h.take()
    h.hear("CLOSED", wire, "auth-required: members only")
    h.hear("OK", event.id, False, "auth-required: members only")
    h.do(h.session.authenticate(1, login, NOW))
    (later,) = (e for e in h.take()[1] if isinstance(e, WakeLater))
    assert later.delay == OK_WAIT
    h.do(h.session.wake(later.token, NOW))
    sent, _ = h.take()
    assert [frame[0] for frame in sent] == ["REQ", "EVENT"]
    h.hear("OK", event.id, let_in, "" if let_in else "auth-required: members only")
    answered = OkReceived(event.id, let_in, "" if let_in else "auth-required: members only")
    assert h.take()[1] == [answered]
    h.hear("OK", login.id, let_in, "" if let_in else "restricted: not you")
    assert h.health.counters.stray == 0
    wire = h.subscribe(key=2)
    h.take()
    h.hear("CLOSED", wire, "auth-required: members only")
    sent, happened = h.take()
    assert [frame[0] for frame in sent] == (["REQ"] if let_in else [])
    assert not any(isinstance(e, AskAuth) for e in happened)


def test_an_ok_that_comes_late_counts() -> None:
    h = Harness()
    h.open()
    event, other = note("hello"), note("hello again")
    for one in (event, other):
        h.do(h.session.publish(one))
        h.session.withdraw(one.id)
    h.take()
    h.hear("OK", event.id, True, "")
    assert h.take()[1] == [OkReceived(event.id, True, "")]
    h.hear("OK", event.id, True, "")  # a second one
    h.hear("OK", note("never sent").id, True, "")
    h.do(h.session.lost(GONE))
    h.open()
    h.hear("OK", other.id, True, "")  # it cannot be to what went out on another connection
    assert h.take()[1] == []
    assert (h.health.counters.accepted, h.health.counters.stray) == (1, 3)


def test_paused_is_closed_and_resumed() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe()
    h.event(wire, note("hello", NOW - 10_000))
    h.hear("EOSE", wire)
    h.take()
    h.do(h.session.pause(1))
    assert h.take()[0] == [["CLOSE", wire]]
    h.do(h.session.lost(GONE))
    h.open()
    assert h.take()[0] == []
    h.do(h.session.go_on(1, NOW))
    assert h.take()[0] == [["REQ", "s2", {"kinds": [1], "since": NOW - 10_000 - OVERLAP}]]


def test_many_offences_end_the_connection_and_few_among_many_do_not() -> None:
    h = Harness()
    h.open()
    wire = h.subscribe()
    good = b'["EVENT","%b",%b]' % (wire.encode(), note("fine").json)
    for _ in range(MAX_OFFENCES + 50):
        h.do(h.session.receive([b"rubbish"] + [good] * 20, NOW))
    assert not any(isinstance(e, HangUp) for e in h.happened)
    h = Harness()
    h.open()
    for _ in range(MAX_OFFENCES):
        h.do(h.session.receive([b"rubbish"], NOW))
    assert h.take()[1] == []
    h.do(h.session.forged(1))
    assert [type(e) for e in h.take()[1]] == [HangUp]
    h.do(h.session.receive([b"rubbish"], NOW))
    assert h.take()[1] == []  # said once


def test_a_cut_request_ends_when_all_its_parts_have() -> None:
    many = Filter.of(kinds=[1], authors=[f"{i:064x}" for i in range(1500)])
    h = Harness()
    h.open()
    h.subscribe(many)
    wires = [frame[1] for frame in h.take()[0]]
    assert len(wires) > 1
    for wire in wires[:-1]:
        h.hear("EOSE", wire, ["finish"])
    assert h.take()[1] == []
    h.hear("EOSE", wires[-1])
    assert h.take()[1] == [StoredEnded(1, complete=None, pages=len(wires))]
    h.do(h.session.unsubscribe(1))
    assert [frame[0] for frame in h.take()[0]] == ["CLOSE"] * len(wires)


def test_filters_that_never_hold_are_not_sent() -> None:
    h = Harness()
    h.do(
        h.session.subscribe(1, [Filter.of(ids=[]), Filter.of(kinds=[1], p=[])], live=True, now=NOW)
    )
    h.do(h.session.subscribe(2, [], live=False, now=NOW))
    h.do(h.session.subscribe(3, [Filter.of(authors=[]), NOTES], live=False, now=NOW))
    h.open()
    assert h.take() == (
        [["REQ", "s1", {"kinds": [1]}]],
        [StoredEnded(1, complete=True, pages=0), StoredEnded(2, complete=True, pages=0)],
    )
    h.do(h.session.unsubscribe(1))
    h.do(h.session.unsubscribe(3))
    assert not h.session.wanted


filters = st.builds(
    lambda **kw: Filter.of(**{name: value for name, value in kw.items() if value is not None}),
    authors=st.none() | st.integers(1, 2000).map(lambda n: [f"{i:064x}" for i in range(n)]),
    kinds=st.none() | st.lists(st.integers(0, 3), min_size=1),
    e=st.none() | st.integers(1, 1500).map(lambda n: [f"{i:064x}" for i in range(n)]),
    limit=st.none() | st.integers(0, 10),
)


@given(st.lists(filters, min_size=1, max_size=25))
def test_cut_requests_ask_for_the_same(asked: list[Filter]) -> None:
    requests = requests_for(asked)
    for request in requests:
        assert len(request) <= MAX_FILTERS
        size = sum(len(json.dumps(f.to_dict(), separators=(",", ":"))) for f in request)
        assert size <= MAX_REQUEST
    pieces = [piece for request in requests for piece in request]
    for kind in (0, 1, 5):
        for number in (0, 700, 1499, 3000):
            event = Draft(kind=kind, tags=(("e", f"{number:064x}"),)).sign(ALICE, NOW)
            assert matches_any(pieces, event) == matches_any(asked, event)


def test_resuming_keeps_what_waits_for_events_by_id() -> None:
    by_id = Filter.of(ids=["a" * 64], limit=1)
    over = Filter.of(kinds=[1], until=1000)
    assert resumed([by_id, over, NOTES], NOW - 10, NOW) == (
        by_id,
        NOTES.changed(since=NOW - 10 - OVERLAP),
    )


LABELS = ("EVENT", "OK", "EOSE", "CLOSED", "NOTICE", "AUTH", "COUNT", "NEG-MSG", "NEG-ERR", "X")
REASONS = ("auth-required: no", "rate-limited: no", "blocked: no", "")
words = st.sampled_from([*LABELS, *REASONS, "s1", "s2", "finish", "0" * 64])
known = note("fuzz")
atoms = (
    words
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just(json.loads(known.json))
    | st.just({"count": 3})
    | st.just(known.id)
)
values = st.recursive(atoms, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
frames = st.one_of(
    st.lists(values, max_size=5).map(lambda parts: json.dumps(parts).encode()),
    st.tuples(words, words, values, values).map(lambda parts: json.dumps(parts).encode()),
    st.binary(max_size=60),
)
WISHES = ("subscribe", "fetch", "unsubscribe", "publish", "withdraw", "count", "uncount")
OTHERS = (
    *("open", "lost", "wake", "pause", "go-on", "forged"),
    *("authenticate", "decline", "ask-again"),
)
acts = st.one_of(frames, st.sampled_from([*WISHES, *OTHERS]))


@given(st.lists(acts, max_size=60))
def test_fuzz(script: list[bytes | str]) -> None:
    """Whatever a relay sends and whenever its owner acts: no error, and no wish is forgotten."""
    h = Harness(can_authenticate=True)
    session = h.session
    is_open = False
    for act in script:
        if isinstance(act, bytes):
            if is_open:
                before = h.health.counters.frames
                h.do(session.receive([act], NOW))
                assert h.health.counters.frames == before + 1
            continue
        later = [e.token for e in h.happened if isinstance(e, WakeLater)]
        asks = [e.number for e in h.happened if isinstance(e, AskAuth)]
        match act:
            case "open" if not is_open:
                is_open = True
                h.open()
            case "lost" if is_open:
                is_open = False
                h.do(session.lost(GONE))
            case "subscribe":
                h.do(session.unsubscribe(1))
                h.do(session.subscribe(1, [NOTES], live=True, now=NOW))
            case "fetch":
                h.do(session.unsubscribe(2))
                h.do(session.subscribe(2, [NOTES], live=False, now=NOW))
            case "unsubscribe":
                h.do(session.unsubscribe(1))
            case "publish":
                h.do(session.publish(known))
            case "withdraw":
                session.withdraw(known.id)
            case "count":
                h.do(session.uncount(3))
                h.do(session.count(3, [NOTES]))
            case "uncount":
                h.do(session.uncount(3))
            case "wake" if later:
                h.do(session.wake(later[-1], NOW))
            case "pause":
                h.do(session.pause(1))
            case "go-on":
                h.do(session.go_on(1, NOW))
            case "authenticate" if asks:
                h.do(session.authenticate(asks[-1], auth_event("c"), NOW))
            case "decline" if asks:
                h.do(session.authenticate(asks[-1], "no", NOW))
            case "ask-again":
                h.do(session.ask_again(NOW))
            case "forged":
                h.do(session.forged(1))
    # Every frame that went out opens something or closes what was open.
    held: set[str] = set()
    for frame in h.sent:
        if frame[0] in ("REQ", "COUNT"):
            assert frame[1] not in held
            held.add(frame[1])
        elif frame[0] == "CLOSE":
            held.remove(frame[1])
    # And when everything is withdrawn, nothing is wanted any more.
    for key in (1, 2):
        h.do(session.unsubscribe(key))
    session.withdraw(known.id)
    h.do(session.uncount(3))
    assert not session.wanted


# What the relay takes


def filters_asked(h: Harness) -> list[int]:
    """How many filters stand in each REQ that was just sent."""
    return [len(frame) - 2 for frame in h.take()[0] if frame[0] == "REQ"]


def many_filters(h: Harness, many: int, *, live: bool = True) -> None:
    filters = [Filter.of(kinds=[kind]) for kind in range(many)]
    h.do(h.session.subscribe(1, filters, live=live, now=NOW))


def test_a_req_has_as_many_filters_as_the_relay_says_that_it_takes() -> None:
    h = Harness()
    h.session.limits.document = Limitation(max_filters=4)
    h.open()
    many_filters(h, 5)
    assert filters_asked(h) == [4, 1]
    h.hear("LIMITS", {"max_filters": 2, "max_limit": "many", "future": True})
    assert h.session._n.unknown == 0
    h.do(h.session.subscribe(2, [Filter.of(kinds=[k]) for k in range(4)], live=True, now=NOW))
    assert filters_asked(h) == [2, 2]
    h.do(h.session.lost(GONE))
    h.open()  # what a frame said held for that connection
    assert filters_asked(h) == [4, 1, 4]


def test_a_refusal_for_many_filters_is_asked_again_in_smaller_reqs() -> None:
    h = Harness()
    h.open()
    many_filters(h, 7)
    wire = h.session._subscriptions.get(1)
    assert filters_asked(h) == [7]
    assert wire is not None
    h.hear("CLOSED", next(iter(wire.parts)), "error: too many filters (max is 3)")
    assert filters_asked(h) == [3, 3, 1]
    h.hear("CLOSED", next(iter(wire.parts)), "blocked: too many filters")
    assert filters_asked(h) == [1] * 7
    h.hear("CLOSED", next(iter(wire.parts)), "blocked: too many filters")
    assert filters_asked(h) == []
    assert not h.session.wanted


def test_long_words_of_a_refusal_hold_up_nobody() -> None:
    """Whoever reads a stranger's words with a pattern must not be kept by them."""
    began = time.process_time()
    for words in ("limit " * 500_000, "filters " * 500_000, "max" + "9" * 5_000_000):
        assert not RelayLimits().refused(f"error: {words}", [NOTES], 1)
        RelayLimits().refused(f"error: {words}", [NOTES, NOTES], 2)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("words", "what", "learned"),
    [
        ("ERROR: too many concurrent REQs", Complaint.SUBSCRIPTIONS, {"max_subscriptions": 11}),
        (
            "Subscription error: Maximum concurrent subscription count reached",
            Complaint.SUBSCRIPTIONS,
            {"max_subscriptions": 11},
        ),
        (
            "Subscription rejected: Too many subscriptions: Number of subscriptions must be less"
            " than or equal to 10",
            Complaint.SUBSCRIPTIONS,
            {"max_subscriptions": 10},
        ),
        ("error: too many subscriptions", Complaint.SUBSCRIPTIONS, {"max_subscriptions": 11}),
        (
            "Subscription rejected: Too many filters: Number of filters per susbscription must be"
            " less then or equal to 3",
            Complaint.FILTERS,
            {"max_filters": 3},
        ),
        ("ERROR: bad req: arr too big", Complaint.FILTERS, {"max_filters": 2}),
        (
            "ERROR: bad req: filter validation failed: invalid number of filters: 5",
            Complaint.FILTERS,
            {"max_filters": 2},
        ),
        (
            "ERROR: bad req: filter validation failed: too many kinds in filter: 400",
            Complaint.LENGTH,
            {"max_message_length": 3005},
        ),
        (
            "ERROR: bad req: total filter items too large",
            Complaint.LENGTH,
            {"max_message_length": 3005},
        ),
        ("message too large (5900 > 4096)", Complaint.LENGTH, {"max_message_length": 4096}),
        ("rate limited", Complaint.RATE, {}),
        (
            "rate-limited: there is a bug in the client, no one should be making so many requests",
            Complaint.RATE,
            {},
        ),
        (
            "rate-limited: 9 subscriptions may be open",
            Complaint.SUBSCRIPTIONS,
            {"max_subscriptions": 9},
        ),
        ("rate-limited: the relay has too many subscriptions open", Complaint.RATE, {}),
        (
            "Subscription rejected: Limit too high: Filter limit must be less than or equal to 50",
            None,
            {},
        ),
        ("Subscription rejected: Subscription ID too long", None, {}),
        ("error: could not connect to the database", None, {}),
        ("restricted: members only", None, {}),
    ],
)
def test_what_relays_say_is_too_much(
    words: str, what: Complaint | None, learned: dict[str, int]
) -> None:
    limits = RelayLimits()
    asked = [Filter.of(kinds=range(10_000, 10_195)) for _ in range(5)]
    assert limits.refused(words, asked, 12) is what
    assert limits.learned == Limitation(**learned)


def test_a_req_too_many_waits_until_another_is_over() -> None:
    h = Harness()
    h.open()
    first, other = (h.subscribe(key=key, live=False) for key in (1, 2))
    third = h.subscribe(key=3, live=False)
    h.hear("CLOSED", third, "error: too many subscriptions")
    assert h.happened == [LimitsLearned(Limitation(max_subscriptions=2))]
    h.take()
    h.hear("EOSE", first)
    sent, happened = h.take()
    assert [frame[0] for frame in sent] == ["CLOSE", "REQ"]
    assert happened == [StoredEnded(1, complete=None)]
    h.hear("EOSE", other)
    h.hear("EOSE", sent[1][1])
    assert [e.key for e in h.happened if isinstance(e, StoredEnded)] == [2, 3]


def test_a_notice_of_too_many_reqs_is_about_the_newest_without_an_answer() -> None:
    h = Harness()
    h.open()
    live = [h.subscribe(key=key) for key in range(1, 4)]
    for wire in live[:2]:
        h.hear("EOSE", wire)
    h.take()
    h.do(h.session.receive([b'["NOTICE","ERROR: too many concurrent REQs"]'], NOW + 60))
    sent, happened = h.take()
    assert sent == [["CLOSE", live[2]]]
    learned, later, stopped = happened
    assert learned == LimitsLearned(Limitation(max_subscriptions=2))
    assert isinstance(later, WakeLater)
    words = Cause.refused("ERROR: too many concurrent REQs")
    assert stopped == SubscriptionStopped(3, words, final=False)
    h.do(h.session.unsubscribe(1))  # now there is room
    assert h.take()[1] == [WakeLater(0.0, 3)]
    h.do(h.session.wake(3, NOW + 61))
    assert h.take()[0][0][0] == "REQ"


def test_two_that_a_relay_has_no_room_for_do_not_wake_each_other() -> None:
    h = Harness()
    h.open()
    h.hear("EOSE", h.subscribe())
    refused = [h.subscribe(key=key) for key in (2, 3)]
    h.take()
    for wire in refused:
        h.hear("CLOSED", wire, "rate-limited: 1 subscriptions may be open")
    sent, happened = h.take()
    waits = [effect for effect in happened if isinstance(effect, WakeLater)]
    assert sent == []
    assert [(wait.token, wait.delay) for wait in waits] == [(2, 5.0), (3, 5.0)]


def test_strfry_says_after_its_eose_that_a_req_is_one_too_many() -> None:
    h = Harness()
    h.open()
    one, other = (h.subscribe(key=key) for key in (1, 2))
    h.hear("EOSE", one)
    h.hear("EOSE", other)
    h.take()
    h.hear("NOTICE", "ERROR: too many concurrent REQs")
    sent, happened = h.take()
    assert sent == [["CLOSE", other]]
    assert any(
        e == SubscriptionStopped(2, e.cause, final=False)
        for e in happened[1:]
        if isinstance(e, SubscriptionStopped)
    )
    h.hear("NOTICE", "welcome, dear guest")
    assert h.take() == ([], [])


def test_what_is_stored_waits_for_a_relay_that_is_in_a_hurry_but_not_for_ever() -> None:
    h = Harness()
    h.open()
    h.subscribe(live=False)
    for wait in QUEUED:
        h.hear("NOTICE", "rate limited")
        assert h.take()[1] == [WakeLater(wait, 1)]
        h.do(h.session.wake(1, NOW))
    h.hear("NOTICE", "rate limited")
    assert h.take()[1] == [SubscriptionStopped(1, Cause.refused("rate limited"), final=True)]
    assert not h.session.wanted


def test_a_message_too_large_is_asked_in_smaller_ones() -> None:
    h = Harness()
    h.open()
    people = Filter.of(authors=[f"{n:064x}" for n in range(100)])
    h.subscribe(people, live=False)
    h.take()
    h.hear("NOTICE", "message too large (6800 > 4096)")
    sent, _ = h.take()
    asked = [frame[2]["authors"] for frame in sent if frame[0] == "REQ"]
    assert [len(part) for part in asked] == [50, 50]
    assert {one for part in asked for one in part} == people.authors


def test_what_cannot_be_cut_smaller_is_not_asked_again() -> None:
    h = Harness()
    h.open()
    giant = h.subscribe(Filter.of(search="x" * 5_000), live=False)
    h.take()
    h.hear("CLOSED", giant, "error: message too large")
    sent, happened = h.take()
    assert sent == []
    words = Cause.refused("error: message too large")
    assert happened[1:] == [SubscriptionStopped(1, words, final=True)]
    assert not h.session.wanted


def test_what_is_stored_waits_its_turn_where_few_reqs_may_be_open() -> None:
    h = Harness()
    h.session.limits.document = Limitation(max_subscriptions=2, max_filters=1)
    h.open()
    many_filters(h, 4, live=False)
    sub = h.session._subscriptions.get(1)
    assert sub is not None
    assert filters_asked(h) == [1, 1]
    for left in (1, 1, 0, 0):
        h.hear("EOSE", next(iter(sub.parts)))
        assert len(filters_asked(h)) == left
    assert not h.session.wanted


@pytest.mark.parametrize(
    ("said", "cut"), [({}, CUT_OFF), ({"max_limit": 20}, 20), ({"max_limit": 5000}, CUT_OFF)]
)
def test_a_page_as_large_as_the_relay_s_limit_may_be_cut_off(
    said: dict[str, int], cut: int
) -> None:
    limits = RelayLimits()
    limits.document = Limitation(**said)
    assert limits.cut == cut
    assert not limits.framed(b'["NOTICE","x"]')
    assert limits.framed(b'["LIMITS",["no object"]]')
